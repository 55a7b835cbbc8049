import { GatewayError } from '../../../errors/table.ts';
import type { Answer, ProviderFault } from '../../../facts/answer.ts';
import type { Conversation, JsonObject } from '../../../facts/conversation.ts';
import type { ClientCodec, Codec, EncodedFault, ReplyContext, StreamDecoder, StreamEncoder } from '../formats/codec.ts';
import { Losses } from '../formats/features.ts';
import { isObject } from '../formats/fields.ts';
import type { ResponseKeeper } from '../stored-responses/keeper.ts';
import { lostInAnswer } from './answer-losses.ts';
import type { FrameReader, FrameWriter } from './framing.ts';
import { holdsOthersThinking, OwnAnswer, type OwnBody, ownRequest } from './own-format.ts';
import { frameReader, frameWriter } from './wires.ts';

/** A client that speaks one format, and how it wants its answer. */
export interface ConversionClient {
  readonly codec: ClientCodec;
  /** The model as the client named it. */
  readonly model: string;
  /** Of a stream: it wants the usage. */
  readonly includeUsage: boolean;
  /** Gemini's clients may have a stream as an array instead of server-sent events. */
  readonly jsonArray: boolean;
  /** Names of Anthropic's beta features that it asked for. */
  readonly betas: readonly string[];
  /** What it asks for that the provider's format can't say is refused, not dropped. */
  readonly strict: boolean;
  /** Bytes of an answer, or of one part of it, that may be held. */
  readonly maxHeldBytes: number;
  /** Of the responses API: who keeps the answer, null where nobody does, and what it goes on from. */
  readonly keeper: ResponseKeeper | null;
  readonly previousId: string | null;
  /** Its body, where it says all of the conversation and the provider takes it in its own words. */
  readonly own?: OwnBody | null;
}

/** A provider that speaks another one. */
export interface ConversionProvider {
  readonly codec: Codec;
  /** Whose signatures it takes. */
  readonly issuer: string;
  readonly model: string;
  readonly defaultMaxTokens: number;
  /** What the provider wants otherwise than its format has it, or refuses. */
  shape?(body: JsonObject, losses: Losses): JsonObject;
}

/**
 * One attempt's way through the hub: the client's request in the provider's format, and whatever comes back in the client's.
 */
export class Conversion {
  readonly maxHeldBytes: number;
  readonly frameWriter: FrameWriter;
  readonly streaming: boolean;
  /** Keeps the answer before the client is told its end; null where nobody does. */
  readonly keeper: ResponseKeeper | null;
  /** The provider's body; bytes where it is in the client's own words. */
  readonly request: JsonObject | Buffer;
  /** Names of Anthropic's beta features that the client asked for. */
  readonly betas: readonly string[];
  /** The client gets the provider's own words. */
  readonly ownWords: boolean;
  /** Names of what of the request could not be said. */
  readonly #lossy: string;
  readonly #client: ClientCodec;
  readonly #provider: ConversionProvider;
  readonly #reply: ReplyContext;
  /** An answer of them that was read. */
  #ownAnswer: JsonObject | null = null;

  /** Throws `unsupported_parameter` where the conversation asks for what the provider's format can't say. */
  constructor(conversation: Conversation, client: ConversionClient, provider: ConversionProvider) {
    const { codec, model, defaultMaxTokens, issuer } = provider;
    const losses = new Losses(client.codec.column, codec.column, codec.format, client.strict);
    losses.dropFields(client.codec.unsaid ?? []);
    const { betas } = client;
    this.betas = betas;
    const native = client.codec.format === codec.format;
    const context = { issuer, native, model, losses, defaultMaxTokens, betas };
    const own = client.own ?? null;
    this.ownWords = own !== null;
    // What Claude must be told of others' thinking stands all over a request of Converse.
    const isOwn = codec.format !== 'converse' || !holdsOthersThinking(conversation.messages, issuer);
    if (own !== null && isOwn) this.request = ownRequest(own, codec, conversation, context);
    else {
      const body = codec.encodeRequest({ ...conversation, model }, context);
      this.request = provider.shape?.(body, losses) ?? body;
    }
    this.#lossy = losses.header;
    this.streaming = conversation.stream;
    this.maxHeldBytes = client.maxHeldBytes;
    this.frameWriter = frameWriter(client.codec.format, client.jsonArray);
    this.#client = client.codec;
    this.#provider = provider;
    this.keeper = client.keeper;
    const began = Date.now();
    this.#reply = {
      model: client.model,
      request: conversation,
      includeUsage: client.includeUsage,
      maxHeldBytes: client.maxHeldBytes,
      response: { id: client.keeper?.id ?? null, previousId: client.previousId },
      now: Math.floor(began / 1000),
      elapsedMs: () => Date.now() - began,
    };
  }

  /** Throws `upstream_response_invalid` for what is no answer, saying what it lacks. */
  decodeAnswer(body: JsonObject): Answer {
    const { codec } = this.#provider;
    const found = codec.answersIn.filter((name) => isObject(body[name]) || Array.isArray(body[name]));
    if (found.length === 0) throw noAnswer(codec, 'it lacks');
    const answer = codec.decodeAnswer(body, this.#provider);
    if (this.ownWords) this.#ownAnswer = body;
    if (isAnswer(answer)) return answer;
    throw noAnswer(codec, 'there is nothing in');
  }

  /** What an answer that tells of an error says beside it: the model, and what was counted. */
  decodeFailed(body: JsonObject): Answer {
    return this.#provider.codec.decodeAnswer(body, this.#provider);
  }

  /** The client's body. */
  encodeAnswer(answer: Answer): JsonObject {
    const own = this.ownAnswer();
    if (own !== null && this.#ownAnswer !== null) return own.whole(this.#ownAnswer);
    return this.#client.encodeAnswer(answer, this.#reply);
  }

  /** Names of what could not be said, of the request and of an answer that is there as a whole, for `x-sluice-lossy`; ''. */
  lossy(answer: Answer | null): string {
    const lost = answer === null || this.ownWords ? [] : [...lostInAnswer(answer, this.#client)];
    return [this.#lossy, ...lost].filter((names) => names !== '').join(', ');
  }

  /** Fields of the client's head; `answer` null: of a stream's. */
  answerHeaders(answer: Answer | null): readonly string[] {
    return this.#client.answerHeaders?.(answer, this.#reply) ?? [];
  }

  /** What marks an answer that goes to the client in the provider's own words; null for those that are converted. */
  ownAnswer(): OwnAnswer | null {
    return this.ownWords ? new OwnAnswer(this.#provider.issuer) : null;
  }

  streamDecoder(): StreamDecoder {
    return this.#provider.codec.streamDecoder(this.#provider);
  }

  streamEncoder(): StreamEncoder {
    return this.#client.streamEncoder(this.#reply);
  }

  frameReader(): FrameReader {
    return frameReader(this.#provider.codec.format, this.maxHeldBytes);
  }

  decodeFault(status: number, body: JsonObject | null, text: string): ProviderFault {
    return this.#provider.codec.decodeFault(status, body, text);
  }

  /** What an error says that came under a status of success, as one does in a stream: its words stand for a status. null: nothing. */
  decodeLateFault(body: JsonObject): ProviderFault | null {
    let fault: ProviderFault | null = null;
    this.streamDecoder().event({ event: 'error', data: JSON.stringify(body) }, (part) => {
      if (part.type === 'error') fault = part.fault;
    });
    return fault;
  }

  encodeFault(fault: ProviderFault): EncodedFault {
    return this.#client.encodeFault(fault);
  }
}

/** False for what is JSON and no answer: nothing was said, no end was reached, nothing counted. */
function isAnswer({ choices, usage }: Answer): boolean {
  return choices.some(({ parts, stop }) => parts.length > 0 || stop !== null || usage !== null);
}

function noAnswer({ format, answersIn }: Codec, what: string): GatewayError {
  const names = answersIn.map((name) => `"${name}"`).join(' and ');
  return new GatewayError(
    'upstream_response_invalid',
    `The provider's answer is none of its format (${format}): ${what} ${names}.`,
  );
}
