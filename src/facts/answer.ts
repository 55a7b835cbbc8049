import type { Citation, Extra, Part, Signature } from './conversation.ts';
import type { Usage } from './llm.ts';

/** What comes back to a `Conversation`: whole, or as a stream of parts. */

/** Why an answer ended. `refusal`: the model would not; `content_filter`: somebody would not let it. */
export type StopCause =
  | 'stop'
  | 'stop_sequence'
  | 'length'
  | 'context_length'
  | 'tool_calls'
  | 'content_filter'
  | 'refusal'
  /** A long turn of the provider's own tools is to be continued. */
  | 'pause'
  | 'malformed_tool_call'
  | 'error';

export interface Stop {
  readonly cause: StopCause;
  /** The provider's own word for it. */
  readonly raw: string;
  /** The sequence met, of `stop_sequence`, where the provider says which. */
  readonly sequence?: string;
}

export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  /** Its number in the model's vocabulary. */
  readonly id?: number;
  readonly bytes?: readonly number[];
  readonly top?: readonly TokenLogprob[];
}

/** One of the answers (all formats but OpenAI's chat and Gemini's have exactly one). */
export interface AnswerChoice {
  readonly index: number;
  readonly parts: readonly Part[];
  readonly stop: Stop | null;
  readonly logprobs?: readonly TokenLogprob[];
  readonly extra?: Extra;
}

export interface Answer {
  readonly id: string;
  readonly model: string;
  /** Unix seconds; 0 where the provider doesn't say. */
  readonly created: number;
  readonly choices: readonly AnswerChoice[];
  /** null where the provider didn't count. */
  readonly usage: Usage | null;
  readonly serviceTier?: string;
  readonly extra?: Extra;
}

/** What a provider said was wrong, in its own words. */
export interface ProviderFault {
  /** HTTP status, or the one that corresponds to what a stream said. */
  readonly status: number;
  readonly message: string;
  /** The provider's own names for it; '' where there are none. */
  readonly type: string;
  readonly code: string;
  /** Field of the request it is about; ''. */
  readonly param: string;
  /** The provider's id of the request, where its error has one. */
  readonly requestId?: string;
}

/**
 * One step of a streamed answer. A part begins with `part` and ends with `part_end`; between the two come its deltas, and those of
 * other parts may come in between (parallel tool calls). `index` numbers the parts of one choice, from 0 and never used twice.
 */
export type StreamPart =
  | {
      readonly type: 'start';
      readonly id: string;
      readonly model: string;
      readonly created: number;
      readonly serviceTier?: string;
      /** As far as it is known by then; shaped as the `extra` of an `Answer`. */
      readonly extra?: Extra;
    }
  /** What only one format knows, of a choice (as `AnswerChoice` has it) or, without one, of the answer. Others pass it over. */
  | { readonly type: 'extra'; readonly choice?: number; readonly extra: Extra }
  /** `part` is as empty as it can be: what it holds is to be taken as its first delta. */
  | { readonly type: 'part'; readonly choice: number; readonly index: number; readonly part: Part }
  | { readonly type: 'text'; readonly choice: number; readonly index: number; readonly text: string }
  | { readonly type: 'thinking'; readonly choice: number; readonly index: number; readonly text: string }
  | { readonly type: 'signature'; readonly choice: number; readonly index: number; readonly signature: Signature }
  | { readonly type: 'arguments'; readonly choice: number; readonly index: number; readonly json: string }
  | {
      readonly type: 'audio';
      readonly choice: number;
      readonly index: number;
      readonly data: string;
      readonly transcript: string;
    }
  | { readonly type: 'refusal'; readonly choice: number; readonly index: number; readonly text: string }
  | { readonly type: 'citation'; readonly choice: number; readonly index: number; readonly citation: Citation }
  | { readonly type: 'logprobs'; readonly choice: number; readonly logprobs: readonly TokenLogprob[] }
  | { readonly type: 'part_end'; readonly choice: number; readonly index: number }
  | { readonly type: 'finish'; readonly choice: number; readonly stop: Stop }
  /** Counts from the start; the last holds. `output` may be 0 in an early one. */
  | { readonly type: 'usage'; readonly usage: Usage }
  /** Nothing to tell, but the provider is there. `extra`: the event as it stands, where only its format knows it. */
  | { readonly type: 'ping'; readonly extra?: Extra }
  | { readonly type: 'error'; readonly fault: ProviderFault }
  /** Nothing follows. */
  | { readonly type: 'end' };
