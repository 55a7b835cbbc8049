import type { ProviderFault } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import { decodeStreamFault } from '../openai-chat/faults.ts';

/** Errors of streams and of responses that failed; those of replies are chat's. */

/** HTTP statuses of the codes that a stream or a failed response bears instead (`ResponseError`). */
const STATUS: ReadonlyMap<string, number> = new Map([
  ['rate_limit_exceeded', 429],
  ['insufficient_quota', 429],
  ['server_error', 500],
  ['server_is_overloaded', 503],
  ['slow_down', 503],
  ['vector_store_timeout', 504],
  ['invalid_prompt', 400],
  ['context_length_exceeded', 400],
  ['bio_policy', 400],
  ['data_residency_mismatch', 400],
  ['failed_to_download_image', 400],
  ['image_content_policy_violation', 400],
  ['image_file_not_found', 400],
  ['image_file_too_large', 400],
  ['image_parse_error', 400],
  ['image_too_large', 400],
  ['image_too_small', 400],
  ['empty_image_file', 400],
  ['invalid_base64_image', 400],
  ['invalid_image', 400],
  ['invalid_image_format', 400],
  ['invalid_image_mode', 400],
  ['invalid_image_url', 400],
  ['unsupported_image_media_type', 400],
]);

/** An error of a stream, or of a response that failed: a status has to be found for it. */
export function streamFault(error: JsonObject): ProviderFault {
  const fault = decodeStreamFault({ error });
  // `error` is the event's own type.
  const type = fault.type === 'error' ? '' : fault.type;
  return { ...fault, type, status: STATUS.get(fault.code) ?? fault.status };
}

/** One of the codes that clients know for a response that failed. */
export function failureCode({ status, code }: ProviderFault): string {
  if (STATUS.has(code)) return code;
  if (status === 429) return 'rate_limit_exceeded';
  return status < 500 ? 'invalid_prompt' : 'server_error';
}
