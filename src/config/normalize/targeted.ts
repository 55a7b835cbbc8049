import type { PolicyLevel } from '../../resources/catalogue.ts';
import type { LocalTargetedPolicy } from '../../resources/schema/index.ts';
import type { PolicyMap, TargetedPolicy } from '../../resources/types.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';

/** `policies:`: policies attached from outside to gateways, routes, backends and services. */
export function normalizeTargetedPolicy(context: Context, section: Section<LocalTargetedPolicy>, order: number): void {
  const { name, namespace } = section.get('name');
  const phase = section.get('phase');
  const policies = policiesOf(context, section, phase);
  const target = targetOf(context, section);
  if (target === undefined) return;
  context.emit(
    {
      kind: 'policy',
      key: `policy/${namespace}/${name}`,
      name,
      target,
      phase,
      policies,
      order,
    },
    section.path,
  );
}

function policiesOf(context: Context, section: Section<LocalTargetedPolicy>, phase: 'route' | 'gateway'): PolicyMap {
  const policies = context.policies(section.section('policy'), 'route');
  const names = Object.keys(policies);
  if (names.length !== 1) {
    const found = names.length === 0 ? 'none' : names.join(' and ');
    context.fault(section.at('policy'), `give exactly one policy, not ${found}`, 'write one entry a policy');
  }
  const { level, where, hint } = place(section, phase);
  for (const name of names) {
    if (context.catalogue.policies.get(name)?.levels.includes(level) !== true) {
      context.fault(section.at('policy', name), `${name} cannot ${where}`, hint);
    }
  }
  return policies;
}

/** The level a policy is executed at where it is attached; one that has no such level would never run. */
function place(
  section: Section<LocalTargetedPolicy>,
  phase: 'route' | 'gateway',
): { level: PolicyLevel; where: string; hint: string } {
  const { backend } = section.get('target');
  if (backend !== undefined) {
    return { level: 'backend', where: 'be attached to a backend', hint: 'attach it to the route or gateway' };
  }
  if (phase === 'gateway') {
    return { level: 'gateway', where: 'run before a route is chosen', hint: 'leave out phase: gateway' };
  }
  return { level: 'route', where: 'be attached to a route', hint: 'attach it where it belongs' };
}

function targetOf(context: Context, section: Section<LocalTargetedPolicy>): TargetedPolicy['target'] | undefined {
  const { gateway, route, backend, listenerSet } = section.get('target');
  if (gateway !== undefined) {
    return {
      kind: 'gateway',
      gateway: gateway.gatewayName,
      namespace: gateway.gatewayNamespace,
      listener: gateway.listenerName ?? '',
      port: gateway.port ?? 0,
    };
  }
  if (route !== undefined) {
    const kind = route.kind ?? 'HTTPRoute';
    if (kind !== 'HTTPRoute') {
      context.inactive(section.path);
      return undefined;
    }
    return { kind: 'route', name: route.name, namespace: route.namespace, ruleName: route.ruleName ?? '' };
  }
  if (listenerSet !== undefined) {
    // Listener sets come from Kubernetes; a file defines none, so there is nothing that it could protect.
    context.inactive(section.path);
    return undefined;
  }
  if (typeof backend === 'object' && backend.backend !== undefined) {
    const { name, namespace, section: part } = backend.backend;
    return { kind: 'backend', name, namespace, section: part ?? '' };
  }
  if (typeof backend === 'object' && backend.service !== undefined) {
    const { hostname, namespace, port } = backend.service;
    return { kind: 'service', hostname, namespace, port: port ?? 0 };
  }
  context.inactive(section.path);
  return undefined;
}
