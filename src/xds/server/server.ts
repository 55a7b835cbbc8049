import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { XdsLog } from '../delta.ts';
import { DELTA_METHOD, type DeltaDiscoveryRequest, deltaRequestType, STREAM_METHOD } from '../wire/discovery.ts';
import { type Call, Connection, type Peer } from './connection.ts';
import { addressOf, Listener, type ListenerOptions, type ServerCertificate } from './listener.ts';
import { CODES, type NodeIdentity, StreamRefusal } from './node.ts';
import { STREAM_LIMITS, type StreamAnswer, type StreamLimits } from './node-stream.ts';
import type { ResourceSet } from './resource-set.ts';

export interface DeltaServerOptions {
  readonly listen: ListenerOptions;
  readonly log: XdsLog;
  readonly limits?: Partial<ServerLimits>;
  /** Called as a stream opens; returns the check of what its node says it is. Both throw StreamRefusal. */
  authenticate(peer: Peer): (node: NodeIdentity) => void;
  /** What a node is to have now; null while that is not known yet. Asked again after each `refresh`. */
  setFor(connection: Connection, node: NodeIdentity): ResourceSet | null;
  readonly events?: ServerEvents;
}

export interface ServerEvents {
  opened?(connection: Connection): void;
  closed?(connection: Connection, reason: StreamRefusal | null): void;
  pushed?(connection: Connection, typeUrl: string, bytes: number): void;
  answered?(connection: Connection, answer: StreamAnswer): void;
  settled?(connection: Connection, ms: number): void;
  /** A stream that was not let in. */
  refused?(peer: string, reason: StreamRefusal): void;
}

export interface ServerLimits extends StreamLimits {
  readonly maxStreams: number;
  /** Streams of one node id. */
  readonly maxStreamsPerNode: number;
  /** Bytes on their way to all nodes before further ones have to wait. */
  readonly maxBytesUnderWay: number;
  /** Changes are pushed once none came for the first, and no later than the second, ms. */
  readonly debounceMs: number;
  readonly maxDebounceMs: number;
  /** Streams are ended at about this age, ms, so that nodes spread over the replicas there are; 0 = never. */
  readonly maxStreamAgeMs: number;
}

export const SERVER_LIMITS: ServerLimits = {
  ...STREAM_LIMITS,
  maxStreams: 10_000,
  maxStreamsPerNode: 4,
  maxBytesUnderWay: 256 * 1024 * 1024,
  debounceMs: 10,
  maxDebounceMs: 1000,
  maxStreamAgeMs: 0,
};

/** A request of a node that says which of very many resources it has. */
const MAX_REQUEST_BYTES = 32 * 1024 * 1024;
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
const IDLE_MS = 60_000;
const CHECK_MS = 1000;
/** Streams served in one turn of the event loop. */
const TURN = 50;

/** Delta ADS (envoy.service.discovery.v3.AggregatedDiscoveryService) for any number of nodes. */
export class DeltaServer {
  readonly #options: DeltaServerOptions;
  readonly #limits: ServerLimits;
  readonly #grpc: Server;
  readonly #listener: Listener;
  readonly #injector: ConnectionInjector;
  /** Streams whose node is known. */
  readonly #connections = new Set<Connection>();
  readonly #perNode = new Map<string, number>();
  /** Streams there are, whether their node is known or not. */
  readonly #streams = new Set<Connection>();
  #bytesUnderWay = 0;
  readonly #waiting = new Set<Connection>();
  #refreshTimer: NodeJS.Timeout | null = null;
  #refreshAsked = 0;
  /** Streams that are still to be asked about the last change. */
  #turns: Connection[] = [];
  readonly #checks: NodeJS.Timeout;
  #closing = false;

  /** Throws where the certificate can't be used. */
  constructor(options: DeltaServerOptions) {
    this.#options = options;
    this.#limits = { ...SERVER_LIMITS, ...options.limits };
    this.#grpc = new Server({
      'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.max_connection_idle_ms': IDLE_MS,
      'grpc.max_concurrent_streams': 16,
      'grpc.enable_channelz': 0,
    });
    this.#grpc.addService(SERVICE, {
      delta: (call: Call) => this.#open(call),
      stream: (_: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>) => {
        done({ code: CODES.unimplemented, details: 'only Delta ADS is served here: use DeltaAggregatedResources' });
      },
    });
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#listener = new Listener(
      options.listen,
      (socket) => this.#injector.injectConnection(socket),
      (error, { remoteAddress }) => options.log.debug('a TLS handshake failed', { peer: remoteAddress, error }),
    );
    this.#checks = setInterval(() => this.#check(), CHECK_MS);
    this.#checks.unref();
  }

  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  /** Resolves to the port. Rejects with the listen's error. */
  listen(): Promise<number> {
    return this.#listener.listen(this.#options.listen);
  }

  /** Throws where it can't be used. */
  exchangeCertificate(certificate: ServerCertificate): void {
    this.#listener.exchange(certificate);
  }

  /** What nodes are to have may have changed: each is asked about soon. */
  refresh(): void {
    if (this.#closing) return;
    const now = performance.now();
    if (this.#refreshTimer === null) this.#refreshAsked = now;
    else if (now - this.#refreshAsked >= this.#limits.maxDebounceMs - this.#limits.debounceMs) return;
    else clearTimeout(this.#refreshTimer);
    this.#refreshTimer = setTimeout(() => {
      this.#refreshTimer = null;
      const idle = this.#turns.length === 0;
      this.#turns = [...this.#connections];
      if (idle) this.#turn();
    }, this.#limits.debounceMs);
  }

  /** Ends those streams, e.g. of clients that may no longer be what they are. */
  endWhere(reason: StreamRefusal, ends: (connection: Connection) => boolean): void {
    for (const connection of [...this.#connections]) if (ends(connection)) connection.end(reason);
  }

  /** Takes no more streams, ends those there are so that nodes go elsewhere, and resolves once they are gone or `graceMs` are over. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    clearInterval(this.#checks);
    if (this.#refreshTimer !== null) clearTimeout(this.#refreshTimer);
    this.#turns = [];
    const disconnected = this.#listener.close();
    const reason = new StreamRefusal(CODES.unavailable, 'the control plane is shutting down');
    for (const connection of [...this.#streams]) connection.end(reason);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      // A session that has ended may still have its last words on the way.
      new Promise<void>((resolve) => this.#grpc.tryShutdown(() => resolve())).then(() => disconnected),
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      }),
    ]);
    clearTimeout(timer);
    this.#grpc.forceShutdown();
    this.#listener.destroy();
  }

  #open(call: Call): void {
    const peer = call.getPeer();
    const refuse = (reason: StreamRefusal) => {
      this.#options.events?.refused?.(peer, reason);
      call.emit('error', { code: reason.code, details: reason.message });
    };
    if (this.#closing) return refuse(new StreamRefusal(CODES.unavailable, 'the control plane is shutting down'));
    if (this.#streams.size >= this.#limits.maxStreams) {
      return refuse(new StreamRefusal(CODES.resourceExhausted, `more than ${this.#limits.maxStreams} streams`));
    }
    const certificate = call.getAuthContext().sslPeerCertificate ?? null;
    const client: Peer = { address: addressOf(peer), token: bearerOf(call), certificate };
    let check: (node: NodeIdentity) => void;
    try {
      check = this.#options.authenticate(client);
    } catch (error) {
      if (error instanceof StreamRefusal) return refuse(error);
      this.#options.log.error('a client could not be authenticated', { peer, error });
      return refuse(new StreamRefusal(CODES.internal, 'the control plane failed; its log has the cause'));
    }
    const connection = new Connection(
      call,
      client,
      {
        admit: (node) => this.#admit(node, check),
        opened: (connection) => this.#opened(connection),
        pushed: (connection, typeUrl, bytes) => {
          this.#bytesUnderWay += bytes;
          this.#options.events?.pushed?.(connection, typeUrl, bytes);
        },
        answered: (connection, answer) => this.#options.events?.answered?.(connection, answer),
        settled: (connection, ms) => this.#options.events?.settled?.(connection, ms),
        left: (bytes) => this.#left(bytes),
        closed: (connection, reason) => this.#closed(connection, reason),
        failed: (connection, error) => {
          this.#options.log.error('serving a node failed', { peer: connection.peer, error });
        },
      },
      this.#limits,
    );
    this.#streams.add(connection);
  }

  #admit(node: NodeIdentity, check: (node: NodeIdentity) => void): void {
    check(node);
    const streams = this.#perNode.get(node.id) ?? 0;
    if (streams < this.#limits.maxStreamsPerNode) return;
    throw new StreamRefusal(
      CODES.resourceExhausted,
      `node.id ${JSON.stringify(node.id)} has ${streams} streams already`,
    );
  }

  #opened(connection: Connection): void {
    const id = connection.stream.node?.id ?? '';
    this.#perNode.set(id, (this.#perNode.get(id) ?? 0) + 1);
    this.#connections.add(connection);
    this.#options.events?.opened?.(connection);
    this.#serve(connection);
  }

  #closed(connection: Connection, reason: StreamRefusal | null): void {
    this.#streams.delete(connection);
    this.#waiting.delete(connection);
    const { node } = connection.stream;
    if (this.#connections.delete(connection)) {
      const streams = (this.#perNode.get(node?.id ?? '') ?? 1) - 1;
      if (streams === 0) this.#perNode.delete(node?.id ?? '');
      else this.#perNode.set(node?.id ?? '', streams);
      this.#options.events?.closed?.(connection, reason);
    } else if (reason !== null) {
      this.#options.events?.refused?.(connection.peer, reason);
    }
    // A client that takes nothing takes no status either.
    if (reason?.code === CODES.deadlineExceeded) {
      setTimeout(() => this.#listener.breakOff(connection.peer), CHECK_MS).unref();
    }
  }

  #turn(): void {
    for (const connection of this.#turns.splice(0, TURN)) this.#serve(connection);
    if (this.#turns.length > 0) setImmediate(() => this.#turn());
  }

  #serve(connection: Connection): void {
    const { node } = connection.stream;
    if (connection.closed || node === null) return;
    const set = this.#options.setFor(connection, node);
    if (set === null) return;
    if (this.#bytesUnderWay >= this.#limits.maxBytesUnderWay) {
      this.#waiting.add(connection);
      connection.held = true;
    }
    connection.guard(() => connection.stream.serve(set));
  }

  #left(bytes: number): void {
    this.#bytesUnderWay -= bytes;
    for (const connection of this.#waiting) {
      if (this.#bytesUnderWay >= this.#limits.maxBytesUnderWay) return;
      this.#waiting.delete(connection);
      connection.held = false;
    }
  }

  #check(): void {
    const now = Date.now();
    const { maxStreamAgeMs } = this.#limits;
    for (const connection of [...this.#streams]) {
      connection.check(now);
      // The last digits of a stream's beginning are as good as a random number.
      const age = maxStreamAgeMs * (0.9 + (connection.since % 200) / 1000);
      if (maxStreamAgeMs === 0 || now - connection.since < age || connection.stream.lagMs > 0) continue;
      connection.end(
        new StreamRefusal(CODES.unavailable, 'connect anew: nodes are spread over the replicas from time to time'),
      );
    }
  }
}

function bearerOf(call: Call): string | null {
  const [value] = call.metadata.get('authorization');
  return typeof value === 'string' ? (/^bearer +(\S+) *$/i.exec(value)?.[1] ?? null) : null;
}

const SERVICE = {
  delta: {
    path: DELTA_METHOD,
    requestStream: true,
    responseStream: true,
    requestDeserialize: (bytes: Buffer): DeltaDiscoveryRequest => deltaRequestType().decode(bytes),
    requestSerialize: (request: DeltaDiscoveryRequest) => deltaRequestType().encode(request),
    responseDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
  },
  stream: {
    path: STREAM_METHOD,
    requestStream: true,
    responseStream: false,
    requestDeserialize: (bytes: Buffer) => bytes,
    requestSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
  },
} as const;
