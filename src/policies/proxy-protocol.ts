import { z } from 'zod';
import { message, oneWord } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';

const schema = z.strictObject({
  version: z.enum(['v1', 'v2', 'all']).default('v2').describe('Versions accepted.'),
  mode: z.enum(['strict', 'optional']).default('strict').describe('Whether a connection must begin with the header.'),
});

const proxyMessage = message({
  version: oneWord({ v2: 'V2', v1: 'V1', all: 'ALL' }, 'v2'),
  mode: oneWord({ strict: 'STRICT', optional: 'OPTIONAL' }, 'strict'),
});

/**
 * PROXY protocol of load balancers in front. `strict` keeps out clients that come around the balancer, and addresses in
 * rules are the balancer's without it: it counts as protecting.
 */
export const proxyProtocol = definePolicy({
  name: 'proxyProtocol',
  aliases: ['proxy'],
  schema,
  summary: "Reads the client's address from the PROXY protocol header.",
  levels: ['frontend'],
  phase: 'connection',
  protects: true,
  wire: [{ spec: 'frontend', field: 'proxy_protocol', message: proxyMessage }],
});
