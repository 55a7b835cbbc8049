import type { WireIssue } from '../delta.ts';

/** Issues of one NACK that are kept; the rest are counted. */
const MAX_ISSUES = 100;
/** Longer texts are cut, UTF-16 units. */
const MAX_TEXT = 1000;

/**
 * What a node says is wrong with a response. Sluices and agentgateways send a JSON list of `{key, error}` and `{key, warn}`
 * (agentgateway's `NackError`); of any other text the whole is one error without a key. Never empty.
 */
export function parseNack(message: string): WireIssue[] {
  const issues = listed(message);
  if (issues === null) return [{ key: '', error: clip(message === '' ? 'refused without a reason' : message) }];
  if (issues.length <= MAX_ISSUES) return issues;
  // Errors are what counts.
  const kept = [
    ...issues.filter(({ error }) => error !== undefined),
    ...issues.filter(({ warn }) => warn !== undefined),
  ];
  const rest = { key: '', warn: `${issues.length - MAX_ISSUES} more are not kept` };
  return [...kept.slice(0, MAX_ISSUES), rest];
}

function listed(message: string): WireIssue[] | null {
  let list: unknown;
  try {
    list = JSON.parse(message);
  } catch {
    return null;
  }
  if (!Array.isArray(list) || list.length === 0) return null;
  const issues: WireIssue[] = [];
  for (const entry of list as unknown[]) {
    if (typeof entry !== 'object' || entry === null) return null;
    const { key, error, warn } = entry as Record<string, unknown>;
    if (typeof key !== 'string') return null;
    if (typeof error === 'string') issues.push({ key: clip(key), error: clip(error) });
    else if (typeof warn === 'string') issues.push({ key: clip(key), warn: clip(warn) });
    else return null;
  }
  return issues;
}

function clip(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
}
