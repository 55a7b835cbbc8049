import type { WireIssue } from '../delta.ts';

/** A server in Go takes messages of up to 4 MiB where it is told nothing else. */
const MAX_MESSAGE = 1024 * 1024;
const MAX_REASON = 2048;

/**
 * What stands in `error_detail.message`: a JSON list of `{"key", "error"}` and `{"key", "warn"}`, as agentgateway's controller
 * parses it. Long reasons are cut short; what doesn't fit into 1 MiB is counted in a last entry.
 */
export function nackMessage(issues: readonly WireIssue[]): string {
  const entries: string[] = [];
  let length = 2;
  for (const [index, { key, error, warn }] of issues.entries()) {
    const entry = JSON.stringify(error === undefined ? { key, warn: cut(warn ?? '') } : { key, error: cut(error) });
    length += Buffer.byteLength(entry) + 1;
    if (length > MAX_MESSAGE) {
      const rest = issues.slice(index);
      const more = `and ${rest.length - 1} more`;
      entries.push(
        JSON.stringify(
          rest.some((issue) => issue.error !== undefined)
            ? { key: cut(key), error: more }
            : { key: cut(key), warn: more },
        ),
      );
      break;
    }
    entries.push(entry);
  }
  return `[${entries.join(',')}]`;
}

/** A reason, cut short where it is very long. */
export function cut(text: string): string {
  return text.length <= MAX_REASON ? text : `${text.slice(0, MAX_REASON)}…`;
}
