import { z } from 'zod';
import { uint } from '../resources/schema/common.ts';
import { message, oneWord, present, uint32 } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';

const body = z.strictObject({
  maxBytes: uint().nullish().describe('Most bytes held.'),
  failureMode: z
    .enum(['failClosed', 'failOpen'])
    .default('failClosed')
    .describe('A larger body is refused, or forwarded as it comes.'),
});

const bodyMessage = message({
  maxBytes: present(uint32),
  failureMode: oneWord({ failClosed: 'FAIL_CLOSED', failOpen: 'FAIL_OPEN' }, 'failClosed'),
});

/** Holds bodies whole before they go on. */
export const buffer = definePolicy({
  name: 'buffer',
  schema: z.strictObject({
    request: body.nullish().describe('Request bodies.'),
    response: body.nullish().describe('Response bodies.'),
  }),
  summary: 'Holds request or response bodies until they are complete.',
  levels: ['route'],
  phase: 'request',
  protects: false,
  wire: [{ spec: 'traffic', field: 'buffer', message: message({ request: bodyMessage, response: bodyMessage }) }],
});
