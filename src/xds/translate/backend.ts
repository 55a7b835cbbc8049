import { backendKey } from '../../resources/keys.ts';
import type { Backend, BackendTarget } from '../../resources/types.ts';
import { message, text, WireError, type WireMessage } from '../../resources/wire.ts';
import { readAi, writeAi } from './ai.ts';
import { isRouterName, routerKey } from './keys.ts';
import { readMcp, writeMcp } from './mcp.ts';
import { below, messageIn, messagesIn, type Notes, portIn, required, textIn } from './notes.ts';
import type { Piece } from './pieces.ts';
import type { PolicySpecs } from './policies.ts';
import { backendName } from './references.ts';

const aws = message({ agentCore: message({ agentRuntimeArn: text, qualifier: text }) });

/** Throws WireError. */
export function readBackend(wire: WireMessage, specs: PolicySpecs, notes: Notes): Piece {
  const key = backendKey(required(wire, 'key'));
  const router = messageIn(wire, 'model_router');
  if (router !== undefined) return readRouter(wire, router);
  const name = messageIn(wire, 'name');
  if (name === undefined) throw new WireError('is missing', ['name']);
  const target = readTarget(wire, specs, notes);
  const policies = specs.readAll('backend', 'inline_policies', messagesIn(wire, 'inline_policies'), 'backend', notes);
  const backend: Backend = {
    kind: 'backend',
    key,
    name: textIn(name, 'name'),
    namespace: textIn(name, 'namespace'),
    target,
    policies,
  };
  return { kind: 'backend', key, backend };
}

function readRouter(wire: WireMessage, router: WireMessage): Piece {
  if (messagesIn(wire, 'inline_policies').length > 0)
    throw new WireError('a model router has none', ['inline_policies']);
  const name = below(['model_router'], () => required(router, 'router_key'));
  const backend = isRouterName(name) ? '' : backendKey(name);
  return { kind: 'router', key: `declared/${textIn(wire, 'key')}`, router: routerKey(name), backend };
}

function readTarget(wire: WireMessage, specs: PolicySpecs, notes: Notes): BackendTarget {
  const plain = messageIn(wire, 'static');
  if (plain !== undefined) return below(['static'], () => readStatic(plain));
  const ai = messageIn(wire, 'ai');
  if (ai !== undefined) {
    const read = below(['ai'], () => readAi(ai, specs, notes));
    return read === null ? inactive('ai with provider_backend', null, notes) : { kind: 'ai', ai: read };
  }
  const mcp = messageIn(wire, 'mcp');
  if (mcp !== undefined)
    return inactive(
      'mcp',
      below(['mcp'], () => readMcp(mcp)),
      notes,
    );
  const amazon = messageIn(wire, 'aws');
  if (amazon !== undefined)
    return inactive(
      'aws',
      below(['aws'], () => aws.read(amazon)),
      notes,
    );
  if (messageIn(wire, 'dynamic') !== undefined) return inactive('dynamic', {}, notes);
  if (messageIn(wire, 'guardrail') !== undefined) return inactive('guardrail', wire.guardrail, notes);
  throw new WireError('a backend of a kind that this version does not know');
}

function readStatic(wire: WireMessage): BackendTarget {
  const path = textIn(wire, 'unix_path');
  if (path !== '') return { kind: 'unix', path };
  return { kind: 'host', host: required(wire, 'host'), port: portIn(wire, 'port') };
}

/** A backend that is described but not executed: it answers 503. */
function inactive(name: string, value: unknown, notes: Notes): BackendTarget {
  notes.warn(`a backend of kind ${name}: accepted, not yet active; it answers 503`);
  return { kind: 'inactive', name, value };
}

/** Throws WireError for what only files can say. */
export function writeBackend({ key, name, namespace, target, policies }: Backend, specs: PolicySpecs): WireMessage {
  return {
    key: backendName(key),
    name: { name, namespace },
    ...writeTarget(target, specs),
    inline_policies: specs.writeAll('backend', policies),
  };
}

/** The `oneof kind` of a Backend message. Throws WireError. */
export function writeTarget(target: BackendTarget, specs: PolicySpecs): WireMessage {
  switch (target.kind) {
    case 'host':
      return { static: { host: target.host, port: target.port } };
    case 'unix':
      return { static: { unix_path: target.path } };
    case 'ai':
      return { ai: writeAi(target.ai, specs) };
    case 'inactive':
      return writeInactive(target.name, target.value);
    default:
      throw new WireError("can't be said", [target.kind]);
  }
}

function writeInactive(name: string, value: unknown): WireMessage {
  switch (name) {
    case 'mcp':
      return { mcp: writeMcp(value as WireMessage) };
    case 'aws':
      return { aws: aws.write(value as Record<string, unknown>) };
    case 'dynamic':
      return { dynamic: message({}).write(value as Record<string, unknown>) };
    case 'guardrail':
      return { guardrail: value };
    default:
      throw new WireError("can't be said", [name]);
  }
}
