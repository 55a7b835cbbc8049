import type { JsonObject } from '../../../../facts/conversation.ts';
import type { LlmFacts, Usage } from '../../../../facts/llm.ts';
import type { EndpointContent } from '../content.ts';
import type { EndpointConversion } from '../conversions.ts';
import type { ConvertedReply } from '../converting-dispatch.ts';
import {
  failureOf,
  googleFault,
  inlineDataOf,
  noteGoogleUsage,
  openaiCounts,
  openaiFault,
  partsOf,
} from '../google/answer.ts';
import { geminiSpeechRequest, type SpeechForm } from './request.ts';
import { isWav, type Pcm, pcmOf, wavOf } from './wav.ts';

/** What Gemini's sound has where it doesn't say: https://ai.google.dev/gemini-api/docs/speech-generation */
const USUAL_RATE = 24_000;
/** Base64 an event, about a second of sound: readers of events have limits. Divisible by 4. */
const EVENT_CHARACTERS = 64_000;

/** A request for speech by OpenAI's API, on its way to one of Gemini's models; and the way back. */
export class SpeechConversion implements EndpointConversion {
  readonly #model: string;
  readonly #facts: LlmFacts;
  #form: SpeechForm = { encoding: 'wav', events: false };
  /** Google cuts streams of sound off, so the whole is asked for. */
  readonly streams = false;
  lossy = '';

  constructor(model: string, facts: LlmFacts) {
    this.#model = model;
    this.#facts = facts;
  }

  pathFrom(path: string): string {
    return path;
  }

  encode({ json }: EndpointContent, strict: boolean): JsonObject {
    const { body, form, lossy } = geminiSpeechRequest(json, this.#model, strict);
    this.#form = form;
    this.lossy = lossy;
    return body;
  }

  reply(body: JsonObject): ConvertedReply {
    const usage = noteGoogleUsage(this.#facts, body);
    const failure = failureOf(body, 'input');
    if (failure !== null) return failure;
    const sound = soundOf(body);
    if (sound === null) {
      const message = 'The model gave no sound, or sound of an unknown encoding.';
      return openaiFault({ status: 502, message, type: '', code: 'upstream_response_invalid', param: '' });
    }
    const { encoding, events } = this.#form;
    const audio = encoding === 'wav' ? wavOf(sound) : sound.samples;
    if (events) return { status: 200, contentType: 'text/event-stream', body: eventsOf(audio, usage) };
    const rate = sound.rate === USUAL_RATE ? '' : `;rate=${sound.rate}`;
    return { status: 200, contentType: encoding === 'wav' ? 'audio/wav' : `audio/pcm${rate}`, body: audio };
  }

  fault(status: number, text: string): ConvertedReply {
    return googleFault(status, text);
  }
}

/** Later models send a WAVE file, earlier ones its samples: `audio/L16;codec=pcm;rate=24000`. */
function soundOf(body: JsonObject): Pcm | null {
  const found = partsOf(body).flatMap((part) => inlineDataOf(part) ?? []);
  const [first] = found;
  if (first === undefined) return null;
  const pieces = found.map(({ base64 }) => Buffer.from(base64, 'base64'));
  const [whole] = pieces;
  if (whole !== undefined && isWav(whole)) return pieces.length === 1 ? pcmOf(whole) : null;
  if (!/^audio\/(?:l16|pcm)\b/i.test(first.mimeType)) return null;
  const rate = Number(/;\s*rate=(\d{4,6})/i.exec(first.mimeType)?.[1] ?? USUAL_RATE);
  return { samples: Buffer.concat(pieces), rate };
}

/** https://platform.openai.com/docs/api-reference/audio/speech-audio-delta-event */
function eventsOf(audio: Buffer, usage: Usage | null): string {
  const base64 = audio.toString('base64');
  const events: JsonObject[] = [];
  for (let at = 0; at < base64.length; at += EVENT_CHARACTERS)
    events.push({ type: 'speech.audio.delta', audio: base64.slice(at, at + EVENT_CHARACTERS) });
  events.push({ type: 'speech.audio.done', ...(usage !== null && { usage: openaiCounts(usage) }) });
  return events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
}
