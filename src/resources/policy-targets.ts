import type { Listener, Route, TargetedPolicy } from './types.ts';

type Target = TargetedPolicy['target'];

/** The kind of routes that say none. */
const USUAL_ROUTE = 'HTTPRoute';

/**
 * Sorts the policies of one target, the weaker first. Of a file the later counts; of those of a control plane, which has no such order, the
 * first by name (https://gateway-api.sigs.k8s.io/geps/gep-713/, "Conflict resolution").
 */
export function byPrecedence(a: TargetedPolicy, b: TargetedPolicy): number {
  return a.order - b.order || (a.key < b.key ? 1 : -1);
}

/** Where a target's policies are found, which is also the name of a dependency on them. */
export function targetName(target: Target): string {
  switch (target.kind) {
    case 'gateway':
      return `target/gateway/${target.namespace}/${target.gateway}/${target.listener}/${target.port}`;
    case 'listenerSet':
      return `target/listenerSet/${target.namespace}/${target.name}/${target.listener}`;
    case 'route':
      return `target/route/${target.namespace}/${target.name}/${target.ruleName}/${target.nameKind ?? ''}`;
    case 'backend':
      return `target/backend/${target.namespace}/${target.name}/${target.section}`;
    case 'service':
      return `target/service/${target.namespace}/${target.hostname}/${target.port}`;
  }
}

/** Targets a listener on `port` (0: on none that is known) is reached by, the most general first. */
export function listenerTargets({ gateway, namespace, name, listenerSet }: Listener, port: number): Target[] {
  const onPort = (target: Target & { kind: 'gateway' }): Target[] =>
    port === 0 ? [target] : [target, { ...target, port }];
  const whole = { kind: 'gateway', gateway, namespace, listener: '', port: 0 } as const;
  const targets = onPort(whole);
  if (listenerSet !== undefined) {
    const set = { kind: 'listenerSet', ...listenerSet, listener: '' } as const;
    targets.push(set, { ...set, listener: name });
  }
  return name === '' ? targets : [...targets, ...onPort({ ...whole, listener: name })];
}

/** Targets a route is reached by, the most general first. */
export function routeTargets({ name, namespace, ruleName, nameKind = USUAL_ROUTE }: Route): Target[] {
  const whole = { kind: 'route', name, namespace, ruleName: '' } as const;
  const targets: Target[] = [whole, { ...whole, nameKind }];
  if (ruleName !== '') targets.push({ ...whole, ruleName }, { ...whole, ruleName, nameKind });
  return targets;
}
