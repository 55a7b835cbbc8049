import { anthropicType } from '../../../../errors/render.ts';
import type { ProviderFault } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EncodedFault } from '../codec.ts';
import { Fields, optional } from '../fields.ts';

/** Errors (https://docs.anthropic.com/en/api/errors): `{type: "error", error: {type, message}, request_id}`, in streams as an event. */

const STATUSES: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['conflict_error', 409],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['api_error', 500],
  ['timeout_error', 504],
  ['overloaded_error', 529],
]);
const TYPES = new Map([...STATUSES].map(([type, status]) => [status, type]));

/** `status` 0: what the error's own type says, as in a stream. */
export function decodeFault(status: number, body: JsonObject | null, text: string): ProviderFault {
  const fields = Fields.ofAnswer(body);
  const error = fields.object('error');
  const type = error?.string('type') ?? '';
  const known = STATUSES.get(type) ?? 500;
  return {
    status: status === 0 ? known : status,
    message:
      error?.string('message') ??
      fields.string('error') ??
      fields.string('message') ??
      (text || 'The provider gave no reason.'),
    type,
    code: error?.object('details')?.string('error_code') ?? '',
    param: '',
    ...optional('requestId', fields.string('request_id')),
  };
}

export function encodeFault({ status, type, message, requestId }: ProviderFault): EncodedFault {
  const named = STATUSES.has(type) ? type : (TYPES.get(status) ?? anthropicType(status));
  return {
    headers: [],
    body: { type: 'error', error: { type: named, message }, ...optional('request_id', requestId) },
  };
}
