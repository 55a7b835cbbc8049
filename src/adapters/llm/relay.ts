import { GatewayError } from '../../errors/table.ts';
import type { Exchange } from '../../exchange.ts';
import {
  emptyUsage,
  inputTokens,
  type LlmFacts,
  type OnClientAbort,
  outputTokens,
  type Usage,
} from '../../facts/llm.ts';
import type { Dispatch, Flight, ResponseSink, UpstreamCall } from '../../upstream/call.ts';
import type { AdapterServices, RouteContext } from '../adapter.ts';
import type { Output } from './convert/answer.ts';
import { Conversion } from './convert/conversion.ts';
import { EVENT_STREAM_TYPE } from './convert/event-stream.ts';
import type { FurtherCalls } from './convert/fan-out.ts';
import { type AnswerType, ConvertedPassage, type Passage } from './convert/passage.ts';
import type { UnaryConversion } from './convert/unary-conversion.ts';
import { UnaryPassage } from './convert/unary-passage.ts';
import type { Format } from './formats/format.ts';
import { type Forwarder, JsonObserver, type Observer, SseObserver } from './observe.ts';
import { EventStreamObserver } from './observe-event-stream.ts';
import { JsonArrayObserver } from './observe-json-array.ts';
import { estimateTokens } from './usage.ts';

/** How one answer is handled. An attempt that goes to another provider may change it. */
export interface AnswerPlan {
  /** The format the provider answers in; null: the bytes are nobody's business. */
  format: Format | null;
  /** The client did not ask for the usage that the gateway had the provider report. */
  hideUsage: boolean;
  onClientAbort: OnClientAbort;
  /** The client speaks another format than the provider; null where they agree. */
  conversion: Conversion | UnaryConversion | null;
  /** The calls that the request takes beside the one that is sent. */
  further?: FurtherCalls | null;
}

/**
 * A provider's answer on its way to the client: bytes as they come, backpressure from the slow side to the fast one, and the
 * provider's token count read as it passes. Whatever the end, the exchange ends once, with its tokens counted or estimated.
 *
 * A client that leaves early does not end the provider's work, nor its bill: by default the answer is read on to its count, within the
 * process's budget of such streams and for a bounded time. Past either, the upstream is aborted and the count estimated: the input
 * as reported, else from the request's bytes; the output from the pieces (or bytes) seen, by the tokens of the first of them.
 */
export class Relay implements ResponseSink, Forwarder, Output {
  readonly #exchange: Exchange;
  readonly #facts: LlmFacts;
  readonly #context: RouteContext;
  readonly #services: AdapterServices;
  readonly #plan: AnswerPlan;
  #call: UpstreamCall | null = null;
  #flight: Flight | null = null;
  #observer: Observer | null = null;
  #converted: Passage | null = null;
  /** The observer of a stream in AWS's framing. */
  #eventStream: EventStreamObserver | null = null;
  /** The stream passes through the observer, which leaves events out. */
  #filtered = false;
  #streaming = false;
  #answered = false;
  #refused = false;
  #ready = true;
  #paused = false;
  #gone = false;
  /** The client had everything but the last bytes when it left. */
  #servedWhole = false;
  #drainTimer: NodeJS.Timeout | null = null;
  #settled = false;
  /** Tokens of the answer by its sample; -1 = not estimated. */
  #estimated = -1;

  constructor(exchange: Exchange, facts: LlmFacts, context: RouteContext, services: AdapterServices, plan: AnswerPlan) {
    this.#exchange = exchange;
    this.#facts = facts;
    this.#context = context;
    this.#services = services;
    this.#plan = plan;
  }

  /** Sends the call; from here on the relay answers for the exchange's end. */
  send(call: UpstreamCall, dispatch: Dispatch): void {
    this.#call = call;
    this.#exchange.downstream.onAbort = () => this.#clientGone();
    this.#flight = dispatch(call, this);
  }

  onHead(status: number, headers: string[]): void {
    // No attempt follows the head: the request's body is needed no longer.
    if (this.#call !== null) letGoOfBody(this.#call);
    this.#answered = status >= 200 && status < 300;
    this.#refused = !this.#answered;
    if (this.#plan.conversion !== null) this.#convert(this.#plan.conversion, status, headers);
    else {
      if (this.#answered) this.#observe(headers);
      this.head(status, this.#filtered ? withoutLength(headers) : headers);
    }
    // Response policies have run, and seen it.
    if (this.#exchange.status !== 0 && !this.#exchange.keepsLlmRequest) this.#facts.contents?.letGo();
  }

  /** The head for the client. */
  head(status: number, headers: string[]): void {
    if (!this.#gone) this.#context.reply.head(this.#exchange, status, headers);
  }

  #convert(conversion: Conversion | UnaryConversion, status: number, headers: string[]): void {
    const { reply } = this.#context;
    const converted =
      conversion instanceof Conversion
        ? new ConvertedPassage(this.#exchange, this.#facts, reply, conversion, this)
        : new UnaryPassage(this.#exchange, this.#facts, reply, conversion);
    try {
      converted.head(status, headers, contentType(headers));
    } catch (error) {
      this.#answered = false;
      this.#refused = true;
      this.#flight?.abort();
      this.onError(error instanceof GatewayError ? error : new GatewayError('internal', undefined, { cause: error }));
      return;
    }
    this.#converted = converted;
    this.#observer = converted.observer;
  }

  /** An error's body is never an event stream or an answer, whatever was asked for: it passes as it is. */
  #observe(headers: string[]): void {
    const { format, hideUsage } = this.#plan;
    if (format === null) return;
    const type = contentType(headers);
    if (type === 'other') return;
    if (type === 'json') {
      const streamed = format.stream?.jsonArray === true && this.#facts.streaming;
      this.#observer = streamed
        ? new JsonArrayObserver(this.#exchange, this.#facts, format)
        : new JsonObserver(this.#facts, format, headers);
      return;
    }
    if (type === 'eventStream') {
      this.#streaming = true;
      this.#facts.streaming = true;
      this.#eventStream = new EventStreamObserver(this.#exchange, this.#facts);
      this.#observer = this.#eventStream;
      return;
    }
    if (format.stream === null) return;
    this.#streaming = true;
    this.#facts.streaming = true;
    this.#filtered = hideUsage;
    this.#observer = new SseObserver(this.#exchange, this.#facts, format, format.stream, hideUsage ? this : null);
  }

  onData(chunk: Buffer): boolean {
    this.#ready = true;
    if (this.#converted !== null) this.#converted.data(chunk);
    else {
      if (!this.#filtered) this.forward(chunk);
      this.#observer?.write(chunk);
    }
    if (this.#ready) return true;
    this.#pause();
    return false;
  }

  /** Bytes for the client; for one that has left they end here. */
  forward(bytes: Buffer): void {
    if (!this.#gone && !this.#context.reply.data(this.#exchange, bytes)) this.#ready = false;
  }

  get #streamed(): boolean {
    return this.#streaming || this.#converted?.streaming === true;
  }

  #pause(): void {
    this.#paused = true;
    this.#exchange.downstream.onDrain ??= () => this.#resume();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#flight?.resume();
  }

  onEnd(trailers: string[]): void {
    if (this.#converted !== null) this.#converted.complete();
    else this.#observer?.end();
    if (this.#gone) {
      this.#account(true, () => this.#whenKept(() => this.#finishGone()));
      return;
    }
    this.#settle(true);
    this.#whenKept(() => {
      if (this.#gone) this.#finishGone();
      else if (this.#converted !== null) this.#converted.deliver();
      else this.#context.reply.end(this.#exchange, trailers);
    });
  }

  /** What ends a stored answer waits for the store. */
  #whenKept(end: () => void): void {
    const kept = this.#converted?.kept ?? null;
    if (kept === null) end();
    else void kept.then(end);
  }

  onError(error: GatewayError): void {
    if (this.#gone) this.#account(false, () => this.#whenKept(() => this.#finishGone()));
    else if (this.#streamed && this.#exchange.status !== 0) this.#breakStream(error);
    else {
      this.#settle(false);
      this.#whenKept(() => this.#context.reply.error(this.#exchange, error));
    }
  }

  /** Tells the client of the error in its own words before the stream breaks off. */
  #breakStream(error: GatewayError): void {
    if (this.#converted !== null) this.#converted.fail(error);
    else if (this.#eventStream !== null) this.forward(Buffer.from(this.#eventStream.errorEvent(error)));
    else {
      const event = this.#plan.format?.stream?.errorEvent(error) ?? '';
      // The blank line ends an event that was cut in the middle.
      this.forward(Buffer.from(`\n\n${event}`));
    }
    this.#account(false, () =>
      // Breaking off in the same turn would take the event's bytes along.
      this.#whenKept(() => setImmediate(() => this.#context.reply.error(this.#exchange, error))),
    );
  }

  #clientGone(): void {
    if (this.#gone || this.#exchange.endCause !== null) return;
    this.#gone = true;
    this.#servedWhole = this.#observer?.final === true && (this.#converted?.kept ?? null) === null;
    if (!this.#mayDrain()) {
      this.#giveUp();
      return;
    }
    const timer = setTimeout(() => this.#giveUp(), this.#services.drainTimeoutMs);
    timer.unref();
    this.#drainTimer = timer;
    this.#resume();
  }

  /** Takes a place in the process's budget of drained streams where there is a count to wait for. */
  #mayDrain(): boolean {
    const { format, onClientAbort } = this.#plan;
    if (format === null || format.free || onClientAbort === 'cancel') return false;
    return !this.#refused && this.#services.drains.take(1);
  }

  #giveUp(): void {
    this.#flight?.abort();
    this.#account(false, () => this.#finishGone());
  }

  #finishGone(): void {
    if (this.#drainTimer !== null) {
      clearTimeout(this.#drainTimer);
      this.#drainTimer = null;
      this.#services.drains.give(1);
    }
    this.#context.reply.finish(this.#exchange, this.#servedWhole ? 'complete' : 'client_gone');
  }

  /** Settles a stream that broke off, once its tokens are estimated where nobody counted them; the exchange ends with `end`. */
  #account(complete: boolean, end: () => void): void {
    const observer = this.#observer;
    const sample = observer?.sample;
    const counted = observer !== null && observer.usage() !== null && (complete || observer.final);
    if (this.#settled || counted || sample === undefined || sample.size === 0) {
      this.#settle(complete);
      end();
      return;
    }
    const { responseModel, requestModel } = this.#facts;
    void sample
      .estimate(observer?.contentEvents ?? 0, responseModel === '' ? requestModel : responseModel, this.#services)
      .then((tokens) => {
        this.#estimated = tokens;
        this.#settle(complete);
        end();
      });
  }

  /** States the usage: the provider's count where it was seen, an estimate where the provider worked but didn't say. */
  #settle(complete: boolean): void {
    if (this.#settled) return;
    this.#settled = true;
    const { format } = this.#plan;
    if (format === null) return;
    const observer = this.#observer;
    const reported = observer?.usage() ?? null;
    if (reported !== null && (complete || observer?.final === true)) {
      this.#facts.usage = reported;
      this.#facts.providerInputTokens = format.countsCachesApart === true ? reported.input : inputTokens(reported);
    } else if (!format.free && format.unestimated !== true && this.#mayHaveWorked()) {
      this.#facts.usage = this.#estimate(format, observer);
      this.#facts.usageEstimated = true;
    }
    if (this.#facts.usage === null) return;
    this.#facts.cost = this.#services.prices.costOf(this.#facts, this.#exchange.startedAtUnixMs);
    this.#exchange.runOnUsage();
  }

  /** Did the provider get the request and not refuse it, as far as can be told? */
  #mayHaveWorked(): boolean {
    return this.#answered || (this.#gone && !this.#refused && this.#exchange.upstreamStartMs >= 0);
  }

  #estimate(format: Format, observer: Observer | null): Usage {
    const usage: Usage = observer?.usage() ?? {
      ...emptyUsage(),
      input: estimateTokens(this.#facts.requestBytes),
    };
    if (format.operation === 'embeddings' || format.operation === 'rerank') return usage;
    const pieces = observer === null ? 0 : observer.contentEvents + estimateTokens(observer.contentBytes);
    const seen = this.#estimated < 0 ? pieces : this.#estimated;
    usage.output += Math.max(seen - outputTokens(usage), 0);
    return usage;
  }
}

/** Of the body, and of what would make another one. */
function letGoOfBody(call: UpstreamCall): void {
  call.body = null;
  call.prepare = null;
  call.affinity?.release?.();
}

/** Answers in an encoding of their own can't be read; the request asked for none. */
function contentType(headers: readonly string[]): AnswerType {
  let type: AnswerType = 'other';
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i];
    const value = headers[i + 1] as string;
    if (name === 'content-encoding' && value !== 'identity') return 'other';
    if (name !== 'content-type') continue;
    const lower = value.toLowerCase();
    if (lower.startsWith('text/event-stream')) type = 'sse';
    else if (lower.startsWith(EVENT_STREAM_TYPE)) type = 'eventStream';
    else if (lower.startsWith('application/json') || lower.includes('+json')) type = 'json';
  }
  return type;
}

function withoutLength(headers: string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'content-length') kept.push(headers[i] as string, headers[i + 1] as string);
  }
  return kept;
}
