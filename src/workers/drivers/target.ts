/**
 * Request targets and authorities (RFC 9112 §3.2, RFC 9110 §4.2, RFC 3986). Router, policies and backend must all see the same
 * path, so what could be read in two ways is made one or refused here, before anyone looks at it: dot segments are removed,
 * also percent-encoded ones; control characters, raw non-ASCII, backslashes and an encoded NUL are refused. Other escapes,
 * %2F among them, stay as they came.
 */

/** A target in two parts. `path` begins with '/', or is '*' (OPTIONS). */
export interface Target {
  readonly path: string;
  readonly query: string;
}

/** A valid authority, lower-case: `host:port` as given, and the host alone (IPv6 in its brackets). */
export interface Authority {
  readonly authority: string;
  readonly host: string;
  /** As written; '' if none. */
  readonly port: string;
}

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const QUESTION = 0x3f;

/** Splits origin-form or asterisk-form; null where it is neither, or holds what a target may not hold. */
export function readTarget(target: string): Target | null {
  const length = target.length;
  if (length === 0) return null;
  if (target.charCodeAt(0) !== SLASH) return target === '*' ? { path: '*', query: '' } : null;
  let dots = false;
  let question = -1;
  let previous = 0;
  for (let i = 0; i < length; i++) {
    const code = target.charCodeAt(i);
    // Visible ASCII without '#': a fragment is no part of a target (RFC 9110 §7.1).
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return null;
    if (question === -1) {
      if (code === DOT) {
        if (previous === SLASH) dots = true;
      } else if (code === QUESTION) {
        question = i;
      } else if (code === PERCENT) {
        const first = target.charCodeAt(i + 1);
        const second = target.charCodeAt(i + 2) | 0x20;
        if (first === 0x30 && second === 0x30) return null;
        if (previous === SLASH && first === 0x32 && second === 0x65) dots = true;
      } else if (code === 0x5c) {
        return null;
      }
    }
    previous = code;
  }
  const path = question === -1 ? target : target.slice(0, question);
  return { path: dots ? removeDotSegments(path) : path, query: question === -1 ? '' : target.slice(question + 1) };
}

const ENCODED_DOT = /%2e/gi;

/** RFC 3986 §5.2.4 on an absolute path; `%2e` counts as a dot where a segment is nothing but dots. */
export function removeDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/');
  const last = segments.length - 1;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i] as string;
    const plain = segment.length <= 6 ? segment.replace(ENCODED_DOT, '.') : segment;
    if (plain === '..') {
      kept.pop();
    } else if (plain !== '.') {
      kept.push(segment);
      continue;
    }
    // A trailing `.` or `..` names a directory: its slash stays.
    if (i === last) kept.push('');
  }
  return `/${kept.join('/')}`;
}

/** Characters of a reg-name or IPv4 address (RFC 3986 §3.2.2), without '%'. */
const HOST_CHARACTERS = table("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=");
const IPV6 = /^\[(?=[^\]]*:)[0-9a-f:.]+\]$/;

let lastRaw = '';
let lastAuthority: Authority | null = null;

/**
 * Reads a Host field, :authority or the authority of an absolute-form target. Null where it is empty, has user
 * information, or is no valid authority.
 */
export function readAuthority(raw: string): Authority | null {
  // Most requests of a thread name the same host as the one before.
  if (raw === lastRaw) return lastAuthority;
  const authority = parseAuthority(raw);
  if (authority !== null) {
    lastRaw = raw;
    lastAuthority = authority;
  }
  return authority;
}

function parseAuthority(raw: string): Authority | null {
  if (raw.length === 0 || raw.length > 512) return null;
  const lower = raw.toLowerCase();
  let hostEnd: number;
  if (lower.charCodeAt(0) === 0x5b) {
    hostEnd = lower.indexOf(']') + 1;
    if (hostEnd === 0 || !IPV6.test(lower.slice(0, hostEnd))) return null;
  } else {
    hostEnd = lower.indexOf(':');
    if (hostEnd === -1) hostEnd = lower.length;
    if (hostEnd === 0) return null;
    for (let i = 0; i < hostEnd; i++) if (HOST_CHARACTERS[lower.charCodeAt(i)] !== 1) return null;
  }
  const host = lower.slice(0, hostEnd);
  if (hostEnd === lower.length) return { authority: lower, host, port: '' };
  const port = lower.slice(hostEnd + 1);
  if (lower.charCodeAt(hostEnd) !== 0x3a || port.length > 5) return null;
  for (let i = 0; i < port.length; i++) if (!isDigit(port.charCodeAt(i))) return null;
  if (Number(port) > 65535) return null;
  return { authority: lower, host, port };
}

/** Whether two authorities name the same origin of `scheme`: the default port may be left out. */
export function sameAuthority(a: Authority, b: Authority, scheme: string): boolean {
  const standard = scheme === 'https' ? '443' : '80';
  return a.host === b.host && (a.port || standard) === (b.port || standard);
}

const ABSOLUTE = /^(https?):\/\/([^/?#]*)(.*)$/i;

/** Splits an absolute-form target (RFC 9112 §3.2.2); null where it is none. An empty path is '/'. */
export function readAbsoluteForm(target: string): { scheme: string; authority: string; rest: string } | null {
  const match = ABSOLUTE.exec(target);
  if (match === null) return null;
  const rest = match[3] as string;
  return {
    scheme: (match[1] as string).toLowerCase(),
    authority: match[2] as string,
    rest: rest.charCodeAt(0) === SLASH ? rest : `/${rest}`,
  };
}

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function table(characters: string): Uint8Array {
  const marks = new Uint8Array(128);
  for (const character of characters) marks[character.charCodeAt(0)] = 1;
  return marks;
}
