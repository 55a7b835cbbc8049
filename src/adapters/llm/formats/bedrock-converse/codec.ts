import type { Codec } from '../codec.ts';
import { decodeAnswer, encodeAnswer } from './answer.ts';
import { column } from './column.ts';
import { FORMAT } from './extra.ts';
import { decodeFault, encodeFault } from './faults.ts';
import { decodeRequest, encodeRequest } from './request.ts';
import { ConverseStreamDecoder } from './stream-decode.ts';
import { ConverseStreamEncoder } from './stream-encode.ts';

/** Amazon Bedrock's Converse and ConverseStream (https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference.html). */
export const bedrockConverseCodec: Codec = {
  format: FORMAT,
  issuer: 'anthropic',
  column,
  refusesUrls: true,
  answersIn: ['output'],
  decodeRequest,
  encodeRequest,
  decodeAnswer,
  encodeAnswer,
  streamDecoder: (context) => new ConverseStreamDecoder(context),
  streamEncoder: (context) => new ConverseStreamEncoder(context),
  decodeFault,
  encodeFault,
};
