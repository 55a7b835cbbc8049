import { GatewayError } from '../../../errors/table.ts';
import type { Dispatch, Flight, ResponseSink, UpstreamCall } from '../../../upstream/call.ts';

/** Calls of one request that are under way at the same time. */
const MAX_PARALLEL = 8;

/** What follows the first call of a request that takes several. */
export interface FurtherCalls {
  readonly count: number;
  /** Bytes of all answers together that may be held. */
  readonly maxHeldBytes: number;
  /** `index`: from 1. */
  call(index: number): UpstreamCall;
  /** Takes a complete answer, and gives the bytes that it still holds of it; what it throws fails the whole. */
  read(index: number, headers: readonly string[], body: Buffer): number;
}

/**
 * Sends what one call can't ask for as several. The sink sees the first one's answer, once all have been answered; where one fails, its
 * answer or error in place of that, at once, and the others are broken off.
 *
 * @param further the calls that follow, as of the last attempt of the first one; null = none
 * @param redirects further attempts of the first call may go elsewhere and change what follows: it is waited for
 */
export function fanOut(dispatch: Dispatch, further: () => FurtherCalls | null, redirects: boolean): Dispatch {
  return (call, sink) => {
    if (!redirects && further() === null) return dispatch(call, sink);
    const flight = new FannedFlight(dispatch, sink, further);
    flight.begin(call, redirects);
    return flight;
  };
}

class FannedFlight implements Flight {
  readonly #dispatch: Dispatch;
  readonly #sink: ResponseSink;
  readonly #further: () => FurtherCalls | null;
  readonly #flights = new Map<Part, Flight>();
  #rest: FurtherCalls | null = null;
  #first: Part | null = null;
  /** The part whose answer the sink is given as it comes. */
  #passed: Part | null = null;
  #next = 1;
  #heldBytes = 0;
  #over = false;

  constructor(dispatch: Dispatch, sink: ResponseSink, further: () => FurtherCalls | null) {
    this.#dispatch = dispatch;
    this.#sink = sink;
    this.#further = further;
  }

  begin(call: UpstreamCall, redirects: boolean): void {
    this.#first = new Part(this, 0);
    this.#send(this.#first, call);
    if (!redirects) this.#sendRest();
  }

  resume(): void {
    if (this.#passed !== null) this.#flights.get(this.#passed)?.resume();
  }

  abort(): void {
    this.#over = true;
    for (const flight of this.#flights.values()) flight.abort();
    this.#flights.clear();
  }

  /** The head of a part's answer: true where it is to be held. */
  holds(part: Part): boolean {
    if (part.index === 0) this.#rest ??= this.#further();
    if (part.isSuccess && this.#rest !== null) return true;
    // The only answer, or one that fails the whole.
    for (const [other, flight] of this.#flights) {
      if (other === part) continue;
      flight.abort();
      this.#flights.delete(other);
    }
    this.#passed = part;
    this.#sink.onHead(part.status, part.headers);
    return false;
  }

  data(chunk: Buffer): boolean {
    return this.#sink.onData(chunk);
  }

  held(bytes: number): void {
    this.#heldBytes += bytes;
    if (this.#rest !== null && this.#heldBytes > this.#rest.maxHeldBytes) {
      this.fail(
        new GatewayError(
          'upstream_protocol',
          "The provider's answers are larger than may be held; frontendPolicies.http.maxBufferSize is the limit.",
        ),
      );
    }
  }

  end(trailers: string[]): void {
    this.#over = true;
    this.#sink.onEnd(trailers);
  }

  /** A held answer is complete. */
  complete(part: Part): void {
    if (this.#over) return;
    this.#flights.delete(part);
    try {
      if (part.index > 0 && this.#rest !== null) {
        const body = part.body();
        this.#heldBytes += this.#rest.read(part.index, part.headers, body) - body.length;
      }
    } catch (error) {
      this.fail(error instanceof GatewayError ? error : new GatewayError('internal', undefined, { cause: error }));
      return;
    }
    this.#sendRest();
    if (this.#flights.size === 0) this.#deliver();
  }

  fail(error: GatewayError): void {
    if (this.#over) return;
    this.abort();
    this.#sink.onError(error);
  }

  get over(): boolean {
    return this.#over;
  }

  #sendRest(): void {
    this.#rest ??= this.#further();
    const rest = this.#rest;
    while (rest !== null && this.#next <= rest.count && this.#flights.size < MAX_PARALLEL) {
      const index = this.#next++;
      this.#send(new Part(this, index), rest.call(index));
    }
  }

  #send(part: Part, call: UpstreamCall): void {
    this.#flights.set(part, this.#dispatch(call, part));
  }

  #deliver(): void {
    const first = this.#first;
    if (first === null) return;
    this.#sink.onHead(first.status, first.headers);
    this.#sink.onData(first.body());
    this.end([]);
  }
}

/** The answer to one call. */
class Part implements ResponseSink {
  readonly index: number;
  readonly #owner: FannedFlight;
  status = 0;
  headers: string[] = [];
  #chunks: Buffer[] = [];
  #holding = false;

  constructor(owner: FannedFlight, index: number) {
    this.#owner = owner;
    this.index = index;
  }

  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** Once. */
  body(): Buffer {
    const body = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return body;
  }

  onHead(status: number, headers: string[]): void {
    if (this.#owner.over) return;
    this.status = status;
    this.headers = headers;
    this.#holding = this.#owner.holds(this);
  }

  onData(chunk: Buffer): boolean {
    if (this.#owner.over) return true;
    if (!this.#holding) return this.#owner.data(chunk);
    this.#chunks.push(chunk);
    this.#owner.held(chunk.length);
    return true;
  }

  onEnd(trailers: string[]): void {
    if (this.#owner.over) return;
    if (this.#holding) this.#owner.complete(this);
    else this.#owner.end(trailers);
  }

  onError(error: GatewayError): void {
    this.#owner.fail(error);
  }
}
