import type { JsonObject } from '../../../facts/conversation.ts';
import type { MessageHook, MessageVerdict, RealtimeMessage } from '../../../facts/realtime.ts';
import { isAllowed } from '../model-pattern.ts';
import { namedModels, withModels } from './named-models.ts';

const OPEN_BRACE = 0x7b;

/** What a session may use. */
export interface SessionModels {
  /** The model as the client knows it, and as the provider does; '' where none was named. */
  readonly client: string;
  readonly provider: string;
  /** Patterns the caller is limited to; null: all. */
  readonly allowed: readonly string[] | null;
}

/**
 * Keeps a session to the model it was opened with, and its transcription to models the caller may use: what was authorised when
 * the session began can't be exchanged by an event. An event that can't be read for sure is not let through, since the provider
 * could read it otherwise.
 */
export class ModelGuard implements MessageHook {
  readonly from = 'client';
  readonly types = null;
  readonly #models: SessionModels;

  constructor(models: SessionModels) {
    this.#models = models;
  }

  onMessage({ data, binary }: RealtimeMessage): MessageVerdict {
    // Raw audio, for providers that take it so; JSON is looked at however it comes.
    if (binary && firstByte(data) !== OPEN_BRACE) return undefined;
    const named = namedModels(data);
    if ('code' in named) return { answer: [errorEvent(named.code, named.message, null, null)] };
    const { client, provider, allowed } = this.#models;
    for (const { path, model } of named.transcribers) {
      if (isAllowed(allowed, model)) continue;
      const message = 'This key may not use that transcription model.';
      return { answer: [errorEvent('model_not_allowed', message, path, named.eventId)] };
    }
    const renamed = [];
    for (const one of named.session) {
      if (provider === '' ? isAllowed(allowed, one.model) : one.model === provider) continue;
      if (provider !== '' && one.model === client) renamed.push(one);
      else {
        const message = 'A session keeps the model it was opened with.';
        return { answer: [errorEvent('model_not_allowed', message, one.path, named.eventId)] };
      }
    }
    return renamed.length === 0 ? undefined : { replace: withModels(data, renamed, provider) };
  }
}

function firstByte(data: Buffer): number {
  let at = 0;
  while (at < data.length && (data[at] as number) <= 0x20) at++;
  return data[at] ?? 0;
}

/** An `error` event of OpenAI's Realtime API; `eventId`: of the client event it answers. */
function errorEvent(code: string, message: string, param: string | null, eventId: string | null): JsonObject {
  return {
    type: 'error',
    event_id: `event_${crypto.randomUUID().replaceAll('-', '')}`,
    error: { type: 'invalid_request_error', code, message, param, event_id: eventId },
  };
}
