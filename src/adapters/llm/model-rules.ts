import { activationOf, type Expressions, type Rule, RuleSet } from '../../cel/index.ts';
import type { Exchange } from '../../exchange.ts';
import type { LlmModel } from '../../resources/types.ts';
import { llmActivation, type ReadableBody } from './mutate/activation.ts';

/** Who may use a model: its `authorization`. */
export interface ModelRules {
  /** `clientModel`: the model that the client named; `model`: the one this is about, which a virtual model may have led to. */
  allow(exchange: Exchange, body: ReadableBody | null, clientModel: string, model: string): boolean;
  /** Whether the model is listed for the caller, of whose request nothing but the head is known then. */
  list(exchange: Exchange): boolean;
}

/** Null where anybody may. */
export function modelRules({ policies }: LlmModel, cel: Expressions): ModelRules | null {
  const authorization = policies.authorization as { rules: readonly Rule[] } | undefined;
  if (authorization === undefined) return null;
  const rules = new RuleSet(authorization.rules, cel, 'authorization');
  return {
    allow: (exchange, body, clientModel, model) => rules.allows(llmActivation(exchange, body, clientModel, model)),
    list: (exchange) => rules.allows(activationOf(exchange)),
  };
}
