import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { Dispatch, Flight, ResponseSink } from '../../../upstream/call.ts';
import { parseObject } from '../formats/fields.ts';
import { LLM_MAX_BUFFER_BYTES } from '../limits.ts';

/** A reply as the client gets it. */
export interface ConvertedReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** What becomes of a provider's JSON on its way to the client. */
export interface AnswerConversion {
  /** Names of what the request could not say, for `x-sluice-lossy`; ''. */
  readonly lossy: string;
  /** Of an answer. `status`: 200 to 299. */
  reply(body: JsonObject, status: number): ConvertedReply;
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
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string;
      if (!OF_THE_BODY.includes(name)) this.#headers.push(name, headers[i + 1] as string);
    }
  }

  onData(chunk: Buffer): boolean {
    if (this.#conversion === null) return this.#sink.onData(chunk);
    if (this.#failed) return true;
    this.#bytes += chunk.length;
    if (this.#bytes <= this.#limit && (this.#answered || this.#bytes <= MAX_FAULT_BYTES)) this.#chunks.push(chunk);
    else if (this.#answered) this.#fail("The provider's answer is larger than may be converted.");
    return true;
  }

  onEnd(trailers: string[]): void {
    if (this.#conversion === null) return this.#sink.onEnd(trailers);
    if (this.#failed) return;
    const text = Buffer.concat(this.#chunks).toString('utf8');
    this.#chunks.length = 0;
    if (!this.#answered) return this.#deliver(this.#conversion.fault(this.#status, text));
    const body = parseObject(text);
    if (body === null) return this.#fail("The provider's answer is not a JSON object.");
    if (this.#conversion.lossy !== '') this.#headers.push('x-sluice-lossy', this.#conversion.lossy);
    this.#deliver(this.#conversion.reply(body, this.#status));
  }

  onError(error: GatewayError): void {
    if (!this.#failed) this.#sink.onError(error);
  }

  get #answered(): boolean {
    return this.#status >= 200 && this.#status < 300;
  }

  #deliver({ status, contentType, body }: ConvertedReply): void {
    const bytes = Buffer.from(body);
    const own = ['content-type', contentType, 'content-length', String(bytes.length)];
    this.#sink.onHead(status, [...this.#headers, ...own]);
    this.#sink.onData(bytes);
    this.#sink.onEnd([]);
  }

  #fail(message: string): void {
    this.#failed = true;
    this.#chunks.length = 0;
    this.flight?.abort();
    this.#sink.onError(new GatewayError('upstream_protocol', message));
  }
}
