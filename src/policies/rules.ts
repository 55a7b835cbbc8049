import { z } from 'zod';
import { celExpression, exactlyOne } from '../resources/schema/common.ts';
import { list, mapped, message, text, type Wire } from '../resources/wire.ts';

/** CEL authorization rules, as `authorization`, `mcpAuthorization` and `networkAuthorization` take them. */

const EFFECTS = ['allow', 'deny', 'require'] as const;
type Effect = (typeof EFFECTS)[number];

const effect = exactlyOne(
  z.strictObject({
    allow: celExpression().optional().describe('Allows when true; once there are such rules, one of them must hold.'),
    deny: celExpression().optional().describe('Refuses when true, whatever the other rules say.'),
    require: celExpression().optional().describe('Refuses unless true.'),
  }),
  EFFECTS,
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

/** The messages of all three policies: RBAC, McpAuthorization, NetworkAuthorization. In which order rules stand makes no difference. */
export const ruleSetMessage: Wire<RuleSet> = mapped(
  message<Partial<Record<Effect, string[]>>>({ allow: list(text), deny: list(text), require: list(text) }),
  {
    read: ({ allow = [], deny = [], require = [] }) => ({
      rules: [...allow, ...deny.map((rule) => ({ deny: rule })), ...require.map((rule) => ({ require: rule }))],
    }),
    write({ rules }) {
      const lists: Record<Effect, string[]> = { allow: [], deny: [], require: [] };
      for (const rule of rules) {
        const effects: Partial<Record<Effect, string | undefined>> = typeof rule === 'string' ? { allow: rule } : rule;
        for (const kind of EFFECTS) lists[kind].push(...(effects[kind] === undefined ? [] : [effects[kind]]));
      }
      return lists;
    },
  },
);
