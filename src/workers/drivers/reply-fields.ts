/** Whether a reply of `status` to `method` has no body whatever its fields say (RFC 9112 §6.3 rule 1). */
export function isBodyless(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304;
}

/**
 * The reply's fields without those that are the driver's own affair (RFC 9110 §7.6.1, RFC 9112 §6.1), and without the
 * content-length that 204 must not have. The same array where there is nothing to remove.
 */
export function responseFields(status: number, headers: readonly string[]): readonly string[] {
  for (let i = 0; i < headers.length; i += 2) {
    if (isDriversOwn(headers[i] as string, status)) {
      const kept: string[] = [];
      for (let j = 0; j < headers.length; j += 2) {
        if (!isDriversOwn(headers[j] as string, status)) kept.push(headers[j] as string, headers[j + 1] as string);
      }
      return kept;
    }
  }
  return headers;
}

function isDriversOwn(name: string, status: number): boolean {
  switch (name.length) {
    case 7:
      // RFC 9110 §15.5.22: a 426 says what to switch to.
      return name === 'upgrade' && status !== 426;
    case 10:
      return name === 'connection' || name === 'keep-alive';
    case 14:
      return status === 204 && name === 'content-length';
    case 16:
      return name === 'proxy-connection';
    case 17:
      return name === 'transfer-encoding';
    default:
      return false;
  }
}

const NOT_FIELD_NAME = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;
/** Anything but HTAB, SP, visible ASCII and obs-text (RFC 9110 §5.5). */
const NOT_FIELD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** Whether a field can be sent as it is. */
export function isSendable(name: string, value: string): boolean {
  return name !== '' && !NOT_FIELD_NAME.test(name) && !NOT_FIELD_VALUE.test(value);
}

/**
 * A list that can be sent, made from one that can't: text beyond Latin-1 goes out as its UTF-8 bytes, a field with control
 * characters or an invalid name is left out.
 */
export function sendableFields(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    let value = headers[i + 1] as string;
    if (!isSendable(name, value)) value = Buffer.from(value, 'utf8').toString('latin1');
    if (isSendable(name, value)) kept.push(name, value);
  }
  return kept;
}
