import { z } from 'zod';
import { message, oneWord } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';

/** What becomes of HTTP CONNECT. */
export const connect = definePolicy({
  name: 'connect',
  schema: z.strictObject({
    mode: z
      .enum(['deny', 'route', 'tunnel'])
      .describe('Refuse CONNECT, route it like a request, or take what is tunnelled as requests.'),
  }),
  summary: 'Handling of HTTP CONNECT.',
  levels: ['frontend'],
  phase: 'connection',
  protects: false,
  wire: [
    {
      spec: 'frontend',
      field: 'connect',
      message: message({ mode: oneWord({ deny: 'DENY', route: 'ROUTE', tunnel: 'TUNNEL' }, 'deny') }),
    },
  ],
});
