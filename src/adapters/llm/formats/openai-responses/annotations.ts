import type { TokenLogprob } from '../../../../facts/answer.ts';
import type { Citation, JsonObject } from '../../../../facts/conversation.ts';
import { compact, Fields, isObject } from '../fields.ts';
import { given } from '../openai-chat/own.ts';
import { extraOf, ownExtra } from './own.ts';

/** Annotations and log-probabilities of `output_text` (https://platform.openai.com/docs/api-reference/responses/object). */

const URL_MEMBERS = new Set(['type', 'url', 'title', 'start_index', 'end_index']);
const FILE_MEMBERS = new Set(['file_id', 'filename', 'start_index', 'end_index']);

export function decodeAnnotation(annotation: Fields): Citation {
  const isUrl = annotation.string('type') === 'url_citation';
  const title = annotation.string(isUrl ? 'title' : 'filename');
  const common = {
    ...given('title', title === '' ? undefined : title),
    ...given('start', annotation.number('start_index')),
    ...given('end', annotation.number('end_index')),
    ...extraOf(annotation.rest(isUrl ? URL_MEMBERS : FILE_MEMBERS)),
  };
  if (isUrl) return { kind: 'url', url: annotation.requiredString('url'), ...common };
  return { kind: 'file', ...given('fileId', annotation.string('file_id')), ...common };
}

/** `length`: characters of the text so far; a citation without a range is of all of it. */
export function encodeAnnotation(citation: Citation, length: number): JsonObject {
  const own = ownExtra(citation);
  const start = offset(citation.start);
  const end = offset(citation.end);
  const { url, title = '', fileId = '', document } = citation;
  if (url !== undefined) {
    return { type: 'url_citation', url, title, start_index: start ?? 0, end_index: end ?? length, ...own };
  }
  return compact({
    type: 'file_citation',
    file_id: fileId,
    filename: own.type === 'file_path' ? undefined : title,
    ...(own.type === undefined && { index: document?.index ?? 0 }),
    start_index: start,
    end_index: end,
    ...own,
  });
}

function offset(value: number | undefined): number | undefined {
  return value === undefined || value < 0 ? undefined : value;
}

/** The `logprobs` of a text or of a piece of it. What is no object is skipped. */
export function decodeLogprobs(text: JsonObject): TokenLogprob[] {
  return objectsOf(text.logprobs).map(decodeLogprob);
}

function decodeLogprob(value: JsonObject): TokenLogprob {
  const fields = Fields.ofAnswer(value);
  const bytes = Array.isArray(value.bytes) ? value.bytes.filter((byte) => typeof byte === 'number') : undefined;
  return {
    token: fields.string('token') ?? '',
    logprob: fields.number('logprob') ?? 0,
    ...given('bytes', bytes),
    ...(Array.isArray(value.top_logprobs) && { top: objectsOf(value.top_logprobs).map(decodeLogprob) }),
  };
}

export function encodeLogprob({ token, logprob, bytes, top = [] }: TokenLogprob): JsonObject {
  return { token, bytes: bytesOf(token, bytes), logprob, top_logprobs: top.map(encodeAlternative) };
}

function encodeAlternative({ token, logprob, bytes }: TokenLogprob): JsonObject {
  return { token, bytes: bytesOf(token, bytes), logprob };
}

function bytesOf(token: string, bytes: readonly number[] | undefined): readonly number[] {
  return bytes ?? [...Buffer.from(token)];
}

function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
