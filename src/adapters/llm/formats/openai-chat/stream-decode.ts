import type { StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { AnswerContext, Frame, StreamDecoder } from '../codec.ts';
import { isObject, parseObject } from '../fields.ts';
import { callSeed, OF_ANSWER } from './answer.ts';
import { decodeStreamFault } from './faults.ts';
import { extraOf, FORMAT } from './own.ts';
import { StreamChoice } from './stream-choice.ts';
import { ownUsage, readUsage } from './usage.ts';

type Emit = (part: StreamPart) => void;

/** OpenAI's limit for `n`. */
const MAX_CHOICES = 128;

/** Reads `chat.completion.chunk` events (https://platform.openai.com/docs/api-reference/chat-streaming) up to `[DONE]`. */
export class ChatStreamDecoder implements StreamDecoder {
  readonly #context: AnswerContext;
  readonly #choices = new Map<number, StreamChoice>();
  #seed = '';
  /** What only this format knew of the answer when it began. */
  #first: JsonObject | undefined;
  #started = false;
  #over = false;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  event({ event, data }: Frame, emit: Emit): void {
    if (this.#over) return;
    const text = data.trim();
    if (text === '[DONE]') {
      this.#done(emit);
      return;
    }
    const body = parseObject(text);
    if (body === null) {
      if (!isJson(text)) this.#fail("An event of the provider's stream is not JSON.", emit);
      return;
    }
    if (isError(body.error) || event === 'error') {
      this.#over = true;
      emit({ type: 'error', fault: decodeStreamFault(body) });
      return;
    }
    const choices = Array.isArray(body.choices) ? body.choices : [];
    // Azure begins with an event that has neither: what its filters say of the prompt.
    if (!this.#started && (choices.length > 0 || (typeof body.id === 'string' && body.id !== '')))
      this.#start(body, emit);
    else this.#own(body, emit);
    for (const choice of choices) if (isObject(choice)) this.#choice(choice.index)?.delta(choice, emit);
    const usage = readUsage(body);
    if (usage === null) return;
    this.#start(body, emit);
    emit({ type: 'usage', usage });
  }

  /** Not every provider writes `[DONE]`: with a reason for the end of each choice the answer is complete without it. */
  end(emit: Emit): void {
    if (this.#over) return;
    const choices = [...this.#choices.values()];
    if (choices.length > 0 && choices.every(({ finished }) => finished)) this.#done(emit);
    else this.#fail("The provider's stream ended before it was complete.", emit);
  }

  #start(body: JsonObject, emit: Emit): void {
    if (this.#started) return;
    this.#own(body, emit);
    this.#started = true;
    const { id, model, created, service_tier: tier } = body;
    const answerId = typeof id === 'string' ? id : '';
    this.#seed = callSeed(answerId);
    emit({
      type: 'start',
      id: answerId,
      model: typeof model === 'string' && model !== '' ? model : this.#context.model,
      created: typeof created === 'number' ? created : 0,
      ...(typeof tier === 'string' ? { serviceTier: tier } : {}),
      ...extraOf(this.#first),
    });
  }

  /** What only this format knows of the answer, but for the words that every event repeats. */
  #own(body: JsonObject, emit: Emit): void {
    const usage = ownUsage(body);
    let fields: JsonObject | undefined = usage && { usage };
    for (const name in body) {
      const value = body[name];
      if (OF_ANSWER.has(name) || value === null || (typeof value === 'string' && value === this.#first?.[name]))
        continue;
      fields ??= {};
      fields[name] = value;
    }
    if (fields === undefined) return;
    if (this.#started) emit({ type: 'extra', extra: { format: FORMAT, fields } });
    else this.#first = { ...this.#first, ...fields };
  }

  #choice(index: unknown): StreamChoice | null {
    const at = typeof index === 'number' && Number.isSafeInteger(index) && index >= 0 ? index : 0;
    const known = this.#choices.get(at);
    if (known !== undefined) return known;
    if (this.#choices.size >= MAX_CHOICES) return null;
    const choice = new StreamChoice(at, this.#seed, (data) => ({ issuer: this.#context.issuer, data }));
    this.#choices.set(at, choice);
    return choice;
  }

  #done(emit: Emit): void {
    this.#over = true;
    this.#start({}, emit);
    for (const choice of this.#choices.values()) if (!choice.finished) choice.finish('', undefined, emit);
    emit({ type: 'end' });
  }

  #fail(message: string, emit: Emit): void {
    if (this.#over) return;
    this.#over = true;
    emit({ type: 'error', fault: { status: 502, message, type: '', code: '', param: '' } });
  }
}

function isError(error: unknown): boolean {
  return isObject(error) || (typeof error === 'string' && error !== '');
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
