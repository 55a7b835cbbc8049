import { z } from 'zod';
import type { Exchange } from '../exchange.ts';
import { httpStatus } from '../resources/schema/common.ts';
import { into, merged, message, text, uint32, WireError } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';
import {
  type AuthorityRewrite,
  authorityFaults,
  authorityRewriteSchema,
  joinAuthority,
  PathEdit,
  pathFaults,
  pathRewriteMessage,
  pathRewriteSchema,
  splitAuthority,
} from './url-parts.ts';

const schema = z.strictObject({
  scheme: z.string().nullish().describe('Scheme of the new URL, `http` or `https`.'),
  authority: authorityRewriteSchema.nullish().describe('Host and port of the new URL.'),
  path: pathRewriteSchema.nullish().describe('Path of the new URL.'),
  status: httpStatus().nullish().describe('Status of the redirect (default: 302).'),
});

/** RFC 3986 §3.1. */
const SCHEME = /^[A-Za-z][A-Za-z0-9+\-.]*$/;
const DEFAULT_STATUS = 302;

interface WireAuthority {
  host?: string | undefined;
  port?: number | undefined;
}

const redirectMessage = merged(
  message({ scheme: text, status: uint32 }),
  // With both host and port the authority is replaced, with one of them the other is kept.
  into('authority', message<WireAuthority>({ host: text, port: uint32 }), {
    read({ host, port }): AuthorityRewrite | undefined {
      if (host !== undefined) return port === undefined ? { host } : { full: `${host}:${port}` };
      return port === undefined ? undefined : { port };
    },
    write(authority: AuthorityRewrite): WireAuthority {
      if (authority === 'none') return {};
      if (authority === 'auto') throw new WireError('"auto" has no place');
      const { full, ...kept } = authority;
      if (full === undefined) return kept;
      const { host, port } = splitAuthority(full);
      if (port === '') throw new WireError('can be said with a port only', ['full']);
      return { host, port: Number(port) };
    },
  }),
  pathRewriteMessage,
);

/** Gateway API `RequestRedirect`. The request's query is kept. */
export const requestRedirect = definePolicy({
  name: 'requestRedirect',
  schema,
  summary: 'Answers with a redirect to a URL made from the request: scheme, host, port and path can be replaced.',
  levels: ['route', 'backend'],
  phase: 'respond',
  protects: false,
  wire: [
    { spec: 'traffic', field: 'request_redirect', message: redirectMessage },
    { spec: 'backend', field: 'request_redirect', message: redirectMessage },
  ],
  faults(value) {
    const faults = [...authorityFaults(value.authority), ...pathFaults(value.path)];
    if (value.scheme && !SCHEME.test(value.scheme)) {
      faults.push({ path: ['scheme'], message: `"${value.scheme}" is not a URL scheme` });
    }
    if (value.status && (value.status < 300 || value.status > 399)) {
      faults.push({ path: ['status'], message: `${value.status} is not a redirect; use 301, 302, 303, 307 or 308` });
    }
    return faults;
  },
  compile(value) {
    const scheme = value.scheme ? value.scheme.toLowerCase() : null;
    const authority = value.authority ?? 'none';
    const path = value.path ? new PathEdit(value.path) : null;
    const status = value.status ?? DEFAULT_STATUS;
    return {
      onRequest(exchange) {
        const newScheme = scheme ?? exchange.scheme;
        const newPath = path === null ? exchange.path : path.pathFor(exchange);
        const query = path === null ? exchange.query : path.queryFor(exchange);
        const host = redirectAuthority(authority, scheme, exchange);
        // A request of HTTP/1.0 may come without any host: then the location is relative.
        const target = host === '' ? newPath : `${newScheme}://${host}${newPath}`;
        return { status, headers: ['location', query === '' ? target : `${target}?${query}`], body: '' };
      },
    };
  },
});

/**
 * Host and port of the new URL. Without a port of its own it keeps the one the client used, which is the listener's as the
 * client knows it (a mapped or balanced port differs from the one listened on); a scheme given by the policy brings its
 * well-known port instead. Ports that the scheme implies are left out (Gateway API `HTTPRequestRedirectFilter.port`).
 */
function redirectAuthority(rewrite: AuthorityRewrite, scheme: string | null, exchange: Exchange): string {
  const parts = typeof rewrite === 'object' ? rewrite : {};
  if (parts.full !== undefined) return parts.full;
  const used = splitAuthority(exchange.authority);
  const newScheme = scheme ?? exchange.scheme;
  if (parts.port !== undefined) return joinAuthority(used.host, String(parts.port), newScheme);
  const host = parts.host ?? used.host;
  return joinAuthority(host, scheme === null ? used.port : '', newScheme);
}
