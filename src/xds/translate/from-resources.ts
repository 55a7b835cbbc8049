import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Catalogue } from '../../resources/catalogue.ts';
import { isConditional } from '../../resources/conditional.ts';
import type { AiBackend, Frontend, Listener, LlmRouter, PolicyMap, Resource, Route } from '../../resources/types.ts';
import { WireError, type WireMessage } from '../../resources/wire.ts';
import type { WireResource } from '../delta.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../wire/discovery.ts';
import { type MessageType, messageType } from '../wire/protos.ts';
import { writeAi } from './ai.ts';
import { Pieces } from './assemble.ts';
import { writeBackend, writeTarget } from './backend.ts';
import { writeBind } from './bind.ts';
import { equivalent } from './equivalent.ts';
import { copyOwner, inlineBackendName, nameOf, partName, reachName } from './keys.ts';
import { writeListener } from './listener.ts';
import { writeRouter } from './models.ts';
import { Notes } from './notes.ts';
import type { Piece } from './pieces.ts';
import { PolicySpecs } from './policies.ts';
import { writePart, writePolicy } from './policy.ts';
import { Reader } from './reader.ts';
import { isInline, writeRoute } from './route.ts';
import { writeService } from './service.ts';
import { writeWorkload } from './workload.ts';

/** A resource as it is served, with its type. */
export interface TypedResource {
  readonly typeUrl: string;
  readonly resource: WireResource;
}

/** Named messages of one resource. */
type Messages = readonly { readonly typeUrl: string; readonly name: string; readonly message: WireMessage }[];

/**
 * Resources as control planes say them, in the order given. One may take several messages (a route, and the `ai` backend that stands in it).
 *
 * What comes out is read again: where that isn't the same as what went in, all of the resource goes as JSON in `Resource.sluice`, which only
 * Sluice reads. Versions are hashes of what is sent.
 */
export function fromResources(
  resources: readonly Resource[],
  catalogue: Catalogue,
  customFunctions = '',
): TypedResource[] {
  const writer = new Writer(resources, catalogue, customFunctions);
  return resources.flatMap((_, index) => writer.encoded(index));
}

class Writer {
  readonly #specs: PolicySpecs;
  readonly #reader: Reader;
  readonly #pieces: Pieces;
  readonly #gateways: readonly { gateway: string; namespace: string }[];
  readonly #resource: MessageType = messageType('agentgateway.dev.resource.Resource');
  readonly #address: MessageType = messageType('istio.workload.Address');
  readonly #resources: readonly Resource[];
  readonly #encoded: (TypedResource[] | null)[];

  constructor(resources: readonly Resource[], catalogue: Catalogue, customFunctions: string) {
    this.#resources = resources;
    this.#specs = new PolicySpecs(catalogue, customFunctions);
    this.#reader = new Reader(this.#specs);
    this.#pieces = new Pieces(catalogue);
    this.#gateways = gatewaysOf(resources);
    // All of them first: what one means may depend on others.
    this.#encoded = resources.map((resource) => this.#tryEncode(resource));
  }

  /** What is sent of a resource. */
  encoded(index: number): TypedResource[] {
    const resource = this.#resources[index] as Resource;
    const encoded = this.#encoded[index] ?? null;
    if (encoded !== null && equivalent(resource, this.#pieces.resource(resource.key), this.#samePolicy)) {
      return encoded;
    }
    return [this.#asJson(resource)];
  }

  /** A policy can be put in several ways; those that are said alike mean the same. */
  readonly #samePolicy = (name: string, a: unknown, b: unknown): boolean => {
    const [first, second] = [a, b].map((value) => this.#specs.said({ name, value }));
    return first !== undefined && isDeepStrictEqual(first, second);
  };

  #tryEncode(resource: Resource): TypedResource[] | null {
    try {
      const encoded = this.#messages(resource).map(({ typeUrl, name, message }) => {
        const type = typeUrl === ADDRESS_TYPE ? this.#address : this.#resource;
        return typed(typeUrl, name, type.encode(message));
      });
      for (const piece of this.#read(encoded)) this.#pieces.add(piece);
      return encoded;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      // Others may be made of it all the same.
      if (resource.kind === 'frontend') this.#pieces.add({ kind: 'resource', key: resource.key, resource });
      return null;
    }
  }

  #read(encoded: readonly TypedResource[]): Piece[] {
    return encoded.map(({ typeUrl, resource }) => this.#reader.read(typeUrl, resource.bytes, new Notes()));
  }

  #asJson(resource: Resource): TypedResource {
    const message = { sluice: Buffer.from(JSON.stringify(resource)) };
    return typed(RESOURCE_TYPE, resource.key, this.#resource.encode(message));
  }

  #messages(resource: Resource): Messages {
    const { key } = resource;
    switch (resource.kind) {
      case 'bind':
        return [own(key, { bind: writeBind(resource) })];
      case 'listener':
        return [own(key, { listener: writeListener(resource) }), ...this.#listenerParts(resource)];
      case 'route':
        return this.#route(resource);
      case 'backend':
        return [own(key, { backend: writeBackend(resource, this.#specs) })];
      case 'llmRouter':
        return this.#router(resource);
      case 'policy':
        return [own(key, { policy: writePolicy(resource, this.#specs) })];
      case 'routeGroup':
        return [own(key, { route_group: { key: nameOf(key), namespace: '', name: resource.name } })];
      case 'service':
        return [{ typeUrl: ADDRESS_TYPE, name: key, message: { service: writeService(resource) } }];
      case 'workload':
        return [{ typeUrl: ADDRESS_TYPE, name: key, message: { workload: writeWorkload(resource) } }];
      case 'frontend':
        return this.#frontend(resource);
      case 'modelPrices':
        throw new WireError("can't be said");
    }
  }

  #listenerParts({ key, gateway, namespace, name, policies }: Listener): Messages {
    const target = { kind: 'gateway', gateway, namespace, listener: name, port: 0 } as const;
    return Object.entries(policies).map(([policy, value]) =>
      own(partName(key, policy), { policy: writePart(key, target, 'gateway', { name: policy, value }, this.#specs) }),
    );
  }

  #route(route: Route): Messages {
    const { key, name, namespace, ruleName, policies, backends } = route;
    const { inline, others } = this.#shareOut(policies);
    const target = { kind: 'route', name, namespace, ruleName } as const;
    return [
      ...writeRoute(route, inline, this.#specs).map((message, index) => own(reachName(key, index), { route: message })),
      ...backends.flatMap((backend, index) => {
        if (!isInline(backend.target)) return [];
        const inlineName = inlineBackendName(key, index);
        const message = {
          key: inlineName,
          name: { name: inlineName, namespace: '' },
          ...writeTarget(backend.target, this.#specs),
        };
        return [own(`backend/${inlineName}`, { backend: message })];
      }),
      ...others.map(([policy, value]) =>
        own(partName(key, policy), { policy: writePart(key, target, 'route', { name: policy, value }, this.#specs) }),
      ),
    ];
  }

  /** A route's policies: those with a place in its message, and those that take messages of their own. */
  #shareOut(policies: PolicyMap): { inline: WireMessage[]; others: [name: string, value: unknown][] } {
    const inline: WireMessage[] = [];
    const others: [string, unknown][] = [];
    for (const [name, value] of Object.entries(policies)) {
      const spec = isConditional(value) ? undefined : this.#specs.write('traffic', { name, value });
      if (spec === undefined) others.push([name, value]);
      else inline.push(spec);
    }
    return { inline, others };
  }

  #router(router: LlmRouter): Messages {
    const writeProviders = (groups: AiBackend['groups']) => writeAi({ groups }, this.#specs);
    return writeRouter(router, this.#specs, writeProviders).map((message, index) =>
      own(`${router.key}#${index}`, message),
    );
  }

  /** Policies of all connections, once for each gateway there is, so that other data planes find them. */
  #frontend({ policies }: Frontend): Messages {
    return Object.entries(policies).flatMap(([policy, value]) =>
      this.#gateways.map(({ gateway, namespace }, index) => {
        const owner = index === 0 ? 'frontend' : copyOwner(gateway, namespace);
        const target = { kind: 'gateway', gateway, namespace, listener: '', port: 0 } as const;
        const message = writePart(owner, target, 'frontend', { name: policy, value }, this.#specs);
        return own(partName(owner, policy), { policy: message });
      }),
    );
  }
}

function own(name: string, message: WireMessage): Messages[number] {
  return { typeUrl: RESOURCE_TYPE, name, message };
}

function typed(typeUrl: string, name: string, bytes: Uint8Array): TypedResource {
  const version = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  return { typeUrl, resource: { name, version, bytes } };
}

/** Gateways that are listened on; where there are none, one without a name. */
function gatewaysOf(resources: readonly Resource[]): { gateway: string; namespace: string }[] {
  const gateways = new Map<string, { gateway: string; namespace: string }>();
  for (const resource of resources) {
    if (resource.kind !== 'listener') continue;
    const { gateway, namespace } = resource;
    gateways.set(`${namespace}/${gateway}`, { gateway, namespace });
  }
  return gateways.size === 0 ? [{ gateway: '', namespace: '' }] : [...gateways.values()];
}
