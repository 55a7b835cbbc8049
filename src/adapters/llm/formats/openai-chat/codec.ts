import type { Codec } from '../codec.ts';
import { decodeAnswer, encodeAnswer } from './answer.ts';
import { column } from './column.ts';
import { decodeFault, encodeFault } from './faults.ts';
import { FORMAT, ISSUER } from './own.ts';
import { decodeRequest, encodeRequest } from './request.ts';
import { ChatStreamDecoder } from './stream-decode.ts';
import { ChatStreamEncoder } from './stream-encode.ts';

/** OpenAI chat completions, and what compatible providers and their clients added to them. */
export const openaiChatCodec: Codec = {
  format: FORMAT,
  issuer: ISSUER,
  column,
  refusesUrls: true,
  answersIn: ['choices'],
  decodeRequest,
  encodeRequest,
  decodeAnswer,
  encodeAnswer,
  streamDecoder: (context) => new ChatStreamDecoder(context),
  streamEncoder: (context) => new ChatStreamEncoder(context),
  decodeFault,
  encodeFault,
};
