import { z } from 'zod';
import { celExpression, exactlyOne } from '../resources/schema/common.ts';

/** CEL authorization rules, as `authorization`, `mcpAuthorization` and `networkAuthorization` take them. */

const effect = exactlyOne(
  z.strictObject({
    allow: celExpression().optional().describe('Allows when true; once there are such rules, one of them must hold.'),
    deny: celExpression().optional().describe('Refuses when true, whatever the other rules say.'),
    require: celExpression().optional().describe('Refuses unless true.'),
  }),
  ['allow', 'deny', 'require'],
);

/** `{rules: […]}`; a bare expression means `allow`. */
export const ruleSetSchema = z.strictObject({
  rules: z
    .array(z.union([celExpression(), effect]))
    .describe('Rules: a CEL expression that allows, or `{allow}`, `{deny}`, `{require}` with one.'),
});

export type RuleSet = z.output<typeof ruleSetSchema>;

/** Rules of several places apply together: a narrower place can't take back what a wider one refuses. */
export function mergeRules(general: RuleSet, specific: RuleSet): RuleSet {
  return { rules: [...general.rules, ...specific.rules] };
}
