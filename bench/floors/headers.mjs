/** Fields that belong to one connection (RFC 9110 §7.6.1): neither floor forwards them. */
function isHopByHop(name) {
  switch (name) {
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
    case 'te':
    case 'trailer':
    case 'upgrade':
    case 'expect':
      return true;
    default:
      return false;
  }
}

/** node:http's rawHeaders without connection fields. */
export function requestHeaders(raw) {
  const headers = [];
  for (let i = 0; i < raw.length; i += 2) if (!isHopByHop(raw[i].toLowerCase())) headers.push(raw[i], raw[i + 1]);
  return headers;
}

/** undici's raw response headers (Buffers) as strings, without connection fields. */
export function responseHeaders(raw) {
  const headers = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i].latin1Slice();
    if (!isHopByHop(name.toLowerCase())) headers.push(name, raw[i + 1].latin1Slice());
  }
  return headers;
}
