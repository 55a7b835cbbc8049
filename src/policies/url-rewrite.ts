import { z } from 'zod';
import type { Exchange } from '../exchange.ts';
import { into, merged, message, oneWord, required, text, WireError } from '../resources/wire.ts';
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
  authority: authorityRewriteSchema.nullish().describe('The Host that the backend is sent.'),
  path: pathRewriteSchema.nullish().describe('The path that the backend is sent.'),
});

const rewriteMessage = merged(
  into('authority', message<{ host?: string }>({ host: text }), {
    read: ({ host }): AuthorityRewrite | undefined => (host === undefined ? undefined : { host }),
    write(authority: AuthorityRewrite) {
      if (typeof authority === 'object' && authority.host !== undefined) return { host: authority.host };
      throw new WireError('can be said as a host only');
    },
  }),
  pathRewriteMessage,
);

/** HostRewrite; stands beside UrlRewrite, whose host goes before it. */
const hostRewriteMessage = message({
  authority: ['mode', required(oneWord({ none: 'NONE', auto: 'AUTO' }, 'none'))],
});

/** Gateway API `URLRewrite`: what the backend sees; the client learns nothing of it. */
export const urlRewrite = definePolicy({
  name: 'urlRewrite',
  schema,
  summary: 'Rewrites the host and the path of a request before it is forwarded.',
  levels: ['route'],
  phase: 'rewrite',
  protects: false,
  wire: [
    { spec: 'traffic', field: 'url_rewrite', message: rewriteMessage },
    { spec: 'traffic', field: 'host_rewrite', message: hostRewriteMessage },
  ],
  faults: (value) => [...authorityFaults(value.authority), ...pathFaults(value.path)],
  compile(value) {
    const authority = value.authority ?? 'none';
    const path = value.path ? new PathEdit(value.path) : null;
    return {
      onRequest(exchange) {
        if (path !== null) {
          const rewritten = path.pathFor(exchange);
          exchange.query = path.queryFor(exchange);
          exchange.path = rewritten;
        }
        if (authority !== 'none') exchange.authority = rewrittenAuthority(authority, exchange);
        return undefined;
      },
    };
  },
});

/** '' stands for the backend's own host (`auto`). */
function rewrittenAuthority(rewrite: Exclude<AuthorityRewrite, 'none'>, exchange: Exchange): string {
  if (rewrite === 'auto') return '';
  if (rewrite.full !== undefined) return rewrite.full.toLowerCase();
  const { host, port } = splitAuthority(exchange.authority);
  if (rewrite.host !== undefined) return joinAuthority(rewrite.host.toLowerCase(), port, exchange.scheme);
  return joinAuthority(host, String(rewrite.port), exchange.scheme);
}
