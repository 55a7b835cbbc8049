import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import type { Answer, ProviderFault, StreamPart } from '../../../facts/answer.ts';
import type { LlmFacts, Usage } from '../../../facts/llm.ts';
import { ContentSample } from '../content-sample.ts';
import { type Frame, type StreamDecoder, type StreamEncoder, TooMuchToHold } from '../formats/codec.ts';
import { isObject, optional, parseObject } from '../formats/fields.ts';
import type { Observer } from '../observe.ts';
import type { ResponseKeeper } from '../stored-responses/keeper.ts';
import type { Conversion } from './conversion.ts';
import { type FrameReader, FrameTooLarge, type FrameWriter } from './framing.ts';
import type { OwnAnswer } from './own-format.ts';

/** Takes what a converted answer becomes. */
export interface Output {
  head(status: number, headers: string[]): void;
  forward(bytes: Buffer): void;
}

/** Counts what passes, as the client will be told it and the log will have it. */
abstract class ConvertedAnswer implements Observer {
  protected readonly exchange: Exchange;
  protected readonly facts: LlmFacts;
  protected readonly conversion: Conversion;
  #usage: Usage | null = null;
  /** While the answer is being kept: settles once the client may be told its end. Never rejects. */
  kept: Promise<void> | null = null;
  final = false;
  contentEvents = 0;
  contentBytes = 0;
  readonly sample = new ContentSample();

  constructor(exchange: Exchange, facts: LlmFacts, conversion: Conversion) {
    this.exchange = exchange;
    this.facts = facts;
    this.conversion = conversion;
  }

  abstract write(chunk: Buffer): void;
  abstract end(): void;

  usage(): Usage | null {
    return this.#usage;
  }

  protected noteAnswer(model: string, usage: Usage | null, serviceTier = ''): void {
    if (model !== '' && this.facts.responseModel === '') this.facts.responseModel = model;
    if (usage !== null) this.#usage = usage;
    if (serviceTier !== '') this.facts.serviceTier = serviceTier;
  }
}

/** An answer in one piece: held, within the limit for bodies, and converted when it is complete. */
export class ConvertedWhole extends ConvertedAnswer {
  readonly #chunks: Buffer[] = [];
  /** What the provider said, and the client's body, once complete. */
  answer: Answer | null = null;
  body = '';
  /** Why there is none: the provider said so under a status of success, or it can't be converted. */
  fault: ProviderFault | null = null;
  error: GatewayError | null = null;

  write(chunk: Buffer): void {
    this.contentBytes += chunk.length;
    if (this.contentBytes <= this.conversion.maxHeldBytes) this.#chunks.push(chunk);
    else this.#chunks.length = 0;
  }

  end(): void {
    try {
      const answer = this.#read();
      if (answer === null) return;
      this.final = true;
      this.noteAnswer(answer.model, answer.usage, answer.serviceTier);
      if (this.fault !== null) return;
      this.answer = answer;
      if (!this.conversion.streaming) this.#encode(answer);
    } catch (cause) {
      this.error =
        cause instanceof GatewayError && cause.code === 'upstream_response_invalid'
          ? cause
          : new GatewayError('upstream_protocol', "The provider's answer could not be converted.", { cause });
    }
  }

  #encode(answer: Answer): void {
    const { keeper } = this.conversion;
    const body = this.conversion.encodeAnswer(answer);
    if (keeper === null) this.body = JSON.stringify(body);
    else {
      this.kept = keeper.whole(body).then((told) => {
        this.body = JSON.stringify(told);
        this.kept = null;
      });
    }
  }

  /** The answer, or null where `error` says why there is none. */
  #read(): Answer | null {
    if (this.contentBytes > this.conversion.maxHeldBytes) {
      this.error = new GatewayError('upstream_protocol', "The provider's answer is larger than may be converted.");
      return null;
    }
    const body = parseObject(Buffer.concat(this.#chunks).toString('utf8'));
    this.#chunks.length = 0;
    if (body === null) {
      this.error = new GatewayError('upstream_protocol', "The provider's answer is not a JSON object.");
      return null;
    }
    if (isError(body.error)) this.fault = this.conversion.decodeLateFault(body);
    return this.fault === null ? this.conversion.decodeAnswer(body) : this.conversion.decodeFailed(body);
  }
}

function isError(error: unknown): boolean {
  return isObject(error) || (typeof error === 'string' && error !== '');
}

/** A streamed answer: each of the provider's events is converted, and what it becomes written, at once. */
export class ConvertedStream extends ConvertedAnswer {
  readonly #reader: FrameReader;
  readonly #decoder: StreamDecoder;
  readonly #encoder: StreamEncoder;
  /** Marks the provider's events where they go to the client as they are. */
  #own: OwnAnswer | null;
  /** What is at hand goes there as it is. */
  #silent = false;
  readonly #writer: FrameWriter;
  readonly #output: Output;
  readonly #onFrame: (frame: Frame) => void;
  readonly #onPart: (part: StreamPart) => void;
  readonly #onOut: (frame: Frame) => void;
  /** What the chunk at hand has become. */
  #out: (string | Buffer)[] = [];
  #now = -1;
  #over = false;

  constructor(exchange: Exchange, facts: LlmFacts, conversion: Conversion, output: Output) {
    super(exchange, facts, conversion);
    this.#reader = conversion.frameReader();
    this.#decoder = conversion.streamDecoder();
    this.#encoder = conversion.streamEncoder();
    this.#writer = conversion.frameWriter;
    this.#output = output;
    this.#own = conversion.ownAnswer();
    this.#onFrame = (frame) => this.#frame(frame);
    this.#onPart = (part) => this.#part(part);
    this.#onOut = (frame) => {
      if (!this.#silent) this.#out.push(this.#writer.frame(frame));
    };
  }

  write(chunk: Buffer): void {
    if (this.#over) return;
    this.#now = -1;
    this.#guarded(() => this.#reader.write(chunk, this.#onFrame));
    this.#flush();
  }

  /** The provider's stream is over. */
  end(): void {
    if (!this.#over) {
      this.#guarded(() => {
        this.#reader.end(this.#onFrame);
        if (!this.#over) this.#decoder.end(this.#onPart);
      });
    }
    this.#finish();
  }

  /** Writes a whole answer as a stream. */
  play(parts: Iterable<StreamPart>): void {
    this.#own = null;
    this.#guarded(() => {
      for (const part of parts) this.#part(part);
    });
    this.#finish();
  }

  /** Tells the client of an error where the answer stops. */
  fail(error: GatewayError): void {
    if (!this.#over) this.#part({ type: 'error', fault: faultOf(error) });
    this.#finish();
  }

  /** The encoder hears of all events: what breaks off is told in its words. */
  #frame(frame: Frame): void {
    if (this.#over) return;
    // What is no event is told as an error.
    if (this.#own === null || parseObject(frame.data) === null) {
      this.#decoder.event(frame, this.#onPart);
      return;
    }
    this.#silent = true;
    try {
      this.#decoder.event(frame, this.#onPart);
    } finally {
      this.#silent = false;
    }
    this.#out.push(this.#writer.frame(this.#own.frame(frame)));
  }

  #finish(): void {
    const rest = this.#writer.end();
    if (rest.length > 0) this.#out.push(rest);
    this.#flush();
  }

  #part(part: StreamPart): void {
    if (this.#over) return;
    switch (part.type) {
      case 'start':
        this.noteAnswer(part.model, null, part.serviceTier);
        break;
      case 'usage':
        this.noteAnswer('', part.usage);
        break;
      case 'text':
      case 'thinking':
      case 'refusal':
        this.sample.addText(part.text);
        this.#noteContent();
        break;
      case 'arguments':
        this.sample.addText(part.json);
        this.#noteContent();
        break;
      case 'audio':
        this.#noteContent();
        break;
      case 'error':
      case 'end':
        this.#over = true;
        this.final = part.type === 'end';
        break;
      default:
        break;
    }
    if (part.type === 'end' && this.conversion.keeper !== null) this.#keep(part, this.conversion.keeper);
    else this.#encoder.part(part, this.#onOut);
  }

  /** What ends the answer is written once it is kept. */
  #keep(end: StreamPart, keeper: ResponseKeeper): void {
    const last: Frame[] = [];
    this.#encoder.part(end, (frame) => last.push(frame));
    this.kept = keeper.last(last).then((frames) => {
      for (const frame of frames) this.#onOut(frame);
      this.#flush();
      this.kept = null;
    });
  }

  #noteContent(): void {
    if (this.#now < 0) this.#now = this.exchange.elapsedMs();
    if (this.facts.firstTokenMs < 0) this.facts.firstTokenMs = this.#now;
    this.facts.lastTokenMs = this.#now;
    this.contentEvents++;
  }

  /** What goes wrong in a conversion ends the stream with an error event; nothing escapes to the connection. */
  #guarded(run: () => void): void {
    try {
      run();
    } catch (cause) {
      const message =
        cause instanceof FrameTooLarge || cause instanceof TooMuchToHold
          ? "A part of the provider's answer is larger than may be held."
          : "The provider's answer could not be converted.";
      this.#over = false;
      this.#part({ type: 'error', fault: faultOf(new GatewayError('upstream_protocol', message, { cause })) });
    }
  }

  #flush(): void {
    const out = this.#out;
    if (out.length === 0) return;
    this.#out = [];
    const text = out.every((piece) => typeof piece === 'string');
    this.#output.forward(text ? Buffer.from(out.join('')) : Buffer.concat(out.map(bytesOf)));
  }
}

function bytesOf(piece: string | Buffer): Buffer {
  return typeof piece === 'string' ? Buffer.from(piece) : piece;
}

/** A gateway's own error in the words a provider's would have. */
export function faultOf(error: GatewayError): ProviderFault {
  return { status: error.status, message: `${error.message} ${error.hint}`, type: '', code: error.code, param: '' };
}

/** The steps a whole answer would have come in. */
export function* answerParts(answer: Answer): Generator<StreamPart> {
  const { id, model, created, choices, usage, serviceTier, extra } = answer;
  yield { type: 'start', id, model, created, ...optional('serviceTier', serviceTier), ...optional('extra', extra) };
  for (const { index: choice, parts, stop, logprobs, extra } of choices) {
    for (const [index, part] of parts.entries()) {
      yield { type: 'part', choice, index, part };
      yield { type: 'part_end', choice, index };
    }
    if (logprobs !== undefined) yield { type: 'logprobs', choice, logprobs };
    if (extra !== undefined) yield { type: 'extra', choice, extra };
    if (stop !== null) yield { type: 'finish', choice, stop };
  }
  if (usage !== null) yield { type: 'usage', usage };
  yield { type: 'end' };
}
