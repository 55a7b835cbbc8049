import { GatewayError } from '../errors/table.ts';
import type { BodySink, Exchange } from '../exchange.ts';
import type { MemoryBudget } from '../state/shared/memory-budget.ts';

/** What a body may hold where the configuration doesn't say: agentgateway's maxBufferSize. */
export const DEFAULT_MAX_BUFFER_BYTES = 2 * 1024 * 1024;

/**
 * Holds a request body whole, within `limit` bytes for this request and within the process's budget; what was taken from the
 * budget is given back when the exchange ends. A body that a policy had held is that.
 *
 * Throws GatewayError: request_body_too_large (413), overloaded (503), bad_request (400) where the body broke off.
 */
export function holdBody(exchange: Exchange, limit: number, budget: MemoryBudget): Promise<Buffer> {
  const downstream = exchange.downstream;
  if (exchange.heldBody !== null) return Promise.resolve(exchange.heldBody);
  if (!downstream.hasBody) return Promise.resolve(EMPTY);
  if (downstream.contentLength > limit) return Promise.reject(tooLarge(limit));
  return new Promise((resolve, reject) => downstream.readBody(new Holder(exchange, limit, budget, resolve, reject)));
}

const EMPTY = Buffer.alloc(0);

class Holder implements BodySink {
  readonly #exchange: Exchange;
  readonly #limit: number;
  readonly #budget: MemoryBudget;
  readonly #resolve: (body: Buffer) => void;
  readonly #reject: (error: GatewayError) => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #failed = false;

  constructor(
    exchange: Exchange,
    limit: number,
    budget: MemoryBudget,
    resolve: (body: Buffer) => void,
    reject: (error: GatewayError) => void,
  ) {
    this.#exchange = exchange;
    this.#limit = limit;
    this.#budget = budget;
    this.#resolve = resolve;
    this.#reject = reject;
    exchange.onEnd(() => budget.give(this.#bytes));
  }

  onChunk(chunk: Buffer): void {
    if (this.#failed) return;
    if (this.#bytes + chunk.length > this.#limit) return this.#fail(tooLarge(this.#limit));
    if (this.#exchange.endCause !== null || !this.#budget.take(chunk.length))
      return this.#fail(new GatewayError('overloaded'));
    this.#bytes += chunk.length;
    this.#chunks.push(chunk);
  }

  onEnd(): void {
    if (this.#failed) return;
    this.#exchange.bytesReceived = this.#bytes;
    this.#resolve(this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#bytes));
  }

  onError(error: Error): void {
    this.#fail(new GatewayError('bad_request', 'The request body broke off.', { cause: error }));
  }

  #fail(error: GatewayError): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#chunks.length = 0;
    this.#reject(error);
  }
}

function tooLarge(limit: number): GatewayError {
  return new GatewayError(
    'request_body_too_large',
    `The request body is larger than the ${limit} bytes this route accepts.`,
  );
}
