import { isObject } from '../../resources/json.ts';
import { parseDuration } from '../../resources/schema/common.ts';

/** Whether two values of the policy `name` say the same. */
export type SamePolicy = (name: string, a: unknown, b: unknown) => boolean;

/**
 * True where two values mean the same: what is null is absent, durations are as long as they are (`60s`, `1m`), and of policies that
 * differ `same` knows.
 */
export function equivalent(a: unknown, b: unknown, same: SamePolicy): boolean {
  if (a === b) return true;
  if (a === null || a === undefined || b === null || b === undefined) return (a ?? null) === (b ?? null);
  if (typeof a === 'string' && typeof b === 'string') return sameDuration(a, b);
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((one, index) => equivalent(one, b[index], same));
  }
  return within(a, b, same) && within(b, a, same);
}

/** True where all that `a` holds is in `b`. */
function within(a: object, b: object, same: SamePolicy): boolean {
  return Object.entries(a).every(([name, value]) => {
    const other = (b as Record<string, unknown>)[name];
    if (name !== 'policies' || !isObject(value) || !isObject(other)) return equivalent(value, other, same);
    return Object.entries(value).every(([policy, one]) => {
      return equivalent(one, other[policy], same) || same(policy, one, other[policy]);
    });
  });
}

function sameDuration(a: string, b: string): boolean {
  if (!/^\d/.test(a) || !/^\d/.test(b)) return false;
  try {
    return parseDuration(a) === parseDuration(b);
  } catch {
    return false;
  }
}
