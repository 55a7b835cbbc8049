import { RE2JS } from 're2js';
import type { ValueMatch } from './types.ts';

/** A compiled ValueMatch. Regular expressions are RE2: they match the whole value, in linear time. */
export interface ValueTest {
  /** Lower-case for headers. */
  readonly name: string;
  /** Undefined (absent) never holds. */
  holds(value: string | undefined): boolean;
}

export function compileValueTest(name: string, match: ValueMatch): ValueTest {
  if ('exact' in match) {
    const exact = match.exact;
    return { name, holds: (value) => value === exact };
  }
  const regex = RE2JS.compile(match.regex);
  return { name, holds: (value) => value !== undefined && regex.matches(value) };
}
