import type { Pause, WireDelta, WireIssue, WireResource } from '../delta.ts';
import { inTurns } from '../in-turns.ts';
import { type Any, MORE_FOLLOWS } from '../wire/discovery.ts';
import { IncomingResponse } from '../wire/incoming.ts';
import { cut } from './nack.ts';

/** Refused resources whose reasons are kept, a type. */
const MAX_REFUSED = 10_000;

/** A resource of which the version in force is not the one the control plane sent last. */
export interface Refused {
  readonly version: string;
  readonly reason: string;
}

/** What became of one response. */
export interface Outcome {
  /** Nothing: acknowledged. */
  readonly issues: readonly WireIssue[];
  /** Resources put into force, and taken out of it. */
  readonly applied: number;
  readonly removed: number;
  /** Bytes of the resources that came. */
  readonly bytes: number;
}

/** One type's wildcard subscription: which versions of which resources are in force here. */
export class Subscription {
  readonly typeUrl: string;
  readonly #handle: (delta: WireDelta) => Promise<readonly WireIssue[]>;
  readonly #known = new Map<string, string>();
  readonly #refused = new Map<string, Refused>();
  #synced = false;
  #version = '';

  /** `handle` puts a delta into force; what it gives an error of stays as it was. */
  constructor(typeUrl: string, handle: (delta: WireDelta) => Promise<readonly WireIssue[]>) {
    this.typeUrl = typeUrl;
    this.#handle = handle;
  }

  /** Name → version of what is in force. */
  get known(): ReadonlyMap<string, string> {
    return this.#known;
  }

  get refused(): ReadonlyMap<string, Refused> {
    return this.#refused;
  }

  /** Whether a response without errors has come, the last of those that make up a state. */
  get synced(): boolean {
    return this.#synced;
  }

  /** The control plane's word for the state that its last response brought. */
  get version(): string {
    return this.#version;
  }

  /**
   * Takes a response: what is not in force yet is handed on, once. A resource that is refused keeps the version that is in
   * force, so that the next connection asks for it again. Throws where a resource is none; then nothing was handed on.
   */
  async take(response: IncomingResponse, pause: Pause): Promise<Outcome> {
    const removed = new Set(response.removed);
    const resources = new Map<string, WireResource>();
    const issues: WireIssue[] = [];
    let bytes = 0;
    await inTurns(response.resources(), pause, ({ name, version, content }) => {
      bytes += content?.length ?? 0;
      // What is put and removed at once is gone in the end, whatever it was.
      if (removed.has(name)) return;
      // Without content, too: so servers say that what has a time to live lives on.
      if (version !== '' && this.#known.get(name) === version) {
        this.#refused.delete(name);
        resources.delete(name);
        return;
      }
      const any = content === null ? null : IncomingResponse.content(content);
      const fault = this.#faultOf(name, any);
      if (fault === null) resources.set(name, { name, version, bytes: any?.value ?? new Uint8Array(0) });
      else {
        issues.push({ key: name, error: fault });
        this.#refuse(name, version, fault);
      }
    });
    const gone = [...removed].filter((name) => this.#known.has(name));
    if (resources.size > 0 || gone.length > 0) issues.push(...(await this.#apply([...resources.values()], gone)));
    const errors = new Map<string, string>();
    for (const { key, error } of issues) if (error !== undefined) errors.set(key, error);
    let applied = 0;
    await inTurns(resources.values(), pause, ({ name, version }) => {
      const reason = errors.get(name);
      if (reason !== undefined) this.#refuse(name, version, reason);
      else {
        this.#known.set(name, version);
        this.#refused.delete(name);
        applied++;
      }
    });
    for (const name of removed) {
      if (errors.has(name)) continue;
      this.#known.delete(name);
      this.#refused.delete(name);
    }
    this.#version = response.systemVersion;
    this.#synced ||= errors.size === 0 && !this.#version.endsWith(MORE_FOLLOWS);
    return { issues, applied, removed: gone.length, bytes };
  }

  async #apply(resources: WireResource[], removed: string[]): Promise<readonly WireIssue[]> {
    try {
      return await this.#handle({ typeUrl: this.typeUrl, resources, removed });
    } catch (thrown) {
      // Nothing is known to be in force that was not before.
      const error = `cannot be applied: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
      return [...resources.map(({ name }) => name), ...removed].map((key) => ({ key, error }));
    }
  }

  /** What is wrong with the envelope of a resource. */
  #faultOf(name: string, content: Any | null): string | null {
    if (name === '') return 'has no name';
    if (content === null) return 'has no content';
    const { type_url: type = this.typeUrl } = content;
    return type === this.typeUrl ? null : `is a ${cut(type)} and not a ${this.typeUrl}`;
  }

  #refuse(name: string, version: string, reason: string): void {
    if (this.#refused.size < MAX_REFUSED || this.#refused.has(name))
      this.#refused.set(name, { version, reason: cut(reason) });
  }
}
