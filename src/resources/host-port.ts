/** A host as it stands before a port: IPv6 in brackets. */
export function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** `host:port`, as parseHostPort reads it. */
export function joinHostPort(host: string, port: number): string {
  return `${bracketed(host)}:${port}`;
}

/** Where requests to a base URL go: host and port, whether over TLS, and what their paths begin with (without a slash at its end). */
export function splitBaseUrl(url: URL): { hostOverride: string; hostOverrideTls: boolean; pathPrefix: string } {
  const tls = url.protocol === 'https:';
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  return {
    hostOverride: joinHostPort(url.hostname, port),
    hostOverrideTls: tls,
    pathPrefix: url.pathname.replace(/\/+$/, ''),
  };
}
