import type { Codec } from '../codec.ts';
import { decodeAnswer, encodeAnswer } from './answer.ts';
import { column } from './column.ts';
import { decodeFault, encodeFault } from './faults.ts';
import { FORMAT } from './own.ts';
import { decodeRequest, encodeRequest } from './request.ts';
import { MessagesStreamDecoder } from './stream-decode.ts';
import { MessagesStreamEncoder } from './stream-encode.ts';

/** Anthropic's Messages API (https://docs.anthropic.com/en/api/messages). */
export const anthropicMessagesCodec: Codec = {
  format: FORMAT,
  issuer: 'anthropic',
  column,
  answersIn: ['content'],
  decodeRequest,
  encodeRequest,
  decodeAnswer,
  encodeAnswer,
  streamDecoder: (context) => new MessagesStreamDecoder(context),
  streamEncoder: (context) => new MessagesStreamEncoder(context),
  decodeFault,
  encodeFault,
};
