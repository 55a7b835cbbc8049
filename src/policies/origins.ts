/** Says whether an Origin header's value is allowed. */
export type OriginTest = (origin: string) => boolean;

interface Origin {
  scheme: string;
  /** May hold one `*` in a pattern. */
  host: string;
  port: string;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };
/** scheme "://" host [":" port] (RFC 6454 §7.1), the host with a wildcard where it is a pattern. */
const ORIGIN = /^([A-Za-z][A-Za-z0-9+\-.]*):\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._*]+)(?::([0-9]{1,5}))?$/;

/** What is wrong with a configured origin, or null. */
export function originFault(pattern: string): string | null {
  if (pattern === '*' || pattern === 'null') return null;
  const origin = parse(pattern);
  if (origin === null)
    return `"${pattern}" is not an origin; write scheme://host or scheme://host:port, without a path`;
  if (origin.host.indexOf('*') !== origin.host.lastIndexOf('*')) return `"${pattern}" has more than one wildcard`;
  return null;
}

/**
 * One test for a list of origins (Gateway API `HTTPCORSFilter.allowOrigins`): scheme and port are equal, a port left out being the
 * scheme's own; a `*` in the host stands for at least one character, dots included; `*` alone allows any.
 */
export function compileOrigins(patterns: readonly string[]): OriginTest {
  if (patterns.includes('*')) return () => true;
  const exact = new Set<string>();
  const wildcards: { before: string; prefix: string; suffix: string; port: string }[] = [];
  for (const pattern of patterns) {
    const origin = parse(pattern);
    if (origin === null) {
      exact.add(pattern);
      continue;
    }
    const star = origin.host.indexOf('*');
    if (star === -1) exact.add(serialize(origin));
    else {
      wildcards.push({
        before: origin.scheme,
        prefix: origin.host.slice(0, star),
        suffix: origin.host.slice(star + 1),
        port: origin.port,
      });
    }
  }
  return (text) => {
    if (exact.has(text)) return true;
    const origin = parse(text);
    if (origin === null || origin.host.includes('*')) return false;
    if (exact.has(serialize(origin))) return true;
    for (const { before, prefix, suffix, port } of wildcards) {
      if (
        origin.scheme === before &&
        origin.port === port &&
        origin.host.length > prefix.length + suffix.length &&
        origin.host.startsWith(prefix) &&
        origin.host.endsWith(suffix)
      ) {
        return true;
      }
    }
    return false;
  };
}

/** Folds case and fills in the port, so that equal origins are equal texts. */
function parse(text: string): Origin | null {
  const match = ORIGIN.exec(text);
  if (match === null) return null;
  const scheme = (match[1] as string).toLowerCase();
  return { scheme, host: (match[2] as string).toLowerCase(), port: match[3] ?? DEFAULT_PORTS[scheme] ?? '' };
}

function serialize(origin: Origin): string {
  return `${origin.scheme}://${origin.host}:${origin.port}`;
}
