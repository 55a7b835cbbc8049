import type { PolicyLevel, PolicySpec } from '../../resources/catalogue.ts';
import type { TargetedPolicy } from '../../resources/types.ts';
import { oneWord, WireError, type WireMessage } from '../../resources/wire.ts';
import { nameOf, orderedName, partName, readOrdered, readPart } from './keys.ts';
import { below, messageIn, messagesIn, type Notes, numberIn, required, textIn } from './notes.ts';
import type { Piece } from './pieces.ts';
import { isConditional, type NamedPolicy, type PolicySpecs } from './policies.ts';

type Target = TargetedPolicy['target'];
type Phase = TargetedPolicy['phase'];

const phaseWire = oneWord<Exclude<Phase, 'frontend'>>({ route: 'ROUTE', gateway: 'GATEWAY' }, 'route');
const inheritance = oneWord({ default: 'DEFAULT', override: 'OVERRIDE' }, 'default');

/** Throws WireError. */
export function readPolicy(wire: WireMessage, specs: PolicySpecs, notes: Notes): Piece {
  const { name: ownKey, order } = readOrdered(required(wire, 'key'));
  const targetMessage = messageIn(wire, 'target');
  if (targetMessage === undefined) throw new WireError('is missing', ['target']);
  const target = below(['target'], () => readTarget(targetMessage));
  const { phase, policy } = readKind(wire, target, specs, notes);
  const key = `policy/${ownKey}`;
  if (policy === null) return { kind: 'nothing', key };
  const policies = { [policy.name]: policy.value };
  const part = readPart(ownKey);
  if (part !== null) return { kind: 'part', key, owner: part.owner, policies, order };
  if (policy.name === 'frontend.http' && target.kind === 'gateway')
    return readHttpLimits(key, target, policies, order, notes);
  const override = below(['inheritance'], () => inheritance.read(wire.inheritance)) === 'override';
  return {
    kind: 'policy',
    key,
    policy: {
      kind: 'policy',
      key,
      name: textIn(messageIn(wire, 'name'), 'name') || ownKey,
      target,
      phase,
      policies,
      order,
      ...(override && { override }),
    },
  };
}

/** How requests are read is settled before it is known which listener they are for: those of the whole process are all there are. */
function readHttpLimits(
  key: string,
  target: Target & { kind: 'gateway' },
  policies: Record<string, unknown>,
  order: number,
  notes: Notes,
): Piece {
  if (target.port !== 0 || target.listener !== '') {
    notes.warn('http: applies to a whole gateway only in this version; left out');
    return { kind: 'nothing', key };
  }
  return { kind: 'part', key, owner: 'frontend', policies, order };
}

function readTarget(wire: WireMessage): Target {
  const gateway = messageIn(wire, 'gateway');
  if (gateway !== undefined) {
    return {
      kind: 'gateway',
      gateway: textIn(gateway, 'name'),
      namespace: textIn(gateway, 'namespace'),
      listener: textIn(gateway, 'listener'),
      port: numberIn(gateway, 'port'),
    };
  }
  const route = messageIn(wire, 'route');
  if (route !== undefined) {
    const nameKind = textIn(route, 'kind');
    return {
      kind: 'route',
      ...named(route),
      ruleName: textIn(route, 'route_rule'),
      ...(nameKind !== '' && { nameKind }),
    };
  }
  const backend = messageIn(wire, 'backend');
  if (backend !== undefined) return { kind: 'backend', ...named(backend), section: textIn(backend, 'section') };
  const service = messageIn(wire, 'service');
  if (service !== undefined) {
    const [hostname, namespace] = [textIn(service, 'hostname'), textIn(service, 'namespace')];
    return { kind: 'service', hostname, namespace, port: numberIn(service, 'port') };
  }
  const set = messageIn(wire, 'listener_set');
  if (set !== undefined) return { kind: 'listenerSet', ...named(set), listener: textIn(set, 'section') };
  throw new WireError('is of a kind that this version does not know');
}

function named(wire: WireMessage): { name: string; namespace: string } {
  return { name: textIn(wire, 'name'), namespace: textIn(wire, 'namespace') };
}

function readKind(
  wire: WireMessage,
  target: Target,
  specs: PolicySpecs,
  notes: Notes,
): { phase: Phase; policy: NamedPolicy | null } {
  const traffic = messageIn(wire, 'traffic');
  if (traffic !== undefined) {
    const phase = phaseOf(traffic);
    const level = levelOf('traffic', target, phase);
    return { phase, policy: below(['traffic'], () => specs.read('traffic', traffic, level, notes)) };
  }
  const backend = messageIn(wire, 'backend');
  if (backend !== undefined) {
    const level = levelOf('backend', target, 'route');
    return { phase: 'route', policy: below(['backend'], () => specs.read('backend', backend, level, notes)) };
  }
  const frontend = messageIn(wire, 'frontend');
  if (frontend !== undefined) {
    const level = levelOf('frontend', target, 'frontend');
    return { phase: 'frontend', policy: below(['frontend'], () => specs.read('frontend', frontend, level, notes)) };
  }
  const conditional = messageIn(wire, 'conditional');
  if (conditional !== undefined)
    return below(['conditional'], () => readConditional(conditional, target, specs, notes));
  const phase = target.kind === 'gateway' || target.kind === 'listenerSet' ? 'gateway' : 'route';
  return { phase, policy: specs.read('traffic', {}, levelOf('traffic', target, phase), notes) };
}

function readConditional(wire: WireMessage, target: Target, specs: PolicySpecs, notes: Notes) {
  const entries = messagesIn(wire, 'policies').map((entry) => ({
    condition: textIn(entry, 'condition'),
    message: messageIn(entry, 'traffic') ?? {},
  }));
  const phase = phaseOf(entries[0]?.message ?? {});
  if (entries.some(({ message }) => phaseOf(message) !== phase))
    throw new WireError('entries of two phases', ['policies']);
  return { phase, policy: specs.readConditional(entries, levelOf('traffic', target, phase), notes) };
}

function phaseOf(traffic: WireMessage): Exclude<Phase, 'frontend'> {
  return below(['phase'], () => phaseWire.read(traffic.phase)) ?? 'route';
}

/** The level a policy is executed at where it is attached. */
function levelOf(spec: PolicySpec, target: Target, phase: Phase): PolicyLevel {
  const listens = target.kind === 'gateway' || target.kind === 'listenerSet';
  if (spec === 'frontend') {
    if (!listens) throw new WireError('takes no frontend policies', ['target']);
    return 'frontend';
  }
  if (phase === 'gateway') {
    if (!listens) throw new WireError('phase GATEWAY needs a gateway as its target', ['traffic', 'phase']);
    return 'gateway';
  }
  return listens || target.kind === 'route' ? 'route' : 'backend';
}

/** A policy attached from outside. Throws WireError for what only files can say. */
export function writePolicy(policy: TargetedPolicy, specs: PolicySpecs): WireMessage {
  const { key, name, target, phase, policies, order, override } = policy;
  const [own, ...others] = Object.entries(policies);
  if (own === undefined || others.length > 0) throw new WireError('one policy, no more and no less', ['policies']);
  const ownKey = nameOf(key);
  const namespace = ownKey.endsWith(`/${name}`) ? ownKey.slice(0, -name.length - 1) : '';
  return {
    key: orderedName(order, ownKey),
    name: { name, namespace },
    target: writeTarget(target),
    ...(override && { inheritance: inheritance.write('override') }),
    ...writeKind({ name: own[0], value: own[1] }, phase, specs),
  };
}

/** The policy `name` of the resource `owner`, which it is part of; `target` is where other data planes find it. */
export function writePart(
  owner: string,
  target: Target,
  phase: Phase,
  policy: NamedPolicy,
  specs: PolicySpecs,
): WireMessage {
  return {
    key: partName(owner, policy.name),
    name: { name: policy.name, namespace: '' },
    target: writeTarget(target),
    ...writeKind(policy, phase, specs),
  };
}

function writeKind(policy: NamedPolicy, phase: Phase, specs: PolicySpecs): WireMessage {
  if (phase === 'frontend') {
    const frontend = specs.write('frontend', policy);
    if (frontend === undefined) throw new WireError("can't be said", [policy.name]);
    return { frontend };
  }
  const said = { phase: phaseWire.write(phase) ?? 'ROUTE' };
  if (isConditional(policy.value)) {
    const entries = specs.writeConditional(policy);
    if (entries === undefined) throw new WireError("can't be said", [policy.name]);
    const policies = entries.map(({ condition, message }) => ({
      ...(condition !== '' && { condition }),
      traffic: { ...said, ...message },
    }));
    return { conditional: { policies } };
  }
  const traffic = specs.write('traffic', policy);
  if (traffic !== undefined) return { traffic: { ...said, ...traffic } };
  const backend = specs.write('backend', policy);
  if (backend === undefined || phase === 'gateway') throw new WireError("can't be said", [policy.name]);
  return { backend };
}

function writeTarget(target: Target): WireMessage {
  switch (target.kind) {
    case 'gateway': {
      const { gateway: name, namespace, listener, port } = target;
      return { gateway: { name, namespace, ...(listener !== '' && { listener }), ...(port !== 0 && { port }) } };
    }
    case 'listenerSet': {
      const { name, namespace, listener } = target;
      return { listener_set: { name, namespace, ...(listener !== '' && { section: listener }) } };
    }
    case 'route': {
      const { name, namespace, ruleName, nameKind = '' } = target;
      return { route: { name, namespace, ...(ruleName !== '' && { route_rule: ruleName }), kind: nameKind } };
    }
    case 'backend': {
      const { name, namespace, section } = target;
      return { backend: { name, namespace, ...(section !== '' && { section }) } };
    }
    case 'service': {
      const { hostname, namespace, port } = target;
      return { service: { hostname, namespace, ...(port !== 0 && { port }) } };
    }
  }
}
