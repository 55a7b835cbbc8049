import type { Exchange } from '../../exchange.ts';
import type { LlmFacts, Usage } from '../../facts/llm.ts';
import { ContentSample } from './content-sample.ts';
import type { Format, StreamShape } from './formats/format.ts';
import { JsonScanner } from './json-scan.ts';
import { isEmptyArray, jsonString, jsonValue } from './json-value.ts';
import { Wanted } from './json-wanted.ts';
import { dataStart, eventData, type SseSink, SseSplitter } from './sse.ts';
import { count, type ReportedUsage } from './usage.ts';

/** What reads an answer as its bytes pass. */
export interface Observer {
  /** The provider's count as far as it was seen, null where it wasn't. */
  usage(): Usage | null;
  /** True once the count can't change any more. */
  readonly final: boolean;
  /** Pieces of the answer seen, about a token each; bytes of it where it isn't a stream. */
  readonly contentEvents: number;
  readonly contentBytes: number;
  /** The first pieces of a stream, to estimate the others by. */
  readonly sample?: ContentSample;
  write(chunk: Buffer): void;
  /** The answer is complete. */
  end(): void;
}

const ANSWER = new Wanted({
  usage: true,
  model: true,
  usageMetadata: true,
  modelVersion: true,
  // Cohere's.
  meta: { tokens: true, billed_units: true },
  service_tier: true,
  serviceTier: { type: true },
  // Answers to who asks how many tokens there are.
  input_tokens: true,
  inputTokens: true,
  totalTokens: true,
});
const ANSWER_USAGES = ['usage', 'usageMetadata', 'meta.tokens', 'meta.billed_units'].map((path) => ANSWER.slot(path));
const ANSWER_MODELS = [ANSWER.slot('model'), ANSWER.slot('modelVersion')];
const ANSWER_TIERS = [ANSWER.slot('service_tier'), ANSWER.slot('serviceTier.type')];
const ANSWER_COUNTS = ['input_tokens', 'inputTokens', 'totalTokens'].map((path) => ANSWER.slot(path));

/** A JSON answer: `usage` and `model` (or Google's names of them) at the top of it, found without holding the rest. */
export class JsonObserver implements Observer {
  readonly #facts: LlmFacts;
  readonly #format: Format;
  readonly #usageOfHead: Usage | null;
  readonly #scan = new JsonScanner(ANSWER);
  #reported: ReportedUsage | null = null;
  final = false;
  readonly contentEvents = 0;
  contentBytes = 0;

  /** `headers`: of the answer. */
  constructor(facts: LlmFacts, format: Format, headers: readonly string[]) {
    this.#facts = facts;
    this.#format = format;
    this.#usageOfHead = format.usageOfHeaders?.(headers) ?? null;
  }

  usage(): Usage | null {
    return usageOf(this.#format, this.#reported) ?? this.#usageOfHead;
  }

  write(chunk: Buffer): void {
    this.contentBytes += chunk.length;
    this.#scan.write(chunk);
    if (this.#scan.complete && !this.final) this.#read();
  }

  end(): void {
    if (!this.final) this.#read();
  }

  #read(): void {
    this.final = this.#scan.complete;
    for (const slot of ANSWER_MODELS) {
      const model = jsonString(this.#scan.value(slot));
      if (model !== null) this.#facts.responseModel = model;
    }
    for (const slot of ANSWER_TIERS) noteTier(this.#facts, jsonString(this.#scan.value(slot)));
    if (this.#format.operation === 'count_tokens') {
      for (const slot of ANSWER_COUNTS) {
        const tokens = count(jsonValue(this.#scan.value(slot)));
        if (tokens !== undefined) this.#facts.countedTokens = tokens;
      }
    }
    for (const slot of ANSWER_USAGES) this.#reported ??= asReport(jsonValue(this.#scan.value(slot)));
    if (this.#reported !== null) noteDetails(this.#facts, this.#format, this.#reported);
  }
}

/** Where the formats' events have them: chat, responses, messages, Gemini; Groq's chunks as a last resort. */
const EVENT = new Wanted({
  usage: true,
  model: true,
  choices: true,
  response: { usage: true, model: true, service_tier: true },
  message: { usage: true, model: true },
  usageMetadata: true,
  modelVersion: true,
  candidates: true,
  x_groq: { usage: true },
  service_tier: true,
});
const TOP_USAGE = EVENT.slot('usage');
const CHOICES = EVENT.slot('choices');
const CANDIDATES = EVENT.slot('candidates');
const USAGES = [
  TOP_USAGE,
  EVENT.slot('response.usage'),
  EVENT.slot('message.usage'),
  EVENT.slot('usageMetadata'),
  EVENT.slot('x_groq.usage'),
];
const START_USAGE = EVENT.slot('message.usage');
const MODELS = [
  EVENT.slot('model'),
  EVENT.slot('response.model'),
  EVENT.slot('message.model'),
  EVENT.slot('modelVersion'),
];

const TIERS = [EVENT.slot('service_tier'), EVENT.slot('response.service_tier')];

const USAGE_NAME = Buffer.from('"usage"');
const COLON = 0x3a;
const LOWER_N = 0x6e;

/** Takes the bytes that may go on to the client. */
export interface Forwarder {
  forward(bytes: Buffer): void;
}

/**
 * A stream of server-sent events. Bytes are only looked into where an event names `usage`, and in the first ones until content has
 * come. With a forwarder the stream passes through here, without the events that only report usage; what is held back is an
 * unfinished event at the end of a chunk, never a complete one.
 */
export class SseObserver implements Observer, SseSink {
  readonly #exchange: Exchange;
  readonly #facts: LlmFacts;
  readonly #format: Format;
  readonly #shape: StreamShape;
  readonly #forwarder: Forwarder | null;
  readonly #splitter = new SseSplitter();
  readonly #usageName: Buffer;

  #reported: ReportedUsage | null = null;
  final = false;
  contentEvents = 0;
  readonly contentBytes = 0;
  readonly sample = new ContentSample();

  #firstSeen = false;
  /** Milliseconds since the exchange began, of the chunk at hand; -1 until asked for. */
  #now = -1;
  /** Next place of the name `usage` in the bytes at hand; -1 = none left, -2 = not looked for. */
  #usageAt = -2;
  #usageIn: Buffer | null = null;
  /** Range of the chunk at hand that goes on to the client. */
  #keptIn: Buffer | null = null;
  #keptFrom = 0;
  #keptTo = 0;
  #long: JsonScanner | null = null;
  #longLineStart = true;

  constructor(exchange: Exchange, facts: LlmFacts, format: Format, shape: StreamShape, forwarder: Forwarder | null) {
    this.#exchange = exchange;
    this.#facts = facts;
    this.#format = format;
    this.#shape = shape;
    this.#usageName = shape.usageName ?? USAGE_NAME;
    this.#forwarder = forwarder;
  }

  usage(): Usage | null {
    return usageOf(this.#format, this.#reported);
  }

  write(chunk: Buffer): void {
    this.#now = -1;
    this.#splitter.write(chunk, this);
    this.#flush();
    this.#usageIn = null;
  }

  end(): void {
    this.#now = -1;
    this.#splitter.end(this);
    this.#flush();
  }

  onEvent(bytes: Buffer, start: number, end: number): void {
    let content = this.#shape.isContent(bytes, start, end);
    const usage = this.#namesUsage(bytes, start, end);
    const undecided = content && this.#facts.firstTokenMs < 0 && this.#shape.hasContent !== null;
    if (usage || undecided || !this.#firstSeen) {
      const scan = new JsonScanner(EVENT);
      const data = eventData(bytes, start, end);
      scan.write(data);
      if (data.length > 0) this.#firstSeen = true;
      const usageOnly = this.#read(scan);
      if (usageOnly && this.#forwarder !== null) return;
      if (usageOnly) content = false;
      if (content && undecided) content = this.#shape.hasContent?.(jsonValue(choicesOf(scan))) === true;
    }
    if (content) {
      this.#noteContent();
      this.sample.add(bytes, start, end);
    }
    this.#keep(bytes, start, end);
  }

  /** Such an event is no usage-only one: it goes on at once, and is scanned as it passes. */
  onLongPiece(bytes: Buffer, start: number, end: number, last: boolean): void {
    if (this.#long === null) {
      this.#long = new JsonScanner(EVENT);
      this.#longLineStart = true;
      if (this.#shape.isContent(bytes, start, end)) this.#noteContent();
    }
    this.#feedLong(this.#long, bytes, start, end);
    this.#keep(bytes, start, end);
    if (!last) return;
    this.#read(this.#long);
    this.#long = null;
  }

  /** Gives a scanner the data of a long event; a field name split over two pieces is rare enough to lose the event's usage by. */
  #feedLong(scan: JsonScanner, bytes: Buffer, start: number, end: number): void {
    let i = start;
    while (i < end) {
      let stop = bytes.indexOf(LF, i);
      if (stop < 0 || stop > end) stop = end;
      const from = this.#longLineStart ? dataStart(bytes, i, stop) : i;
      if (from >= 0) scan.write(bytes.subarray(from, stop));
      this.#longLineStart = stop < end;
      i = stop + 1;
    }
  }

  /** Notes what an event reports; true where it reports usage and nothing else. */
  #read(scan: JsonScanner): boolean {
    if (this.#facts.responseModel === '') {
      for (const slot of MODELS) {
        const model = jsonString(scan.value(slot));
        if (model === null) continue;
        this.#facts.responseModel = model;
        break;
      }
    }
    for (const slot of TIERS) noteTier(this.#facts, jsonString(scan.value(slot)));
    for (const slot of USAGES) {
      const report = asReport(jsonValue(scan.value(slot)));
      if (report === null) continue;
      this.#reported = this.#format.mergeUsage(this.#reported, report);
      noteDetails(this.#facts, this.#format, this.#reported);
      const choices = choicesOf(scan);
      const alone = choices !== null && isEmptyArray(choices);
      const { isFinal } = this.#shape;
      if (isFinal !== undefined) this.final ||= isFinal(choices);
      else this.final = slot !== START_USAGE && (choices === null || alone);
      return alone && slot === TOP_USAGE;
    }
    return false;
  }

  #noteContent(): void {
    if (this.#now < 0) this.#now = this.#exchange.elapsedMs();
    if (this.#facts.firstTokenMs < 0) this.#facts.firstTokenMs = this.#now;
    this.#facts.lastTokenMs = this.#now;
    this.contentEvents++;
  }

  /** True where the event has a member for usage that isn't null. In text the name's quotes are escaped, so it can't be mistaken. */
  #namesUsage(bytes: Buffer, start: number, end: number): boolean {
    if (this.#usageIn !== bytes) {
      this.#usageIn = bytes;
      this.#usageAt = bytes.indexOf(this.#usageName, start);
    }
    while (this.#usageAt >= 0 && this.#usageAt < end) {
      let i = this.#usageAt + this.#usageName.length;
      const inside = this.#usageAt >= start;
      this.#usageAt = bytes.indexOf(this.#usageName, i);
      while (i < end && (bytes[i] === COLON || (bytes[i] as number) <= 0x20)) i++;
      if (inside && i < end && bytes[i] !== LOWER_N) return true;
    }
    return false;
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    if (this.#forwarder === null) return;
    if (this.#keptIn === bytes && this.#keptTo === start) {
      this.#keptTo = end;
      return;
    }
    this.#flush();
    this.#keptIn = bytes;
    this.#keptFrom = start;
    this.#keptTo = end;
  }

  #flush(): void {
    const bytes = this.#keptIn;
    if (bytes === null) return;
    this.#keptIn = null;
    if (this.#keptTo === this.#keptFrom) return;
    const whole = this.#keptFrom === 0 && this.#keptTo === bytes.length;
    this.#forwarder?.forward(whole ? bytes : bytes.subarray(this.#keptFrom, this.#keptTo));
  }
}

const LF = 0x0a;

function choicesOf(scan: JsonScanner): Buffer | null {
  return scan.value(CHOICES) ?? scan.value(CANDIDATES);
}

function usageOf(format: Format, report: ReportedUsage | null): Usage | null {
  return report === null || format.countsTokens?.(report) === false ? null : format.toUsage(report);
}

function noteDetails(facts: LlmFacts, format: Format, report: ReportedUsage): void {
  const details = format.detailsOf?.(report);
  if (details !== undefined) facts.usageDetails = details;
  // Anthropic's.
  if (typeof report.service_tier === 'string') noteTier(facts, report.service_tier);
}

function noteTier(facts: LlmFacts, tier: string | null): void {
  if (tier !== null && tier !== '') facts.serviceTier = tier;
}

export function asReport(value: unknown): ReportedUsage | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as ReportedUsage) : null;
}
