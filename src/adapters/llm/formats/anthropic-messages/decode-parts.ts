import type { MediaSource, Part, Signature, ToolCallPart } from '../../../../facts/conversation.ts';
import { ANSWER_TOOL, answerOfInput, textOfInput, toolOf, VALUE_TOOL } from '../claude/names.ts';
import { redactedOf, thinkingOf } from '../claude/thinking.ts';
import { type Fields, optional } from '../fields.ts';
import { decodeCitation } from './citations.ts';
import { FORMAT, keptOf } from './own.ts';

/** Content blocks on their way into the hub (https://docs.anthropic.com/en/api/messages). */

const TEXT = new Set(['type', 'text', 'citations', 'cache_control']);
const MEDIA = new Set(['type', 'source', 'title', 'context', 'citations', 'cache_control']);
const CALL = new Set(['type', 'id', 'name', 'input', 'cache_control']);
const RESULT = new Set(['type', 'tool_use_id', 'content', 'is_error', 'cache_control']);
const SEARCH_RESULT = new Set(['source', 'title', 'citations', 'cache_control']);
const THINKING = new Set(['type', 'thinking', 'signature']);
const REDACTED = new Set(['type', 'data']);
const SOURCES: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['base64', new Set(['type', 'media_type', 'data'])],
  ['url', new Set(['type', 'url'])],
  ['file', new Set(['type', 'file_id'])],
  ['text', new Set(['type', 'media_type', 'data'])],
]);

/** A member that is a text or an array of blocks. `answeredBy`: the provider whose answer it is, '' in a client's request. */
export function decodeContent(fields: Fields, name: string, answeredBy: string, nested = false): Part[] {
  const whole = fields.value[name];
  if (typeof whole === 'string') return whole === '' ? [] : [{ kind: 'text', text: whole }];
  return decodeParts(fields.objects(name), answeredBy, nested);
}

/** Blocks as parts; what is no block is passed over. */
export function decodeParts(blocks: readonly Fields[], answeredBy: string, nested = false): Part[] {
  const parts: Part[] = [];
  for (const block of blocks) {
    const part = decodeBlock(block, answeredBy, nested);
    if (part === null) continue;
    if (!('previous' in part)) parts.push(part);
    else sign(parts, part.previous);
  }
  return parts;
}

/** Gives a signature to the last part; where the client left that out, it signs nothing any more. */
function sign(parts: Part[], signature: Signature): void {
  const last = parts.at(-1);
  if (last?.kind === 'text' || last?.kind === 'tool_call') parts[parts.length - 1] = { ...last, signature };
}

/** Null for what is no block; `{ previous }` for a signature of the part before it. `nested`: in a tool's result. */
function decodeBlock(fields: Fields, answeredBy: string, nested: boolean): Part | ReturnType<typeof redactedOf> | null {
  const type = fields.requiredString('type');
  switch (type) {
    case 'text':
      return decodeText(fields);
    case 'image':
    case 'document':
      return decodeMedia(type, fields);
    case 'search_result':
      return decodeSearchResult(fields);
    case 'tool_use':
      return answeredBy === '' ? decodeCall(fields) : decodeAnsweredCall(fields);
    case 'tool_result':
      return nested ? decodeOther(type, fields) : decodeResult(fields, answeredBy);
    case 'thinking': {
      const thinking = thinkingOf(fields.requiredString('thinking'), fields.string('signature'), answeredBy);
      return { ...thinking, ...keptOf(fields, THINKING) };
    }
    case 'redacted_thinking': {
      const redacted = redactedOf(fields.requiredString('data'), answeredBy);
      return 'previous' in redacted ? redacted : { ...redacted, ...keptOf(fields, REDACTED) };
    }
    case '':
      return null;
    default:
      return decodeOther(type, fields);
  }
}

function decodeText(fields: Fields): Part {
  const citations = fields.objects('citations').map(decodeCitation);
  return {
    kind: 'text',
    text: fields.requiredString('text'),
    ...(citations.length > 0 ? { citations } : {}),
    ...keptOf(fields, TEXT),
  };
}

function decodeMedia(type: 'image' | 'document', fields: Fields): Part {
  const from = fields.object('source');
  const sourceType = from?.string('type') ?? '';
  const source = from === undefined ? null : decodeSource(sourceType, from);
  // A document of blocks with images in them, and sources yet unknown, stand as they are.
  if (from === undefined || source === null) return decodeOther(type, fields);
  const known = SOURCES.get(sourceType);
  const kept = keptOf(fields, MEDIA);
  // What the hub has no place for in the source: the source is kept as it stands beside it.
  const extra =
    known === undefined || from.rest(known) !== undefined
      ? { extra: { format: FORMAT, fields: { ...kept.extra?.fields, source: from.value } } as const }
      : {};
  if (type === 'image') return { kind: 'image', source, ...kept, ...extra };
  return {
    kind: 'file',
    source,
    ...optional('name', fields.string('title')),
    ...optional('context', fields.string('context')),
    ...optional('citations', fields.object('citations')?.boolean('enabled')),
    ...kept,
    ...extra,
  };
}

function decodeSource(type: string, fields: Fields): MediaSource | null {
  switch (type) {
    case 'base64':
      return { type, mediaType: fields.string('media_type') ?? '', data: fields.requiredString('data') };
    case 'url':
      return { type, url: fields.requiredString('url'), mediaType: '' };
    case 'file':
      return { type, issuer: 'anthropic', id: fields.requiredString('file_id'), mediaType: '' };
    case 'text':
      return { type, text: fields.requiredString('data') };
    case 'content': {
      const text = textOf(fields, 'content');
      return text === null ? null : { type: 'text', text };
    }
    default:
      return null;
  }
}

/** The texts of an array of text blocks, or the text itself; null where there is more than text. */
function textOf(fields: Fields, name: string): string | null {
  const whole = fields.value[name];
  if (typeof whole === 'string') return whole;
  const blocks = fields.objects(name);
  if (blocks.some((block) => block.string('type') !== 'text')) return null;
  return blocks.map((block) => block.requiredString('text')).join('\n\n');
}

/** A piece of search results: for others a document of its text, for this format the block it is. */
function decodeSearchResult(fields: Fields): Part {
  const text = textOf(fields, 'content');
  if (text === null) return decodeOther('search_result', fields);
  return {
    kind: 'file',
    source: { type: 'text', text },
    ...optional('name', fields.string('title')),
    ...optional('context', fields.string('source')),
    ...optional('citations', fields.object('citations')?.boolean('enabled')),
    ...keptOf(fields, SEARCH_RESULT),
  };
}

function decodeCall(fields: Fields): ToolCallPart {
  return {
    kind: 'tool_call',
    id: fields.requiredString('id'),
    name: fields.requiredString('name'),
    arguments: JSON.stringify(fields.value.input ?? {}),
    ...keptOf(fields, CALL),
  };
}

/** A call in an answer, where some names mean something else. */
function decodeAnsweredCall(fields: Fields): Part {
  const call = decodeCall(fields);
  const { input } = fields.value;
  if (call.name === ANSWER_TOOL || call.name === VALUE_TOOL) {
    return { kind: 'text', text: answerOfInput(call.name, input) };
  }
  const { name, custom } = toolOf(call.name);
  return custom ? { ...call, name, arguments: textOfInput(input), custom } : { ...call, name };
}

function decodeResult(fields: Fields, answeredBy: string): Part {
  return {
    kind: 'tool_result',
    callId: fields.requiredString('tool_use_id'),
    name: '',
    content: decodeContent(fields, 'content', answeredBy, true),
    isError: fields.boolean('is_error') ?? false,
    ...keptOf(fields, RESULT),
  };
}

function decodeOther(type: string, fields: Fields): Part {
  const { cache, extra } = keptOf(fields, new Set());
  const { cache_control: _, ...value } = fields.value;
  const control = extra?.fields.cache_control;
  return {
    kind: 'other',
    format: FORMAT,
    name: type,
    value: control === undefined ? value : { ...value, cache_control: control },
    ...(cache === undefined ? {} : { cache }),
  };
}
