import { randomUUID } from 'node:crypto';
import { type FunctionDefinition, globally, member } from '../definitions.ts';
import { CelError, invalidArgument, noSuchKey } from '../errors.ts';
import { fromJs, toJs } from '../values/json.ts';
import { noOverload } from '../values/order.ts';
import { CelFlattened, CelSecret } from '../values/special.ts';
import { CelMap, type CelValue, EntryMap, isList } from '../values/value.ts';
import { bytesOf, decodeBase64 } from './encoders.ts';

/** What bytes were parsed to: the expressions of a route that read its body parse it once. */
const PARSED = new WeakMap<Uint8Array, CelValue>();

function json(value: CelValue): CelValue {
  if (typeof value === 'string') return parseJson(value);
  if (!(value instanceof Uint8Array)) throw noOverload('json', value);
  let parsed = PARSED.get(value);
  if (parsed === undefined) {
    parsed = parseJson(bytesOf(value, 'json').toString('utf8'));
    PARSED.set(value, parsed);
  }
  return parsed;
}

function parseJson(text: string): CelValue {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // What the parser says quotes the text, which may be a secret.
    throw invalidArgument('not valid JSON');
  }
  return fromJs(parsed);
}

function jsonField(value: CelValue, name: CelValue): CelValue {
  const object = json(value);
  if (!(object instanceof CelMap) || typeof name !== 'string') throw noOverload('jsonField', object, name);
  const field = object.get(name);
  if (field === undefined) throw noSuchKey(name);
  return field;
}

/** The claims of a JWT whose signature nobody has checked. */
function unvalidatedJwtPayload(value: CelValue): CelValue {
  if (typeof value !== 'string') throw noOverload('unvalidatedJwtPayload', value);
  const [, payload, signature, more] = value.split('.');
  if (payload === undefined || signature === undefined || more !== undefined)
    throw invalidArgument('not a JWT: it has three parts');
  return parseJson(decodeBase64(payload, 'base64url').toString('utf8'));
}

function toJson(value: CelValue): string {
  return JSON.stringify(toJs(value));
}

function merge(a: CelValue, b: CelValue): CelValue {
  if (!(a instanceof CelMap) || !(b instanceof CelMap)) throw noOverload('merge', a, b);
  const out = EntryMap.from(a.entries());
  for (const [key, value] of b.entries()) out.put(key, value);
  return out;
}

function fail(reason: CelValue): CelValue {
  if (typeof reason !== 'string') throw noOverload('fail', reason);
  throw new CelError('failed', `fail() called: ${reason}`);
}

function flatten(recursive: boolean): (value: CelValue) => CelValue {
  return (value) => {
    if (isList(value) || value instanceof CelMap) return new CelFlattened(value, recursive);
    throw noOverload('flatten', value);
  };
}

function unredacted(value: CelValue): string {
  if (value instanceof CelSecret) return value.reveal();
  throw noOverload('unredacted', value);
}

/** The decoded pairs of a URL's or path's query. */
function queryOf(uri: CelValue, name: string): { base: string; pairs: URLSearchParams } {
  if (typeof uri !== 'string') throw noOverload(name, uri);
  const mark = uri.indexOf('?');
  return {
    base: mark < 0 ? uri : uri.slice(0, mark),
    pairs: new URLSearchParams(mark < 0 ? '' : uri.slice(mark + 1)),
  };
}

function query(uri: CelValue, key: CelValue): CelValue {
  const { pairs } = queryOf(uri, 'query');
  if (typeof key !== 'string') throw noOverload('query', uri, key);
  const values = pairs.getAll(key);
  if (values.length === 0) throw noSuchKey(key);
  return values;
}

function withQuery(name: string, replaces: boolean): FunctionDefinition {
  return member(name, (uri, key, value) => {
    const { base, pairs } = queryOf(uri, name);
    if (typeof key !== 'string' || typeof value !== 'string') throw noOverload(name, uri, key, value);
    if (replaces) pairs.delete(key);
    pairs.append(key, value);
    return `${base}?${pairs}`;
  });
}

/** agentgateway's own functions; `with`, `mapValues`, `filterKeys`, `default`, `coalesce` and `variables` are macros. */
export const GATEWAY: readonly FunctionDefinition[] = [
  globally('json', json),
  globally('jsonField', jsonField),
  globally('toJson', toJson),
  globally('to_json', toJson),
  globally('unvalidatedJwtPayload', unvalidatedJwtPayload),
  member('merge', merge),
  globally('random', () => Math.random(), { volatile: true }),
  globally('uuid', () => randomUUID(), { volatile: true }),
  globally('fail', fail),
  globally('flatten', flatten(false)),
  globally('flattenRecursive', flatten(true)),
  globally('flatten_recursive', flatten(true)),
  member('unredacted', unredacted),
  member('query', query),
  withQuery('addQuery', false),
  withQuery('setQuery', true),
];
