import type { PolicyLevel } from '../../resources/catalogue.ts';
import { isConditional } from '../../resources/conditional.ts';
import type { TargetedPolicy } from '../../resources/types.ts';
import { oneWord, WireError, type WireMessage } from '../../resources/wire.ts';
import { nameOf, orderedName, ownerOfPolicy, partName, readOrdered } from './keys.ts';
import { below, messageIn, messagesIn, type Notes, numberIn, required, textIn } from './notes.ts';
import type { Piece } from './pieces.ts';
import type { NamedPolicy, PolicySpecs } from './policies.ts';

type Target = TargetedPolicy['target'];
type Phase = TargetedPolicy['phase'];

const phaseWire = oneWord<'route' | 'gateway'>({ route: 'ROUTE', gateway: 'GATEWAY' }, 'route');
const inheritance = oneWord({ default: 'DEFAULT', override: 'OVERRIDE' }, 'default');

/** Throws WireError. */
export function readPolicy(wire: WireMessage, specs: PolicySpecs, notes: Notes): Piece {
  const { name: ownKey, order } = readOrdered(required(wire, 'key'));
  const targetMessage = messageIn(wire, 'target');
  if (targetMessage === undefined) throw new WireError('is missing', ['target']);
  const target = below(['target'], () => readTarget(targetMessage));
  const owner = ownerOfPolicy(ownKey);
  const { phase, policy } = readKindOrStandIn(wire, target, owner !== null, specs, notes);
  const key = `policy/${ownKey}`;
  if (policy === null || owner === 'copy') return { kind: 'nothing', key };
  const policies = { [policy.name]: policy.value };
  if (owner !== null) return { kind: 'part', key, owner, policies, order };
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

interface Kind {
  readonly phase: Phase;
  /** null: nothing that this version would do anything with. */
  readonly policy: NamedPolicy | null;
}

/** What can't be read of a policy that protects is kept as one that nobody executes. Throws WireError for others. */
function readKindOrStandIn(wire: WireMessage, target: Target, isPart: boolean, specs: PolicySpecs, notes: Notes): Kind {
  try {
    return readKind(wire, target, isPart, specs, notes);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const [spec, message] = specOf(wire);
    const policy = specs.refused(spec, message);
    if (policy === null) throw error;
    notes.refuse(error);
    const early = message.phase === 'GATEWAY' && listens(target);
    const late = spec === 'backend' && !isPart && !isBackend(target) ? 'backend' : 'route';
    return { phase: spec === 'frontend' ? 'frontend' : early ? 'gateway' : late, policy };
  }
}

/** What a policy is of, and says; of one under conditions, the first. */
function specOf(wire: WireMessage): ['traffic' | 'backend' | 'frontend', WireMessage] {
  for (const spec of ['backend', 'frontend'] as const) {
    const message = messageIn(wire, spec);
    if (message !== undefined) return [spec, message];
  }
  const [entry = {}] = messagesIn(messageIn(wire, 'conditional') ?? {}, 'policies');
  return ['traffic', messageIn(wire, 'traffic') ?? messageIn(entry, 'traffic') ?? {}];
}

function readKind(wire: WireMessage, target: Target, isPart: boolean, specs: PolicySpecs, notes: Notes): Kind {
  const traffic = messageIn(wire, 'traffic');
  if (traffic !== undefined) {
    const phase = phaseOf(traffic, target);
    return readTraffic(phase, target, notes, (level) =>
      below(['traffic'], () => specs.read('traffic', traffic, level, notes)),
    );
  }
  const backend = messageIn(wire, 'backend');
  if (backend !== undefined) {
    // Part of a route, it is one of the route's policies; attached to one, it is one of each of its backends.
    const phase = isBackend(target) || isPart ? 'route' : 'backend';
    const level = isPart ? 'route' : 'backend';
    return { phase, policy: below(['backend'], () => specs.read('backend', backend, level, notes)) };
  }
  const frontend = messageIn(wire, 'frontend');
  if (frontend !== undefined) {
    if (!listens(target)) throw new WireError('takes no frontend policies', ['target']);
    return {
      phase: 'frontend',
      policy: below(['frontend'], () => specs.read('frontend', frontend, 'frontend', notes)),
    };
  }
  const conditional = messageIn(wire, 'conditional');
  if (conditional !== undefined)
    return below(['conditional'], () => readConditional(conditional, target, specs, notes));
  const phase = listens(target) ? 'gateway' : 'route';
  return { phase, policy: specs.read('traffic', {}, isBackend(target) ? 'backend' : phase, notes) };
}

function readConditional(wire: WireMessage, target: Target, specs: PolicySpecs, notes: Notes): Kind {
  const entries = messagesIn(wire, 'policies').map((entry) => ({
    condition: textIn(entry, 'condition'),
    message: messageIn(entry, 'traffic') ?? {},
  }));
  const phase = phaseOf(entries[0]?.message ?? {}, target);
  if (entries.some(({ message }) => phaseOf(message, target) !== phase)) {
    throw new WireError('entries of two phases', ['policies']);
  }
  return readTraffic(phase, target, notes, (level) => specs.readConditional(entries, level, notes));
}

function readTraffic(
  phase: 'route' | 'gateway',
  target: Target,
  notes: Notes,
  read: (level: PolicyLevel) => NamedPolicy | null,
): Kind {
  if (!isBackend(target)) return { phase, policy: read(phase) };
  // A backend has no traffic of its own; a service has where it is reached through a waypoint, which nothing is here.
  notes.warn(`a traffic policy of a ${target.kind}: applies to nothing that this version serves`);
  return { phase, policy: null };
}

function listens({ kind }: Target): boolean {
  return kind === 'gateway' || kind === 'listenerSet';
}

function isBackend({ kind }: Target): boolean {
  return kind === 'backend' || kind === 'service';
}

function phaseOf(traffic: WireMessage, target: Target): 'route' | 'gateway' {
  return below(['traffic', 'phase'], () => {
    const phase = phaseWire.read(traffic.phase) ?? 'route';
    if (phase === 'gateway' && !listens(target)) throw new WireError('GATEWAY needs a gateway as the target');
    return phase;
  });
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
    ...writeKind({ name: own[0], value: own[1] }, isBackend(target) ? 'backend' : phase, specs),
  };
}

/** A policy of the resource `owner`, which it is part of; `target` is where other data planes find it. */
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
  if (phase === 'frontend' || phase === 'backend') return { [phase]: written(specs.write(phase, policy), policy) };
  const said = { phase: phaseWire.write(phase) ?? 'ROUTE' };
  if (isConditional(policy.value)) {
    const policies = written(specs.writeConditional(policy), policy).map(({ condition, message }) => ({
      ...(condition !== '' && { condition }),
      traffic: { ...said, ...message },
    }));
    return { conditional: { policies } };
  }
  const traffic = specs.write('traffic', policy);
  if (traffic !== undefined) return { traffic: { ...said, ...traffic } };
  return { backend: written(phase === 'route' ? specs.write('backend', policy) : undefined, policy) };
}

function written<Message>(message: Message | undefined, { name }: NamedPolicy): Message {
  if (message === undefined) throw new WireError("can't be said", [name]);
  return message;
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
