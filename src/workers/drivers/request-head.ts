/**
 * What both drivers check in a request's head before anything else looks at it, on the field list as it came in: a parser
 * that is laxer than the one behind us is how requests are smuggled, so nothing here depends on what the parser already
 * refused. References are to RFC 9112 (HTTP/1.1), RFC 9110 (semantics) and RFC 9113 (HTTP/2).
 */
import { HeaderList } from '../../headers.ts';
import { REFUSALS, type Refusal } from './refusals.ts';
import { isDigit, readAbsoluteForm, readAuthority, readTarget, sameAuthority } from './target.ts';

/** A head that passed, in the form Exchange takes. */
export class CheckedHead {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  /** Hop-by-hop fields, `host` and `expect` are gone; names are lower-case. */
  readonly headers: HeaderList;
  path = '';
  query = '';
  authority = '';
  host = '';
  /** Bytes, or -1 where not declared. */
  contentLength = -1;
  chunked = false;
  expectsContinue = false;
  /** The protocol the client wants to go on in (lower-case), '' where it asked for none. */
  upgrade = '';
  /** The client asked for the connection to be closed behind the reply. */
  close = false;

  constructor(method: string, scheme: 'http' | 'https', headers: HeaderList) {
    this.method = method;
    this.scheme = scheme;
    this.headers = headers;
  }

  get hasBody(): boolean {
    return this.chunked || this.contentLength > 0;
  }
}

/** RFC 9110 §9.1: methods are tokens; those served here are upper-case, as every registered one is. */
const METHOD = /^[A-Z][A-Z0-9_-]{0,31}$/;
const MAX_LENGTH_DIGITS = 15;

/**
 * Checks an HTTP/1 head. `raw` (flat name, value …, any case) becomes the header list: it is changed in place and belongs to
 * the result. `target` is the request target as received.
 */
export function checkHttp1Head(
  method: string,
  target: string,
  minorVersion: number,
  raw: string[],
  scheme: 'http' | 'https',
  maxHeaderCount: number,
): CheckedHead | Refusal {
  if (raw.length > maxHeaderCount * 2) return REFUSALS.headTooLarge;
  if (!METHOD.test(method)) return REFUSALS.syntax;
  if (method === 'CONNECT') return REFUSALS.method;

  const head = new CheckedHead(method, scheme, new HeaderList(raw));
  let host: string | undefined;
  let connection: string | undefined;
  let upgrade: string | undefined;
  let trailersWanted = false;
  let kept = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    const value = raw[i + 1] as string;
    // By length first: nearly all names are none of these, and the comparison is then of one number.
    switch (name.length) {
      case 2:
        if (name !== 'te') break;
        if (hasToken(value, 'trailers')) trailersWanted = true;
        continue;
      case 4:
        if (name !== 'host') break;
        // §3.2: more than one Host is a 400.
        if (host !== undefined) return REFUSALS.authority;
        host = value;
        continue;
      case 6:
        if (name !== 'expect') break;
        // RFC 9110 §10.1.1; an HTTP/1.0 client's expectation is ignored.
        if (minorVersion === 0) continue;
        if (value.toLowerCase() !== '100-continue') return REFUSALS.expectation;
        head.expectsContinue = true;
        continue;
      case 7:
        if (name !== 'upgrade') break;
        upgrade = value;
        continue;
      case 10:
        if (name === 'connection') connection = connection === undefined ? value : `${connection},${value}`;
        else if (name !== 'keep-alive') break;
        continue;
      case 14:
        if (name !== 'content-length') break;
        // §6.3: differing ones must be refused; equal ones may be, and no sound client sends them.
        if (head.contentLength !== -1) return REFUSALS.framing;
        head.contentLength = parseContentLength(value);
        if (head.contentLength === -1) return REFUSALS.framing;
        break;
      case 16:
        if (name !== 'proxy-connection') break;
        continue;
      case 17:
        if (name !== 'transfer-encoding') break;
        // §6.1: `chunked` once and last; other codings are not decoded here. HTTP/1.0 has no transfer codings.
        if (head.chunked || minorVersion === 0 || value.toLowerCase() !== 'chunked') return REFUSALS.framing;
        head.chunked = true;
        continue;
    }
    raw[kept] = name;
    raw[kept + 1] = value;
    kept += 2;
  }
  raw.length = kept;
  // §6.3 rule 3: both is an attempt at smuggling.
  if (head.chunked && head.contentLength !== -1) return REFUSALS.framing;
  if (connection !== undefined) {
    readConnection(connection, head);
    // RFC 9110 §7.8: without the connection option the field is none of ours.
    if (upgrade !== undefined && hasToken(connection, 'upgrade')) head.upgrade = upgrade.trim().toLowerCase();
  }
  if (trailersWanted) raw.push('te', 'trailers');
  return setTarget(head, target, host, minorVersion);
}

function setTarget(
  head: CheckedHead,
  target: string,
  host: string | undefined,
  minorVersion: number,
): CheckedHead | Refusal {
  let authority = host === undefined ? undefined : readAuthority(host);
  // §3.2: HTTP/1.1 without Host, or with an invalid one, is a 400; HTTP/1.0 may go without.
  if (authority === null || (authority === undefined && minorVersion !== 0)) return REFUSALS.authority;
  let origin = target;
  if (target.charCodeAt(0) !== 0x2f && target !== '*') {
    const absolute = readAbsoluteForm(target);
    if (absolute === null) return REFUSALS.target;
    const named = readAuthority(absolute.authority);
    if (named === null) return REFUSALS.authority;
    // §3.2.2 has the target win over Host; that they differ is never by accident, so it is refused.
    if (authority !== undefined && !sameAuthority(named, authority, absolute.scheme)) return REFUSALS.authorityMismatch;
    authority = named;
    origin = absolute.rest;
  }
  const parts = readTarget(origin);
  if (parts === null || (parts.path === '*' && head.method !== 'OPTIONS')) return REFUSALS.target;
  head.path = parts.path;
  head.query = parts.query;
  if (authority !== undefined) {
    head.authority = authority.authority;
    head.host = authority.host;
  }
  return head;
}

/** RFC 9110 §7.6.1: fields listed in Connection go no further than here. Framing and routing fields can't be listed away. */
function readConnection(value: string, head: CheckedHead): void {
  const lower = value.toLowerCase();
  if (lower === 'keep-alive') return;
  if (lower === 'close') {
    head.close = true;
    return;
  }
  for (const part of lower.split(',')) {
    const option = part.trim();
    if (option === 'close') head.close = true;
    else if (option !== '' && option !== 'content-length') head.headers.remove(option);
  }
}

/** RFC 9110 §8.6: 1*DIGIT and nothing else. -1 where it is not, or past what a number holds exactly. */
function parseContentLength(value: string): number {
  if (value.length === 0 || value.length > MAX_LENGTH_DIGITS) return -1;
  for (let i = 0; i < value.length; i++) if (!isDigit(value.charCodeAt(i))) return -1;
  return Number(value);
}

/**
 * Checks an HTTP/2 head (RFC 9113 §8.3). `raw`: flat, pseudo-fields first, as the session gave them; a new list is made.
 * `open`: the stream did not end with its head.
 */
export function checkHttp2Head(
  raw: readonly string[],
  scheme: 'http' | 'https',
  open: boolean,
  maxHeaderCount: number,
): CheckedHead | Refusal {
  if (raw.length > maxHeaderCount * 2 + 8) return REFUSALS.headTooLarge;
  const headers: string[] = [];
  let method = '';
  let target = '';
  let pseudoAuthority: string | undefined;
  let host: string | undefined;
  let cookies = '';
  let contentLength = -1;
  let expectsContinue = false;
  let protocol = '';
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    switch (name) {
      case ':method':
        method = value;
        continue;
      case ':path':
        target = value;
        continue;
      case ':authority':
        pseudoAuthority = value;
        continue;
      case ':scheme':
        continue;
      case ':protocol':
        protocol = value.toLowerCase();
        continue;
      case 'host':
        if (host !== undefined) return REFUSALS.authority;
        host = value;
        continue;
      case 'cookie':
        // §8.2.3: crumbs are joined before they leave HTTP/2.
        cookies = cookies === '' ? value : `${cookies}; ${value}`;
        continue;
      case 'content-length':
        if (contentLength !== -1) return REFUSALS.framing;
        contentLength = parseContentLength(value);
        if (contentLength === -1) return REFUSALS.framing;
        break;
      case 'expect':
        if (value.toLowerCase() !== '100-continue') return REFUSALS.expectation;
        expectsContinue = true;
        continue;
      case 'connection':
      case 'keep-alive':
      case 'proxy-connection':
      case 'transfer-encoding':
      case 'upgrade':
        return REFUSALS.fieldSyntax;
      case 'te':
        if (value.toLowerCase() !== 'trailers') return REFUSALS.fieldSyntax;
    }
    headers.push(name, value);
  }
  if (cookies !== '') headers.push('cookie', cookies);
  if (!METHOD.test(method)) return REFUSALS.syntax;
  // RFC 8441 §4: an extended CONNECT is to HTTP/2 what a GET with an Upgrade is to HTTP/1.1, and is routed like that.
  const switches = method === 'CONNECT' && protocol === 'websocket' && open && contentLength === -1;
  if (method === 'CONNECT' ? !switches : protocol !== '') return REFUSALS.method;
  if (switches) method = 'GET';
  const hasBody = open && !switches;
  const head = new CheckedHead(method, scheme, new HeaderList(headers));
  head.upgrade = switches ? protocol : '';
  head.contentLength = contentLength;
  head.chunked = hasBody && contentLength === -1;
  head.expectsContinue = expectsContinue && hasBody;
  if (contentLength > 0 && !hasBody) return REFUSALS.framing;
  // §8.3.1: where both are sent they must name the same.
  if (pseudoAuthority !== undefined && host !== undefined && pseudoAuthority.toLowerCase() !== host.toLowerCase())
    return REFUSALS.authorityMismatch;
  if (target.charCodeAt(0) !== 0x2f && target !== '*') return REFUSALS.target;
  return setTarget(head, target, pseudoAuthority ?? host, 1);
}

/** Whether a comma-separated list holds `token` (parameters and case aside). */
function hasToken(list: string, token: string): boolean {
  for (const part of list.toLowerCase().split(',')) {
    const semicolon = part.indexOf(';');
    if ((semicolon === -1 ? part : part.slice(0, semicolon)).trim() === token) return true;
  }
  return false;
}
