/**
 * The one table of what an HTTP/1 port has to do with bytes off the wire. `runner.mjs` sends each case over a socket of its
 * own and compares.
 *
 *   id        unique; says what is sent
 *   rfc       the section that asks for it
 *   send      bytes (latin1), or a list of bytes, {wait: ms} and {end: true} (half-close)
 *   answers   per final response in order, the statuses allowed; 'close' = closing without an answer is allowed too
 *   closed    true: the connection is closed afterwards; false: a further request on it is answered
 *   served    how many requests reach the handler (default: the number of 2xx answers expected where that is one number)
 *   check     looks at the responses: returns a complaint or null
 *   uws       known fault of uWebSockets.js 20.30, with the reason; the case is reported but not required of it
 *
 * Whatever the case, a request for /smuggled-000 must never reach the handler: it only ever stands where bytes of a body are,
 * or behind what must not be trusted. (The runner puts the case's number in place of the zeros.)
 */
const H = 'Host: localhost\r\n';
const GET = (path, extra = '') => `GET ${path} HTTP/1.1\r\n${H}${extra}\r\n`;
const POST = (path, extra, body) => `POST ${path} HTTP/1.1\r\n${H}${extra}\r\n${body}`;
const HIDDEN = `GET /smuggled-000 HTTP/1.1\r\n${H}\r\n`;
const BAD = [400, 'close'];
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const hex = (text) => text.length.toString(16);
const chunk = (text) => `${hex(text)}\r\n${text}\r\n`;
const fields = (count) => Array.from({ length: count }, (_, i) => `x-${i}: v\r\n`).join('');

const echoed = (expected) => (responses) => {
  let echo;
  try {
    echo = JSON.parse(responses[responses.length - 1].body);
  } catch {
    return `the reply is not the echo: ${responses[responses.length - 1].body.slice(0, 80)}`;
  }
  for (const [name, value] of Object.entries(expected)) {
    if (JSON.stringify(echo[name]) !== JSON.stringify(value))
      return `${name} is ${JSON.stringify(echo[name])}, not ${JSON.stringify(value)}`;
  }
  return null;
};
const field = (name, value) => (responses) => {
  const echo = JSON.parse(responses[0].body);
  const values = echo.headers.filter((_, i) => i % 2 === 1 && echo.headers[i - 1] === name);
  return JSON.stringify(values) === JSON.stringify(value)
    ? null
    : `${name} is ${JSON.stringify(values)}, not ${JSON.stringify(value)}`;
};
const all =
  (...checks) =>
  (responses) => {
    for (const check of checks) {
      const complaint = check(responses);
      if (complaint !== null) return complaint;
    }
    return null;
  };
const refused = (id, rfc, send, more = {}) => ({ id, rfc, send, answers: [BAD], closed: true, served: 0, ...more });
const accepted = (id, rfc, send, check, more = {}) => ({ id, rfc, send, answers: [[200]], served: 1, check, ...more });

const STALLS = 'its parser neither answers nor closes what it does not understand; its own 10 s time-out does';
const NO_HTTP10 = 'it serves HTTP/1.1 only, and lets other versions wait for its 10 s time-out';
const NO_TARGET_FORMS = 'it knows only targets that begin with a slash; others wait for its 10 s time-out';
const FIXED_TIMEOUT = 'heads and idle connections have its own fixed time-out of 10 to 12 s';
const NO_TRAILERS = 'it takes trailers for the head of another request: the connection is closed';
const LAX_CHUNKS =
  'it reads an empty chunk size as 0 and takes any two bytes for the end of a chunk; the connection is closed behind it';
const FIFTY_FIELDS = 'it counts 50 fields a head and stalls beyond, until its 10 s time-out';
const HIDES = 'it takes a field without a name for the last one: what stands behind, framing included, nobody sees';
const PIPELINING = 'a pipelined request that arrives before the reply is complete closes the connection';

export const cases = [
  // ── Message framing: RFC 9112 §6 ──
  refused('cl-and-te', '9112 §6.3', POST('/', `Content-Length: 5\r\n${CHUNKED}`, `0\r\n\r\n${HIDDEN}`)),
  refused('te-and-cl', '9112 §6.3', POST('/', `${CHUNKED}Content-Length: 5\r\n`, `0\r\n\r\n${HIDDEN}`)),
  refused('te-gzip-chunked', '9112 §6.1', POST('/', 'Transfer-Encoding: gzip, chunked\r\n', `0\r\n\r\n${HIDDEN}`)),
  refused('te-unknown', '9112 §6.1', POST('/', 'Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${HIDDEN}`), {
    answers: [[400, 501, 'close']],
  }),
  refused('te-identity', '9112 §6.1', POST('/', 'Transfer-Encoding: identity\r\n', HIDDEN), {
    answers: [[400, 501, 'close']],
  }),
  refused(
    'te-chunked-then-identity',
    '9112 §6.3',
    POST('/', `${CHUNKED}Transfer-Encoding: identity\r\n`, `0\r\n\r\n${HIDDEN}`),
  ),
  refused(
    'te-identity-then-chunked',
    '9112 §6.1',
    POST('/', `Transfer-Encoding: identity\r\n${CHUNKED}`, `0\r\n\r\n${HIDDEN}`),
  ),
  refused('te-chunked-twice', '9112 §6.1', POST('/', 'Transfer-Encoding: chunked, chunked\r\n', `0\r\n\r\n${HIDDEN}`)),
  refused(
    'te-chunked-with-parameter',
    '9112 §7',
    POST('/', 'Transfer-Encoding: chunked;q=1\r\n', `0\r\n\r\n${HIDDEN}`),
  ),
  refused('te-quoted', '9112 §6.1', POST('/', 'Transfer-Encoding: "chunked"\r\n', `0\r\n\r\n${HIDDEN}`)),
  refused('te-empty', '9112 §6.1', POST('/', 'Transfer-Encoding: \r\n', HIDDEN)),
  refused('te-space-before-colon', '9112 §5.1', POST('/', 'Transfer-Encoding : chunked\r\n', `0\r\n\r\n${HIDDEN}`), {
    uws: STALLS,
  }),
  refused('te-vertical-tab', '9110 §5.5', POST('/', 'Transfer-Encoding: \x0bchunked\r\n', `0\r\n\r\n${HIDDEN}`), {
    uws: STALLS,
  }),
  refused(
    'te-and-cl-space-before-colon',
    '9112 §5.1',
    POST('/', 'Content-Length: 6\r\nTransfer-Encoding : chunked\r\n', `0\r\n\r\n${HIDDEN}`),
    { uws: STALLS },
  ),
  accepted(
    'te-upper-case',
    '9112 §7',
    POST('/', 'Transfer-Encoding: Chunked\r\n', `${chunk('hello')}0\r\n\r\n`),
    echoed({ body: 'hello' }),
  ),
  accepted(
    'te-after-tab',
    '9112 §5.1',
    POST('/', 'Transfer-Encoding:\tchunked\r\n', `${chunk('hello')}0\r\n\r\n`),
    echoed({ body: 'hello' }),
  ),
  refused('te-on-http10', '9112 §6.1', `POST / HTTP/1.0\r\n${H}${CHUNKED}\r\n0\r\n\r\n`, { uws: NO_HTTP10 }),
  refused('cl-twice-different', '9112 §6.3', POST('/', `Content-Length: 5\r\nContent-Length: 0\r\n`, HIDDEN)),
  refused(
    'cl-twice-different-reversed',
    '9112 §6.3',
    POST('/', `Content-Length: 0\r\nContent-Length: ${HIDDEN.length}\r\n`, HIDDEN),
  ),
  {
    id: 'cl-twice-equal',
    rfc: '9112 §6.3',
    send: POST('/', 'Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'),
    answers: [[200, 400, 'close']],
  },
  refused('cl-list', '9110 §8.6', POST('/', 'Content-Length: 5, 5\r\n', 'hello')),
  refused('cl-plus', '9110 §8.6', POST('/', 'Content-Length: +5\r\n', 'hello')),
  refused('cl-minus', '9110 §8.6', POST('/', 'Content-Length: -5\r\n', 'hello')),
  refused('cl-hex', '9110 §8.6', POST('/', 'Content-Length: 0x5\r\n', 'hello')),
  refused('cl-empty', '9110 §8.6', POST('/', 'Content-Length: \r\n', HIDDEN)),
  refused('cl-inner-space', '9110 §8.6', POST('/', 'Content-Length: 5 5\r\n', 'hello')),
  refused('cl-letters', '9110 §8.6', POST('/', 'Content-Length: 5a\r\n', 'hello')),
  refused('cl-overflow', '9110 §8.6', POST('/', 'Content-Length: 99999999999999999999\r\n', HIDDEN)),
  accepted('cl-zero', '9112 §6.3', POST('/', 'Content-Length: 0\r\n', ''), echoed({ body: '' }), { closed: false }),
  accepted('cl-leading-zeros', '9110 §8.6', POST('/', 'Content-Length: 005\r\n', 'hello'), echoed({ body: 'hello' }), {
    closed: false,
  }),
  accepted('post-without-framing', '9112 §6.3', POST('/', '', ''), echoed({ body: '' }), { closed: false }),
  accepted(
    'cl-body',
    '9112 §6.2',
    POST('/', 'Content-Length: 5\r\n', 'hello'),
    echoed({ body: 'hello', method: 'POST' }),
    { closed: false },
  ),
  accepted(
    'cl-body-holds-a-request',
    '9112 §6.2',
    POST('/', `Content-Length: ${HIDDEN.length}\r\n`, HIDDEN),
    echoed({ body: HIDDEN }),
    { closed: false },
  ),
  accepted(
    'get-with-body-that-is-a-request',
    '9110 §9.3.1',
    `GET / HTTP/1.1\r\n${H}Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
    echoed({ body: HIDDEN }),
    { closed: false },
  ),
  accepted(
    'unread-body-that-is-a-request',
    '9112 §9.3',
    POST('/ignore', `Content-Length: ${HIDDEN.length}\r\n`, HIDDEN),
    null,
    { closed: false },
  ),

  // ── Chunked coding: RFC 9112 §7.1 ──
  accepted(
    'chunked',
    '9112 §7.1',
    POST('/', CHUNKED, `${chunk('hello')}${chunk(' world')}0\r\n\r\n`),
    echoed({ body: 'hello world' }),
  ),
  accepted('chunked-and-kept-open', '9112 §9.3', POST('/', CHUNKED, `${chunk('hello')}0\r\n\r\n`), null, {
    closed: false,
    uws: LAX_CHUNKS,
  }),
  accepted(
    'chunked-holds-a-request',
    '9112 §7.1',
    POST('/', CHUNKED, `${chunk(HIDDEN)}0\r\n\r\n`),
    echoed({ body: HIDDEN }),
  ),
  accepted('chunked-empty', '9112 §7.1', POST('/', CHUNKED, '0\r\n\r\n'), echoed({ body: '' })),
  accepted(
    'chunked-leading-zeros',
    '9112 §7.1',
    POST('/', CHUNKED, '0005\r\nhello\r\n000\r\n\r\n'),
    echoed({ body: 'hello' }),
    {},
  ),
  accepted(
    'chunked-in-pieces',
    '9112 §7.1',
    [
      POST('/', CHUNKED, '5\r'),
      { wait: 20 },
      '\nhe',
      { wait: 20 },
      'llo',
      { wait: 20 },
      '\r\n0',
      { wait: 20 },
      '\r\n\r',
      { wait: 20 },
      '\n',
    ],
    echoed({ body: 'hello' }),
  ),
  accepted(
    'chunk-extension',
    '9112 §7.1.1',
    POST('/', CHUNKED, '5;name=value\r\nhello\r\n0;last\r\n\r\n'),
    echoed({ body: 'hello' }),
    { uws: 'it closes the connection at a chunk extension' },
  ),
  refused('chunk-size-letters', '9112 §7.1', POST('/', CHUNKED, `zz\r\nhello\r\n0\r\n\r\n${HIDDEN}`), { served: 1 }),
  refused('chunk-size-empty', '9112 §7.1', POST('/', CHUNKED, `\r\nhello\r\n0\r\n\r\n${HIDDEN}`), {
    served: 1,
    uws: LAX_CHUNKS,
  }),
  refused('chunk-size-minus', '9112 §7.1', POST('/', CHUNKED, `-1\r\nhello\r\n0\r\n\r\n${HIDDEN}`), { served: 1 }),
  refused('chunk-size-0x', '9112 §7.1', POST('/', CHUNKED, `0x5\r\nhello\r\n0\r\n\r\n${HIDDEN}`), { served: 1 }),
  refused('chunk-size-overflow', '9112 §7.1', POST('/', CHUNKED, `fffffffffffffffff\r\nhello\r\n0\r\n\r\n${HIDDEN}`), {
    served: 1,
  }),
  refused('chunk-without-crlf', '9112 §7.1', POST('/', CHUNKED, `5\r\nhelloXX0\r\n\r\n${HIDDEN}`), {
    served: 1,
    uws: LAX_CHUNKS,
  }),
  refused('chunk-line-ends-with-lf', '9112 §7.1', POST('/', CHUNKED, `5\nhello\n0\n\n${HIDDEN}`), { served: 1 }),
  accepted(
    'trailers',
    '9112 §7.1.2',
    POST('/', CHUNKED, `${chunk('hello')}0\r\nX-Sum: 1\r\n\r\n`),
    echoed({ body: 'hello', trailers: ['x-sum', '1'] }),
    { uws: NO_TRAILERS, closed: false },
  ),
  {
    id: 'trailers-with-framing-fields',
    rfc: '9110 §6.5.1',
    send: POST('/', CHUNKED, `${chunk('hello')}0\r\nContent-Length: 3\r\nHost: other\r\nX-Sum: 1\r\n\r\n`),
    answers: [[200, 400, 'close']],
    check: (r) => (r[0].status === 200 ? echoed({ trailers: ['x-sum', '1'], authority: 'localhost' })(r) : null),
    uws: NO_TRAILERS,
  },
  {
    id: 'trailers-that-are-a-request',
    rfc: '9112 §7.1.2',
    send: POST('/', CHUNKED, `${chunk('hello')}0\r\n${HIDDEN}`),
    answers: [[400, 'close', 200]],
    closed: true,
  },

  // ── Request line: RFC 9112 §3 ──
  accepted('simple-get', '9112 §3', GET('/'), echoed({ method: 'GET', path: '/', query: '', authority: 'localhost' }), {
    closed: false,
  }),
  accepted(
    'byte-by-byte',
    '9112 §2.2',
    [...GET('/slow?a=b')].flatMap((byte) => [byte, { wait: 2 }]),
    echoed({ path: '/slow', query: 'a=b' }),
  ),
  refused('method-lower-case', '9110 §9.1', `get / HTTP/1.1\r\n${H}\r\n`),
  refused('method-unknown', '9110 §9.1', `FOO! / HTTP/1.1\r\n${H}\r\n`, { answers: [[400, 501, 'close']] }),
  refused('http09', '9112 §3', 'GET /\r\n\r\n', { answers: [[400, 505, 'close']], uws: STALLS }),
  refused('version-2', '9112 §2.3', `GET / HTTP/2.0\r\n${H}\r\n`, { answers: [[400, 505, 'close']], uws: NO_HTTP10 }),
  refused('version-1.2', '9112 §2.3', `GET / HTTP/1.2\r\n${H}\r\n`, { answers: [[400, 505, 'close']], uws: NO_HTTP10 }),
  refused('version-garbage', '9112 §2.3', `GET / HTTQ/1.1\r\n${H}\r\n`, { uws: STALLS }),
  refused('version-missing-digit', '9112 §2.3', `GET / HTTP/1.\r\n${H}\r\n`, {
    answers: [[400, 505, 'close']],
    uws: STALLS,
  }),
  // \"Recipients MAY instead parse on whitespace-delimited word boundaries.\"
  {
    id: 'two-spaces',
    rfc: '9112 §3',
    send: `GET  / HTTP/1.1\r\n${H}\r\n`,
    answers: [[200, 400, 'close']],
    uws: STALLS,
  },
  refused('tab-for-space', '9112 §3', `GET\t/ HTTP/1.1\r\n${H}\r\n`, { uws: STALLS }),
  refused('space-in-target', '9112 §3.2', `GET /a b HTTP/1.1\r\n${H}\r\n`, { uws: STALLS }),
  accepted('empty-line-before', '9112 §2.2', `\r\n${GET('/')}`, echoed({ path: '/' }), { uws: STALLS }),
  refused('tls-hello', '9112 §3', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaa\r\n\r\n', {
    uws: STALLS,
  }),
  refused('long-target', '9112 §3', GET(`/${'a'.repeat(40_000)}`), { answers: [[414, 431, 'close']] }),

  // ── Host: RFC 9112 §3.2 ──
  refused('host-missing', '9112 §3.2', 'GET / HTTP/1.1\r\n\r\n', { uws: STALLS }),
  refused('host-twice', '9112 §3.2', GET('/', 'Host: other\r\n')),
  refused('host-twice-equal', '9112 §3.2', GET('/', H)),
  refused('host-empty', '9110 §4.2.1', 'GET / HTTP/1.1\r\nHost: \r\n\r\n'),
  refused('host-with-space', '9110 §7.2', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'),
  refused('host-with-userinfo', '9110 §4.2.4', 'GET / HTTP/1.1\r\nHost: user@host\r\n\r\n'),
  refused('host-with-path', '9110 §7.2', 'GET / HTTP/1.1\r\nHost: host/path\r\n\r\n'),
  refused('host-list', '9110 §7.2', 'GET / HTTP/1.1\r\nHost: a:80, b:80\r\n\r\n'),
  refused('host-port-too-large', '9110 §4.2.1', 'GET / HTTP/1.1\r\nHost: host:65536\r\n\r\n'),
  accepted(
    'host-upper-case',
    '9110 §4.2.3',
    'GET / HTTP/1.1\r\nHost: LocalHost:8080\r\n\r\n',
    echoed({ authority: 'localhost:8080', host: 'localhost' }),
  ),
  accepted(
    'host-ipv6',
    '3986 §3.2.2',
    'GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n',
    echoed({ authority: '[::1]:8080', host: '[::1]' }),
  ),
  accepted('http10-without-host', '9112 §3.2', 'GET / HTTP/1.0\r\n\r\n', echoed({ authority: '' }), {
    closed: true,
    uws: NO_HTTP10,
  }),

  // ── Targets: RFC 9112 §3.2.1-4, RFC 3986 §5.2.4 ──
  accepted(
    'absolute-form',
    '9112 §3.2.2',
    GET('http://localhost/a?b=c'),
    echoed({ path: '/a', query: 'b=c', authority: 'localhost' }),
    { closed: false, uws: NO_TARGET_FORMS },
  ),
  accepted('absolute-form-without-path', '9112 §3.2.2', GET('http://localhost'), echoed({ path: '/', query: '' }), {
    uws: NO_TARGET_FORMS,
  }),
  accepted(
    'absolute-form-query-only',
    '9112 §3.2.2',
    GET('http://localhost?b=c'),
    echoed({ path: '/', query: 'b=c' }),
    { uws: NO_TARGET_FORMS },
  ),
  accepted('absolute-form-default-port', '9110 §4.2.3', GET('http://localhost:80/a'), echoed({ path: '/a' }), {
    uws: NO_TARGET_FORMS,
  }),
  refused('absolute-form-other-host', '9112 §3.2.2', GET('http://other/a'), { uws: NO_TARGET_FORMS }),
  refused('absolute-form-userinfo', '9110 §4.2.4', GET('http://user@localhost/a'), { uws: NO_TARGET_FORMS }),
  refused('absolute-form-other-scheme', '9112 §3.2.2', GET('ftp://localhost/a'), { uws: NO_TARGET_FORMS }),
  {
    id: 'options-asterisk',
    rfc: '9112 §3.2.4',
    send: `OPTIONS * HTTP/1.1\r\n${H}\r\n`,
    answers: [[200, 204]],
    served: 0,
    closed: false,
    uws: NO_TARGET_FORMS,
  },
  refused('get-asterisk', '9112 §3.2.4', GET('*'), { uws: NO_TARGET_FORMS }),
  refused('authority-form-on-get', '9112 §3.2.3', GET('localhost:80'), { uws: NO_TARGET_FORMS }),
  refused('connect', '9110 §9.3.6', `CONNECT localhost:80 HTTP/1.1\r\n${H}\r\n`, {
    answers: [[405, 501, 'close']],
    uws: NO_TARGET_FORMS,
  }),
  refused('fragment', '9112 §3.2.1', GET('/a#b')),
  refused('raw-backslash', '3986 §2', GET('/a\\..\\b')),
  refused('raw-control', '3986 §2', GET('/a\x01b'), { uws: STALLS }),
  refused('raw-non-ascii', '3986 §2', GET('/caf\xe9')),
  refused('encoded-nul', '3986 §7.3', GET('/a%00b')),
  accepted('dot-segments', '3986 §5.2.4', GET('/a/b/../c/./d'), echoed({ path: '/a/c/d' })),
  accepted('dot-segments-above-root', '3986 §5.2.4', GET('/../../etc/passwd'), echoed({ path: '/etc/passwd' })),
  accepted('dot-segments-encoded', '3986 §6.2.2', GET('/a/%2e%2E/b'), echoed({ path: '/b' })),
  accepted('dot-segments-half-encoded', '3986 §6.2.2', GET('/a/.%2e/b/%2e/c'), echoed({ path: '/b/c' })),
  accepted('dot-segments-at-end', '3986 §5.2.4', GET('/a/b/..'), echoed({ path: '/a/' })),
  accepted('dots-in-names', '3986 §5.2.4', GET('/.well-known/a..b/...'), echoed({ path: '/.well-known/a..b/...' })),
  accepted('encoded-slash-kept', '3986 §2.2', GET('/a%2Fb%2f..'), echoed({ path: '/a%2Fb%2f..' })),
  accepted('double-slash-kept', '3986 §3.3', GET('//a//b'), echoed({ path: '//a//b' })),
  accepted(
    'query-kept',
    '3986 §3.4',
    GET('/a?x=/../y&z=%2e%2e?q'),
    echoed({ path: '/a', query: 'x=/../y&z=%2e%2e?q' }),
  ),

  // ── Fields: RFC 9112 §5, RFC 9110 §5 ──
  accepted('whitespace-around-value', '9112 §5.1', GET('/', 'X-A: \t v v \t \r\n'), field('x-a', ['v v'])),
  accepted('empty-value', '9110 §5.5', GET('/', 'X-A:\r\n'), field('x-a', [''])),
  accepted(
    'repeated-field',
    '9110 §5.3',
    GET('/', 'X-A: 1\r\nX-B: 2\r\nX-A: 3\r\n'),
    all(field('x-a', ['1', '3']), field('x-b', ['2'])),
  ),
  accepted(
    'high-bytes-in-value',
    '9110 §5.5',
    GET('/', 'X-A: caf\xc3\xa9 noir\r\n'),
    field('x-a', ['caf\xc3\xa9 noir']),
  ),
  accepted('high-bytes-at-end-of-value', '9110 §5.5', GET('/', 'X-A: caf\xc3\xa9\r\n'), field('x-a', ['caf\xc3\xa9']), {
    uws: 'it trims bytes above 0x7f from the end of a value',
  }),
  refused('space-before-colon', '9112 §5.1', GET('/', 'X-A : v\r\n'), { uws: STALLS }),
  refused('no-colon', '9112 §5', GET('/', 'X-A\r\n'), { uws: STALLS }),
  refused('empty-name', '9112 §5', GET('/', ': v\r\n'), { uws: HIDES }),
  refused('empty-name-before-framing', '9112 §5', POST('/', `: v\r\nContent-Length: ${HIDDEN.length}\r\n`, HIDDEN), {
    uws: HIDES,
  }),
  refused('name-with-parenthesis', '9110 §5.1', GET('/', 'X(A): v\r\n'), { uws: STALLS }),
  refused('name-with-high-byte', '9110 §5.1', GET('/', 'X\xe9: v\r\n'), { uws: STALLS }),
  refused('nul-in-value', '9110 §5.5', GET('/', 'X-A: a\0b\r\n'), { uws: STALLS }),
  refused('control-in-value', '9110 §5.5', GET('/', 'X-A: a\x01b\r\n'), { uws: STALLS }),
  refused('bare-cr-in-value', '9112 §2.2', GET('/', 'X-A: a\rb\r\n'), { uws: STALLS }),
  {
    id: 'bare-lf',
    rfc: '9112 §2.2',
    send: `GET / HTTP/1.1\n${H.replace('\r', '')}\n`,
    answers: [[200, 400, 'close']],
    uws: STALLS,
  },
  {
    id: 'obs-fold',
    rfc: '9112 §5.2',
    send: GET('/', 'X-A: a\r\n b\r\n'),
    answers: [[200, 400, 'close']],
    check: (r) => (r.length > 0 && r[0].status === 200 ? field('x-a', ['a b'])(r) : null),
    uws: STALLS,
  },
  refused('folded-first-field', '9112 §2.2', `GET / HTTP/1.1\r\n ${H}\r\n`, { uws: STALLS }),
  accepted(
    'sixty-fields',
    '9110 §5.4',
    GET('/', fields(60)),
    (r) => (JSON.parse(r[0].body).headers.length === 120 ? null : 'fields are missing'),
    { uws: FIFTY_FIELDS },
  ),
  refused('too-many-fields', '6585 §5', GET('/', fields(150)), { answers: [[431, 'close']], uws: FIFTY_FIELDS }),
  refused('far-too-many-fields', '6585 §5', GET('/', fields(2500)), { answers: [[431, 'close']], uws: FIFTY_FIELDS }),
  accepted(
    'twenty-kib-field',
    '9110 §5.4',
    GET('/', `X-A: ${'a'.repeat(20_000)}\r\n`),
    (r) => (r[0].body.includes('a'.repeat(20_000)) ? null : 'the field is cut'),
    {},
  ),
  refused('huge-field', '6585 §5', GET('/', `X-A: ${'a'.repeat(100_000)}\r\n`), { answers: [[431, 'close']] }),

  // ── Hop by hop: RFC 9110 §7.6.1, §7.8 ──
  accepted(
    'hop-by-hop-removed',
    '9110 §7.6.1',
    GET(
      '/',
      'Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nX-Kept: 1\r\n',
    ),
    all(
      field('x-secret', []),
      field('connection', []),
      field('keep-alive', []),
      field('proxy-connection', []),
      field('x-kept', ['1']),
    ),
    { closed: false },
  ),
  accepted(
    'te-only-trailers',
    '9110 §10.1.4',
    GET('/', 'TE: trailers, deflate;q=0.5\r\nConnection: TE\r\n'),
    field('te', ['trailers']),
  ),
  accepted('te-without-trailers', '9110 §10.1.4', GET('/', 'TE: deflate\r\nConnection: TE\r\n'), field('te', [])),
  accepted(
    'connection-lists-content-length',
    '9110 §7.6.1',
    POST('/', `Connection: Content-Length, Host\r\nContent-Length: ${HIDDEN.length}\r\n`, HIDDEN),
    echoed({ body: HIDDEN, authority: 'localhost' }),
  ),
  accepted(
    'upgrade-is-a-plain-request',
    '9110 §7.8',
    GET(
      '/',
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n',
    ),
    // Whether the connection is kept behind a switch that was not granted is the server's choice.
    all(echoed({ path: '/' }), field('upgrade', [])),
  ),
  accepted(
    'h2c-upgrade-is-a-plain-request',
    '9113 §3.1',
    GET('/', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n'),
    all(echoed({ path: '/' }), field('http2-settings', [])),
    { closed: false },
  ),

  // ── Connections: RFC 9112 §9 ──
  {
    id: 'pipelined',
    rfc: '9112 §9.3.2',
    send: GET('/1') + GET('/2') + GET('/3'),
    answers: [[200], [200], [200]],
    served: 3,
    closed: false,
    check: (r) => (r.map((one) => JSON.parse(one.body).path).join() === '/1,/2,/3' ? null : 'out of order'),
  },
  {
    id: 'pipelined-behind-a-body',
    rfc: '9112 §9.3.2',
    send: POST('/1', 'Content-Length: 5\r\n', 'hello') + GET('/2'),
    answers: [[200], [200]],
    served: 2,
    closed: false,
    check: (r) =>
      JSON.parse(r[0].body).body === 'hello' && JSON.parse(r[1].body).path === '/2' ? null : 'out of order',
  },
  {
    id: 'pipelined-slow-first',
    rfc: '9112 §9.3.2',
    send: GET('/later') + GET('/2'),
    answers: [[200], [200]],
    served: 2,
    check: (r) => (JSON.parse(r[1].body).path === '/2' ? null : 'out of order'),
    uws: PIPELINING,
  },
  {
    id: 'pipelined-garbage-behind',
    rfc: '9112 §9.3.2',
    send: `${GET('/later')}BAD / HTTP/9.9\r\n\r\n`,
    answers: [[200]],
    served: 1,
    closed: true,
    uws: PIPELINING,
  },
  {
    id: 'pipelined-refused-behind',
    rfc: '9112 §9.3.2',
    send: GET('/1') + POST('/2', 'Transfer-Encoding: gzip, chunked\r\n', `0\r\n\r\n${HIDDEN}`),
    answers: [[200], BAD],
    served: 1,
    closed: true,
    uws: 'closing, it drops what it answered in the same packet',
  },
  {
    id: 'sequential',
    rfc: '9112 §9.3',
    send: [GET('/1'), { wait: 60 }, GET('/2')],
    answers: [[200], [200]],
    served: 2,
    closed: false,
  },
  accepted(
    'connection-close',
    '9112 §9.6',
    GET('/', 'Connection: close\r\n'),
    (r) => (r[0].header('connection') === 'close' ? null : 'no connection: close'),
    { closed: true },
  ),
  {
    id: 'nothing-behind-connection-close',
    rfc: '9112 §9.6',
    send: GET('/', 'Connection: close\r\n') + HIDDEN,
    answers: [[200]],
    served: 1,
    closed: true,
    uws: 'it serves what is pipelined behind connection: close',
  },
  accepted('http10-closes', '9112 §9.3', `GET / HTTP/1.0\r\n${H}\r\n`, null, { closed: true, uws: NO_HTTP10 }),
  accepted('http10-keep-alive', '9112 §9.3', `GET / HTTP/1.0\r\n${H}Connection: keep-alive\r\n\r\n`, null, {
    closed: false,
    uws: NO_HTTP10,
  }),
  { id: 'silent-connection', rfc: '9112 §9.5', send: '', answers: [], closed: true, served: 0, uws: FIXED_TIMEOUT },
  {
    id: 'slow-head',
    rfc: '9110 §15.5.9',
    send: [`GET / HTTP/1.1\r\n${H}X-A: `, { wait: 200 }, 'a'],
    answers: [[408, 'close']],
    closed: true,
    served: 0,
    uws: FIXED_TIMEOUT,
  },
  {
    id: 'slow-first-line',
    rfc: '9110 §15.5.9',
    send: 'P',
    answers: [[408, 'close']],
    closed: true,
    served: 0,
    uws: FIXED_TIMEOUT,
  },
  {
    id: 'idle-keep-alive',
    rfc: '9112 §9.5',
    send: GET('/'),
    answers: [[200]],
    closed: true,
    patience: 5000,
    uws: FIXED_TIMEOUT,
  },
  {
    id: 'slow-body',
    rfc: '9110 §15.5.9',
    send: POST('/', 'Content-Length: 10\r\n', 'hello'),
    answers: [[408, 'close']],
    closed: true,
    served: 1,
  },
  {
    id: 'slow-chunked-body',
    rfc: '9110 §15.5.9',
    send: POST('/', CHUNKED, '5\r\nhel'),
    answers: [[408, 'close']],
    closed: true,
    served: 1,
  },
  accepted(
    'slow-but-steady-body',
    '9112 §6.2',
    [POST('/', 'Content-Length: 10\r\n', ''), ...Array.from({ length: 10 }, () => [{ wait: 150 }, 'a']).flat()],
    echoed({ body: 'aaaaaaaaaa' }),
    { patience: 4000 },
  ),
  {
    id: 'half-closed-in-body',
    rfc: '9112 §8',
    send: [POST('/', 'Content-Length: 10\r\n', 'hello'), { wait: 50 }, { end: true }],
    answers: [BAD],
    closed: true,
    served: 1,
  },
  accepted(
    'large-body',
    '9112 §6.2',
    POST('/size', 'Content-Length: 1000000\r\n', 'x'.repeat(1_000_000)),
    (r) => (r[0].body === '1000000' ? null : `size ${r[0].body}`),
    { closed: false },
  ),
  accepted(
    'large-chunked-body',
    '9112 §7.1',
    POST('/size', CHUNKED, `${chunk('x'.repeat(500_000))}${chunk('x'.repeat(500_000))}0\r\n\r\n`),
    (r) => (r[0].body === '1000000' ? null : `size ${r[0].body}`),
  ),
  accepted(
    'streamed-body',
    '9112 §6.2',
    POST('/stream', 'Content-Length: 300000\r\n', 'x'.repeat(300_000)),
    (r) => (r[0].body === 'x'.repeat(300_000) ? null : `${r[0].body.length} bytes`),
    { closed: false },
  ),
  {
    id: 'unread-body',
    rfc: '9112 §9.3',
    send: POST('/ignore', 'Content-Length: 5\r\n', 'hello') + GET('/2'),
    answers: [[200], [200]],
    served: 2,
    closed: false,
  },
  {
    id: 'unread-endless-body',
    rfc: '9112 §9.3',
    send: [
      POST('/ignore', 'Content-Length: 100000000\r\n', 'x'.repeat(100_000)),
      ...Array.from({ length: 20 }, () => [{ wait: 20 }, 'x'.repeat(100_000)]).flat(),
    ],
    answers: [[200, 'close']],
    served: 1,
    closed: true,
    patience: 6000,
  },

  // ── Expect: RFC 9110 §10.1.1 ──
  accepted(
    'expect-continue',
    '9110 §10.1.1',
    [POST('/', 'Expect: 100-continue\r\nContent-Length: 5\r\n', ''), { wait: 100 }, 'hello'],
    all(echoed({ body: 'hello' }), field('expect', []), (r) => (r[0].interim.includes(100) ? null : 'no 100')),
    { closed: false },
  ),
  accepted(
    'expect-continue-upper-case',
    '9110 §10.1.1',
    [POST('/', 'Expect: 100-Continue\r\nContent-Length: 5\r\n', ''), { wait: 100 }, 'hello'],
    echoed({ body: 'hello' }),
  ),
  accepted(
    'expect-continue-body-sent-at-once',
    '9110 §10.1.1',
    POST('/', 'Expect: 100-continue\r\nContent-Length: 5\r\n', 'hello'),
    echoed({ body: 'hello' }),
  ),
  {
    id: 'expect-continue-not-wanted',
    rfc: '9110 §10.1.1',
    send: POST('/ignore', 'Expect: 100-continue\r\nContent-Length: 5\r\n', ''),
    answers: [[200]],
    served: 1,
    closed: true,
    check: (r) => (r[0].interim.length === 0 ? null : 'sent 100 for a body nobody reads'),
    uws: 'it sends 100 by itself, before the request is seen',
  },
  refused('expect-unknown', '9110 §10.1.1', POST('/', 'Expect: more\r\nContent-Length: 5\r\n', 'hello'), {
    answers: [[417]],
  }),
  accepted(
    'expect-on-http10',
    '9110 §10.1.1',
    `POST / HTTP/1.0\r\n${H}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
    (r) => (r[0].interim.length === 0 ? null : 'sent 100 to HTTP/1.0'),
    { uws: NO_HTTP10 },
  ),

  // ── Replies: RFC 9112 §6.3, RFC 9110 §6.6.1, §9.3.2, §15 ──
  {
    id: 'head',
    rfc: '9110 §9.3.2',
    send: [`HEAD /whole HTTP/1.1\r\n${H}\r\n`, { wait: 60 }, GET('/2')],
    answers: [[200], [200]],
    heads: [0],
    served: 2,
    closed: false,
    check: (r) =>
      r[0].header('content-length') === '5' && JSON.parse(r[1].body).path === '/2'
        ? null
        : 'HEAD is not what GET would be',
  },
  {
    id: 'head-of-a-stream',
    rfc: '9110 §9.3.2',
    send: [`HEAD /parts HTTP/1.1\r\n${H}\r\n`, { wait: 60 }, GET('/2')],
    answers: [[200], [200]],
    heads: [0],
    served: 2,
    closed: false,
  },
  {
    id: 'status-204',
    rfc: '9110 §15.3.5',
    send: [GET('/status/204'), { wait: 60 }, GET('/2')],
    answers: [[204], [200]],
    served: 2,
    closed: false,
    check: (r) =>
      r[0].header('content-length') === undefined && r[0].header('transfer-encoding') === undefined
        ? null
        : '204 with framing',
  },
  {
    id: 'status-304',
    rfc: '9110 §15.4.5',
    send: [GET('/status/304'), { wait: 60 }, GET('/2')],
    answers: [[304], [200]],
    served: 2,
    closed: false,
    check: (r) => (r[0].header('transfer-encoding') === undefined ? null : '304 with a transfer coding'),
  },
  accepted(
    'chunked-reply',
    '9112 §7.1',
    GET('/parts'),
    (r) => (r[0].body === 'onetwo' && r[0].header('transfer-encoding') === 'chunked' ? null : 'not chunked'),
    { closed: false },
  ),
  accepted(
    'counted-reply-in-parts',
    '9112 §6.2',
    GET('/counted'),
    (r) => (r[0].body === 'onetwo' && r[0].header('content-length') === '6' ? null : 'not counted'),
    { closed: false },
  ),
  accepted(
    'empty-counted-reply',
    '9112 §6.2',
    GET('/empty'),
    (r) => (r[0].body === '' && r[0].header('content-length') === '0' ? null : 'not empty'),
    { closed: false },
  ),
  accepted(
    'reply-to-http10',
    '9112 §6.1',
    `GET /parts HTTP/1.0\r\n${H}\r\n`,
    (r) => (r[0].body === 'onetwo' && r[0].header('transfer-encoding') === undefined ? null : 'chunked to HTTP/1.0'),
    { closed: true, uws: NO_HTTP10 },
  ),
  accepted(
    'large-reply',
    '9112 §6.2',
    GET('/large'),
    (r) => (r[0].body.length === 2_000_000 ? null : `${r[0].body.length} bytes`),
    { closed: false },
  ),
  accepted('one-date', '9110 §6.6.1', GET('/'), (r) =>
    r[0].headers.filter((_, i) => i % 2 === 0 && r[0].headers[i].toLowerCase() === 'date').length === 1
      ? null
      : 'not one Date',
  ),
  accepted('one-date-with-the-backends', '9110 §6.6.1', GET('/date'), (r) =>
    r[0].headers.filter((_, i) => i % 2 === 0 && r[0].headers[i].toLowerCase() === 'date').length === 1
      ? null
      : 'not one Date',
  ),
  accepted(
    'reply-fields-cannot-split',
    '9110 §5.5',
    GET('/split'),
    (r) => (r[0].header('x-injected') === undefined ? null : 'a field value began a new field'),
    { closed: false },
  ),
  accepted(
    'reply-framing-is-not-the-backends',
    '9112 §6.1',
    GET('/framing'),
    (r) => (r[0].body === 'hello' ? null : 'the framing was taken over'),
    { closed: false },
  ),
  accepted(
    'reply-trailers',
    '9112 §7.1.2',
    GET('/trailers'),
    (r) => (JSON.stringify(r[0].trailers) === '["x-sum","1"]' ? null : `trailers ${JSON.stringify(r[0].trailers)}`),
    { closed: false, uws: 'it can not send trailers' },
  ),
  accepted('early-hints', '8297 §2', GET('/hints'), (r) => (r[0].interim.includes(103) ? null : 'no 103'), {
    closed: false,
    uws: 'it can not send interim responses',
  }),
];
