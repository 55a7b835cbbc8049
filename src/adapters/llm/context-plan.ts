import type { Expression, Expressions } from '../../cel/index.ts';
import type { OnClientAbort } from '../../facts/llm.ts';
import type { PolicyMap } from '../../resources/types.ts';
import type { RouteContext } from '../adapter.ts';
import { type CompiledAiPolicy, compileAiPolicy } from './ai-policy.ts';
import { type Asked, Issuers } from './issuers.ts';
import { BodyMembers } from './request-body.ts';
import type { ProviderTarget } from './target.ts';

/** A provider and the policies that stand with it. */
export interface PlannedTarget extends Asked {
  readonly policies: PolicyMap;
}

/** What the policies of a route and of a backend's providers come to together, for one route context. */
export class ContextPlan {
  /** The route's `ai` policy alone: its paths are looked at before a provider is chosen. */
  readonly ai: CompiledAiPolicy;
  readonly members: BodyMembers;
  readonly issuers: Issuers;
  /** Of a `sessionAffinity` policy on the backend: what related requests have in common. */
  readonly session: Expression | null;
  readonly #policies = new Map<ProviderTarget, CompiledAiPolicy>();
  readonly #onClientAbort = new Map<ProviderTarget, OnClientAbort>();

  constructor(context: RouteContext, targets: readonly PlannedTarget[], cel: Expressions) {
    this.ai = compileAiPolicy([context.values.ai], cel);
    for (const { target, policies } of targets) {
      this.#policies.set(target, compileAiPolicy([context.values.ai, policies.ai], cel));
      const abort = policies.onClientAbort ?? context.values.onClientAbort;
      this.#onClientAbort.set(target, abort === 'cancel' ? 'cancel' : 'drain');
    }
    const source = (context.values.sessionAffinity as { source?: string } | undefined)?.source;
    this.session = source === undefined ? null : cel.compile(source, 'sessionAffinity');
    this.issuers = new Issuers(context, targets);
    this.members = new BodyMembers([this.ai, ...this.#policies.values()]);
  }

  policyOf(target: ProviderTarget): CompiledAiPolicy {
    return this.#policies.get(target) ?? this.ai;
  }

  onClientAbortOf(target: ProviderTarget): OnClientAbort {
    return this.#onClientAbort.get(target) ?? 'drain';
  }
}

/** Plans by route context, made with the first request of each. */
export class ContextPlans {
  readonly #targets: readonly PlannedTarget[];
  readonly #cel: Expressions;
  readonly #plans = new WeakMap<RouteContext, ContextPlan>();

  constructor(targets: readonly PlannedTarget[], cel: Expressions) {
    this.#targets = targets;
    this.#cel = cel;
  }

  of(context: RouteContext): ContextPlan {
    let plan = this.#plans.get(context);
    if (plan === undefined) {
      plan = new ContextPlan(context, this.#targets, this.#cel);
      this.#plans.set(context, plan);
    }
    return plan;
  }
}
