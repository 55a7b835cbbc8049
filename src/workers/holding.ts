import { DEFAULT_MAX_BUFFER_BYTES, holdBody } from '../adapters/hold-body.ts';
import { GatewayError } from '../errors/table.ts';
import type { Exchange, HeldResponse } from '../exchange.ts';
import type { MemoryBudget } from '../state/shared/memory-budget.ts';
import type { Holding } from './program.ts';

/** Steps that hold bodies to `limit` bytes each (null: agentgateway's default), within the process's budget. */
export function holdingTo(limit: number | null, bodies: MemoryBudget): Holding {
  const most = limit ?? DEFAULT_MAX_BUFFER_BYTES;
  return {
    request(exchange) {
      if (exchange.heldBody !== null) return undefined;
      return holdBody(exchange, most, bodies).then((body) => {
        exchange.heldBody = body;
        return undefined;
      });
    },
    response: (body) => (exchange) => {
      const reads = body === 'read';
      const held = exchange.heldResponse;
      // An answer in a coding can't be read.
      if (reads && exchange.headers.has('accept-encoding')) exchange.headers.set('accept-encoding', 'identity');
      if (held === null) {
        exchange.heldResponse = { limit: most, reads, head: null, chunks: [], bytes: 0, error: null, body: null };
      } else if (reads && !held.reads) exchange.heldResponse = { ...held, reads };
      return undefined;
    },
  };
}

/**
 * Takes a part of a held response. Throws, once, where it doesn't fit: who reads the response from the backend ends that then. What
 * still comes is let go.
 */
export function holdPart(exchange: Exchange, held: HeldResponse, chunk: Buffer, bodies: MemoryBudget): void {
  if (!held.reads || held.error !== null) return;
  if (held.bytes + chunk.length > held.limit) held.error = new GatewayError('response_too_large');
  else if (!bodies.take(chunk.length)) held.error = new GatewayError('overloaded');
  if (held.error !== null) {
    held.chunks.length = 0;
    throw held.error;
  }
  if (held.chunks.length === 0) exchange.onEnd(() => bodies.give(held.bytes));
  held.bytes += chunk.length;
  held.chunks.push(chunk);
}

/** Keeps a part of a response that passes, as far as there is room. */
export function capturePart(exchange: Exchange, chunk: Buffer, bodies: MemoryBudget): void {
  const capture = exchange.responseCapture;
  if (capture === null || !capture.complete) return;
  const part = chunk.subarray(0, capture.limit - capture.bytes);
  const kept = bodies.take(part.length);
  capture.complete = kept && part.length === chunk.length;
  if (!kept) return;
  if (capture.chunks.length === 0) exchange.onEnd(() => bodies.give(capture.bytes));
  capture.bytes += part.length;
  capture.chunks.push(part);
}
