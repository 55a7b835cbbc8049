import type { JsonObject, Signature, ThinkingPart } from '../../../../facts/conversation.ts';
import type { Fields } from '../fields.ts';
import { extraOf, given, ownExtra } from './own.ts';

/**
 * Thinking in chat completions. OpenAI's own API has none; providers agreed on `reasoning_content` (DeepSeek, Qwen, SGLang) and
 * `reasoning` (vLLM, OpenRouter) for its text, and on OpenRouter's `reasoning_details` for what else there is to it: signatures,
 * encrypted thinking and summaries (https://openrouter.ai/docs/guides/best-practices/reasoning-tokens).
 */

/** Says whose a signature is. */
export type Sign = (data: string) => Signature;

/** The text for a signature, undefined where it is nothing to whom it is written for. */
export type Seal = (signature: Signature) => string | undefined;

const KNOWN = new Set(['type', 'text', 'summary', 'data', 'signature', 'id', 'index']);

/** The thinking of a message, whichever members hold it. */
export function readThinking(message: Fields, sign: Sign): ThinkingPart[] {
  const parts: ThinkingPart[] = [];
  let index: number | undefined;
  for (const detail of arrayOf(message, 'reasoning_details')) {
    const part = readDetail(detail, sign);
    const at = detail.number('index');
    const before = at !== undefined && at === index ? parts.pop() : undefined;
    parts.push(before === undefined ? part : joined(before, part));
    index = at;
  }
  if (parts.some((part) => part.text !== '')) return parts;
  const text = plainThinking(message.value);
  if (text === '') return parts;
  // Details that only sign or encrypt what stands beside them.
  const [first, ...rest] = parts;
  return first?.signature === undefined ? [{ kind: 'thinking', text }, ...parts] : [{ ...first, text }, ...rest];
}

/** The text of `reasoning_content` or `reasoning`; '' without one. */
export function plainThinking(message: JsonObject): string {
  const { reasoning_content: content, reasoning } = message;
  if (typeof content === 'string' && content !== '') return content;
  return typeof reasoning === 'string' ? reasoning : '';
}

/** One of `reasoning_details`. */
export function readDetail(detail: Fields, sign: Sign): ThinkingPart {
  const isSummary = detail.value.type === 'reasoning.summary';
  const signature = filled(detail.string('signature'));
  const data = detail.value.type === 'reasoning.encrypted' ? detail.string('data') : undefined;
  return {
    kind: 'thinking',
    text: detail.string(isSummary ? 'summary' : 'text') ?? '',
    ...given('summary', isSummary ? true : undefined),
    ...given('signature', signature === undefined ? undefined : sign(signature)),
    ...given('redacted', data === undefined ? undefined : sign(data)),
    ...given('id', filled(detail.string('id'))),
    ...extraOf(detail.rest(KNOWN)),
  };
}

/** Details of one index are about one piece of thinking: its summary and the encrypted whole, for example. */
function joined(a: ThinkingPart, b: ThinkingPart): ThinkingPart {
  return { ...a, ...b, text: a.text + b.text };
}

/** The members that say `parts`; {} where nothing of them can be said. Details only where the text alone would say less. */
export function writeThinking(parts: readonly ThinkingPart[], seal: Seal): JsonObject {
  const text = thinkingText(parts);
  const details = parts.flatMap((part, index) => writeDetails(part, index, seal));
  const plain = parts.length === 1 && details.length === 1 && details[0] !== undefined && isPlain(details[0]);
  return {
    ...given('reasoning_content', text === '' ? undefined : text),
    ...given('reasoning_details', plain || details.length === 0 ? undefined : details),
  };
}

/** All that can be read of it. */
export function thinkingText(parts: readonly ThinkingPart[]): string {
  return parts
    .map((part) => part.text)
    .filter((text) => text !== '')
    .join('\n\n');
}

/** What one piece of thinking is in `reasoning_details`. */
export function writeDetails(part: ThinkingPart, index: number, seal: Seal): JsonObject[] {
  const signature = part.signature && seal(part.signature);
  const data = part.redacted && seal(part.redacted);
  const common = { ...given('id', part.id), index, ...ownExtra(part) };
  const details: JsonObject[] = [];
  if (part.text !== '' || signature !== undefined || (data === undefined && part.redacted === undefined)) {
    details.push({ ...textDetail(part.summary === true, part.text), ...given('signature', signature), ...common });
  }
  if (data !== undefined) details.push({ type: 'reasoning.encrypted', data, ...common });
  return details;
}

/** The text of a detail, or a piece of it in a stream. */
export function textDetail(isSummary: boolean, text: string): JsonObject {
  return isSummary ? { type: 'reasoning.summary', summary: text } : { type: 'reasoning.text', text };
}

function isPlain(detail: JsonObject): boolean {
  return detail.type === 'reasoning.text' && Object.keys(detail).every((name) => PLAIN.has(name));
}

const PLAIN = new Set(['type', 'text', 'index']);

/** Some send what should be an array as something else: then there is nothing in it. */
function arrayOf(message: Fields, name: string): Fields[] {
  return Array.isArray(message.value[name]) ? message.objects(name) : [];
}

function filled(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
