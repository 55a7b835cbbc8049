import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { storeKey } from '../../state/stores/key.ts';
import { type Store, StoreError } from '../../state/stores/store.ts';
import { type DiscoveryResource, deltaResponseType } from '../../xds/wire/discovery.ts';
import { type Content, contentOf, type ServedResource } from '../directory/content.ts';
import { LruMap } from '../lru-map.ts';

/** Bytes of one record; a content is as many as it takes. */
const CHUNK_BYTES = 512 * 1024;
const MAX_CHUNKS = 512;
/** What an expanded content may be at most, bytes. */
const MAX_BYTES = 1024 * 1024 * 1024;
/** How long a content that nobody refers to any more stays. */
const HOUR_MS = 3600 * 1000;
const TTL_MS = 14 * 24 * HOUR_MS;
/** Contents kept at hand that are not in the directory. */
const MAX_CACHED = 32;
/** How long after a content could not be had it is asked for again, ms. */
const RETRY_MS = 2000;

const zip = promisify(gzip);
const unzip = promisify(gunzip);

/**
 * Contents by hash, shared with other replicas and with later lives of this process: what a revision refers to can be served by
 * one whose directory no longer has it, or has it not yet.
 */
export class Contents {
  readonly #store: Store;
  readonly #onArrived: () => void;
  /** Of the directory. */
  #own: ReadonlyMap<string, Content> = new Map();
  readonly #cached = new LruMap<string, Content>(MAX_CACHED);
  /** Hashes being fetched, and when those that could not be may be asked for again. */
  readonly #fetching = new Set<string>();
  readonly #failed = new LruMap<string, { readonly again: number; readonly reason: string }>(256);

  /** `onArrived` is called when a content that was asked for has come. */
  constructor(store: Store, onArrived: () => void) {
    this.#store = store;
    this.#onArrived = onArrived;
  }

  set own(contents: readonly Content[]) {
    const before = this.#own;
    this.#own = new Map(contents.map((content) => [content.hash, content]));
    for (const content of before.values()) if (!this.#own.has(content.hash)) this.#cached.set(content.hash, content);
  }

  /** Null where it is not at hand; it is fetched then. */
  get(hash: string): Content | null {
    const content = this.#own.get(hash) ?? this.#cached.get(hash);
    if (content !== undefined) return content;
    const { again = 0 } = this.#failed.get(hash) ?? {};
    if (!this.#fetching.has(hash) && Date.now() >= again) void this.#fetch(hash);
    return null;
  }

  /** Why a content can't be had; null where that is not known to be so. */
  failure(hash: string): string | null {
    return this.#failed.get(hash)?.reason ?? null;
  }

  /** Makes sure that others can have these contents; `again`: and for as long as from now. Throws StoreError. */
  async share(hashes: readonly string[], again = false): Promise<void> {
    for (const hash of new Set(hashes)) {
      if (!again && (await this.#store.get(keyOf(hash, 'chunks'))) !== null) continue;
      const content = this.#own.get(hash) ?? this.#cached.get(hash) ?? (await this.#read(hash));
      await this.#write(content);
    }
  }

  async #fetch(hash: string): Promise<void> {
    this.#fetching.add(hash);
    try {
      this.#cached.set(hash, await this.#read(hash));
      this.#onArrived();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#failed.set(hash, { again: Date.now() + RETRY_MS, reason });
    } finally {
      this.#fetching.delete(hash);
    }
  }

  async #write({ hash, resources }: Content): Promise<void> {
    const bytes = await zip(deltaResponseType().encode({ resources: resources.map(messageOf) }));
    const chunks = Math.ceil(bytes.length / CHUNK_BYTES);
    if (chunks > MAX_CHUNKS) throw new StoreError('too_large', `content ${hash} is larger than what is stored`);
    for (let at = 0; at < chunks; at++) {
      const chunk = bytes.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES);
      await this.#store.put(keyOf(hash, String(at)), chunk, { ttlMs: TTL_MS + HOUR_MS });
    }
    // Last: where it is, all of it is.
    await this.#store.put(keyOf(hash, 'chunks'), Buffer.from(String(chunks)), { ttlMs: TTL_MS });
  }

  async #read(hash: string): Promise<Content> {
    const missing = () => new StoreError('unavailable', `content ${hash} is neither in the directory nor stored`);
    const head = await this.#store.get(keyOf(hash, 'chunks'));
    const count = Number(Buffer.from(head?.value ?? []).toString());
    if (head === null || !Number.isInteger(count) || count < 1 || count > MAX_CHUNKS) throw missing();
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < count; at++) {
      const chunk = await this.#store.get(keyOf(hash, String(at)));
      if (chunk === null) throw missing();
      chunks.push(chunk.value);
    }
    const { resources = [] } = deltaResponseType().decode(
      await unzip(Buffer.concat(chunks), { maxOutputLength: MAX_BYTES }),
    );
    const content = contentOf(resources.map(servedOf));
    if (content.hash !== hash)
      throw new StoreError('unavailable', `what is stored as content ${hash} is something else`);
    return content;
  }
}

function keyOf(hash: string, part: string) {
  return storeKey('control', 'content', `${hash}/${part}`);
}

function messageOf({ typeUrl, resource: { name, version, bytes } }: ServedResource): DiscoveryResource {
  return { name, version, resource: { type_url: typeUrl, value: bytes } };
}

function servedOf({ name = '', version = '', resource }: DiscoveryResource): ServedResource {
  return { typeUrl: resource?.type_url ?? '', resource: { name, version, bytes: resource?.value ?? new Uint8Array() } };
}
