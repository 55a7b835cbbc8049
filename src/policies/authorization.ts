import { activationOf, RuleSet } from '../cel/index.ts';
import { GatewayError } from '../errors/table.ts';
import type { Exchange } from '../exchange.ts';
import { definePolicy } from './definition.ts';
import { readsRequestBody } from './expressions.ts';
import { mergeRules, ruleSetSchema } from './rules.ts';

/** CEL rules over the request and who sends it. On a backend they are asked once for each attempt to call it. */
export const authorization = definePolicy({
  name: 'authorization',
  schema: ruleSetSchema,
  summary: 'Allows or refuses requests by CEL rules.',
  levels: ['gateway', 'route', 'backend'],
  phase: 'authorization',
  protects: true,
  merge: mergeRules,
  compile({ rules }, { level }, { cel }) {
    const set = new RuleSet(rules, cel, 'authorization');
    const check = (exchange: Exchange): undefined => {
      if (!set.allows(activationOf(exchange))) throw new GatewayError('forbidden');
    };
    return {
      ...(level === 'backend' ? { onUpstream: (_, exchange) => check(exchange) } : { onRequest: check }),
      readsBody: readsRequestBody(set),
    };
  },
});
