import { createServer, type Server, type Socket } from 'node:net';
import type { GatewayError } from '../../../src/errors/table.ts';
import { type Downstream, Exchange } from '../../../src/exchange.ts';
import { HeaderList } from '../../../src/headers.ts';
import type { PolicyMap } from '../../../src/resources/types.ts';
import { EndpointTable } from '../../../src/state/shared/endpoint-table.ts';
import type { Logger } from '../../../src/telemetry/log.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import type { Dispatch, Flight, ResponseSink, UpstreamCall } from '../../../src/upstream/call.ts';
import type { ClusterSpec, UpstreamTls } from '../../../src/upstream/cluster.ts';
import { Clusters } from '../../../src/upstream/clusters.ts';
import { createDispatch } from '../../../src/upstream/dispatch.ts';
import type { LiveCluster } from '../../../src/upstream/live-cluster.ts';
import type { NameLookup } from '../../../src/upstream/resolve.ts';
import type { UpstreamServices } from '../../../src/upstream/services.ts';

export const quiet: Logger = { error() {}, warn() {}, info() {}, debug() {} };

/** A worker's upstream room with small limits; `close` it at the end of a test. */
export interface Rig {
  readonly services: UpstreamServices;
  readonly metrics: Metrics;
  readonly clusters: Clusters;
  readonly dispatch: Dispatch;
}

export function rig(
  settings: Partial<UpstreamServices['settings']> = {},
  more: { lookup?: NameLookup; guard?: UpstreamServices['guard'] } = {},
): Rig {
  const metrics = new Metrics();
  const services: UpstreamServices = {
    settings: {
      connectTimeoutMs: 2_000,
      poolIdleTimeoutMs: 60_000,
      poolMaxSize: 0,
      dnsLookupFamily: 'Auto',
      ...settings,
    },
    endpoints: EndpointTable.open(EndpointTable.create({ rows: 64, workers: 1 }), 0),
    metrics,
    log: quiet,
    ...(more.lookup === undefined ? {} : { lookup: more.lookup }),
    ...(more.guard === undefined ? {} : { guard: more.guard }),
  };
  return { services, metrics, clusters: new Clusters(services), dispatch: createDispatch(services) };
}

export function hostSpec(
  host: string,
  port: number,
  policies: PolicyMap = {},
  tls: UpstreamTls | null = null,
): ClusterSpec {
  return { key: `host/${host}:${port}`, target: { kind: 'host', host, port }, tls, policies };
}

export function cluster(from: Rig, spec: ClusterSpec): LiveCluster {
  return from.clusters.get(spec) as LiveCluster;
}

/** What the client's half was told outside of the reply. */
export interface FakeDownstream extends Downstream {
  readonly informed: { status: number; headers: readonly string[] }[];
}

export function fakeExchange(headers: string[] = [], method = 'GET'): Exchange & { downstream: FakeDownstream } {
  const informed: FakeDownstream['informed'] = [];
  const downstream = {
    informed,
    inform: (status: number, fields: readonly string[]) => informed.push({ status, headers: fields }),
  } as unknown as FakeDownstream;
  return new Exchange(downstream, {
    method,
    path: '/',
    query: '',
    scheme: 'http',
    authority: 'client.example',
    host: 'client.example',
    headers: new HeaderList(headers),
  }) as Exchange & { downstream: FakeDownstream };
}

export function callTo(to: LiveCluster, more: Partial<UpstreamCall> = {}): UpstreamCall {
  return {
    exchange: fakeExchange(),
    method: 'GET',
    path: '/',
    authority: '',
    headers: [],
    body: null,
    cluster: to,
    prepare: null,
    headTimeoutMs: 0,
    ...more,
  };
}

/** Keeps what a sink is told, and checks that nothing comes after the end. */
export class Collector implements ResponseSink {
  status = 0;
  headers: string[] = [];
  readonly chunks: Buffer[] = [];
  trailers: string[] = [];
  error: GatewayError | null = null;
  ended = false;
  heads = 0;
  /** What onData answers. */
  accept = true;
  readonly done: Promise<this>;
  readonly head: Promise<this>;
  #resolve: (self: this) => void = () => {};
  #resolveHead: (self: this) => void = () => {};
  onChunk: ((chunk: Buffer) => void) | null = null;

  constructor() {
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.head = new Promise((resolve) => {
      this.#resolveHead = resolve;
    });
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  header(name: string): string | undefined {
    const at = this.headers.findIndex((field, i) => i % 2 === 0 && field === name);
    return at < 0 ? undefined : this.headers[at + 1];
  }

  onHead(status: number, headers: string[]): void {
    this.#live('onHead');
    this.heads++;
    this.status = status;
    this.headers = headers;
    this.#resolveHead(this);
  }

  onData(chunk: Buffer): boolean {
    this.#live('onData');
    this.chunks.push(chunk);
    this.onChunk?.(chunk);
    return this.accept;
  }

  onEnd(trailers: string[]): void {
    this.#live('onEnd');
    this.ended = true;
    this.trailers = trailers;
    this.#resolve(this);
  }

  onError(error: GatewayError): void {
    this.#live('onError');
    this.error = error;
    this.#resolve(this);
  }

  #live(event: string): void {
    if (this.ended || this.error !== null) throw new Error(`${event} after the end`);
  }
}

/** Dispatches and waits for the end. */
export function send(dispatch: Dispatch, call: UpstreamCall, sink = new Collector()): Promise<Collector> {
  dispatch(call, sink);
  return sink.done;
}

export function start(
  dispatch: Dispatch,
  call: UpstreamCall,
  sink = new Collector(),
): { sink: Collector; flight: Flight } {
  return { sink, flight: dispatch(call, sink) };
}

/** A TCP server that says exactly what a test wants. */
export interface RawServer {
  readonly port: number;
  readonly server: Server;
  readonly sockets: Set<Socket>;
  /** Connections accepted so far. */
  readonly accepted: () => number;
  close(): Promise<void>;
}

export function rawServer(
  onConnection: (socket: Socket, index: number) => void,
  listen: { host?: string; port?: number; path?: string } = {},
): Promise<RawServer> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket, accepted++);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const ready = (): void => {
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : -1,
        server,
        sockets,
        accepted: () => accepted,
        close: () =>
          new Promise((closed) => {
            for (const socket of sockets) socket.destroy();
            server.close(() => closed());
          }),
      });
    };
    if (listen.path !== undefined) server.listen(listen.path, ready);
    else server.listen(listen.port ?? 0, listen.host ?? '127.0.0.1', ready);
  });
}

/** Calls back once for each complete request head (no body expected) that comes over a socket. */
export function onRequests(socket: Socket, answer: (head: string, index: number) => void): void {
  let text = '';
  let index = 0;
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end + 4);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (text.length < head.length + length) return;
      text = text.slice(head.length + length);
      answer(head, index++);
    }
  });
}

/** Value of one metric series, 0 where there is none. */
export async function metric(metrics: Metrics, name: string, labels: Record<string, string> = {}): Promise<number> {
  const found = await metrics.registry.getSingleMetric(`agentgateway_${name}`)?.get();
  let sum = 0;
  for (const value of found?.values ?? []) {
    const of = value.labels as Record<string, unknown>;
    if (Object.entries(labels).every(([label, wanted]) => of[label] === wanted)) sum += value.value;
  }
  return sum;
}

/** Resolves once `condition` holds; the test's own time-out is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
