import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * Why a request to the admin server is refused, or null. The server has no login: it trusts who can reach its address, and
 * that must not be any web page open in an operator's browser. A page of a foreign site shows itself by its Origin or
 * Sec-Fetch-Site; one that had its own name resolve to this address (DNS rebinding) by the name in Host.
 */
export function refusal(request: IncomingMessage): string | null {
  const { host, origin } = request.headers;
  if (host !== undefined && !isLocalName(hostnameOf(host))) return 'the Host header must be an IP address or localhost';
  if (origin !== undefined && !isOwnOrigin(origin)) return 'requests from web pages are refused';
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return 'requests from other sites are refused';
  return null;
}

/** Names that can't be a foreign site's: an address, or a name that is always this machine (RFC 6761 §6.3). */
function isLocalName(name: string): boolean {
  return isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost');
}

function isOwnOrigin(origin: string): boolean {
  return URL.canParse(origin) && isLocalName(new URL(origin).hostname.replace(/^\[|\]$/g, ''));
}

/** The name of a Host field, lower-case, without port and brackets. */
function hostnameOf(host: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(host);
  return (bracketed?.[1] ?? host.replace(/:\d*$/, '')).toLowerCase();
}
