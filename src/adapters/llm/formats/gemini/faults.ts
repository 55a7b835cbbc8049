import { googleStatus } from '../../../../errors/render.ts';
import type { ProviderFault } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EncodedFault } from '../codec.ts';
import { Fields, isObject } from '../fields.ts';

/** Google's errors: `{error: {code, message, status, details}}` (https://cloud.google.com/apis/design/errors, google.rpc.Status). */

const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';

/** Canonical codes (google.rpc.Code) and the HTTP status of each. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['INVALID_ARGUMENT', 400],
  ['FAILED_PRECONDITION', 400],
  ['OUT_OF_RANGE', 400],
  ['UNAUTHENTICATED', 401],
  ['PERMISSION_DENIED', 403],
  ['NOT_FOUND', 404],
  ['ABORTED', 409],
  ['ALREADY_EXISTS', 409],
  ['RESOURCE_EXHAUSTED', 429],
  ['CANCELLED', 499],
  ['DATA_LOSS', 500],
  ['UNKNOWN', 500],
  ['INTERNAL', 500],
  ['UNIMPLEMENTED', 501],
  ['UNAVAILABLE', 503],
  ['DEADLINE_EXCEEDED', 504],
]);

/** `status`: the reply's; 0 where the error came in a stream and says itself. A stream's error may stand in an array. */
export function decodeFault(status: number, body: JsonObject | null, text: string): ProviderFault {
  const error = Fields.ofAnswer(Fields.ofAnswer(body ?? firstOf(text)).value.error);
  const type = error.string('status') ?? '';
  const said = error.number('code') ?? STATUSES.get(type) ?? 0;
  const fault = { type, code: '', param: '' };
  for (const detail of error.objects('details')) {
    const kind = detail.string('@type') ?? '';
    if (kind === ERROR_INFO) fault.code ||= detail.string('reason') ?? '';
    if (kind === BAD_REQUEST) fault.param ||= detail.objects('fieldViolations')[0]?.string('field') ?? '';
  }
  return {
    status: status !== 0 ? status : said >= 400 && said < 600 ? Math.trunc(said) : 502,
    message: error.string('message') ?? text,
    ...fault,
  };
}

function firstOf(text: string): unknown {
  if (!text.trimStart().startsWith('[')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && isObject(value[0]) ? value[0] : null;
  } catch {
    return null;
  }
}

export function encodeFault({ status, message, type, code, param }: ProviderFault): EncodedFault {
  const details: JsonObject[] = [];
  if (code !== '') details.push({ '@type': ERROR_INFO, reason: code });
  if (param !== '') details.push({ '@type': BAD_REQUEST, fieldViolations: [{ field: param, description: message }] });
  const error: JsonObject = { code: status, message, status: STATUSES.has(type) ? type : googleStatus(status) };
  if (details.length > 0) error.details = details;
  return { headers: [], body: { error } };
}
