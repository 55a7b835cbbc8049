import { z } from 'zod';
import { list, message, text } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';

const schema = z.strictObject({
  additionalOrigins: z
    .array(z.string())
    .default([])
    .describe('Origins that may send state-changing requests, beside the own one.'),
});

/** Refuses state-changing requests that a browser sends on behalf of another site. */
export const csrf = definePolicy({
  name: 'csrf',
  schema,
  summary: 'Refuses cross-site requests that change state.',
  levels: ['route'],
  phase: 'authorization',
  protects: true,
  wire: [{ spec: 'traffic', field: 'csrf', message: message({ additionalOrigins: list(text) }) }],
});
