import { bedrockType } from '../../../../errors/render.ts';
import type { ProviderFault } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EncodedFault, Frame } from '../codec.ts';
import { Fields } from '../fields.ts';

/** Errors (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors). */

/** Statuses of exceptions, which in a stream come without one. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['validationException', 400],
  ['accessDeniedException', 403],
  ['resourceNotFoundException', 404],
  ['modelTimeoutException', 408],
  ['modelErrorException', 424],
  ['modelStreamErrorException', 424],
  ['throttlingException', 429],
  ['modelNotReadyException', 429],
  ['serviceQuotaExceededException', 400],
  ['internalServerException', 500],
  ['serviceUnavailableException', 503],
]);

const MAX_TEXT = 2000;

export function decodeFault(status: number, body: JsonObject | null, text: string): ProviderFault {
  const fields = Fields.ofAnswer(body);
  const message = fields.string('message') ?? fields.string('Message') ?? text.slice(0, MAX_TEXT);
  // `com.amazon.coral.service#ThrottlingException`
  const type = (fields.string('__type') ?? '').split('#').at(-1) ?? '';
  return { status, message, type: type === '' ? bedrockType(status) : type, code: '', param: '' };
}

export function encodeFault({ status, message, type }: ProviderFault): EncodedFault {
  const name = type.endsWith('Exception') ? type[0]?.toUpperCase() + type.slice(1) : bedrockType(status);
  return { headers: ['x-amzn-errortype', name], body: { message } };
}

/** True for an event that is an exception. */
export function isException(event: string): boolean {
  return event.endsWith('Exception');
}

/** `body` null where its data was no JSON object. */
export function decodeException({ event, data }: Frame, body: JsonObject | null): ProviderFault {
  const fault = decodeFault(STATUSES.get(event) ?? 500, body, data);
  const original = Fields.ofAnswer(body).number('originalStatusCode');
  const status = original !== undefined && original >= 400 && original < 600 ? original : fault.status;
  return { ...fault, status, type: event };
}

/** The exception of a stream that tells an error of any provider's. */
export function encodeException({ status, message, type }: ProviderFault): Frame {
  const own = STATUSES.has(type) ? type : exceptionOf(status);
  return { event: own, data: JSON.stringify({ message }) };
}

/** Streams have five exceptions. */
function exceptionOf(status: number): string {
  if (status === 429) return 'throttlingException';
  if (status === 503) return 'serviceUnavailableException';
  if (status === 408 || status === 424) return 'modelStreamErrorException';
  return status >= 400 && status < 500 ? 'validationException' : 'internalServerException';
}
