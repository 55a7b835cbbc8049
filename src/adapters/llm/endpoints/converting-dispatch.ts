import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { Dispatch, Flight, ResponseSink } from '../../../upstream/call.ts';
import { retryAfter } from '../convert/passage.ts';
import { parseObject } from '../formats/fields.ts';
import { LLM_MAX_BUFFER_BYTES } from '../limits.ts';

/** A reply as the client gets it. */
export interface ConvertedReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Buffer;
}

/** What the client is told next, and why it is the last; '' = nothing yet, null = it isn't. */
export interface StreamPiece {
  readonly text: string;
  readonly fault: ConvertedReply | null;
}

/** What becomes of a provider's server-sent events. */
export interface StreamConversion {
  readonly contentType: string;
  write(chunk: Buffer): StreamPiece;
  end(): StreamPiece;
}

/** What becomes of a provider's JSON on its way to the client. */
export interface AnswerConversion {
  /** Names of what the request could not say, for `x-sluice-lossy`; ''. */
  readonly lossy: string;
  /** Of an answer. `status`: 200 to 299. */
  reply(body: JsonObject, status: number): ConvertedReply;
  /** Of an answer that comes as server-sent events. Absent, or null: it is no such answer, and taken as a whole. */
  stream?(): StreamConversion | null;
  /** Of an error. `text`: the body, or how it begins. */
  fault(status: number, text: string): ConvertedReply;
}

/** Of an error reply so much is read. */
const MAX_FAULT_BYTES = 64 * 1024;
/** Fields that describe the provider's bytes, not the client's. */
const OF_THE_BODY = ['content-type', 'content-length', 'content-encoding', 'etag', 'content-md5', 'digest'];

/**
 * A dispatch whose answers are converted: to who asked it looks as if the provider spoke the client's API. `conversion` is asked with
 * each answer, since attempts differ; null leaves it as it is. `limit`: bytes of an answer that may be held, null = the usual.
 */
export function convertingDispatch(
  next: Dispatch,
  conversion: () => AnswerConversion | null,
  limit: number | null,
): Dispatch {
  return (call, sink) => {
    const converting = new ConvertingSink(sink, conversion, limit ?? LLM_MAX_BUFFER_BYTES);
    const flight = next(call, converting);
    converting.flight = flight;
    return flight;
  };
}

class ConvertingSink implements ResponseSink {
  /** Known once the dispatch has returned, before which nothing is called here. */
  flight: Flight | null = null;
  readonly #sink: ResponseSink;
  readonly #conversionOf: () => AnswerConversion | null;
  readonly #limit: number;
  #conversion: AnswerConversion | null = null;
  #status = 0;
  #headers: string[] = [];
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #stream: StreamConversion | null = null;
  /** The client has the head of a stream. */
  #begun = false;
  #failed = false;

  constructor(sink: ResponseSink, conversionOf: () => AnswerConversion | null, limit: number) {
    this.#sink = sink;
    this.#conversionOf = conversionOf;
    this.#limit = limit;
  }

  onHead(status: number, headers: string[]): void {
    this.#conversion = this.#conversionOf();
    if (this.#conversion === null) return this.#sink.onHead(status, headers);
    this.#status = status;
    if (this.#answered && isEventStream(headers)) this.#stream = this.#conversion.stream?.() ?? null;
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string;
      if (!OF_THE_BODY.includes(name)) this.#headers.push(name, headers[i + 1] as string);
    }
  }

  onData(chunk: Buffer): boolean {
    if (this.#conversion === null) return this.#sink.onData(chunk);
    if (this.#failed) return true;
    if (this.#stream !== null) return this.#pass(this.#stream, this.#stream.write(chunk));
    this.#bytes += chunk.length;
    if (this.#bytes <= this.#limit && (this.#answered || this.#bytes <= MAX_FAULT_BYTES)) this.#chunks.push(chunk);
    else if (this.#answered) this.#fail("The provider's answer is larger than may be converted.");
    return true;
  }

  onEnd(trailers: string[]): void {
    if (this.#conversion === null) return this.#sink.onEnd(trailers);
    if (this.#failed) return;
    if (this.#stream !== null) {
      this.#pass(this.#stream, this.#stream.end());
      if (!this.#failed) this.#sink.onEnd([]);
      return;
    }
    const text = Buffer.concat(this.#chunks).toString('utf8');
    this.#chunks.length = 0;
    if (!this.#answered) {
      this.#headers.push(...retryAfter(this.#status, this.#headers, text));
      return this.#deliver(this.#conversion.fault(this.#status, text));
    }
    const body = parseObject(text);
    if (body === null) return this.#fail("The provider's answer is not a JSON object.");
    this.#noteLosses(this.#conversion);
    this.#deliver(this.#conversion.reply(body, this.#status));
  }

  onError(error: GatewayError): void {
    if (!this.#failed) this.#sink.onError(error);
  }

  get #answered(): boolean {
    return this.#status >= 200 && this.#status < 300;
  }

  #deliver({ status, contentType, body }: ConvertedReply): void {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const own = ['content-type', contentType, 'content-length', String(bytes.length)];
    this.#sink.onHead(status, [...this.#headers, ...own]);
    this.#sink.onData(bytes);
    this.#sink.onEnd([]);
  }

  #noteLosses({ lossy }: AnswerConversion): void {
    if (lossy !== '') this.#headers.push('x-sluice-lossy', lossy);
  }

  /** The head waits for the first event: until then an error is a reply of its own. */
  #pass({ contentType }: StreamConversion, { text, fault }: StreamPiece): boolean {
    let ready = true;
    if (text !== '') {
      if (!this.#begun) {
        this.#begun = true;
        if (this.#conversion !== null) this.#noteLosses(this.#conversion);
        this.#sink.onHead(this.#status, [...this.#headers, 'content-type', contentType]);
      }
      ready = this.#sink.onData(Buffer.from(text));
    }
    if (fault === null) return ready;
    this.#failed = true;
    this.flight?.abort();
    if (this.#begun) {
      this.#sink.onData(Buffer.from(`data: ${fault.body}\n\n`));
      this.#sink.onEnd([]);
    } else this.#deliver(fault);
    return true;
  }

  #fail(message: string): void {
    this.#failed = true;
    this.#chunks.length = 0;
    this.flight?.abort();
    this.#sink.onError(new GatewayError('upstream_protocol', message));
  }
}

function isEventStream(headers: readonly string[]): boolean {
  const at = headers.findIndex((entry, i) => i % 2 === 0 && entry === 'content-type');
  return at >= 0 && headers[at + 1]?.toLowerCase().startsWith('text/event-stream') === true;
}
