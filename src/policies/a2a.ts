import { z } from 'zod';
import { message } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';

/** Marks a route as carrying the A2A protocol: agent cards are rewritten, methods are seen by metrics and rules. */
export const a2a = definePolicy({
  name: 'a2a',
  schema: z.strictObject({}),
  summary: 'Treats traffic as the A2A protocol.',
  levels: ['route', 'backend'],
  phase: 'a2a-call',
  protects: false,
  wire: [{ spec: 'backend', field: 'a2a', message: message({}) }],
});
