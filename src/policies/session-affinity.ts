import { z } from 'zod';
import { celExpression } from '../resources/schema/common.ts';
import { definePolicy } from './definition.ts';

/** Best effort: the same value goes to the same endpoint while the set of endpoints stays. */
export const sessionAffinity = definePolicy({
  name: 'sessionAffinity',
  schema: z.strictObject({
    source: celExpression().describe('CEL expression; requests that give the same value go to the same endpoint.'),
  }),
  summary: 'Sends related requests to the same endpoint.',
  levels: ['backend'],
  phase: 'backend',
  protects: false,
});
