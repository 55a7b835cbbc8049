import { z } from 'zod';
import { simpleBackend } from '../resources/schema/backend-ref.ts';
import { own } from '../resources/schema/common.ts';
import { list, mapped, message, number, otherwise, required, type Wire } from '../resources/wire.ts';
import { backendReference } from '../resources/wire-messages.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Dispatch, Flight, ResponseSink, UpstreamCall } from '../upstream/call.ts';
import type { Cluster } from '../upstream/cluster.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';
import type { PolicyServices } from './services.ts';

const mirror = z.strictObject({
  backend: simpleBackend().describe('Backend that gets the copies.'),
  percentage: z.number().min(0).max(1).describe('Share of requests that are copied, 0 to 1.'),
});

type MirrorSpec = z.infer<typeof mirror>;

const MAX_MIRRORS = 16;

const schema = z.union([mirror, own(z.array(mirror).min(1).max(MAX_MIRRORS).describe('Several mirrors.'))]);

/** Copies under way at one time, a route and worker, and the bytes of bodies they hold. */
const MAX_COPIES = 100;
const MAX_BYTES = 32 * 1024 * 1024;
/** A copy's response must have begun by then, ms. */
const HEAD_TIMEOUT_MS = 15_000;
/** Bytes of a copy's response that are read to keep its connection. */
const MAX_DISCARDED_BYTES = 64 * 1024;

/** Control planes count in percent. */
const share: Wire<number> = mapped(otherwise(number, 0), {
  read: (percent) => percent / 100,
  write: (part) => Number((part * 100).toPrecision(15)),
});

const mirrorsMessage: Wire<MirrorSpec | MirrorSpec[]> = mapped(
  message<{ mirrors?: MirrorSpec[] }>({
    mirrors: list(message<MirrorSpec>({ backend: required(backendReference), percentage: share })),
  }),
  {
    read: ({ mirrors = [] }) => (mirrors.length === 1 ? mirrors[0] : mirrors),
    write: (value) => ({ mirrors: Array.isArray(value) ? value : [value] }),
  },
);

/**
 * Sends a copy of requests, body included, to another backend and throws its responses away. The copy leaves before the backend's
 * credentials are put on the request, neither delays nor fails it, and is left out where too many are under way.
 */
export const requestMirror = definePolicy({
  name: 'requestMirror',
  schema,
  summary: 'Sends a copy of requests to another backend, or to several.',
  levels: ['route'],
  phase: 'dispatch',
  protects: false,
  wire: [{ spec: 'traffic', field: 'request_mirror', message: mirrorsMessage }],
  compile(value, scope, services): CompiledPolicy {
    const mirrors = (Array.isArray(value) ? value : [value]).flatMap(({ backend, percentage }) => {
      const cluster = clusterOf(backend, scope.key, services);
      if (cluster === null || percentage === 0) return [];
      return new Mirror(cluster, percentage, services.dispatch, services.metrics);
    });
    if (mirrors.length === 0) return {};
    return {
      holdBody: true,
      wrapDispatch: (next) => (call, sink) => {
        for (const mirror of mirrors) mirror.maybeCopy(call);
        return next(call, sink);
      },
    };
  },
});

/** A mirror to nowhere must not take the route down: it is said in the log, and nothing is copied. */
function clusterOf(
  reference: Parameters<PolicyServices['cluster']>[0],
  scope: string,
  services: PolicyServices,
): Cluster | null {
  try {
    return services.cluster(reference);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    services.log.warn('requestMirror has no valid backend; nothing is mirrored', { scope, reason });
    return null;
  }
}

class Mirror {
  readonly #cluster: Cluster;
  readonly #share: number;
  readonly #dispatch: Dispatch;
  readonly #metrics: Metrics;
  #copies = 0;
  #bytes = 0;

  constructor(cluster: Cluster, share: number, dispatch: Dispatch, metrics: Metrics) {
    this.#cluster = cluster;
    this.#share = share;
    this.#dispatch = dispatch;
    this.#metrics = metrics;
  }

  maybeCopy(call: UpstreamCall): void {
    // Of a session there is nothing to copy but its beginning.
    if (call.upgrade !== undefined) return;
    if (this.#share < 1 && Math.random() >= this.#share) return;
    const { body } = call;
    const size = Buffer.isBuffer(body) ? body.length : 0;
    const streamed = body !== null && !Buffer.isBuffer(body);
    if (streamed || this.#copies >= MAX_COPIES || this.#bytes + size > MAX_BYTES) {
      this.#metrics.mirrored.inc({ outcome: 'dropped' });
      return;
    }
    this.#copies++;
    this.#bytes += size;
    const copy: UpstreamCall = {
      exchange: call.exchange,
      method: call.method,
      path: call.path,
      authority: call.authority,
      headers: call.headers.slice(),
      body,
      cluster: this.#cluster,
      prepare: null,
      headTimeoutMs: HEAD_TIMEOUT_MS,
      bodyIdleTimeoutMs: HEAD_TIMEOUT_MS,
      auxiliary: true,
    };
    new Discard(this, size).begin(this.#dispatch, copy);
  }

  ended(size: number, outcome: 'sent' | 'failed'): void {
    this.#copies--;
    this.#bytes -= size;
    this.#metrics.mirrored.inc({ outcome });
  }
}

/** Reads a copy's response to its end, or to the limit, and forgets it. */
class Discard implements ResponseSink {
  readonly #mirror: Mirror;
  readonly #size: number;
  #flight: Flight | null = null;
  #read = 0;

  constructor(mirror: Mirror, size: number) {
    this.#mirror = mirror;
    this.#size = size;
  }

  begin(dispatch: Dispatch, copy: UpstreamCall): void {
    this.#flight = dispatch(copy, this);
  }

  onHead(): void {}

  onData(chunk: Buffer): boolean {
    this.#read += chunk.length;
    if (this.#read > MAX_DISCARDED_BYTES) {
      this.#flight?.abort();
      this.#mirror.ended(this.#size, 'sent');
    }
    return true;
  }

  onEnd(): void {
    this.#mirror.ended(this.#size, 'sent');
  }

  onError(): void {
    this.#mirror.ended(this.#size, 'failed');
  }
}
