import type { WireResource } from '../delta.ts';
import { deltaResponseType } from '../wire/discovery.ts';

/** What a node is to have: the resources of each type. */
export interface ResourceSet {
  /** Names the content: equal sets have equal revisions, whichever process made them. */
  readonly revision: string;
  readonly types: ReadonlyMap<string, TypeSet>;
}

/**
 * The resources of one type, in the order they are to be sent. Immutable: how it differs from another set is worked out, and
 * encoded, once for all nodes that go from that one to this.
 */
export class TypeSet {
  readonly typeUrl: string;
  readonly #resources: ReadonlyMap<string, WireResource>;
  readonly #differences = new WeakMap<TypeSet, Difference>();

  constructor(typeUrl: string, resources: Iterable<WireResource>) {
    this.typeUrl = typeUrl;
    this.#resources = new Map([...resources].map((resource) => [resource.name, resource]));
  }

  get size(): number {
    return this.#resources.size;
  }

  get(name: string): WireResource | undefined {
    return this.#resources.get(name);
  }

  names(): Iterable<string> {
    return this.#resources.keys();
  }

  /** What a node that has `before` lacks. */
  since(before: TypeSet): Difference {
    let difference = this.#differences.get(before);
    if (difference === undefined) {
      const changed = [...this.#resources.values()].filter(
        ({ name, version }) => before.get(name)?.version !== version,
      );
      const removed = [...before.names()].filter((name) => !this.#resources.has(name));
      difference = new Difference(this.typeUrl, changed, removed, true);
      this.#differences.set(before, difference);
    }
    return difference;
  }
}

/** Bytes of resources in one response; a resource that is larger goes alone. Many clients take 4 MiB at most. */
export const PART_BYTES = 2 * 1024 * 1024;
/** What a resource takes beside its message, name and version: tags, lengths and the type. */
const FRAME_BYTES = 128;

/** One response: as much of a difference as fits. */
export interface Part {
  readonly changed: readonly WireResource[];
  readonly removed: readonly string[];
}

/** How one set differs from another, cut into responses. Removals come last: what replaces something is there before it goes. */
export class Difference {
  readonly parts: readonly Part[];
  readonly #typeUrl: string;
  /** Encoded parts, where several nodes take the same. */
  readonly #encoded: (Buffer | undefined)[] | null;

  constructor(typeUrl: string, changed: readonly WireResource[], removed: readonly string[], shared: boolean) {
    this.#typeUrl = typeUrl;
    this.parts = cut(changed, removed);
    this.#encoded = shared ? [] : null;
  }

  /** The DeltaDiscoveryResponse of a part, as bytes, but for its nonce and revision. */
  encode(index: number): Buffer {
    const known = this.#encoded?.[index];
    if (known !== undefined) return known;
    const { changed = [], removed = [] } = this.parts[index] ?? {};
    const bytes = encodeResponse(this.#typeUrl, changed, removed);
    if (this.#encoded !== null) this.#encoded[index] = bytes;
    return bytes;
  }
}

/** A DeltaDiscoveryResponse without a nonce. */
export function encodeResponse(typeUrl: string, changed: readonly WireResource[], removed: readonly string[]): Buffer {
  return deltaResponseType().encode({
    type_url: typeUrl,
    resources: changed.map(({ name, version, bytes }) => {
      return { name, version, resource: { type_url: typeUrl, value: bytes } };
    }),
    removed_resources: [...removed],
  });
}

/** Adds nonce and revision: encoded messages that follow one another are one message. */
export function withNonce(response: Buffer, nonce: string, revision: string): Buffer {
  return Buffer.concat([response, deltaResponseType().encode({ nonce, system_version_info: revision })]);
}

function cut(changed: readonly WireResource[], removed: readonly string[]): Part[] {
  const parts: { changed: WireResource[]; removed: string[] }[] = [];
  let last: (typeof parts)[number] = { changed: [], removed: [] };
  let bytes = Number.POSITIVE_INFINITY;
  const room = (size: number) => {
    if (bytes + size > PART_BYTES) {
      last = { changed: [], removed: [] };
      parts.push(last);
      bytes = 0;
    }
    bytes += size;
  };
  for (const resource of changed) {
    room(resource.bytes.length + resource.name.length + resource.version.length + FRAME_BYTES);
    last.changed.push(resource);
  }
  for (const name of removed) {
    room(3 * name.length + FRAME_BYTES);
    last.removed.push(name);
  }
  return parts;
}
