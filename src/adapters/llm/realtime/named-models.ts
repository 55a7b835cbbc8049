import { JsonScanner } from '../json-scan.ts';
import { jsonString } from '../json-value.ts';
import { Wanted } from '../json-wanted.ts';

/** Where events and requests of the Realtime API name the session's model. */
const SESSION_MODELS = ['session.model', 'response.model', 'model'] as const;
/** Where they name the one that transcribes the client's audio; the first and third as GA has it, the others as the beta had. */
const TRANSCRIBERS = [
  'session.audio.input.transcription.model',
  'session.input_audio_transcription.model',
  'audio.input.transcription.model',
  'input_audio_transcription.model',
] as const;
const AUDIO = { input: { transcription: { model: true } } } as const;
const TRANSCRIPTION = { model: true } as const;
const WANTED = new Wanted({
  event_id: true,
  model: true,
  audio: AUDIO,
  input_audio_transcription: TRANSCRIPTION,
  session: { model: true, audio: AUDIO, input_audio_transcription: TRANSCRIPTION },
  response: { model: true },
});

/** A member that names a model, by its dotted path and the place of its value. */
export interface NamedModel {
  readonly path: string;
  readonly model: string;
  readonly start: number;
  readonly end: number;
}

/** What can't be read for sure: another reader could see other members. */
export interface Unreadable {
  readonly code: 'invalid_json' | 'invalid_event';
  readonly message: string;
}

export interface NamedModels {
  /** By place, the first first. */
  readonly session: readonly NamedModel[];
  readonly transcribers: readonly NamedModel[];
  readonly eventId: string | null;
}

/** The models that one JSON object names, found without parsing the rest. */
export function namedModels(data: Buffer): NamedModels | Unreadable {
  const scan = new JsonScanner(WANTED, data.length);
  scan.write(data);
  if (!scan.complete) return { code: 'invalid_json', message: 'It is not a valid JSON object.' };
  if (scan.ambiguous !== null)
    return { code: 'invalid_event', message: `A member differs from "${scan.ambiguous}" by case alone.` };
  for (const [slot, path] of WANTED.paths.entries()) {
    if ((scan.found(slot)?.count ?? 0) > 1)
      return { code: 'invalid_event', message: `The member "${path}" occurs more than once.` };
  }
  const session = read(scan, SESSION_MODELS);
  const transcribers = read(scan, TRANSCRIBERS);
  if (session === null || transcribers === null) return { code: 'invalid_event', message: 'A model is no text.' };
  return { session, transcribers, eventId: jsonString(scan.value(WANTED.slot('event_id'))) };
}

/** null where one of them is neither a text nor `null`. */
function read(scan: JsonScanner, paths: readonly string[]): NamedModel[] | null {
  const named: NamedModel[] = [];
  for (const path of paths) {
    const found = scan.found(WANTED.slot(path));
    if (found === null || found.value?.toString('latin1') === 'null') continue;
    const model = jsonString(found.value);
    if (model === null) return null;
    named.push({ path, model, start: found.start, end: found.end });
  }
  return named.sort((a, b) => a.start - b.start);
}

/** `data` with another model in the place of each of these. */
export function withModels(data: Buffer, named: readonly NamedModel[], model: string): Buffer {
  const json = Buffer.from(JSON.stringify(model));
  const pieces: Buffer[] = [];
  let read = 0;
  for (const { start, end } of named) {
    pieces.push(data.subarray(read, start), json);
    read = end;
  }
  pieces.push(data.subarray(read));
  return Buffer.concat(pieces);
}
