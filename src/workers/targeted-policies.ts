import type { Listener, PolicyMap, Route, TargetedPolicy } from '../resources/types.ts';

type Target = TargetedPolicy['target'];

/** Policies attached from outside, by what they target. */
export class TargetedPolicies {
  readonly #byTarget = new Map<string, TargetedPolicy[]>();

  /** Puts `after` in the place of `before`; returns the names of the targets whose policies changed. */
  replace(before: TargetedPolicy | null, after: TargetedPolicy | null): string[] {
    const names = new Set<string>();
    for (const policy of [before, after]) {
      if (policy === null) continue;
      const name = targetName(policy.target);
      names.add(name);
      const list = (this.#byTarget.get(name) ?? []).filter((other) => other.key !== policy.key);
      if (policy === after) list.push(policy);
      list.sort((a, b) => a.order - b.order);
      if (list.length === 0) this.#byTarget.delete(name);
      else this.#byTarget.set(name, list);
    }
    return [...names];
  }

  /** The policy maps of a target, the earlier first. */
  of(name: string, phase: TargetedPolicy['phase']): PolicyMap[] {
    const policies = this.#byTarget.get(name) ?? [];
    return policies.filter((policy) => policy.phase === phase).map((policy) => policy.policies);
  }
}

/** Where a target's policies are found, which is also the name of a dependency on them. */
export function targetName(target: Target): string {
  switch (target.kind) {
    case 'gateway':
      return `target/gateway/${target.namespace}/${target.gateway}/${target.listener}/${target.port}`;
    case 'route':
      return `target/route/${target.namespace}/${target.name}/${target.ruleName}`;
    case 'backend':
      return `target/backend/${target.namespace}/${target.name}/${target.section}`;
    case 'service':
      return `target/service/${target.namespace}/${target.hostname}/${target.port}`;
  }
}

/** Targets a listener is reached by, the most general first. */
export function listenerTargets(listener: Listener): Target[] {
  const { gateway, namespace, name } = listener;
  const port = Number(listener.bindKey.slice(listener.bindKey.indexOf('/') + 1));
  const whole = { kind: 'gateway', gateway, namespace, listener: '', port: 0 } as const;
  return [whole, { ...whole, port }, { ...whole, listener: name }, { ...whole, listener: name, port }];
}

/** Targets a route is reached by, the most general first. */
export function routeTargets({ name, namespace, ruleName }: Route): Target[] {
  const whole = { kind: 'route', name, namespace, ruleName: '' } as const;
  return ruleName === '' ? [whole] : [whole, { ...whole, ruleName }];
}
