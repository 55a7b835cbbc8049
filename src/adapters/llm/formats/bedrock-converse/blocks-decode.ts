import type {
  CacheMark,
  FilePart,
  JsonObject,
  OtherPart,
  Part,
  Signature,
  TextPart,
} from '../../../../facts/conversation.ts';
import { ANSWER_TOOL, answerOfInput, textOfInput, toolOf, VALUE_TOOL } from '../claude/names.ts';
import { redactedOf, thinkingOf } from '../claude/thinking.ts';
import { compact, type Fields } from '../fields.ts';
import { MARKED_BASE64 } from '../signatures.ts';
import { decodeCitation } from './citations.ts';
import { extraOf, FORMAT, restOf } from './extra.ts';
import { decodeAudio, decodeDocument, decodeImage, decodeVideo } from './media.ts';

/** Content blocks on their way into the hub (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html). */

/** `answeredBy`: the issuer whose answer it is, '' in a client's request. */
export function decodeBlocks(blocks: readonly Fields[], answeredBy: string): Part[] {
  const parts: Part[] = [];
  for (const block of blocks) {
    const last = parts.at(-1);
    const mark = decodeCachePoint(block);
    if (mark !== null && last !== undefined && last.cache === undefined) {
      parts[parts.length - 1] = { ...last, cache: mark };
      continue;
    }
    const part = decodeBlock(block, answeredBy);
    if (!('previous' in part)) parts.push(part);
    else if (last !== undefined) parts[parts.length - 1] = { ...(last as TextPart), signature: part.previous };
  }
  return parts;
}

export function decodeCachePoint(block: Fields): CacheMark | null {
  const point = block.object('cachePoint');
  return point === undefined ? null : { ttl: point.string('ttl') ?? '' };
}

type Decoded = Part | { readonly previous: Signature };
type Decode = (block: Fields, answeredBy: string) => Decoded | null;

function decodeBlock(block: Fields, answeredBy: string): Decoded {
  const text = block.string('text');
  if (text !== undefined) return { kind: 'text', text };
  for (const name of Object.keys(block.value)) {
    const decode = BLOCKS.get(name);
    const inner = decode === undefined ? undefined : block.object(name);
    const part = inner === undefined ? null : (decode?.(inner, answeredBy) ?? null);
    if (part !== null) return part;
  }
  return otherOf(block);
}

/** A block that only Bedrock knows, as it stands. */
function otherOf(block: Fields): OtherPart {
  return { kind: 'other', format: FORMAT, name: Object.keys(block.value)[0] ?? '', value: block.value };
}

/** Readers of blocks by name; null for what the hub has no part for. */
const BLOCKS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['image', decodeImage],
  ['document', decodeDocument],
  ['audio', decodeAudio],
  ['video', decodeVideo],
  ['toolUse', decodeToolUse],
  ['toolResult', decodeToolResult],
  ['reasoningContent', decodeReasoning],
  ['guardContent', decodeGuarded],
  ['citationsContent', decodeCited],
  ['searchResult', decodeSearchResult],
]);

const TOOL_USE = new Set(['toolUseId', 'name', 'input']);
const TOOL_RESULT = new Set(['toolUseId', 'content', 'status']);

/** null for a tool that Bedrock runs itself: no client is to run it. In an answer some names mean something else. */
function decodeToolUse(use: Fields, answeredBy: string): Part | null {
  if (use.has('type')) return null;
  const { input = {} } = use.value;
  const name = use.requiredString('name');
  const call: Part = {
    kind: 'tool_call',
    id: use.requiredString('toolUseId'),
    name,
    arguments: JSON.stringify(input ?? {}),
    ...restOf(use, TOOL_USE),
  };
  if (answeredBy === '') return call;
  if (name === ANSWER_TOOL || name === VALUE_TOOL) return { kind: 'text', text: answerOfInput(name, input) };
  const tool = toolOf(name);
  return tool.custom ? { ...call, ...tool, arguments: textOfInput(input) } : call;
}

/** null for the result of a tool that Bedrock ran itself. */
function decodeToolResult(result: Fields, answeredBy: string): Part | null {
  if (result.has('type') || answeredBy !== '') return null;
  return {
    kind: 'tool_result',
    callId: result.requiredString('toolUseId'),
    name: '',
    content: result.objects('content').map(decodeResultBlock),
    isError: result.string('status') === 'error',
    ...restOf(result, TOOL_RESULT),
  };
}

function decodeResultBlock(block: Fields): Part {
  if (block.value.json !== undefined) {
    return { kind: 'text', text: JSON.stringify(block.value.json), ...extraOf({ json: true }) };
  }
  const part = decodeBlock(block, '');
  return 'previous' in part ? otherOf(block) : part;
}

function decodeReasoning(reasoning: Fields, answeredBy: string): Decoded | null {
  const redacted = reasoning.string('redactedContent');
  if (redacted !== undefined) return redactedOf(unwrapped(redacted, answeredBy), answeredBy);
  const said = reasoning.object('reasoningText');
  return said === undefined ? null : thinkingOf(said.string('text') ?? '', said.string('signature'), answeredBy);
}

/** Redacted thinking is bytes on the wire, so the mark that a client was given with it stands inside of the base64. */
function unwrapped(base64: string, answeredBy: string): string {
  const marked = answeredBy === '' && base64.startsWith(MARKED_BASE64);
  return marked ? Buffer.from(base64, 'base64').toString('utf8') : base64;
}

/** What a guardrail is to look at: text or an image like any other, and a mark of it. */
function decodeGuarded(guarded: Fields): Part | null {
  const text = guarded.object('text');
  if (text !== undefined) {
    const guardContent: JsonObject = text.has('qualifiers') ? { qualifiers: text.value.qualifiers } : {};
    return { kind: 'text', text: text.string('text') ?? '', ...extraOf({ guardContent }) };
  }
  const image = guarded.object('image');
  const part = image === undefined ? null : decodeImage(image);
  return part === null ? null : { ...part, ...extraOf({ ...part.extra?.fields, guardContent: {} }) };
}

const CITED = new Set(['content', 'citations']);

function decodeCited(cited: Fields): TextPart {
  const text = cited.objects('content').map((piece) => piece.string('text') ?? '');
  const citations = cited.objects('citations').map(decodeCitation);
  return { kind: 'text', text: text.join(''), citations, ...restOf(cited, CITED) };
}

/** A piece of search results: for others a document of its text. */
function decodeSearchResult(found: Fields): FilePart {
  const pieces = found.objects('content').map((piece) => piece.string('text') ?? '');
  return compact({
    kind: 'file' as const,
    source: { type: 'text' as const, text: pieces.join('\n\n') },
    name: found.string('title'),
    context: found.string('source'),
    citations: found.object('citations')?.boolean('enabled'),
    ...extraOf({ searchResult: found.value.content ?? [] }),
  }) as FilePart;
}
