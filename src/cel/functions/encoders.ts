import { createHash } from 'node:crypto';
import { type FunctionDefinition, globally } from '../definitions.ts';
import { invalidArgument } from '../errors.ts';
import { checkText } from '../values/arithmetic.ts';
import { noOverload } from '../values/order.ts';
import { CelMap, type CelValue, EntryMap, isList } from '../values/value.ts';

/** Bytes, or a string's in UTF-8. */
export function bytesOf(value: CelValue, name: string): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw noOverload(name, value);
}

/** Decodes base64 of `alphabet`'s characters, padded or not. Throws CelError where there are others. */
export function decodeBase64(text: string, encoding: 'base64' | 'base64url'): Buffer {
  const body = text.replace(/={1,2}$/, '');
  const valid = encoding === 'base64' ? /^[A-Za-z0-9+/]*$/ : /^[A-Za-z0-9_-]*$/;
  if (!valid.test(body) || body.length % 4 === 1) throw invalidArgument('not base64');
  return Buffer.from(body, encoding);
}

function base64Encode(value: CelValue): string {
  const bytes = bytesOf(value, 'base64.encode');
  checkText((bytes.length * 4) / 3);
  return bytes.toString('base64');
}

function base64Decode(value: CelValue): Uint8Array {
  return decodeBase64(bytesOf(value, 'base64.decode').toString('latin1'), 'base64');
}

/** All but unreserved characters (RFC 3986, section 2.3) as %XX of their UTF-8 bytes. */
function urlEncode(value: CelValue): string {
  let out = '';
  for (const byte of bytesOf(value, 'url.encode')) {
    const char = String.fromCharCode(byte);
    out += /[A-Za-z0-9_.~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    checkText(out.length);
  }
  return out;
}

/** %XX become bytes, which must be UTF-8; a % that no two digits follow stays. */
function urlDecode(value: CelValue): string {
  if (typeof value !== 'string') throw noOverload('url.decode', value);
  try {
    return decodeURIComponent(value.replace(/%(?![0-9A-Fa-f]{2})/g, '%25'));
  } catch {
    throw invalidArgument('url.decode() of what is not UTF-8');
  }
}

/** Fields of `a=1&b=2`; those that come several times are lists. */
function formDecode(value: CelValue): CelMap {
  const map = new EntryMap();
  for (const [name, text] of new URLSearchParams(bytesOf(value, 'form.decode').toString('utf8'))) {
    const before = map.get(name);
    if (before === undefined) map.put(name, text);
    else if (isList(before)) (before as CelValue[]).push(text);
    else map.put(name, [before, text]);
  }
  return map;
}

/** A map as `a=1&b=2`, in the order of its keys. Nulls are left out, lists repeat their field. */
function formEncode(value: CelValue): string {
  if (!(value instanceof CelMap)) throw noOverload('form.encode', value);
  const out = new URLSearchParams();
  const entries = [...value.entries()].map(([key, item]) => [String(key), item] as const);
  for (const [key, item] of entries.sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (item === null) continue;
    for (const text of isList(item) ? item : [item]) {
      if (typeof text !== 'string') throw invalidArgument(`form.encode(): the value of '${key}' is not a string`);
      out.append(key, text);
    }
  }
  return out.toString();
}

function digest(name: string, algorithm: string): FunctionDefinition {
  return globally(name, (value) => createHash(algorithm).update(bytesOf(value, name)).digest('hex'));
}

/** CEL's encoders extension and agentgateway's: base64, URL and form encoding, digests. `base64Encode` and the like are old names. */
export const ENCODERS: readonly FunctionDefinition[] = [
  globally('base64.encode', base64Encode),
  globally('base64.decode', base64Decode),
  globally('base64Encode', base64Encode),
  globally('base64Decode', base64Decode),
  globally('url.encode', urlEncode),
  globally('url.decode', urlDecode),
  globally('form.encode', formEncode),
  globally('form.decode', formDecode),
  digest('sha1.encode', 'sha1'),
  digest('sha256.encode', 'sha256'),
  digest('md5.encode', 'md5'),
];
