import { z } from 'zod';
import { celExpression, celMap } from '../resources/schema/common.ts';
import { explicitOrConditional } from './conditional.ts';
import { definePolicy } from './definition.ts';

const transform = z.strictObject({
  add: celMap().default({}).describe('Headers to append, each a CEL expression.'),
  set: celMap().default({}).describe('Headers to set, each a CEL expression.'),
  remove: z.array(z.string()).default([]).describe('Names of headers to remove.'),
  replace: celExpression().nullish().describe('CEL expression that gives all headers anew, as a map.'),
  body: celExpression().nullish().describe('CEL expression that gives the body.'),
  metadata: celMap().default({}).describe('Facts that later expressions can read, each a CEL expression.'),
});

/** Transformations without the conditional form. */
export const transformationSchema = z.strictObject({
  request: transform.nullish().describe('Changes to the request.'),
  response: transform.nullish().describe('Changes to the response.'),
});

/** Headers and bodies computed by CEL. */
export const transformations = definePolicy({
  name: 'transformations',
  schema: explicitOrConditional(transformationSchema),
  schemas: { backend: transformationSchema },
  summary: 'Changes headers and bodies by CEL expressions.',
  levels: ['gateway', 'route', 'backend'],
  phase: 'request',
  protects: false,
});
