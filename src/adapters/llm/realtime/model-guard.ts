import type { JsonObject } from '../../../facts/conversation.ts';
import type { MessageHook, MessageVerdict, RealtimeMessage } from '../../../facts/realtime.ts';
import { JsonScanner } from '../json-scan.ts';
import { jsonString } from '../json-value.ts';
import { Wanted } from '../json-wanted.ts';
import { isAllowed } from '../model-pattern.ts';

/** Where client events name the session's model, and where the one that transcribes. */
const SESSION_MODELS = ['session.model', 'response.model'] as const;
const TRANSCRIBERS = ['session.input_audio_transcription.model', 'session.audio.input.transcription.model'] as const;
const WANTED = new Wanted({
  event_id: true,
  session: {
    model: true,
    input_audio_transcription: { model: true },
    audio: { input: { transcription: { model: true } } },
  },
  response: { model: true },
});
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
    const scan = new JsonScanner(WANTED);
    scan.write(data);
    if (!scan.complete) return refusal('invalid_json', 'The event is not a valid JSON object.', scan);
    if (scan.ambiguous !== null)
      return refusal('invalid_event', `A member differs from "${scan.ambiguous}" by case alone.`, scan);
    for (const [slot, path] of WANTED.paths.entries()) {
      if ((scan.found(slot)?.count ?? 0) > 1)
        return refusal('invalid_event', `The member "${path}" occurs more than once.`, scan);
    }
    return this.#judge(data, scan);
  }

  #judge(data: Buffer, scan: JsonScanner): MessageVerdict {
    const { client, provider, allowed } = this.#models;
    for (const path of TRANSCRIBERS) {
      const model = nameAt(scan, path);
      if (model !== undefined && (model === null || !isAllowed(allowed, model)))
        return refusal('model_not_allowed', 'This key may not use that transcription model.', scan, path);
    }
    let edited = data;
    // From the back, so that offsets hold.
    const named = SESSION_MODELS.map((path) => ({ path, found: scan.found(WANTED.slot(path)) }))
      .filter(({ found }) => found !== null)
      .sort((a, b) => (b.found?.start ?? 0) - (a.found?.start ?? 0));
    for (const { path, found } of named) {
      const model = nameAt(scan, path);
      if (found === null || model === undefined) continue;
      if (model !== null && (provider === '' ? isAllowed(allowed, model) : model === provider)) continue;
      if (model === null || model !== client)
        return refusal('model_not_allowed', 'A session keeps the model it was opened with.', scan, path);
      edited = Buffer.concat([
        edited.subarray(0, found.start),
        Buffer.from(JSON.stringify(provider)),
        edited.subarray(found.end),
      ]);
    }
    return edited === data ? undefined : { replace: edited };
  }
}

/** The name at a path; undefined where there is none (or `null`), null where it is no text. */
function nameAt(scan: JsonScanner, path: string): string | null | undefined {
  const found = scan.found(WANTED.slot(path));
  if (found === null || found.value?.toString('latin1') === 'null') return undefined;
  return jsonString(found.value);
}

function firstByte(data: Buffer): number {
  let at = 0;
  while (at < data.length && (data[at] as number) <= 0x20) at++;
  return data[at] ?? 0;
}

function refusal(code: string, message: string, scan: JsonScanner, param: string | null = null): MessageVerdict {
  const eventId = scan.complete ? jsonString(scan.value(WANTED.slot('event_id'))) : null;
  return { answer: [errorEvent(code, message, param, eventId)] };
}

/** An `error` event of OpenAI's Realtime API; `eventId`: of the client event it answers. */
export function errorEvent(code: string, message: string, param: string | null, eventId: string | null): JsonObject {
  return {
    type: 'error',
    event_id: `event_${crypto.randomUUID().replaceAll('-', '')}`,
    error: { type: 'invalid_request_error', code, message, param, event_id: eventId },
  };
}
