import type { DeltaDiscoveryRequest, DiscoveryResource } from '../../src/xds/wire/discovery.ts';
import type { AdsServer, AdsStream } from './ads-server.ts';

/** What one stream was told of a type. */
interface Told {
  /** Name → version. */
  readonly versions: Map<string, string>;
  /** Nonces that were not answered yet. */
  readonly open: Set<string>;
}

/** A well-behaved control plane for tests: holds resources by type, and tells each stream what it lacks. */
export class ControlPlane {
  readonly #types: ReadonlyMap<string, Map<string, { version: string; bytes: Buffer }>>;
  readonly #streams = new Map<AdsStream, Map<string, Told>>();
  /** Answers that fitted no open nonce, or were no answers at all after a type's first request. */
  readonly strays: DeltaDiscoveryRequest[] = [];
  #nonce = 0;
  #versions = 0;

  constructor(server: AdsServer, types: readonly string[]) {
    this.#types = new Map(types.map((type) => [type, new Map()]));
    server.onStream = (stream) => {
      this.#streams.set(stream, new Map());
      void stream.closed.then(() => this.#streams.delete(stream));
      stream.onRequest = (request) => this.#take(stream, request);
    };
  }

  /** Puts a resource of this content, under a version that was never there before. */
  put(type: string, name: string, content: string | Uint8Array): void {
    this.#versions++;
    this.#resources(type).set(name, { version: `v${this.#versions}`, bytes: Buffer.from(content) });
  }

  remove(type: string, name: string): void {
    this.#resources(type).delete(name);
  }

  /** Name → content of a type. */
  contents(type: string): Map<string, string> {
    return new Map([...this.#resources(type)].map(([name, { bytes }]) => [name, bytes.toString()]));
  }

  /** Tells each stream what changed; a type of which nothing changed is left out. */
  push(): void {
    for (const [stream, types] of this.#streams) for (const type of types.keys()) this.#tell(stream, type, false);
  }

  /** Whether some stream knows of everything and has answered everything. */
  get settled(): boolean {
    return [...this.#streams.values()].some(
      (types) =>
        types.size === this.#types.size &&
        [...types].every(([type, { versions, open }]) => open.size === 0 && this.#difference(type, versions) === null),
    );
  }

  #take(stream: AdsStream, request: DeltaDiscoveryRequest): void {
    const { type_url: type = '', response_nonce: nonce, initial_resource_versions: initial = {} } = request;
    const types = this.#streams.get(stream);
    if (types === undefined) return;
    const told = types.get(type);
    if (told === undefined) {
      types.set(type, { versions: new Map(Object.entries(initial)), open: new Set() });
      this.#tell(stream, type, true);
      return;
    }
    if (nonce === undefined || !told.open.delete(nonce)) this.strays.push(request);
  }

  /** `always`: even where there is nothing to tell, as a first request must be answered. */
  #tell(stream: AdsStream, type: string, always: boolean): void {
    const told = this.#streams.get(stream)?.get(type);
    if (told === undefined || stream.raw.destroyed) return;
    const difference = this.#difference(type, told.versions) ?? { resources: [], removed: [] };
    if (difference.resources.length + difference.removed.length === 0 && !always) return;
    this.#nonce++;
    told.open.add(`n${this.#nonce}`);
    told.versions.clear();
    for (const [name, { version }] of this.#resources(type)) told.versions.set(name, version);
    const { resources, removed: removed_resources } = difference;
    stream.send({ type_url: type, nonce: `n${this.#nonce}`, resources, removed_resources });
  }

  #difference(type: string, known: ReadonlyMap<string, string>) {
    const resources: DiscoveryResource[] = [];
    for (const [name, { version, bytes }] of this.#resources(type)) {
      if (known.get(name) !== version) resources.push({ name, version, resource: { type_url: type, value: bytes } });
    }
    const removed = [...known.keys()].filter((name) => !this.#resources(type).has(name));
    return resources.length + removed.length === 0 ? null : { resources, removed };
  }

  #resources(type: string): Map<string, { version: string; bytes: Buffer }> {
    const resources = this.#types.get(type);
    if (resources === undefined) throw new Error(`no type ${type}`);
    return resources;
  }
}
