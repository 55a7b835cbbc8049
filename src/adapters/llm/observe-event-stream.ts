import { renderError } from '../../errors/render.ts';
import type { GatewayError } from '../../errors/table.ts';
import type { Exchange } from '../../exchange.ts';
import type { LlmFacts, Usage } from '../../facts/llm.ts';
import { ContentSample } from './content-sample.ts';
import { eventTypeOf, MessageCutter, messageOf, payloadOf } from './convert/event-stream.ts';
import { encodeException } from './formats/bedrock-converse/faults.ts';
import { converseUsage, invocationUsage } from './formats/bedrock-converse/native.ts';
import { isObject, parseObject } from './formats/fields.ts';
import type { Observer } from './observe.ts';

/** Longest message looked into; past it nothing more of the stream is. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** What the last chunk of `invoke-with-response-stream` tells, within the model's own JSON. */
const METRICS = 'amazon-bedrock-invocationMetrics';

/**
 * A stream in AWS's framing: ConverseStream, or a model's own events (`invoke-with-response-stream`). The bytes go on to the client
 * whether they can be read here or not.
 */
export class EventStreamObserver implements Observer {
  readonly #exchange: Exchange;
  readonly #facts: LlmFacts;
  readonly #cutter = new MessageCutter(MAX_MESSAGE_BYTES);
  readonly #take: (message: Buffer) => void;
  #usage: Usage | null = null;
  #unreadable = false;
  /** Milliseconds since the exchange began, of the chunk at hand; -1 until asked for. */
  #now = -1;
  final = false;
  contentEvents = 0;
  readonly contentBytes = 0;
  readonly sample = new ContentSample();

  constructor(exchange: Exchange, facts: LlmFacts) {
    this.#exchange = exchange;
    this.#facts = facts;
    this.#take = (message) => this.#message(message);
  }

  usage(): Usage | null {
    return this.#usage;
  }

  write(chunk: Buffer): void {
    if (this.#unreadable) return;
    this.#now = -1;
    try {
      this.#cutter.write(chunk, this.#take);
    } catch {
      this.#unreadable = true;
    }
  }

  end(): void {}

  /** The event that tells a client of an error; '' where the client's stream is within a message, and no event can be told. */
  errorEvent(error: GatewayError): Buffer | '' {
    if (this.#unreadable || !this.#cutter.whole) return '';
    const { message } = JSON.parse(renderError(error, 'bedrock').body) as { message: string };
    return messageOf(encodeException({ status: error.status, message, type: '', code: '', param: '' }));
  }

  #message(message: Buffer): void {
    switch (eventTypeOf(message)) {
      case 'contentBlockDelta':
        this.#noteContent();
        this.#sample(message);
        break;
      case 'metadata': {
        const usage = parseObject(payloadOf(message))?.usage;
        if (isObject(usage)) this.#report(converseUsage(usage));
        break;
      }
      case 'chunk':
        this.#chunk(parseObject(payloadOf(message))?.bytes);
        break;
      default:
        break;
    }
  }

  #chunk(base64: unknown): void {
    this.#noteContent();
    if (typeof base64 !== 'string') return;
    const bytes = Buffer.from(base64, 'base64');
    this.sample.add(bytes, 0, bytes.length);
    const text = bytes.toString('utf8');
    const metrics = text.includes(METRICS) ? parseObject(text)?.[METRICS] : undefined;
    if (isObject(metrics)) this.#report(invocationUsage(metrics));
  }

  #sample(message: Buffer): void {
    if (this.sample.full) return;
    const payload = Buffer.from(payloadOf(message));
    this.sample.add(payload, 0, payload.length);
  }

  #report(usage: Usage): void {
    this.#usage = usage;
    this.final = true;
  }

  #noteContent(): void {
    if (this.#now < 0) this.#now = this.#exchange.elapsedMs();
    if (this.#facts.firstTokenMs < 0) this.#facts.firstTokenMs = this.#now;
    this.#facts.lastTokenMs = this.#now;
    this.contentEvents++;
  }
}
