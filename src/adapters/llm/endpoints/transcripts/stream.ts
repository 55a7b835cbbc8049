import type { LlmFacts } from '../../../../facts/llm.ts';
import { Fields, parseObject } from '../../formats/fields.ts';
import { eventData, type SseSink, SseSplitter } from '../../sse.ts';
import type { ConvertedReply, StreamConversion, StreamPiece } from '../converting-dispatch.ts';
import { failureOf, googleFault, noteGoogleUsage, openaiFault, partsOf, textOf } from '../google/answer.ts';
import { deltaEvent, doneEvent } from './answer.ts';

/** A transcript as Gemini streams it, event by event in OpenAI's; the last has all of the text once more, which is kept for it. */
export class TranscriptStream implements StreamConversion, SseSink {
  readonly contentType = 'text/event-stream';
  readonly #facts: LlmFacts;
  readonly #limit: number;
  readonly #splitter = new SseSplitter();
  #text = '';
  #out = '';
  #finished = false;
  #fault: ConvertedReply | null = null;

  constructor(facts: LlmFacts, limit: number) {
    this.#facts = facts;
    this.#limit = limit;
  }

  write(chunk: Buffer): StreamPiece {
    this.#splitter.write(chunk, this);
    return this.#take();
  }

  end(): StreamPiece {
    this.#splitter.end(this);
    if (this.#fault === null) {
      if (this.#finished) this.#out += doneEvent(this.#text, this.#facts);
      else this.#fail('The stream of the provider ended before its answer did.');
    }
    return this.#take();
  }

  onEvent(bytes: Buffer, start: number, end: number): void {
    if (this.#fault !== null) return;
    const data = eventData(bytes, start, end).toString('utf8');
    if (data === '') return;
    const body = parseObject(data);
    if (body === null) return this.#fail('An event of the provider is not a JSON object.');
    if (body.error !== undefined) {
      this.#fault = googleFault(0, data);
      return;
    }
    noteGoogleUsage(this.#facts, body);
    const delta = textOf(partsOf(body));
    this.#text += delta;
    if (delta !== '') this.#out += deltaEvent(delta);
    if (this.#text.length > this.#limit) return this.#fail('The transcript is longer than may be held.');
    const answer = Fields.ofAnswer(body);
    const blocked = answer.object('promptFeedback')?.has('blockReason') === true;
    if (!blocked && answer.objects('candidates')[0]?.has('finishReason') !== true) return;
    this.#fault = failureOf(body, 'file');
    this.#finished = true;
  }

  onLongPiece(): void {
    if (this.#fault === null) this.#fail('An event of the provider is longer than may be held.');
  }

  #fail(message: string): void {
    this.#fault = openaiFault({ status: 502, message, type: '', code: 'upstream_response_invalid', param: '' });
  }

  #take(): StreamPiece {
    const piece = { text: this.#out, fault: this.#fault };
    this.#out = '';
    return piece;
  }
}
