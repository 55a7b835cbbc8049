import { openaiType } from '../../../../errors/render.ts';
import type { ProviderFault } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { EncodedFault } from '../codec.ts';
import { Fields, isObject } from '../fields.ts';

/** Errors (https://platform.openai.com/docs/guides/error-codes): `{error: {message, type, param, code}}`, and what others make of it. */

/** `text`: the beginning of a body that is no JSON object. */
export function decodeFault(status: number, body: JsonObject | null, text: string): ProviderFault {
  const object = body ?? firstOf(text);
  if (object !== null) return readFault(status, object);
  const words = text.trim();
  // A page made for people says less than its status.
  const message = words === '' || words.startsWith('<') ? `The provider answered with status ${status}.` : words;
  return { status, message, type: '', code: '', param: '' };
}

/** Google's endpoint wraps the object in an array. */
function firstOf(text: string): JsonObject | null {
  if (!text.trimStart().startsWith('[')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && isObject(value[0]) ? value[0] : null;
  } catch {
    return null;
  }
}

/** Ollama has a text as `error`, Mistral and others the members at the top, FastAPI (vLLM) `detail`. */
function readFault(status: number, body: JsonObject): ProviderFault {
  const error = Fields.ofAnswer(isObject(body.error) ? body.error : body);
  const found = [error.value.message, body.error, body.detail, body.message].find(
    (value) => typeof value === 'string' && value !== '',
  );
  const detail = body.detail === undefined ? undefined : JSON.stringify(body.detail);
  const message = typeof found === 'string' ? found : (detail ?? `The provider answered with status ${status}.`);
  const raw = error.object('metadata')?.string('raw');
  return {
    status,
    // OpenRouter's own message says no more than that its provider had one.
    message: raw === undefined || raw === '' ? message : `${message}: ${raw}`,
    type: error.string('type') ?? '',
    code: codeOf(error.value.code),
    param: error.string('param') ?? '',
  };
}

function codeOf(code: unknown): string {
  return typeof code === 'string' || typeof code === 'number' ? String(code) : '';
}

const STATUS_OF_TYPE: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['rate_limit_error', 429],
  ['rate_limit_exceeded', 429],
  ['insufficient_quota', 429],
  ['server_error', 500],
  ['overloaded_error', 503],
]);

/** An error told in the middle of a stream, where the status has to be found in its words; 502 where they don't say. */
export function decodeStreamFault(body: JsonObject): ProviderFault {
  const fault = readFault(502, body);
  const code = Number(fault.code);
  const status = code >= 400 && code < 600 ? Math.trunc(code) : statusOfWords(fault);
  return { ...fault, status };
}

function statusOfWords({ type, code }: ProviderFault): number {
  return STATUS_OF_TYPE.get(type) ?? STATUS_OF_TYPE.get(code) ?? 502;
}

/** With a type that OpenAI's clients know; the provider's own name for it becomes the code where there is none. */
export function encodeFault({ status, message, type, code, param }: ProviderFault): EncodedFault {
  const own = openaiType(status);
  const name = code === '' && type !== own ? type : code;
  const error = { message, type: own, param: param === '' ? null : param, code: name === '' ? null : name };
  return { headers: [], body: { error } };
}
