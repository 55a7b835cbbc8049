import type { Codec } from '../codec.ts';
import { decodeAnswer, encodeAnswer } from './answer.ts';
import { GEMINI_COLUMN } from './column.ts';
import { decodeFault, encodeFault } from './faults.ts';
import { GEMINI_ISSUER } from './issuer.ts';
import { decodeRequest, encodeRequest } from './request.ts';
import { GeminiStreamDecoder } from './stream-decode.ts';
import { GeminiStreamEncoder } from './stream-encode.ts';

/** Google's generateContent (https://ai.google.dev/api/generate-content), of the Gemini API and of Vertex AI. */
export const geminiCodec: Codec = {
  format: 'generateContent',
  issuer: GEMINI_ISSUER,
  column: GEMINI_COLUMN,
  answersIn: ['candidates', 'promptFeedback'],
  decodeRequest,
  encodeRequest,
  decodeAnswer,
  encodeAnswer,
  streamDecoder: (context) => new GeminiStreamDecoder(context),
  streamEncoder: (context) => new GeminiStreamEncoder(context),
  decodeFault,
  encodeFault,
};
