import { z } from 'zod';
import { GatewayError } from '../errors/table.ts';
import type { Exchange } from '../exchange.ts';
import type { PolicyFault } from '../resources/catalogue.ts';
import { exactlyOne } from '../resources/schema/common.ts';
import { into, message, present, text } from '../resources/wire.ts';

/** What urlRewrite and requestRedirect share: host and path replacements (Gateway API `HTTPPathModifier` and hostname, port). */
export const authorityRewriteSchema = z.union([
  exactlyOne(
    z.strictObject({
      full: z.string().optional().describe('Replaces host and port.'),
      host: z.string().optional().describe('Replaces the host and keeps the port in effect.'),
      port: z.int().min(1).max(65535).optional().describe('Replaces the port.'),
    }),
    ['full', 'host', 'port'],
  ),
  z.literal('auto').describe("The selected backend's own host, where there is one."),
  z.literal('none').describe('Leaves the authority as it is.'),
]);

export const pathRewriteSchema = exactlyOne(
  z.strictObject({
    full: z.string().optional().describe('Replaces the whole path.'),
    prefix: z.string().optional().describe('Replaces the matched path prefix.'),
  }),
  ['full', 'prefix'],
);

/** The `oneof path` of RequestRedirect and UrlRewrite. */
export const pathRewriteMessage = into('path', message({ full: present(text), prefix: present(text) }));

export type AuthorityRewrite = z.infer<typeof authorityRewriteSchema>;
export type PathRewrite = z.infer<typeof pathRewriteSchema>;

/** Characters of a host with an optional port (RFC 3986 §3.2.2, §3.2.3), brackets of an IPv6 literal included. */
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]+)(?::[0-9]{1,5})?$/;
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]+)$/;
/** What may stand on a request line between two spaces (RFC 9112 §3.2), a fragment aside. */
const PATH = /^[\x21\x22\x24-\x7e\x80-\xff]*$/;

/** Whether `text` is a host with an optional port. */
export function isAuthority(text: string): boolean {
  return AUTHORITY.test(text);
}

/** Whether `text` is a path, with or without a query. */
export function isPath(text: string): boolean {
  return text.startsWith('/') && PATH.test(text);
}

export function authorityFaults(value: AuthorityRewrite | null | undefined): PolicyFault[] {
  if (value === null || value === undefined || typeof value === 'string') return [];
  if (value.full !== undefined && !AUTHORITY.test(value.full)) {
    return [{ path: ['authority', 'full'], message: `"${value.full}" is not a host with an optional port` }];
  }
  if (value.host !== undefined && !HOST.test(value.host)) {
    return [{ path: ['authority', 'host'], message: `"${value.host}" is not a host name` }];
  }
  return [];
}

export function pathFaults(value: PathRewrite | null | undefined): PolicyFault[] {
  if (value === null || value === undefined) return [];
  const kind = value.full === undefined ? 'prefix' : 'full';
  const path = value[kind] ?? '';
  if (PATH.test(path) && (kind === 'full' || !path.includes('?'))) return [];
  return [{ path: ['path', kind], message: `"${path}" holds characters that a path cannot carry` }];
}

/** Splits `host[:port]`; the port is '' where there is none. IPv6 literals keep their brackets. */
export function splitAuthority(authority: string): { host: string; port: string } {
  const colon = authority.lastIndexOf(':');
  if (colon === -1 || colon < authority.lastIndexOf(']')) return { host: authority, port: '' };
  return { host: authority.slice(0, colon), port: authority.slice(colon + 1) };
}

/** `host:port`, without the port where it is the scheme's own (80 for http, 443 for https) or ''. */
export function joinAuthority(host: string, port: string, scheme: string): string {
  if (port === '' || (scheme === 'http' && port === '80') || (scheme === 'https' && port === '443')) return host;
  return `${host}:${port}`;
}

/** A path replacement made ready: `pathFor` gives the new path of an exchange, `query` the query it brings along or null. */
export class PathEdit {
  readonly #full: string | null;
  readonly #prefix: string;
  readonly #query: string | null;

  constructor(value: PathRewrite) {
    if (value.full !== undefined) {
      const path = value.full.startsWith('/') ? value.full : `/${value.full}`;
      const mark = path.indexOf('?');
      this.#full = mark === -1 ? path : path.slice(0, mark);
      this.#query = mark === -1 ? null : path.slice(mark + 1);
      this.#prefix = '';
    } else {
      const given = value.prefix ?? '';
      const prefix = given.startsWith('/') ? given : `/${given}`;
      this.#full = null;
      this.#query = null;
      this.#prefix = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
    }
  }

  /**
   * The path that replaces `exchange.path`. A prefix is replaced element by element, slashes at the ends of either prefix
   * ignored (Gateway API `ReplacePrefixMatch`, its table of examples).
   * @throws GatewayError `internal` where a prefix is to be replaced but the route matched without one
   */
  pathFor(exchange: Exchange): string {
    if (this.#full !== null) return this.#full;
    const matched = exchange.matchedPrefix;
    if (matched === '') {
      throw new GatewayError('internal', 'The route replaces a path prefix, but its match is not a pathPrefix.');
    }
    const rest = exchange.path.slice(matched.endsWith('/') ? matched.length - 1 : matched.length);
    const path = this.#prefix + rest;
    return path === '' ? '/' : path;
  }

  /** A query written into the replacement takes the place of the request's. */
  queryFor(exchange: Exchange): string {
    return this.#query ?? exchange.query;
  }
}
