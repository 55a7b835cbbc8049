import { encodeResource } from '../resources/encoding.ts';
import { getOrAdd } from '../resources/maps.ts';
import type { Resource } from '../resources/types.ts';
import type { EncodedChanges, EncodedResource, ResourceChanges } from './delta.ts';

/** What stands on something else comes after it, and goes before it; a port is opened once there is something behind it. */
const ORDER: readonly string[] = [
  'workload',
  'service',
  'backend',
  'llmRouter',
  'policy',
  'listener',
  'routeGroup',
  'route',
  'bind',
];

const rankOf = (kind: string): number => {
  const rank = ORDER.indexOf(kind);
  return rank === -1 ? ORDER.length : rank;
};
const kindOf = (key: string): string => key.slice(0, key.indexOf('/'));

/** The last that was said of a key; null = it is gone. */
interface Said {
  resource: Resource | EncodedResource | null;
  /** Names of the wire resources that had a say. */
  readonly names: string[];
}

/** The changes of several wire resources as one: for each key what was said last. */
export class Changes {
  readonly #byKey = new Map<string, Said>();

  add(name: string, { changed, removed }: ResourceChanges): void {
    // A key that goes and comes at once stays.
    for (const key of removed) this.#set(name, key, null);
    for (const resource of changed) this.#set(name, resource.key, resource);
  }

  /** Names of the wire resources that had a say in `key`. */
  namesOf(key: string): readonly string[] {
    return this.#byKey.get(key)?.names ?? [];
  }

  inOrder(): EncodedChanges {
    const changed = new Map<number, EncodedResource[]>();
    const removed: string[] = [];
    for (const [key, { resource }] of this.#byKey) {
      if (resource === null) removed.push(key);
      else {
        const encoded = 'json' in resource ? resource : encode(resource);
        getOrAdd(changed, rankOf(resource.kind), (): EncodedResource[] => []).push(encoded);
      }
    }
    return {
      changed: [...changed].sort(([a], [b]) => a - b).flatMap(([, resources]) => resources),
      removed: removed.sort((a, b) => rankOf(kindOf(b)) - rankOf(kindOf(a))),
    };
  }

  #set(name: string, key: string, resource: Resource | null): void {
    const said = this.#byKey.get(key);
    if (said === undefined) this.#byKey.set(key, { resource: resource && encode(resource), names: [name] });
    else {
      // What several have a say in comes with each of them, and grows: it is encoded once all have spoken.
      said.resource = resource;
      if (!said.names.includes(name)) said.names.push(name);
    }
  }
}

/** A resource to be put into force. */
export function encode(resource: Resource): EncodedResource {
  return { kind: resource.kind, key: resource.key, json: encodeResource(resource) };
}
