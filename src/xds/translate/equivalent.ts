import { parseDuration } from '../../resources/schema/common.ts';

/** True where two values mean the same: what is null is absent, and durations are as long as they are (`60s`, `1m`). */
export function equivalent(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a === null || a === undefined || b === null || b === undefined) return (a ?? null) === (b ?? null);
  if (typeof a === 'string' && typeof b === 'string') return sameDuration(a, b);
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((one, index) => equivalent(one, b[index]));
  }
  return within(a, b) && within(b, a);
}

/** True where all that `a` holds is in `b`. */
function within(a: object, b: object): boolean {
  const other = b as Record<string, unknown>;
  return Object.entries(a).every(([name, value]) =>
    equivalent(value, Object.hasOwn(other, name) ? other[name] : undefined),
  );
}

function sameDuration(a: string, b: string): boolean {
  if (!/^\d/.test(a) || !/^\d/.test(b)) return false;
  try {
    return parseDuration(a) === parseDuration(b);
  } catch {
    return false;
  }
}
