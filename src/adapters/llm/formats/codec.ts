import type { Answer, ProviderFault, StreamPart } from '../../../facts/answer.ts';
import type { ClientFormat, Conversation, JsonObject, WireFormat } from '../../../facts/conversation.ts';
import type { FormatColumn, Losses } from './features.ts';

/** What a request's path says in formats whose body doesn't (Gemini, Bedrock). */
export interface PathFacts {
  /** '' where the path names none. */
  readonly model: string;
  readonly stream: boolean;
}

/** The provider that a request is encoded for. */
export interface EncodeContext {
  /** Whose signatures it takes: `anthropic`, `google`, `openai`, or the provider's name, narrowed to one of several. */
  readonly issuer: string;
  /** The client speaks this format too: what the provider knows by an id is the provider's to judge. */
  readonly native?: boolean;
  readonly model: string;
  readonly losses: Losses;
  /** For formats that insist on a longest answer where the client gave none. */
  readonly defaultMaxTokens: number;
  /** Names of Anthropic's beta features that the client asked for beside the conversation. */
  readonly betas?: readonly string[];
}

/** Where an answer comes from. */
export interface AnswerContext {
  readonly issuer: string;
  /** The model asked for, where the answer doesn't name one. */
  readonly model: string;
}

/** The client that an answer is encoded for. */
export interface ReplyContext {
  /** The model as the client asked for it, where the answer names none. */
  readonly model: string;
  readonly request: Conversation;
  /** Of a stream: the client wants the usage. */
  readonly includeUsage: boolean;
  /** Bytes that may be accumulated for events which only have a whole form; past it `TooMuchToHold` is thrown. */
  readonly maxHeldBytes: number;
  /** Now, Unix seconds, where the answer names no time. */
  readonly now: number;
  /** Of the responses API: the id the gateway gives the answer (null: the provider's, or a made-up one), and what it goes on from. */
  readonly response?: { readonly id: string | null; readonly previousId: string | null };
  /** Milliseconds since the request was sent on, for formats whose answers tell how long they took. */
  elapsedMs?(): number;
}

/** One event of a stream, before it is framed. `data` is JSON text, or a mark such as `[DONE]`. */
export interface Frame {
  /** '' where the format's events have no names. */
  readonly event: string;
  readonly data: string;
}

/** Reads a provider's stream. After `error` or `end` was emitted, nothing more is. */
export interface StreamDecoder {
  /** Emits what an event says at once. An event that makes no sense is skipped, or an `error` where nothing can follow it. */
  event(frame: Frame, emit: (part: StreamPart) => void): void;
  /** The stream is over: what is due is emitted, and an error where the format's own end didn't come. */
  end(emit: (part: StreamPart) => void): void;
}

/** Writes a client's stream. */
export interface StreamEncoder {
  /** Emits what a part becomes; nothing is held that the format can say at once. */
  part(part: StreamPart, emit: (frame: Frame) => void): void;
}

/** An error as a client of the format is told it. */
export interface EncodedFault {
  /** Flat, lower-case names. */
  readonly headers: readonly string[];
  readonly body: JsonObject;
}

/** The half of a wire format that a client sees. Decoders of requests throw `invalid_request_body` with the place. */
export interface ClientCodec {
  readonly format: ClientFormat;
  /** Names and essentials of what its clients may say, and how it says answers. */
  readonly column: Pick<FormatColumn, 'fields' | 'essential'> & Partial<Pick<FormatColumn, 'fidelity'>>;
  /** Names of what a request says and no conversation can: dropped or refused, as the column says. */
  readonly unsaid?: readonly string[];
  decodeRequest(body: JsonObject, path: PathFacts): Conversation;
  encodeAnswer(answer: Answer, context: ReplyContext): JsonObject;
  streamEncoder(context: ReplyContext): StreamEncoder;
  encodeFault(fault: ProviderFault): EncodedFault;
  /** Fields of the answer's head that only this format has, flat, lower-case names. `answer` null: a stream begins. */
  answerHeaders?(answer: Answer | null, context: ReplyContext): readonly string[];
}

/**
 * A wire format as the hub sees it: six functions and the words for what goes wrong. Decoders of answers take what they are given.
 */
export interface Codec extends ClientCodec {
  readonly format: WireFormat;
  /** Whose signatures a client of this format brings where they bear no mark of another's. */
  readonly issuer: string;
  readonly column: FormatColumn;
  /** Its encoder itself refuses media by URLs that providers of the format can't take: it has no word for them. */
  readonly refusesUrls?: boolean;
  /** Members of which each whole answer has one: what has none of them is no answer of the format. */
  readonly answersIn: readonly string[];
  encodeRequest(conversation: Conversation, context: EncodeContext): JsonObject;
  decodeAnswer(body: JsonObject, context: AnswerContext): Answer;
  streamDecoder(context: AnswerContext): StreamDecoder;
  /** What a provider's error reply says; `body` null where it was no JSON object, `text` then holds its beginning. */
  decodeFault(status: number, body: JsonObject | null, text: string): ProviderFault;
}

/** Thrown by a stream encoder whose whole form grew past its limit: the stream ends with the format's error event. */
export class TooMuchToHold extends Error {}
