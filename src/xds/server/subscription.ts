import type { WireIssue } from '../delta.ts';
import type { DeltaDiscoveryRequest } from '../wire/discovery.ts';
import { parseNack } from './nack.ts';
import { CODES, StreamRefusal } from './node.ts';
import { Difference, encodeResponse, type Part, type ResourceSet, TypeSet } from './resource-set.ts';

/** Names a node may subscribe to, or say that it has, in all. */
const MAX_NAMES = 500_000;
/** Resources that a node refuses, as far as they are remembered. */
const MAX_REFUSED = 100;

/** A response on its way: sent, and not yet answered. */
interface Outstanding {
  readonly nonce: string;
  readonly revision: string;
  readonly last: boolean;
  readonly part: Part | null;
  readonly sentAt: number;
}

/** What a request says of the response before it. */
export type Answer =
  | { readonly kind: 'ack'; readonly ms: number }
  | { readonly kind: 'nack'; readonly ms: number; readonly issues: readonly WireIssue[] };

/**
 * One type on one stream: what the node has asked for, what it has, and what it is sent next. There is one response at a time;
 * what changes before it is answered is part of the next. What the node has is `base`, which it shares with other nodes,
 * but for the names in `#overlay`: their versions, '' for any, null for none.
 */
export class Subscription {
  readonly typeUrl: string;
  #wildcard = false;
  readonly #names = new Set<string>();
  #base: TypeSet;
  #overlay: Map<string, string | null> | null = new Map();
  /** What is being sent, and how far that has come. */
  #sending: { readonly target: TypeSet; readonly difference: Difference; next: number } | null = null;
  /** The set the node has been sent all of. */
  #sent: TypeSet | null = null;
  #outstanding: Outstanding | null = null;
  #begun = false;
  #answered = false;
  /** Revision of which everything was sent and answered. */
  acknowledged: string | null = null;
  /** Resources whose newest version the node refuses, with its reason. */
  readonly refused = new Map<string, string>();
  lastAck: number | null = null;
  lastNack: { readonly at: number; readonly revision: string; readonly issues: readonly WireIssue[] } | null = null;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
    this.#base = new TypeSet(typeUrl, []);
  }

  get wildcard(): boolean {
    return this.#wildcard;
  }

  /** Names subscribed to apart from the wildcard. */
  get named(): number {
    return this.#names.size;
  }

  /** Whether more is to be sent after the response that is not answered yet. */
  get moreFollows(): boolean {
    return this.#outstanding?.last === false;
  }

  /** When the response that is not answered yet was sent, ms; null where there is none. */
  get waitingSince(): number | null {
    return this.#outstanding?.sentAt ?? null;
  }

  /** Takes a request of this type. Returns what it says of the last response; null where it says nothing that counts. */
  request(request: DeltaDiscoveryRequest, now: number): Answer | null {
    const { resource_names_subscribe: subscribe = [], resource_names_unsubscribe: unsubscribe = [] } = request;
    if (!this.#begun) {
      this.#begun = true;
      this.#begin(request.initial_resource_versions ?? {});
      // The first request that names nothing means everything; "*" said outright means it at any time.
      if (subscribe.length === 0) this.#wildcard = true;
    }
    if (subscribe.length > 0) this.#subscribe(subscribe);
    if (unsubscribe.length > 0) this.#unsubscribe(unsubscribe);
    return this.#answer(request, now);
  }

  /** The next response towards `set`, encoded but for its nonce; null where there is nothing to send now. */
  next(set: ResourceSet, nonce: string, now: number): Buffer | null {
    if (!this.#begun || this.#outstanding !== null) return null;
    const target = set.types.get(this.typeUrl) ?? nothingOf(this.typeUrl);
    if (this.#sending !== null && this.#sending.target !== target) this.#interrupt();
    if (this.#sending === null && this.#sent !== target) {
      this.#sending = { target, difference: this.#difference(target), next: 0 };
    }
    const { difference, next = 0 } = this.#sending ?? {};
    const part = difference?.parts[next];
    if (part === undefined) {
      this.#settle(target);
      if (this.#answered) {
        this.acknowledged = set.revision;
        return null;
      }
      this.#answered = true;
      this.#outstanding = { nonce, revision: set.revision, last: true, part: null, sentAt: now };
      return encodeResponse(this.typeUrl, [], []);
    }
    const bytes = difference?.encode(next) ?? encodeResponse(this.typeUrl, part.changed, part.removed);
    if (this.#sending !== null) this.#sending.next++;
    const last = next + 1 === difference?.parts.length;
    this.#answered = true;
    this.#outstanding = { nonce, revision: set.revision, last, part, sentAt: now };
    if (last) this.#settle(target);
    return bytes;
  }

  #begin(versions: Readonly<Record<string, string>>): void {
    const entries = Object.entries(versions);
    if (entries.length > MAX_NAMES) throw tooMany();
    this.#overlay = new Map(entries);
  }

  #subscribe(names: readonly string[]): void {
    this.#interrupt();
    this.#sent = null;
    const overlay = this.#ownOverlay();
    for (const name of names) {
      if (name === '*') {
        this.#wildcard = true;
        continue;
      }
      // Asked for again, a resource is sent again (xDS protocol, "Subscribing to Resources"); said to be there already, it isn't.
      if (this.#names.has(name)) overlay.set(name, '');
      else if (overlay.get(name) === null) overlay.delete(name);
      this.#names.add(name);
    }
    if (this.#names.size > MAX_NAMES) throw tooMany();
  }

  #unsubscribe(names: readonly string[]): void {
    this.#interrupt();
    this.#sent = null;
    const overlay = this.#ownOverlay();
    for (const name of names) {
      this.#names.delete(name);
      if (!this.#wildcard) overlay.delete(name);
    }
    if (!names.includes('*') || !this.#wildcard) return;
    this.#wildcard = false;
    const kept = new Map<string, string | null>();
    for (const name of this.#names) {
      const version = this.#version(name);
      if (version !== undefined) kept.set(name, version);
    }
    this.#base = new TypeSet(this.typeUrl, []);
    this.#overlay = kept;
  }

  #answer(request: DeltaDiscoveryRequest, now: number): Answer | null {
    const sent = this.#outstanding;
    // Answers to what was answered before, or was never sent, say nothing.
    if (sent === null || request.response_nonce !== sent.nonce) return null;
    this.#outstanding = null;
    if (sent.last) this.acknowledged = sent.revision;
    if (this.refused.size > 0) {
      for (const { name } of sent.part?.changed ?? []) this.refused.delete(name);
      for (const name of sent.part?.removed ?? []) this.refused.delete(name);
    }
    const ms = now - sent.sentAt;
    if (request.error_detail === undefined) {
      this.lastAck = now;
      return { kind: 'ack', ms };
    }
    const issues = parseNack(request.error_detail.message ?? '');
    if (issues.every(({ error }) => error === undefined)) this.lastAck = now;
    for (const { key, error } of issues) {
      if (error !== undefined && this.refused.size < MAX_REFUSED) this.refused.set(key, error);
    }
    this.lastNack = { at: now, revision: sent.revision, issues };
    return { kind: 'nack', ms, issues };
  }

  /** The version of a resource that the node has; '' of any, null for none, undefined where nothing was said of it. */
  #version(name: string): string | null | undefined {
    const own = this.#overlay?.get(name);
    return own === undefined ? this.#base.get(name)?.version : own;
  }

  #difference(target: TypeSet): Difference {
    if (this.#wildcard && this.#overlay === null) return target.since(this.#base);
    const removed = new Set<string>();
    const gone = (name: string, version: string | null | undefined) => {
      if (version !== null && target.get(name) === undefined) removed.add(name);
    };
    for (const name of this.#names) gone(name, this.#version(name));
    if (this.#wildcard) {
      for (const [name, version] of this.#overlay ?? []) gone(name, version);
      for (const name of this.#base.names()) gone(name, this.#version(name));
    }
    const changed = [];
    for (const name of this.#wildcard ? target.names() : this.#names) {
      const resource = target.get(name);
      if (resource !== undefined && this.#version(name) !== resource.version) changed.push(resource);
    }
    return new Difference(this.typeUrl, changed, [...removed], false);
  }

  /** Another set is to be sent: what was sent of this one is what the node has. */
  #interrupt(): void {
    if (this.#sending === null) return;
    const { difference, next } = this.#sending;
    this.#sending = null;
    this.#take(difference, next);
  }

  /** All of `target` was sent. */
  #settle(target: TypeSet): void {
    this.#sent = target;
    if (this.#sending === null) return;
    const { difference } = this.#sending;
    this.#sending = null;
    if (this.#wildcard) {
      this.#base = target;
      this.#overlay = null;
    } else {
      this.#take(difference, difference.parts.length);
    }
  }

  #take(difference: Difference, parts: number): void {
    if (parts === 0) return;
    const overlay = this.#ownOverlay();
    for (const { changed, removed } of difference.parts.slice(0, parts)) {
      for (const { name, version } of changed) overlay.set(name, version);
      for (const name of removed) overlay.set(name, null);
    }
  }

  #ownOverlay(): Map<string, string | null> {
    this.#overlay ??= new Map();
    return this.#overlay;
  }
}

const EMPTY = new Map<string, TypeSet>();

/** The set of a type that there is nothing of: always the same, and of few types (see NodeStream). */
function nothingOf(typeUrl: string): TypeSet {
  let none = EMPTY.get(typeUrl);
  if (none === undefined) {
    none = new TypeSet(typeUrl, []);
    if (EMPTY.size < 64) EMPTY.set(typeUrl, none);
  }
  return none;
}

function tooMany(): StreamRefusal {
  return new StreamRefusal(CODES.resourceExhausted, `more than ${MAX_NAMES} resource names`);
}
