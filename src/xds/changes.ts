import type { Resource } from '../resources/types.ts';
import type { ResourceChanges } from './delta.ts';

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

/** The changes of several wire resources as one: for each key what was said last. */
export class Changes {
  readonly #byKey = new Map<string, Resource | null>();
  readonly #names = new Map<string, Set<string>>();

  get empty(): boolean {
    return this.#byKey.size === 0;
  }

  get keys(): string[] {
    return [...this.#byKey.keys()];
  }

  add(name: string, { changed, removed }: ResourceChanges): void {
    // A key that goes and comes at once stays.
    for (const key of removed) this.#set(name, key, null);
    for (const resource of changed) this.#set(name, resource.key, resource);
  }

  /** Names of the wire resources that had a say in `key`. */
  namesOf(key: string): string[] {
    return [...(this.#names.get(key) ?? [])];
  }

  inOrder(): ResourceChanges {
    const changed: Resource[] = [];
    const removed: string[] = [];
    for (const [key, resource] of this.#byKey) {
      if (resource === null) removed.push(key);
      else changed.push(resource);
    }
    const kindOf = (key: string) => key.slice(0, key.indexOf('/'));
    return {
      changed: changed.sort((a, b) => rankOf(a.kind) - rankOf(b.kind)),
      removed: removed.sort((a, b) => rankOf(kindOf(b)) - rankOf(kindOf(a))),
    };
  }

  #set(name: string, key: string, resource: Resource | null): void {
    this.#byKey.set(key, resource);
    const names = this.#names.get(key);
    if (names === undefined) this.#names.set(key, new Set([name]));
    else names.add(name);
  }
}
