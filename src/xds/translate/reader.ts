import type { Resource } from '../../resources/types.ts';
import { WireError, type WireMessage } from '../../resources/wire.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../wire/discovery.ts';
import { type MessageType, messageType } from '../wire/protos.ts';
import { readBackend } from './backend.ts';
import { readBind } from './bind.ts';
import { readListener } from './listener.ts';
import { readModelRoute } from './models.ts';
import { below, messageIn, type Notes, required } from './notes.ts';
import type { Piece } from './pieces.ts';
import type { PolicySpecs } from './policies.ts';
import { readPolicy } from './policy.ts';
import { readRoute } from './route.ts';
import { readService } from './service.ts';
import { readJson } from './sluice.ts';
import { readWorkload } from './workload.ts';

/** Bytes of control planes → what they come down to. */
export class Reader {
  readonly #specs: PolicySpecs;
  readonly #address: MessageType = messageType('istio.workload.Address');
  readonly #resource: MessageType = messageType('agentgateway.dev.resource.Resource');

  constructor(specs: PolicySpecs) {
    this.#specs = specs;
  }

  /** Throws WireError. */
  read(typeUrl: string, bytes: Uint8Array, notes: Notes): Piece {
    if (typeUrl === ADDRESS_TYPE) return readAddress(decode(this.#address, bytes), notes);
    if (typeUrl !== RESOURCE_TYPE) throw new WireError(`a resource of type ${typeUrl}`);
    const message = decode(this.#resource, bytes);
    const kind = Object.keys(message)[0] ?? '';
    const one = message[kind] as WireMessage;
    return below([kind], () => this.#readKind(kind, one, message, notes));
  }

  #readKind(kind: string, one: WireMessage, message: WireMessage, notes: Notes): Piece {
    switch (kind) {
      case 'bind':
        return readBind(one, notes);
      case 'listener':
        return readListener(one, notes);
      case 'route':
        return readRoute(one, this.#specs, notes);
      case 'backend':
        return readBackend(one, this.#specs, notes);
      case 'policy':
        return readPolicy(one, this.#specs, notes);
      case 'model_route':
        return readModelRoute(one, this.#specs, notes);
      case 'route_group':
        return readRouteGroup(one);
      case 'tcp_route':
        notes.warn('raw TCP is not served by this version');
        return { kind: 'nothing', key: `tcpRoute/${required(one, 'key')}` };
      case 'workload':
      case 'service':
        return readAddress(message, notes);
      case 'sluice':
        return readJson(message.sluice as Uint8Array, this.#specs.checker);
      default:
        throw new WireError('a resource of a kind that this version does not know');
    }
  }
}

function decode(type: MessageType, bytes: Uint8Array): WireMessage {
  try {
    return type.decode(bytes);
  } catch (error) {
    throw new WireError(`not such a message: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readAddress(message: WireMessage, notes: Notes): Piece {
  const [workload, service] = [messageIn(message, 'workload'), messageIn(message, 'service')];
  if (workload !== undefined) return whole(readWorkload(workload));
  if (service !== undefined) return whole(readService(service, notes));
  throw new WireError('neither a workload nor a service');
}

function readRouteGroup(wire: WireMessage): Piece {
  const name = required(wire, 'key');
  return whole({ kind: 'routeGroup', key: `routeGroup/${name}`, name });
}

function whole(resource: Resource): Piece {
  return { kind: 'resource', key: resource.key, resource };
}
