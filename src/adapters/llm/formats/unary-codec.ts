import type { ProviderFault } from '../../../facts/answer.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { Usage } from '../../../facts/llm.ts';
import type { EncodedFault, PathFacts } from './codec.ts';
import type { FormatColumn, Losses } from './features.ts';
import type { FormatName } from './route-types.ts';

/** What every answer without a stream has, whatever was asked. */
export interface UnaryAnswer {
  readonly model: string;
  /** null where the provider didn't count. */
  readonly usage: Usage | null;
}

export interface UnaryEncodeContext<F extends string> {
  /** The model asked for. */
  readonly model: string;
  readonly losses: Losses<F>;
}

export interface UnaryAnswerContext {
  /** The model asked for, where the answer doesn't name one. */
  readonly model: string;
  /** Input tokens that the answer's head tells of; null where it doesn't. */
  readonly inputTokens: number | null;
}

export interface UnaryReplyContext<Request> {
  /** The model as the client asked for it, where the answer names none. */
  readonly model: string;
  readonly request: Request;
  /** Counted by the provider, else estimated. */
  readonly inputTokens: number;
}

/** How much one call to a provider may ask for. */
export interface BatchLimit {
  readonly inputs: number;
  /** Characters of all its inputs; a single input may be longer. Absent = as many as there are. */
  readonly characters?: number;
}

/** A wire format whose answers are never streams, as its hub sees it. */
export interface UnaryCodec<Request, Answer extends UnaryAnswer, F extends string> {
  readonly format: FormatName;
  readonly column: FormatColumn<F>;
  /** Absent: one call takes whatever there is. */
  batch?(model: string, request: Request): BatchLimit;
  /** Throws `unsupported_parameter` where the request asks for what the format or the model can't do. */
  encodeRequest(request: Request, context: UnaryEncodeContext<F>): JsonObject;
  /** Takes what it is given: what is missing in it, the hub notices. */
  decodeAnswer(body: JsonObject, context: UnaryAnswerContext): Answer;
  decodeFault(status: number, body: JsonObject | null, text: string): ProviderFault;
  /** What its clients need; null where only providers speak it. */
  readonly client: UnaryClientCodec<Request, Answer> | null;
}

export interface UnaryClientCodec<Request, Answer> {
  /** Throws `invalid_request_body` with the place. */
  decodeRequest(body: JsonObject, path: PathFacts): Request;
  encodeAnswer(answer: Answer, context: UnaryReplyContext<Request>): JsonObject;
  encodeFault(fault: ProviderFault): EncodedFault;
}

/** Formats of one kind of request, and how a request that is too much for one call becomes several. */
export interface UnaryHub<Request, Answer extends UnaryAnswer, F extends string> {
  /** Those that say more first: in their order one is chosen for a client of another. */
  readonly codecs: readonly UnaryCodec<Request, Answer, F>[];
  /** Throws `unsupported_parameter` for more than a client may ask for at once. */
  split(request: Request, limit: BatchLimit): readonly Request[];
  /** The answers to `parts` as one. Throws `upstream_response_invalid` where one isn't what was asked for. */
  join(answers: readonly Answer[], parts: readonly Request[], whole: Request): Answer;
  /** Bytes of memory that an answer takes, about. */
  sizeOf(answer: Answer): number;
}
