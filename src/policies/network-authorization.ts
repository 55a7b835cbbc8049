import { definePolicy } from './definition.ts';
import { ruleSetMessage, ruleSetSchema } from './rules.ts';

/** CEL rules over a connection, before any request is read from it. */
export const networkAuthorization = definePolicy({
  name: 'networkAuthorization',
  schema: ruleSetSchema,
  summary: 'Allows or refuses client connections by CEL rules.',
  levels: ['frontend'],
  phase: 'connection',
  protects: true,
  wire: [{ spec: 'frontend', field: 'network_authorization', message: ruleSetMessage }],
});
