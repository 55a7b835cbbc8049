import { GatewayError } from '../../errors/table.ts';
import type { Dispatch, Flight, ResponseSink } from '../../upstream/call.ts';
import type { LocalCount } from './count-tokens.ts';

/** A provider's answer that says it has no such thing as counting tokens. */
export const HAS_NO_COUNT: ReadonlySet<number> = new Set([404, 405, 501]);

/** A dispatch of a request to count tokens: where the provider answers with one of `refusals`, `locally` counts instead. */
export function countOrLocally(
  next: Dispatch,
  refusals: ReadonlySet<number>,
  locally: () => Promise<LocalCount>,
): Dispatch {
  return (call, sink) => {
    const counting = new CountSink(sink, refusals, locally);
    const flight = next(call, counting);
    return {
      resume: () => flight.resume(),
      abort: () => {
        counting.abandon();
        flight.abort();
      },
    } satisfies Flight;
  };
}

class CountSink implements ResponseSink {
  readonly #sink: ResponseSink;
  readonly #refusals: ReadonlySet<number>;
  readonly #locally: () => Promise<LocalCount>;
  #refused = false;
  #abandoned = false;

  constructor(sink: ResponseSink, refusals: ReadonlySet<number>, locally: () => Promise<LocalCount>) {
    this.#sink = sink;
    this.#refusals = refusals;
    this.#locally = locally;
  }

  onHead(status: number, headers: string[]): void {
    this.#refused = this.#refusals.has(status);
    if (!this.#refused) this.#sink.onHead(status, headers);
  }

  onData(chunk: Buffer): boolean {
    return this.#refused || this.#sink.onData(chunk);
  }

  onEnd(trailers: string[]): void {
    if (this.#refused) this.#count();
    else this.#sink.onEnd(trailers);
  }

  onError(error: GatewayError): void {
    this.#sink.onError(error);
  }

  /** Nobody waits any more. */
  abandon(): void {
    this.#abandoned = true;
  }

  #count(): void {
    this.#locally().then(
      ({ headers, body }) => {
        if (this.#abandoned) return;
        this.#sink.onHead(200, [...headers, 'content-type', 'application/json']);
        this.#sink.onData(Buffer.from(body));
        this.#sink.onEnd([]);
      },
      (cause: unknown) => {
        const error = cause instanceof GatewayError ? cause : new GatewayError('internal', undefined, { cause });
        if (!this.#abandoned) this.#sink.onError(error);
      },
    );
  }
}
