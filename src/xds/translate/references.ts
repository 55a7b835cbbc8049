import { backendKey } from '../../resources/keys.ts';
import type { BackendTarget } from '../../resources/types.ts';
import { WireError, type WireMessage } from '../../resources/wire.ts';
import { isRouterName, nameOf, routerKey, routerName } from './keys.ts';
import { messageIn, numberIn, portIn, textIn } from './notes.ts';

/** A backend that another resource names. */
export type NamedTarget = Extract<BackendTarget, { kind: 'host' | 'service' | 'backend' | 'llm' | 'invalid' }>;

/** BackendReference → target. What names nothing answers 500, as in agentgateway. Throws WireError. */
export function readReference(reference: WireMessage | undefined): NamedTarget {
  if (reference === undefined) return { kind: 'invalid' };
  const service = messageIn(reference, 'service');
  if (service !== undefined) {
    const [namespace, name] = [textIn(service, 'namespace'), textIn(service, 'hostname')];
    return { kind: 'service', namespace, name, port: portIn(reference, 'port') };
  }
  const inline = messageIn(reference, 'inline');
  if (inline !== undefined) {
    const [host, port] = [textIn(inline, 'hostname'), numberIn(inline, 'port')];
    return host === '' || port < 1 || port > 65535 ? { kind: 'invalid' } : { kind: 'host', host, port };
  }
  const backend = textIn(reference, 'backend');
  if (backend === '') return { kind: 'invalid' };
  return isRouterName(backend)
    ? { kind: 'llm', key: routerKey(backend) }
    : { kind: 'backend', key: backendKey(backend) };
}

/** Target → BackendReference; undefined: none, which answers 500. Throws WireError for a target that is a backend by itself. */
export function writeReference(target: BackendTarget): WireMessage | undefined {
  switch (target.kind) {
    case 'host':
      return { inline: { hostname: target.host, port: target.port } };
    case 'service':
      return { service: { namespace: target.namespace, hostname: target.name }, port: target.port };
    case 'backend':
      return { backend: backendName(target.key) };
    case 'llm':
      return { backend: routerName(target.key) };
    case 'invalid':
      return undefined;
    default:
      throw new WireError("can't be said");
  }
}

/** The name of a Backend resource, as others refer to it: names of files have no namespace. */
export function backendName(key: string): string {
  const name = nameOf(key);
  return name.startsWith('/') && !name.slice(1).includes('/') ? name.slice(1) : name;
}
