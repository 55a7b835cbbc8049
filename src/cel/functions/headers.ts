import { type FunctionDefinition, member } from '../definitions.ts';
import { noSuchKey } from '../errors.ts';
import { HeaderView } from '../values/headers.ts';
import { noOverload } from '../values/order.ts';
import type { CelValue } from '../values/value.ts';

const accepts = (value: CelValue): boolean => value instanceof HeaderView;

function onHeaders(name: string, call: (headers: HeaderView) => CelValue): FunctionDefinition {
  return member(
    name,
    (value) => {
      if (value instanceof HeaderView) return call(value);
      throw noOverload(name, value);
    },
    { accepts },
  );
}

function cookie(headers: CelValue, name: CelValue): CelValue {
  if (!(headers instanceof HeaderView) || typeof name !== 'string') throw noOverload('cookie', headers, name);
  const value = headers.cookie(name);
  if (value === undefined) throw noSuchKey(name);
  return value;
}

/** What `request.headers` and `response.headers` can be asked, beside what every map can. */
export const HEADERS: readonly FunctionDefinition[] = [
  onHeaders('redacted', (headers) => headers.redacted()),
  onHeaders('join', (headers) => headers.as('join')),
  onHeaders('raw', (headers) => headers.as('raw')),
  onHeaders('split', (headers) => headers.as('split')),
  member('cookie', cookie),
];
