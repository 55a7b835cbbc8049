import type { JsonObject } from '../../../../facts/conversation.ts';
import type { LlmFacts } from '../../../../facts/llm.ts';
import type { EndpointContent } from '../content.ts';
import type { EndpointConversion } from '../conversions.ts';
import type { ConvertedReply, StreamConversion } from '../converting-dispatch.ts';
import { failureOf, googleFault, noteGoogleUsage, partsOf, textOf } from '../google/answer.ts';
import { deltaEvent, doneEvent, openaiTranscript } from './answer.ts';
import { geminiTranscriptRequest, type Task, type TranscriptForm } from './request.ts';
import { TranscriptStream } from './stream.ts';

/** Audio that is to be written down by OpenAI's API, on its way to one of Gemini's models; and the way back. */
export class TranscriptConversion implements EndpointConversion {
  readonly #task: Task;
  readonly #facts: LlmFacts;
  readonly #limit: number;
  #form: TranscriptForm = { format: 'json', language: '', stream: false };
  lossy = '';

  /** `limit`: bytes of a transcript that may be held, for a stream ends with all of it. */
  constructor(task: Task, facts: LlmFacts, limit: number) {
    this.#task = task;
    this.#facts = facts;
    this.#limit = limit;
  }

  get streams(): boolean {
    return this.#form.stream;
  }

  pathFrom(path: string): string {
    return path;
  }

  encode(content: EndpointContent, strict: boolean): JsonObject {
    const { body, form, lossy } = geminiTranscriptRequest(content, this.#task, strict);
    this.#form = form;
    this.lossy = lossy;
    return body;
  }

  reply(body: JsonObject): ConvertedReply {
    noteGoogleUsage(this.#facts, body);
    const failure = failureOf(body, 'file');
    if (failure !== null) return failure;
    const text = textOf(partsOf(body)).trim();
    if (!this.#form.stream) return openaiTranscript(text, this.#task, this.#form, this.#facts);
    const events = deltaEvent(text) + doneEvent(text, this.#facts);
    return { status: 200, contentType: 'text/event-stream', body: events };
  }

  stream(): StreamConversion | null {
    return this.#form.stream ? new TranscriptStream(this.#facts, this.#limit) : null;
  }

  fault(status: number, text: string): ConvertedReply {
    return googleFault(status, text);
  }
}
