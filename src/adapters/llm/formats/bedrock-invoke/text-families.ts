import type { Stop, StopCause, StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import { emptyUsage, inputTokens, outputTokens, type Usage } from '../../../../facts/llm.ts';
import type { Frame, StreamEncoder } from '../codec.ts';
import type { Feature } from '../features.ts';
import { Fields } from '../fields.ts';
import { promptConversation, textOfAnswer, textOfPart } from '../prompt.ts';
import type { Family } from './families.ts';

/** A piece of text, or the end of it, on its way to the client. */
interface Piece {
  readonly text: string;
  /** null while there is more. */
  readonly stop: Stop | null;
  /** The counts so far: all of them at the end. */
  readonly usage: Usage;
  readonly first: boolean;
}

type Sampled = 'maxTokens' | 'temperature' | 'topP' | 'topK' | 'stop';

/** A family whose request is a prompt with a few parameters, and whose answer a text. */
interface TextShape {
  /** The member with the prompt. */
  readonly prompt: string;
  /** The member that holds the parameters; '' = they are beside the prompt. */
  readonly config: string;
  readonly names: Readonly<Partial<Record<Sampled, string>>>;
  answer(piece: Piece): JsonObject;
  event(piece: Piece): JsonObject;
}

/** `length` where the answer is not complete; other families' words are their own. */
function word(stop: Stop | null, words: Readonly<Partial<Record<StopCause, string>>>, other: string): string | null {
  return stop === null ? null : (words[stop.cause] ?? other);
}

/** What Llama is shown beside the prompt. */
const IMAGES = new Set(['images']);

const LENGTH = { length: 'length', context_length: 'length' } as const;

const llamaBody = ({ text, stop, usage, first }: Piece, whole: boolean): JsonObject => ({
  generation: text,
  prompt_token_count: whole || first ? inputTokens(usage) : null,
  generation_token_count: outputTokens(usage),
  stop_reason: word(stop, LENGTH, 'stop'),
});

/** https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html */
export const llama = textFamily({
  prompt: 'prompt',
  config: '',
  names: { maxTokens: 'max_gen_len', temperature: 'temperature', topP: 'top_p' },
  answer: (piece) => llamaBody(piece, true),
  event: (piece) => llamaBody(piece, piece.stop !== null),
});

const mistralBody = ({ text, stop }: Piece): JsonObject => ({
  outputs: [{ text, stop_reason: word(stop, LENGTH, 'stop') }],
});

/** https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html */
export const mistral = textFamily({
  prompt: 'prompt',
  config: '',
  names: { maxTokens: 'max_tokens', temperature: 'temperature', topP: 'top_p', topK: 'top_k', stop: 'stop' },
  answer: mistralBody,
  event: mistralBody,
});

const REASONS = {
  length: 'LENGTH',
  context_length: 'LENGTH',
  stop_sequence: 'STOP_CRITERIA_MET',
  content_filter: 'CONTENT_FILTERED',
  refusal: 'CONTENT_FILTERED',
} as const;

/** https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html */
export const titan = textFamily({
  prompt: 'inputText',
  config: 'textGenerationConfig',
  names: { maxTokens: 'maxTokenCount', temperature: 'temperature', topP: 'topP', stop: 'stopSequences' },
  answer: ({ text, stop, usage }) => ({
    inputTextTokenCount: inputTokens(usage),
    results: [{ tokenCount: outputTokens(usage), outputText: text, completionReason: word(stop, REASONS, 'FINISH') }],
  }),
  event: ({ text, stop, usage, first }) => ({
    index: 0,
    inputTextTokenCount: first || stop !== null ? inputTokens(usage) : null,
    totalOutputTextTokenCount: stop === null ? null : outputTokens(usage),
    outputText: text,
    completionReason: word(stop, REASONS, 'FINISH'),
  }),
});

function textFamily(shape: TextShape): Family {
  const at = shape.config === '' ? '' : `${shape.config}.`;
  const fields: Partial<Record<Feature, string>> = {};
  for (const [feature, name] of Object.entries(shape.names)) fields[feature as Sampled] = at + name;
  const names = new Set(Object.values(shape.names));
  const known = new Set([shape.prompt, shape.config, ...(shape.config === '' ? names : [])]);
  return {
    column: { fields, essential: IMAGES },
    decodeRequest(body, path) {
      const request = Fields.ofRequest(body);
      const config = shape.config === '' ? request : request.object(shape.config);
      const number = (feature: Exclude<Sampled, 'stop'>) => {
        const name = shape.names[feature];
        const value = name === undefined ? undefined : config?.number(name);
        return value === undefined ? {} : { [feature]: value };
      };
      const stop = shape.names.stop === undefined ? undefined : config?.strings(shape.names.stop);
      const conversation = promptConversation(request.requiredString(shape.prompt), path, {
        ...number('maxTokens'),
        ...number('temperature'),
        ...number('topP'),
        ...number('topK'),
        ...(stop === undefined || stop.length === 0 ? {} : { stop }),
      });
      const rest = { ...request.rest(known), ...(config === request ? {} : config?.rest(names)) };
      const isAll = Object.keys(rest).length === 0;
      return isAll ? conversation : { ...conversation, extra: { format: 'invoke', fields: rest } };
    },
    encodeAnswer: (answer) =>
      shape.answer({
        text: textOfAnswer(answer),
        stop: answer.choices[0]?.stop ?? { cause: 'stop', raw: '' },
        usage: answer.usage ?? emptyUsage(),
        first: true,
      }),
    streamEncoder: () => new TextStreamEncoder(shape),
    payload: ({ data }) => JSON.parse(data) as JsonObject,
  };
}

/** Writes an event for each piece of text, and a last one with the counts and why it ended. */
class TextStreamEncoder implements StreamEncoder {
  readonly #shape: TextShape;
  #usage = emptyUsage();
  #stop: Stop = { cause: 'stop', raw: '' };
  #first = true;

  constructor(shape: TextShape) {
    this.#shape = shape;
  }

  part(part: StreamPart, emit: (frame: Frame) => void): void {
    if ('choice' in part && part.choice !== 0) return;
    switch (part.type) {
      case 'part':
        this.#text(textOfPart(part.part), null, emit);
        return;
      case 'text':
      case 'refusal':
        this.#text(part.text, null, emit);
        return;
      case 'audio':
        this.#text(part.transcript, null, emit);
        return;
      case 'finish':
        this.#stop = part.stop;
        return;
      case 'usage':
        this.#usage = part.usage;
        return;
      case 'end':
        this.#text('', this.#stop, emit);
        return;
      default:
        return;
    }
  }

  #text(text: string, stop: Stop | null, emit: (frame: Frame) => void): void {
    if (text === '' && stop === null) return;
    const piece = { text, stop, usage: this.#usage, first: this.#first };
    this.#first = false;
    emit({ event: '', data: JSON.stringify(this.#shape.event(piece)) });
  }
}
