import type { StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { Usage } from '../../../../facts/llm.ts';
import type { Frame, ReplyContext, StreamEncoder } from '../codec.ts';
import { encodeFault } from '../openai-chat/faults.ts';
import { finishReason } from '../openai-chat/stop.ts';
import { writeUsage } from '../openai-chat/usage.ts';
import { textOfPart } from '../prompt.ts';
import { madeUpId, writeLegacyLogprobs } from './answer.ts';

type Emit = (frame: Frame) => void;

/**
 * Writes `text_completion` events, one for each piece of text; usage in an event without choices where the client asked for it, then
 * `[DONE]`. Of what is no text (thinking) nothing is told.
 */
export class CompletionsStreamEncoder implements StreamEncoder {
  readonly #context: ReplyContext;
  readonly #echo: string;
  #head: JsonObject | null = null;
  #usage: Usage | null = null;
  /** Choice → characters of its text with log-probabilities so far. A choice that is here has begun. */
  readonly #offsets = new Map<number, number>();

  /** `echo`: the prompt, where the text is to begin with it. */
  constructor(context: ReplyContext, echo: string) {
    this.#context = context;
    this.#echo = echo;
  }

  part(part: StreamPart, emit: Emit): void {
    switch (part.type) {
      case 'start':
        this.#start(part);
        return;
      case 'part':
        this.#text(part.choice, textOfPart(part.part), emit);
        return;
      case 'text':
      case 'refusal':
        this.#text(part.choice, part.text, emit);
        return;
      case 'audio':
        this.#text(part.choice, part.transcript, emit);
        return;
      case 'logprobs': {
        const written = writeLegacyLogprobs(part.logprobs, this.#offsets.get(part.choice) ?? this.#echo.length);
        if (written === null) return;
        this.#offsets.set(part.choice, written.end);
        this.#chunk(part.choice, '', emit, { logprobs: written.json });
        return;
      }
      case 'finish':
        this.#echoOnce(part.choice, emit);
        this.#chunk(part.choice, '', emit, {
          finish_reason: finishReason(part.stop, { calls: false, refusal: false }, false),
        });
        return;
      case 'usage':
        this.#usage = part.usage;
        return;
      case 'error':
        emit({ event: '', data: JSON.stringify(encodeFault(part.fault).body) });
        return;
      case 'end':
        this.#end(emit);
        return;
      default:
        return;
    }
  }

  #start({ id, model, created }: { id: string; model: string; created: number }): JsonObject {
    this.#head ??= {
      id: id || madeUpId(),
      object: 'text_completion',
      created: created || this.#context.now,
      model: model || this.#context.model,
    };
    return this.#head;
  }

  #text(choice: number, text: string, emit: Emit): void {
    if (text === '') return;
    this.#echoOnce(choice, emit);
    this.#chunk(choice, text, emit);
  }

  #echoOnce(choice: number, emit: Emit): void {
    if (this.#offsets.has(choice)) return;
    this.#offsets.set(choice, this.#echo.length);
    if (this.#echo !== '') this.#chunk(choice, this.#echo, emit);
  }

  #chunk(index: number, text: string, emit: Emit, more: JsonObject = {}): void {
    const choice = { text, index, logprobs: null, finish_reason: null, ...more };
    this.#send({ choices: [choice], ...(this.#context.includeUsage ? { usage: null } : {}) }, emit);
  }

  #end(emit: Emit): void {
    if (this.#context.includeUsage && this.#usage !== null) {
      this.#send({ choices: [], usage: writeUsage(this.#usage) }, emit);
    }
    emit({ event: '', data: '[DONE]' });
  }

  #send(members: JsonObject, emit: Emit): void {
    const head = this.#start({ id: '', model: '', created: 0 });
    emit({ event: '', data: JSON.stringify({ ...head, ...members }) });
  }
}
