/** Host names as listeners and routes match them: exact or `*.suffix`, lower-case, without a trailing dot. */

const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const HOSTNAME = new RegExp(`^(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`);
/** An IPv6 literal as Host carries it. */
const IPV6 = /^\[[0-9a-f:.%]+\]$/;

/** Lower-cases and drops a trailing dot; `*` alone is any host, written ''. */
export function normalHostname(text: string): string {
  const lower = text.trim().toLowerCase();
  if (lower === '*') return '';
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/** True for '' (any host), a name, `*.suffix`, or an IP address. */
export function isHostname(text: string): boolean {
  return text === '' || HOSTNAME.test(text) || IPV6.test(text);
}
