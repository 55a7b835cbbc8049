import type { GatewayActivation } from '../../cel/index.ts';
import type { Exchange } from '../../exchange.ts';
import type { JsonObject } from '../../facts/conversation.ts';
import type { OnClientAbort } from '../../facts/llm.ts';
import { sessionKey } from '../../upstream/session-key.ts';
import type { RouteContext } from '../adapter.ts';
import type { CompiledAiPolicy } from './ai-policy.ts';
import type { ContextPlan } from './context-plan.ts';
import { parseObject } from './formats/fields.ts';
import type { Issuers } from './issuers.ts';
import { llmActivation, type ReadableBody } from './mutate/activation.ts';
import { affinityOf, type ConversationKey } from './prefix-affinity.ts';
import type { ProviderTarget } from './target.ts';
import type { Option, TargetGroups, Wish } from './target-groups.ts';

/** A provider chosen for a request, and who else could serve it. */
export interface Choice {
  readonly candidate: Option;
  /** The model as the client named it, by which limits are told apart; '' = it named none. */
  readonly model: string;
  readonly affinity: ConversationKey | null;
  /** null where there is nobody else. */
  readonly others: Others | null;
  readonly issuers: Issuers;
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
 * What a request has in common with others that should go the same way; null where nothing.
 *
 * @param model as the client named it; '' = it named none
 * @param body the request's JSON; null where it is none
 */
export function affinityFor(
  exchange: Exchange,
  context: RouteContext,
  plan: ContextPlan,
  model: string,
  body: Buffer | null,
): ConversationKey | null {
  const session = plan.session === null ? null : sessionKey(plan.session, activationFor(exchange, model, body));
  return session === null ? affinityOf(exchange, context, body) : { hash: session.hash, goesOn: true };
}

/**
 * Chooses who serves a request.
 *
 * @param model as the client named it; '' = it named none
 */
export function choose(
  groups: TargetGroups,
  context: RouteContext,
  plan: ContextPlan,
  model: string,
  affinity: ConversationKey | null,
): Choice {
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
    issuers: plan.issuers,
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
