import type { GatewayActivation } from '../../cel/index.ts';
import type { Exchange } from '../../exchange.ts';
import type { JsonObject } from '../../facts/conversation.ts';
import type { OnClientAbort } from '../../facts/llm.ts';
import type { AffinityKey } from '../../upstream/call.ts';
import { sessionKey } from '../../upstream/session-key.ts';
import type { RouteContext } from '../adapter.ts';
import type { CompiledAiPolicy } from './ai-policy.ts';
import type { ContextPlan } from './context-plan.ts';
import { parseObject } from './formats/fields.ts';
import { llmActivation, type ReadableBody } from './mutate/activation.ts';
import { affinityOf } from './prefix-affinity.ts';
import type { ProviderTarget } from './target.ts';
import type { Option, TargetGroups, Wish } from './target-groups.ts';

/** A provider chosen for a request, and who else could serve it. */
export interface Choice {
  readonly candidate: Option;
  /** The model asked for, by which limits are told apart. */
  readonly model: string;
  readonly affinity: AffinityKey | null;
  /** null where there is nobody else. */
  readonly others: Others | null;
  policyOf(target: ProviderTarget): CompiledAiPolicy;
  onClientAbortOf(target: ProviderTarget): OnClientAbort;
}

/** All who could serve a request, whoever was chosen first among them. */
export interface Others {
  readonly count: number;
  /** Somebody who was not tried, as far as there is one. */
  next(tried: readonly Option[]): Option;
  /** Whether somebody who was not tried could serve now. */
  left(tried: readonly Option[]): boolean;
  /** Who is asked the same as `option`, with other keys; itself among them. */
  alike(option: Option): readonly Option[];
}

/**
 * Chooses who serves a request.
 *
 * @param model as the client named it; '' = it named none
 * @param body the request's JSON; null where it is none
 */
export function choose(
  groups: TargetGroups,
  exchange: Exchange,
  context: RouteContext,
  plan: ContextPlan,
  { model, body }: { readonly model: string; readonly body: Buffer | null },
): Choice {
  const session = plan.session === null ? null : sessionKey(plan.session, activationFor(exchange, model, body));
  const affinity = session ?? affinityOf(exchange, context, body);
  const wish: Wish = { model, affinity };
  const count = groups.count(context);
  return {
    candidate: groups.pick(context, wish),
    model,
    affinity,
    others:
      count < 2
        ? null
        : {
            count,
            next: (tried) => groups.pick(context, wish, tried),
            left: (tried) => groups.hasUntried(context, wish, tried),
            alike: (option) => groups.alike(context, option),
          },
    policyOf: (target) => plan.policyOf(target),
    onClientAbortOf: (target) => plan.onClientAbortOf(target),
  };
}

function activationFor(exchange: Exchange, model: string, body: Buffer | null): GatewayActivation {
  return llmActivation(exchange, body === null ? null : new HeldJson(body), model);
}

/** A request's JSON, parsed where an expression reads it. */
class HeldJson implements ReadableBody {
  readonly bytes: Buffer;
  #json: JsonObject | null | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get json(): JsonObject | null {
    if (this.#json === undefined) this.#json = parseObject(this.bytes.toString('utf8'));
    return this.#json;
  }
}
