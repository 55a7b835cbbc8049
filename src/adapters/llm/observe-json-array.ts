import type { Exchange } from '../../exchange.ts';
import type { LlmFacts, Usage } from '../../facts/llm.ts';
import { ContentSample } from './content-sample.ts';
import type { Format } from './formats/format.ts';
import { JsonScanner } from './json-scan.ts';
import { jsonString, jsonValue } from './json-value.ts';
import { Wanted } from './json-wanted.ts';
import { asReport, type Observer } from './observe.ts';
import type { ReportedUsage } from './usage.ts';

const ELEMENT = new Wanted({ usageMetadata: true, modelVersion: true, candidates: true });
const USAGE = ELEMENT.slot('usageMetadata');
const MODEL = ELEMENT.slot('modelVersion');
const CANDIDATES = ELEMENT.slot('candidates');

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Gemini's stream where the client did not ask for server-sent events: one JSON array, an element an event. Of an element no more is held
 * than what is looked for in it.
 */
export class JsonArrayObserver implements Observer {
  readonly #exchange: Exchange;
  readonly #facts: LlmFacts;
  readonly #format: Format;
  #reported: ReportedUsage | null = null;
  final = false;
  contentEvents = 0;
  readonly contentBytes = 0;
  readonly sample = new ContentSample();

  /** The element at hand. */
  #scan: JsonScanner | null = null;
  /** Brackets open within it. */
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(exchange: Exchange, facts: LlmFacts, format: Format) {
    this.#exchange = exchange;
    this.#facts = facts;
    this.#format = format;
  }

  usage(): Usage | null {
    return this.#reported === null ? null : this.#format.toUsage(this.#reported);
  }

  write(chunk: Buffer): void {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.#inString) {
        this.#string(byte);
        continue;
      }
      if (byte === QUOTE) this.#inString = true;
      else if (this.#scan === null) {
        // Between elements there are only the array's own signs.
        if (byte !== OPEN_BRACE) continue;
        this.#scan = new JsonScanner(ELEMENT);
        this.#depth = 1;
        start = i;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#depth++;
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --this.#depth === 0) {
        this.#scan.write(chunk.subarray(start, i + 1));
        this.#read(this.#scan);
        this.#scan = null;
      }
    }
    this.#scan?.write(chunk.subarray(start));
  }

  end(): void {}

  #string(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
  }

  #read(scan: JsonScanner): void {
    const model = jsonString(scan.value(MODEL));
    if (model !== null && this.#facts.responseModel === '') this.#facts.responseModel = model;
    const candidates = scan.value(CANDIDATES);
    const report = asReport(jsonValue(scan.value(USAGE)));
    if (report !== null) {
      this.#reported = this.#format.mergeUsage(this.#reported, report);
      this.final ||= this.#format.stream?.isFinal?.(candidates) === true;
    }
    if (this.#format.stream?.hasContent?.(jsonValue(candidates)) !== true) return;
    this.#noteContent();
    if (candidates !== null) this.sample.add(candidates, 0, candidates.length);
  }

  #noteContent(): void {
    const now = this.#exchange.elapsedMs();
    if (this.#facts.firstTokenMs < 0) this.#facts.firstTokenMs = now;
    this.#facts.lastTokenMs = now;
    this.contentEvents++;
  }
}
