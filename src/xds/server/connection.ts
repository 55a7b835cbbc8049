import type { PeerCertificate } from 'node:tls';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { DeltaDiscoveryRequest } from '../wire/discovery.ts';
import type { NodeIdentity } from './node.ts';
import { CODES, StreamRefusal } from './node.ts';
import { NodeStream, type StreamAnswer, type StreamLimits } from './node-stream.ts';

export type Call = ServerDuplexStream<DeltaDiscoveryRequest, Buffer>;

/** What the server makes of what happens on a stream. */
export interface ConnectionEvents {
  /** Throws StreamRefusal where the node may not be what it says. */
  admit(node: NodeIdentity): void;
  /** The node is known; its stream is to be served. */
  opened(connection: Connection): void;
  pushed(connection: Connection, typeUrl: string, bytes: number): void;
  answered(connection: Connection, answer: StreamAnswer): void;
  settled(connection: Connection, ms: number): void;
  /** Bytes that were handed over have left, or never will. */
  left(bytes: number): void;
  closed(connection: Connection, reason: StreamRefusal | null): void;
  /** A fault of the server's own; the stream is ended. */
  failed(connection: Connection, error: unknown): void;
}

/** How long a client may take to say who it is, ms. */
const FIRST_REQUEST_MS = 15_000;
/** Writes under way for longer than this no longer count as under way: others need not wait for a client that takes nothing, ms. */
const STUCK_MS = 10_000;

/** Who opened a stream, as the transport shows it. */
export interface Peer {
  /** IP address. */
  readonly address: string;
  /** The bearer token; null where there is none. */
  readonly token: string | null;
  /** The certificate the TLS handshake has verified; null where there is none. */
  readonly certificate: PeerCertificate | null;
}

/** One stream of one node: its protocol, joined to gRPC. */
export class Connection {
  /** `address:port`. */
  readonly peer: string;
  readonly client: Peer;
  readonly since: number;
  readonly stream: NodeStream;
  readonly #call: Call;
  readonly #events: ConnectionEvents;
  #closed = false;
  /** Bytes handed over that have not left yet, and since when there are any. */
  #underWay = 0;
  #underWaySince = 0;
  #held = false;

  constructor(call: Call, client: Peer, events: ConnectionEvents, limits: StreamLimits) {
    this.client = client;
    this.#call = call;
    this.#events = events;
    this.peer = call.getPeer();
    this.since = Date.now();
    this.stream = new NodeStream(
      {
        admit: (node) => events.admit(node),
        send: (response, typeUrl) => this.#send(response, typeUrl),
        answered: (answer) => events.answered(this, answer),
        settled: (ms) => events.settled(this, ms),
      },
      limits,
    );
    call.on('data', (request: DeltaDiscoveryRequest) => {
      this.guard(() => {
        const known = this.stream.node !== null;
        this.stream.request(request);
        if (!known) events.opened(this);
      });
    });
    call.on('drain', () => this.#flow());
    call.once('end', () => this.#close(null, () => call.end()));
    call.once('cancelled', () => this.#close(null));
    // Bytes that are no request end here.
    call.on('error', () => this.#close(null));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** While held nothing more is sent: others are served first. */
  set held(held: boolean) {
    this.#held = held;
    this.#flow();
  }

  /** Runs `step`; what it refuses ends the stream. */
  guard(step: () => void): void {
    if (this.#closed) return;
    try {
      step();
    } catch (error) {
      if (error instanceof StreamRefusal) this.end(error);
      else {
        this.#events.failed(this, error);
        this.end(new StreamRefusal(CODES.internal, 'the control plane failed; its log has the cause'));
      }
    }
  }

  /** Ends the stream with a status. */
  end(reason: StreamRefusal): void {
    this.#close(reason, () => {
      this.#call.emit('error', { code: reason.code, details: reason.message });
    });
  }

  /** Looks whether the client still does its part. */
  check(now: number): void {
    if (this.stream.node === null && now - this.since > FIRST_REQUEST_MS) {
      this.end(new StreamRefusal(CODES.deadlineExceeded, `no request within ${FIRST_REQUEST_MS} ms`));
    }
    if (this.#underWay > 0 && now - this.#underWaySince > STUCK_MS) this.#release();
    this.guard(() => this.stream.check());
  }

  #send(response: Buffer, typeUrl: string): void {
    const bytes = response.length;
    if (this.#underWay === 0) this.#underWaySince = Date.now();
    this.#underWay += bytes;
    this.#events.pushed(this, typeUrl, bytes);
    const room = this.#call.write(response, () => {
      const left = Math.min(bytes, this.#underWay);
      this.#underWay -= left;
      if (left > 0) this.#events.left(left);
    });
    if (!room) this.stream.congested = true;
  }

  #flow(): void {
    this.guard(() => {
      this.stream.congested = this.#held || this.#call.writableNeedDrain;
    });
  }

  #release(): void {
    const bytes = this.#underWay;
    this.#underWay = 0;
    if (bytes > 0) this.#events.left(bytes);
  }

  #close(reason: StreamRefusal | null, finish?: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
    finish?.();
    this.#events.closed(this, reason);
  }
}
