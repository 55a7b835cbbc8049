import type { JsonObject } from '../../../../facts/conversation.ts';
import { Fields, isObject } from '../../formats/fields.ts';
import { speechLosses } from '../media-features.ts';
import { geminiVoice } from './voices.ts';

/** How the client wants its sound. */
export interface SpeechForm {
  readonly encoding: 'wav' | 'pcm';
  /** In server-sent events. */
  readonly events: boolean;
}

/** OpenAI's request for speech, as far as Gemini's models know what it says. */
export interface SpeechRequest {
  readonly body: JsonObject;
  readonly form: SpeechForm;
  /** For `x-sluice-lossy`. */
  readonly lossy: string;
}

const SAID = new Set(['model', 'input', 'voice', 'instructions', 'speed', 'response_format', 'stream_format']);

/** Models before 3.8 are told in the text how to speak it; later ones would read that aloud. */
const TOLD_IN_TEXT = /^gemini-(?:2\.|3\.[0-7]-|3-)/;

/**
 * `generateContent` with audio for its answer (https://ai.google.dev/gemini-api/docs/speech-generation), from
 * https://platform.openai.com/docs/api-reference/audio/createSpeech. Throws `invalid_request_body` and `unsupported_parameter`.
 */
export function geminiSpeechRequest(json: JsonObject, model: string, strict: boolean): SpeechRequest {
  const request = Fields.ofRequest(json);
  const losses = speechLosses(strict);
  const input = request.requiredString('input');
  if (isObject(json.voice)) losses.drop('customVoice');
  const voice = request.requiredString('voice');
  const instructions = request.string('instructions') ?? '';
  const encoding = request.string('response_format');
  if (encoding === undefined) losses.drop('unnamedEncoding');
  else if (encoding !== 'wav' && encoding !== 'pcm') losses.drop('compressed');
  if ((request.number('speed') ?? 1) !== 1) losses.drop('speed');
  losses.dropFields(Object.keys(json).filter((name) => !SAID.has(name) && json[name] !== null));
  const body: JsonObject = {
    contents: [{ role: 'user', parts: [spoken(input, instructions, model)] }],
    generationConfig: {
      responseModalities: ['AUDIO'],
      speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: geminiVoice(voice) } } },
    },
  };
  const events = request.string('stream_format') === 'sse';
  return { body, form: { encoding: encoding === 'pcm' ? 'pcm' : 'wav', events }, lossy: losses.header };
}

function spoken(input: string, instructions: string, model: string): JsonObject {
  if (instructions === '') return { text: input };
  return TOLD_IN_TEXT.test(model)
    ? { text: `${instructions}\n\n${input}` }
    : { text: input, speechMetadata: { style: instructions } };
}
