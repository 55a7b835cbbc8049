import { activationOf, type GatewayActivation, RuleSet } from '../cel/index.ts';
import { GatewayError } from '../errors/table.ts';
import { definePolicy } from './definition.ts';
import { activationOfCall, readsRequestBody } from './expressions.ts';
import { mergeRules, ruleSetMessage, ruleSetSchema } from './rules.ts';

/** CEL rules over the request and who sends it. On a backend they are asked once for each attempt to call it. */
export const authorization = definePolicy({
  name: 'authorization',
  schema: ruleSetSchema,
  summary: 'Allows or refuses requests by CEL rules.',
  levels: ['gateway', 'route', 'backend'],
  phase: 'authorization',
  protects: true,
  wire: [
    { spec: 'traffic', field: 'authorization', message: ruleSetMessage },
    { spec: 'backend', field: 'authorization', message: ruleSetMessage },
  ],
  merge: mergeRules,
  compile({ rules }, { level }, { cel }) {
    const set = new RuleSet(rules, cel, 'authorization');
    const check = (activation: GatewayActivation): undefined => {
      if (!set.allows(activation)) throw new GatewayError('forbidden');
    };
    return {
      ...(level === 'backend'
        ? { onUpstream: (call, exchange) => check(activationOfCall(call, exchange)) }
        : { onRequest: (exchange) => check(activationOf(exchange)) }),
      readsBody: readsRequestBody(set),
    };
  },
});
