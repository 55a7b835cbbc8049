import type { JsonObject } from '../../../facts/conversation.ts';
import { isObject, rest } from './fields.ts';

/** Members of a usage report that the hub's counts are made of: wholly (null), or those of its own members. */
export type Counted = ReadonlyMap<string, ReadonlySet<string> | null>;

/** What a usage report says beyond the hub's counts; undefined where there is nothing. */
export function uncounted(report: JsonObject, counted: Counted): JsonObject | undefined {
  let found: JsonObject | undefined;
  for (const name in report) {
    const value = report[name];
    const known = counted.get(name);
    if (value === undefined || value === null || known === null) continue;
    const kept = known !== undefined && isObject(value) ? rest(value, known) : value;
    if (kept === undefined) continue;
    found ??= {};
    found[name] = kept;
  }
  return found;
}

/** `usage` in a format's words, with what `uncounted` kept of its report. */
export function withUncounted(usage: JsonObject, kept: unknown): JsonObject {
  if (!isObject(kept)) return usage;
  const all = { ...usage };
  for (const name in kept) {
    const [said, own] = [usage[name], kept[name]];
    all[name] = isObject(said) && isObject(own) ? { ...said, ...own } : own;
  }
  return all;
}
