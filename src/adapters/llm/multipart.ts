/**
 * The value of one text field of a multipart/form-data body (RFC 7578), read without taking the rest apart: audio and image
 * uploads name their model in one.
 */
const MAX_PARTS = 256;
const MAX_HEADER_BYTES = 4096;
const MAX_VALUE_BYTES = 1024;
const HEAD_END = Buffer.from('\r\n\r\n');

/** The field's value; null where the body has no such field, has it twice, or isn't well formed. */
export function multipartField(body: Buffer, contentType: string, field: string): string | null {
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  if (boundary === null) return null;
  const first = Buffer.from(`--${boundary[1] ?? boundary[2]}`);
  const delimiter = Buffer.from(`\r\n--${boundary[1] ?? boundary[2]}`);
  let at = body.indexOf(first);
  if (at < 0) return null;
  at += first.length;
  let value: string | null = null;
  for (let part = 0; part < MAX_PARTS; part++) {
    if (body[at] === DASH && body[at + 1] === DASH) return value;
    const headEnd = body.indexOf(HEAD_END, at);
    if (headEnd < 0 || headEnd - at > MAX_HEADER_BYTES) return null;
    const start = headEnd + HEAD_END.length;
    const end = body.indexOf(delimiter, headEnd + 2);
    if (end < 0) return null;
    if (nameOf(body.toString('utf8', at, headEnd)) === field) {
      if (value !== null || end - start > MAX_VALUE_BYTES) return null;
      value = body.toString('utf8', start, Math.max(start, end));
    }
    at = end + delimiter.length;
  }
  return null;
}

const DASH = 0x2d;

function nameOf(head: string): string | null {
  const disposition = /(?:^|\r\n)content-disposition:([^\r\n]*)/i.exec(head);
  if (disposition === null) return null;
  const name = /;\s*name=(?:"([^"]*)"|([^\s;"]+))/i.exec(disposition[1] as string);
  return name === null ? null : (name[1] ?? name[2] ?? null);
}
