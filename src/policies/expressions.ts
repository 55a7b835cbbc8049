import {
  activationOf,
  CelFlattened,
  CelMap,
  CelOptional,
  type CelValue,
  type GatewayActivation,
  toText,
} from '../cel/index.ts';
import type { Exchange } from '../exchange.ts';
import type { UpstreamCall } from '../upstream/call.ts';
import { FIELD_VALUE } from './header-fields.ts';

/** Something that reads values by their paths: an expression, a set of rules. */
interface Reader {
  reads(path: string): boolean;
}

/** Whether any of them may read the request's body, so that it has to be held. */
export function readsRequestBody(...readers: readonly Reader[]): boolean {
  return readers.some((reader) => reader.reads('request.body') || reader.reads('request.bodyPrefix'));
}

/** Whether any of them may read the response's body, or what an LLM's says. */
export function readsResponseBody(...readers: readonly Reader[]): boolean {
  return readers.some((reader) => RESPONSE_BODIES.some((path) => reader.reads(path)));
}

const RESPONSE_BODIES = ['response.body', 'response.bodyPrefix', 'llm.completion', 'llm.toolCalls'];

/** Whether any of them may read what an LLM request says. */
export function readsLlmRequest(...readers: readonly Reader[]): boolean {
  return readers.some((reader) => reader.reads('llm.prompt') || reader.reads('llm.params'));
}

/** What expressions read before an attempt: the request's body is the one that is about to leave. */
export function activationOfCall({ body }: UpstreamCall, exchange: Exchange): GatewayActivation {
  return activationOf(exchange, { requestBody: Buffer.isBuffer(body) ? { bytes: body, complete: true } : null });
}

/** Characters that are no bytes as they stand. */
const WIDE = /[\u0100-\uffff]/;

/**
 * A value as a header carries it, each character one byte; null for what it can't carry: null, lists, maps, control characters. Text
 * beyond Latin-1 goes as UTF-8.
 */
export function headerValue(value: CelValue): string | null {
  if (value instanceof CelOptional) return value.value === undefined ? null : headerValue(value.value);
  if (value === null || Array.isArray(value) || value instanceof CelMap || value instanceof CelFlattened) return null;
  if (value instanceof Uint8Array) return fieldValue(Buffer.from(value).toString('latin1'));
  const text = toText(value);
  return fieldValue(WIDE.test(text) ? Buffer.from(text).toString('latin1') : text);
}

function fieldValue(text: string): string | null {
  const trimmed = text.trim();
  return FIELD_VALUE.test(trimmed) ? trimmed : null;
}
