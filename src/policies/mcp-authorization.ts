import { definePolicy } from './definition.ts';
import { mergeRules, ruleSetMessage, ruleSetSchema } from './rules.ts';

/** CEL rules over one MCP call; what a caller may not use is also left out of lists. */
export const mcpAuthorization = definePolicy({
  name: 'mcpAuthorization',
  schema: ruleSetSchema,
  summary: 'Allows or refuses MCP tools, prompts and resources by CEL rules.',
  levels: ['route', 'backend'],
  phase: 'mcp-call',
  protects: true,
  wire: [{ spec: 'backend', field: 'mcp_authorization', message: ruleSetMessage }],
  merge: mergeRules,
});
