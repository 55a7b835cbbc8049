import { definePolicy } from './definition.ts';
import { ruleSetSchema } from './rules.ts';

/** CEL rules over the request and who sends it. */
export const authorization = definePolicy({
  name: 'authorization',
  schema: ruleSetSchema,
  summary: 'Allows or refuses requests by CEL rules.',
  levels: ['gateway', 'route', 'backend'],
  phase: 'authorization',
  protects: true,
});
