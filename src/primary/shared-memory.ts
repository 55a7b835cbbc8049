import type { Settings } from '../resources/settings.ts';
import { EndpointTable } from '../state/shared/endpoint-table.ts';
import { createLineRing, LineRingReader } from '../state/shared/line-ring.ts';
import { BUDGET, MemoryBudget } from '../state/shared/memory-budget.ts';
import { TokenBuckets } from '../state/shared/token-buckets.ts';

/** Rate limits and endpoints in use at one time; a row is a few hundred bytes, and only rows used take memory. */
const BUCKET_ROWS = 16_384;
const ENDPOINT_ROWS = 16_384;
/** Room for a worker's log lines on their way to be written: some 2,000 of them. */
const LINE_RING_BYTES = 1024 * 1024;

/** The log lines of one worker: the ring, and the end of it that is read here. */
interface LineRing {
  readonly buffer: SharedArrayBuffer;
  readonly reader: LineRingReader;
}

/** What workers share with the primary, the snapshot log aside; made once, before workers start. */
export class SharedMemory {
  readonly buckets: SharedArrayBuffer;
  readonly endpoints: SharedArrayBuffer;
  readonly memory: SharedArrayBuffer;
  readonly bodies: MemoryBudget;
  readonly drains: MemoryBudget;
  readonly #lines: readonly LineRing[];
  readonly #buckets: TokenBuckets;
  readonly #endpoints: EndpointTable;

  constructor(settings: Settings) {
    const workers = settings.workerThreads;
    this.buckets = TokenBuckets.create({ rows: BUCKET_ROWS, workers });
    this.endpoints = EndpointTable.create({ rows: ENDPOINT_ROWS, workers });
    this.memory = MemoryBudget.create({ bodies: settings.bodyBufferBudget, drains: settings.drainMaxStreams }, workers);
    this.#lines = Array.from({ length: workers }, () => {
      const buffer = createLineRing(LINE_RING_BYTES);
      return { buffer, reader: new LineRingReader(buffer) };
    });
    // The primary's own index is the one behind the workers'.
    this.#buckets = TokenBuckets.open(this.buckets, workers);
    this.#endpoints = EndpointTable.open(this.endpoints, workers);
    this.bodies = MemoryBudget.open(this.memory, BUDGET.bodies, workers);
    this.drains = MemoryBudget.open(this.memory, BUDGET.drains, workers);
  }

  lines(index: number): LineRing {
    return this.#lines[index] as LineRing;
  }

  /** Settles what a thread that has ended left behind, before a replacement gets its index. */
  clearWorker(index: number): void {
    this.#buckets.clearWorker(index);
    this.#endpoints.clearWorker(index);
    MemoryBudget.clearWorker(this.memory, index);
  }

  /** Bytes held and rows in use, for the admin server. */
  usage(): Record<string, unknown> {
    return {
      rateLimits: { bytes: this.buckets.byteLength, ...this.#buckets.usage },
      endpoints: { bytes: this.endpoints.byteLength, ...this.#endpoints.usage },
      heldBodies: { bytes: this.bodies.used, limit: this.bodies.limit },
      drainedStreams: { streams: this.drains.used, limit: this.drains.limit },
    };
  }
}
