import type { Codec } from '../codec.ts';
import { decodeFault, encodeFault } from '../openai-chat/faults.ts';
import { decodeAnswer, encodeAnswer } from './answer.ts';
import { responsesColumn } from './column.ts';
import { FORMAT, ISSUER } from './own.ts';
import { decodeRequest, encodeRequest } from './request.ts';
import { ResponsesStreamDecoder } from './stream-decode.ts';
import { ResponsesStreamEncoder } from './stream-encode.ts';

/** OpenAI's responses API (https://platform.openai.com/docs/api-reference/responses). */
export const openaiResponsesCodec: Codec = {
  format: FORMAT,
  issuer: ISSUER,
  column: responsesColumn,
  answersIn: ['output'],
  decodeRequest,
  encodeRequest,
  decodeAnswer,
  encodeAnswer,
  streamDecoder: (context) => new ResponsesStreamDecoder(context),
  streamEncoder: (context) => new ResponsesStreamEncoder(context),
  decodeFault,
  encodeFault,
};
