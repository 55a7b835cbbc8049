import type { Exchange } from '../exchange.ts';
import type { JsonObject } from './conversation.ts';

/**
 * Messages of a realtime session (OpenAI's Realtime API over WebSocket) as policies see them: the LLM adapter shows each one to the hooks
 * registered with `exchange.onMessage` before it goes on, in order. Its own reader of usage is such a hook.
 */

/** Who sent a message. */
export type RealtimeSender = 'client' | 'provider';

/** One whole message. */
export interface RealtimeMessage {
  readonly from: RealtimeSender;
  /** It came in a binary frame; the API itself speaks JSON in text frames. */
  readonly binary: boolean;
  /** As it came, or as an earlier hook replaced it. Not to be written to. */
  readonly data: Buffer;
  /** The event's `type`; '' where the message is no JSON object with one. */
  readonly type: string;
  /** The event, parsed once and when first asked for; null where the message is no JSON object. Not to be changed. */
  json(): JsonObject | null;
}

/** What becomes of a message; undefined: it goes on as it is. */
export type MessageVerdict =
  | undefined
  /** It goes on as these bytes; later hooks see them. */
  | { readonly replace: Buffer }
  /** It goes no further; its sender gets these events (JSON), if any. */
  | { readonly answer: readonly JsonObject[] }
  /** The session ends: both sides are told this code (RFC 6455 §7.4) and reason (at most 123 bytes). */
  | { readonly close: number; readonly reason: string };

export interface MessageHook {
  /** Whose messages it looks at. */
  readonly from: RealtimeSender;
  /** Event types it looks at; null: every message, those without a type included. */
  readonly types: ReadonlySet<string> | null;
  /**
   * While a promise is pending, what the same sender sends behind this message waits, and the sender is held back: a hook that asks
   * somebody else has a time-out of its own. Throwing ends the session.
   */
  onMessage(message: RealtimeMessage, exchange: Exchange): MessageVerdict | Promise<MessageVerdict>;
}
