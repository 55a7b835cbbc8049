import type { WireIssue } from '../delta.ts';
import { type DeltaDiscoveryRequest, MORE_FOLLOWS } from '../wire/discovery.ts';
import { CODES, type NodeIdentity, readNode, StreamRefusal } from './node.ts';
import { type ResourceSet, withNonce } from './resource-set.ts';
import { Subscription } from './subscription.ts';

/** What a stream may do before it is ended. */
export interface StreamLimits {
  /** Types one stream subscribes to. */
  readonly maxTypes: number;
  /** Requests in one second. */
  readonly maxRequestsPerSecond: number;
  /** How long a node may take to answer a response, ms. */
  readonly answerTimeoutMs: number;
}

export const STREAM_LIMITS: StreamLimits = { maxTypes: 8, maxRequestsPerSecond: 500, answerTimeoutMs: 300_000 };

export interface StreamEvents {
  /** The first request has said who the node is. Throws StreamRefusal where it may not be that. */
  admit(node: NodeIdentity): void;
  /** A response, encoded. */
  send(response: Buffer, typeUrl: string): void;
  answered(answer: StreamAnswer): void;
  /** Everything of the set it is to have was answered, so many ms after it was to have it. */
  settled(ms: number): void;
}

export interface StreamAnswer {
  readonly typeUrl: string;
  /** Empty for an ACK. */
  readonly issues: readonly WireIssue[];
  /** ms from the response to its answer. */
  readonly ms: number;
}

/** The protocol on one stream, apart from gRPC. Methods throw StreamRefusal where the stream is to end. */
export class NodeStream {
  readonly #events: StreamEvents;
  readonly #limits: StreamLimits;
  readonly #now: () => number;
  readonly #subscriptions = new Map<string, Subscription>();
  #node: NodeIdentity | null = null;
  #set: ResourceSet | null = null;
  /** When the set came to be what it is; null once the node has answered all of it. */
  #setSince: number | null = null;
  /** When it was first to have the revision that it is to have now. */
  #servedSince = 0;
  #nonce = 0;
  /** Requests of the second that began then. */
  #second = 0;
  #requests = 0;
  /** Nothing is sent while what was sent before is still on its way. */
  #congested = false;

  constructor(events: StreamEvents, limits: StreamLimits = STREAM_LIMITS, now: () => number = Date.now) {
    this.#events = events;
    this.#limits = limits;
    this.#now = now;
  }

  /** Null until its first request. */
  get node(): NodeIdentity | null {
    return this.#node;
  }

  get subscriptions(): Iterable<Subscription> {
    return this.#subscriptions.values();
  }

  /** The set it is to have. */
  get set(): ResourceSet | null {
    return this.#set;
  }

  /** How long ago the set became what it is to have, ms; 0 once it has it. */
  get lagMs(): number {
    return this.#setSince === null ? 0 : this.#now() - this.#setSince;
  }

  /** What it refuses of the revision it is to have. */
  get refusals(): WireIssue[] {
    const issues: WireIssue[] = [];
    for (const { lastNack } of this.#subscriptions.values()) {
      if (lastNack === null || lastNack.revision !== this.#set?.revision || lastNack.at < this.#servedSince) continue;
      issues.push(...lastNack.issues.filter(({ error }) => error !== undefined));
    }
    return issues;
  }

  /** Revision that it has answered everything of; null where there is none. */
  get acknowledged(): string | null {
    let revision: string | null = null;
    for (const one of this.#subscriptions.values()) {
      if (one.acknowledged === null || (revision !== null && revision !== one.acknowledged)) return null;
      revision = one.acknowledged;
    }
    return revision;
  }

  request(request: DeltaDiscoveryRequest): void {
    const now = this.#now();
    this.#count(now);
    if (this.#node === null) {
      const node = readNode(request.node);
      this.#events.admit(node);
      this.#node = node;
    }
    const { type_url: typeUrl = '' } = request;
    if (typeUrl === '') throw new StreamRefusal(CODES.invalidArgument, 'a request without a type_url');
    let subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined) {
      if (this.#subscriptions.size >= this.#limits.maxTypes) {
        throw new StreamRefusal(CODES.resourceExhausted, `more than ${this.#limits.maxTypes} types on one stream`);
      }
      subscription = new Subscription(typeUrl);
      this.#subscriptions.set(typeUrl, subscription);
    }
    const answer = subscription.request(request, now);
    if (answer !== null) {
      this.#events.answered({ typeUrl, issues: answer.kind === 'nack' ? answer.issues : [], ms: answer.ms });
    }
    this.#pump();
  }

  /** From now on the node is to have `set`. */
  serve(set: ResourceSet): void {
    if (set === this.#set) return;
    // Of several sets that it was to have before it had one, the oldest counts.
    if (set.revision !== this.#set?.revision) {
      this.#servedSince = this.#now();
      this.#setSince ??= this.#servedSince;
    }
    this.#set = set;
    this.#pump();
  }

  /** Whether what was sent before has left. */
  set congested(congested: boolean) {
    this.#congested = congested;
    if (!congested) this.#pump();
  }

  /** Looks whether the node has gone silent. */
  check(): void {
    const before = this.#now() - this.#limits.answerTimeoutMs;
    for (const { waitingSince, typeUrl } of this.#subscriptions.values()) {
      if (waitingSince === null || waitingSince > before) continue;
      const message = `no answer to a response of ${typeUrl} for ${this.#limits.answerTimeoutMs} ms`;
      throw new StreamRefusal(CODES.deadlineExceeded, message);
    }
  }

  #pump(): void {
    if (this.#set === null) return;
    for (const subscription of this.#subscriptions.values()) {
      if (this.#congested) return;
      const nonce = String(this.#nonce + 1);
      const response = subscription.next(this.#set, nonce, this.#now());
      if (response === null) continue;
      this.#nonce++;
      const state = subscription.moreFollows ? `${this.#set.revision}${MORE_FOLLOWS}` : this.#set.revision;
      this.#events.send(withNonce(response, nonce, state), subscription.typeUrl);
    }
    if (this.#setSince === null || this.acknowledged !== this.#set.revision) return;
    const ms = this.#now() - this.#setSince;
    this.#setSince = null;
    this.#events.settled(ms);
  }

  #count(now: number): void {
    if (now - this.#second >= 1000) {
      this.#second = now;
      this.#requests = 0;
    }
    this.#requests++;
    if (this.#requests <= this.#limits.maxRequestsPerSecond) return;
    throw new StreamRefusal(
      CODES.resourceExhausted,
      `more than ${this.#limits.maxRequestsPerSecond} requests in a second`,
    );
  }
}
