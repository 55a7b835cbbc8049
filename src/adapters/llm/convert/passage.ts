import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import type { Answer, ProviderFault } from '../../../facts/answer.ts';
import type { LlmFacts } from '../../../facts/llm.ts';
import { limitedForMsInBody } from '../../../upstream/rate-limit-reset.ts';
import type { Replier } from '../../adapter.ts';
import { isObject, parseObject } from '../formats/fields.ts';
import type { Observer } from '../observe.ts';
import { answerParts, ConvertedStream, ConvertedWhole, type Output } from './answer.ts';
import type { Conversion } from './conversion.ts';

/** Of an error reply so much is read; providers say what they have to say in less. */
const MAX_FAULT_BYTES = 256 * 1024;
/** Of a fault that is no JSON so much text is passed on. */
const MAX_FAULT_TEXT = 2000;

export type AnswerType = 'json' | 'sse' | 'eventStream' | 'other';

/** Fields that describe the provider's bytes, not the client's. */
const OF_THE_BODY = new Set(['content-type', 'content-length', 'content-encoding', 'etag', 'content-md5', 'digest']);
/** And where another answer is: nothing a client of another format could use. */
const ELSEWHERE = 'location';

/** A provider's answer on its way to a client of another format. */
export interface Passage {
  /** What reads the answer; null where it is an error. */
  readonly observer: Observer | null;
  /** True where the client's head was sent. */
  readonly streaming: boolean;
  /** The provider's head. Throws `upstream_protocol` for an answer that is no answer. */
  head(status: number, headers: readonly string[], type: AnswerType): void;
  data(chunk: Buffer): void;
  /** The answer is complete: converts what had to be held, and reads its usage. */
  complete(): void;
  /** While the answer is being kept: settles once `deliver` may be called. Never rejects. */
  readonly kept?: Promise<void> | null;
  /** Ends the client's reply. Call `complete` first, and wait for `kept`. */
  deliver(): void;
  /** The stream broke off. */
  fail(error: GatewayError): void;
}

/** An answer to a conversation. */
export class ConvertedPassage implements Passage {
  readonly #exchange: Exchange;
  readonly #facts: LlmFacts;
  readonly #reply: Replier;
  readonly #conversion: Conversion;
  readonly #output: Output;
  #status = 0;
  #headers: string[] = [];
  #stream: ConvertedStream | null = null;
  #whole: ConvertedWhole | null = null;
  #fault: FaultReader | null = null;

  constructor(exchange: Exchange, facts: LlmFacts, reply: Replier, conversion: Conversion, output: Output) {
    this.#exchange = exchange;
    this.#facts = facts;
    this.#reply = reply;
    this.#conversion = conversion;
    this.#output = output;
  }

  get observer(): Observer | null {
    return this.#stream ?? this.#whole;
  }

  get kept(): Promise<void> | null {
    return this.#stream?.kept ?? this.#whole?.kept ?? null;
  }

  /** True where the client's head was sent. */
  get streaming(): boolean {
    return this.#stream !== null;
  }

  /** The provider's head. Throws `upstream_protocol` for an answer that is no answer. */
  head(status: number, headers: readonly string[], type: AnswerType): void {
    this.#status = status;
    this.#headers = keptHeaders(headers);
    if (status < 200 || status >= 300) {
      this.#fault = new FaultReader();
      return;
    }
    if (type === 'json') this.#whole = new ConvertedWhole(this.#exchange, this.#facts, this.#conversion);
    else if (type !== 'other' && this.#conversion.streaming) {
      this.#beginStream(null);
    } else
      throw new GatewayError('upstream_protocol', "The provider's answer is neither JSON nor the stream asked for.");
  }

  data(chunk: Buffer): void {
    if (this.#fault === null) this.observer?.write(chunk);
    else this.#fault.write(chunk);
  }

  /** The answer is complete: converts what had to be held, and reads its usage. */
  complete(): void {
    if (this.#stream !== null) {
      this.#stream.end();
      return;
    }
    this.#whole?.end();
  }

  /** Ends the client's reply. Call `complete` first, and wait for `kept`. */
  deliver(): void {
    if (this.#fault !== null)
      this.#fault.deliver(this.#exchange, this.#reply, this.#conversion, this.#status, this.#headers);
    else if (this.#stream !== null) {
      if (this.#stream.final) this.#reply.end(this.#exchange);
      else {
        // The client was told in an event of its format; the log must not call it complete.
        this.#exchange.downstream.end();
        this.#reply.finish(this.#exchange, 'upstream_gone');
      }
    } else if (this.#whole !== null) this.#deliverWhole(this.#whole);
  }

  /** The stream broke off. */
  fail(error: GatewayError): void {
    this.#stream?.fail(error);
  }

  /** `answer`: where it is there as a whole. */
  #beginStream(answer: Answer | null): ConvertedStream {
    const stream = new ConvertedStream(this.#exchange, this.#facts, this.#conversion, this.#output);
    this.#stream = stream;
    this.#facts.streaming = true;
    const type = this.#conversion.frameWriter.contentType;
    const own = [...this.#lossy(answer), ...this.#conversion.answerHeaders(null)];
    this.#output.head(this.#status, [...this.#headers, ...own, 'content-type', type, 'cache-control', 'no-cache']);
    return stream;
  }

  #lossy(answer: Answer | null): string[] {
    const names = this.#conversion.lossy(answer);
    return names === '' ? [] : ['x-sluice-lossy', names];
  }

  #deliverWhole(whole: ConvertedWhole): void {
    if (whole.error !== null) {
      this.#reply.error(this.#exchange, whole.error);
      return;
    }
    if (whole.fault !== null) {
      deliverFault(whole.fault, this.#exchange, this.#reply, this.#conversion, this.#headers);
      return;
    }
    if (whole.answer !== null && this.#conversion.streaming) {
      // A stream was asked for and the provider gave the whole: the client gets what it asked for.
      const stream = this.#beginStream(whole.answer);
      stream.play(answerParts(whole.answer));
      if (stream.kept === null) this.deliver();
      else void stream.kept.then(() => this.deliver());
      return;
    }
    const own = whole.answer === null ? [] : this.#conversion.answerHeaders(whole.answer);
    const headers = [...this.#headers, ...this.#lossy(whole.answer), ...own, 'content-type', 'application/json'];
    this.#reply.local(this.#exchange, this.#status, headers, whole.body);
  }
}

/** A provider's error, told in the client's format with the provider's own words. */
export class FaultReader {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  write(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes <= MAX_FAULT_BYTES) this.#chunks.push(chunk);
  }

  /** Ends the client's reply. */
  deliver(
    exchange: Exchange,
    reply: Replier,
    conversion: Pick<Conversion, 'decodeFault' | 'encodeFault'> & Partial<Pick<Conversion, 'ownWords'>>,
    status: number,
    kept: readonly string[],
  ): void {
    const text = Buffer.concat(this.#chunks).toString('utf8');
    const body = parseObject(text);
    const headers = [...kept, ...retryAfter(status, kept, text)];
    if (conversion.ownWords === true && isObject(body?.error) && status >= 400)
      return reply.local(exchange, status, [...headers, 'content-type', 'application/json'], text);
    const fault = conversion.decodeFault(status, body, wordsOf(text, status));
    // A redirection leads to no answer that could be converted.
    deliverFault({ ...fault, status: status < 400 ? 502 : status }, exchange, reply, conversion, headers);
  }
}

function deliverFault(
  fault: ProviderFault,
  exchange: Exchange,
  reply: Replier,
  conversion: Pick<Conversion, 'encodeFault'>,
  kept: readonly string[],
): void {
  const { headers, body } = conversion.encodeFault(fault);
  reply.local(exchange, fault.status, [...kept, ...headers, 'content-type', 'application/json'], JSON.stringify(body));
}

/** The field that says when to come back, where a provider says it in the body alone, as Google does. */
export function retryAfter(status: number, kept: readonly string[], text: string): string[] {
  if ((status !== 429 && status !== 503) || kept.includes('retry-after')) return [];
  const ms = limitedForMsInBody(text);
  return ms > 0 ? ['retry-after', String(Math.ceil(ms / 1000))] : [];
}

/** What a body that is no JSON object says: nothing, or a page made for people, says less than the status. */
function wordsOf(text: string, status: number): string {
  const words = text.trim();
  return words === '' || words.startsWith('<')
    ? `The provider answered with status ${status}.`
    : words.slice(0, MAX_FAULT_TEXT);
}

/** What of a provider's head goes on to a client of another format. */
export function keptHeaders(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!OF_THE_BODY.has(name) && name !== ELSEWHERE) kept.push(name, headers[i + 1] as string);
  }
  return kept;
}
