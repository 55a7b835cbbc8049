import type { UpstreamCall } from './call.ts';

/**
 * The call's fields as undici takes them: host first, then the call's own without those that the connection decides on (undici refuses
 * them) and without a content-length that a Buffer's own length replaces.
 */
export function requestHeaders(call: UpstreamCall, endpointAuthority: string): string[] {
  const source = call.headers;
  const streamed = call.body !== null && !Buffer.isBuffer(call.body);
  const headers = ['host', call.authority !== '' ? call.authority : endpointAuthority];
  for (let i = 0; i < source.length; i += 2) {
    const name = source[i] as string;
    switch (name.length) {
      case 4:
        if (name === 'host') continue;
        break;
      case 6:
        if (name === 'expect') continue;
        break;
      case 7:
        if (name === 'upgrade') continue;
        break;
      case 10:
        if (name === 'connection' || name === 'keep-alive') continue;
        break;
      case 14:
        if (name === 'content-length' && !streamed) continue;
        break;
      case 16:
        if (name === 'proxy-connection') continue;
        break;
      case 17:
        if (name === 'transfer-encoding') continue;
        break;
    }
    headers.push(name, source[i + 1] as string);
  }
  return headers;
}

/** Methods that may be executed twice with the effect of once (RFC 9110 §9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Whether the request may be sent a second time without being asked: see `createDispatch`. */
export function canBeSentAgain(call: UpstreamCall): boolean {
  if (call.body !== null && !Buffer.isBuffer(call.body)) return false;
  if (IDEMPOTENT.has(call.method)) return true;
  for (let i = 0; i < call.headers.length; i += 2) {
    if (call.headers[i] === 'idempotency-key' || call.headers[i] === 'x-idempotency-key') return true;
  }
  return false;
}
