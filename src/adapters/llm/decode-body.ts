import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { GatewayError } from '../../errors/table.ts';
import type { Exchange } from '../../exchange.ts';
import type { MemoryBudget } from '../../state/shared/memory-budget.ts';

/** In zlib since Node 22.15. */
const ZSTD = (zlib as { createZstdDecompress?: () => Transform }).createZstdDecompress;

/** Decoders by content coding (RFC 9110 §8.4.1, RFC 8878 where this Node has it). */
const DECODERS: ReadonlyMap<string, () => Transform> = new Map([
  ['gzip', () => zlib.createGunzip()],
  ['x-gzip', () => zlib.createGunzip()],
  ['deflate', () => zlib.createInflate()],
  ['br', () => zlib.createBrotliDecompress()],
  ...(ZSTD === undefined ? [] : [['zstd', ZSTD] as const]),
]);

/**
 * A held body without its content coding. What comes out is bounded like what came in: by `limit` bytes and by the process's budget,
 * to which it is given back when the exchange ends.
 *
 * Throws GatewayError: unsupported_content_encoding (415, also for several codings at once), request_body_too_large (413),
 * overloaded (503), invalid_request_body (400) for bytes that aren't what the coding says.
 */
export function decodeBody(
  exchange: Exchange,
  body: Buffer,
  coding: string,
  limit: number,
  budget: MemoryBudget,
): Promise<Buffer> {
  const make = DECODERS.get(coding.trim().toLowerCase());
  if (make === undefined) return Promise.reject(new GatewayError('unsupported_content_encoding'));
  return new Promise((resolve, reject) => {
    const decoder = make();
    const chunks: Buffer[] = [];
    let bytes = 0;
    exchange.onEnd(() => {
      budget.give(bytes);
      decoder.destroy();
    });
    const fail = (error: GatewayError) => {
      decoder.destroy();
      reject(error);
    };
    decoder.on('data', (chunk: Buffer) => {
      if (exchange.endCause !== null) return decoder.destroy();
      if (bytes + chunk.length > limit) return fail(new GatewayError('request_body_too_large'));
      if (!budget.take(chunk.length)) return fail(new GatewayError('overloaded'));
      bytes += chunk.length;
      chunks.push(chunk);
    });
    decoder.on('end', () => resolve(Buffer.concat(chunks, bytes)));
    decoder.on('error', (cause) =>
      fail(new GatewayError('invalid_request_body', `The request body is not valid ${coding}.`, { cause })),
    );
    decoder.end(body);
  });
}
