import fc from 'fast-check';
import { expect } from 'vitest';
import type {
  AnswerContext,
  Codec,
  EncodeContext,
  Frame,
  PathFacts,
  ReplyContext,
} from '../../../../src/adapters/llm/formats/codec.ts';
import {
  FEATURES,
  type Feature,
  type Fidelity,
  type FormatColumn,
  Losses,
} from '../../../../src/adapters/llm/formats/features.ts';
import type { StreamPart, TokenLogprob } from '../../../../src/facts/answer.ts';
import type {
  Conversation,
  FunctionTool,
  JsonObject,
  MediaSource,
  Part,
  Reasoning,
  Signature,
  TextPart,
  ToolCallPart,
  WireFormat,
} from '../../../../src/facts/conversation.ts';
import type { Usage } from '../../../../src/facts/llm.ts';

/** What the tests of all wire formats have in common: contexts, pieces of arbitrary conversations, and the rules for streams. */

// ---- contexts ----

/** A column where every feature has one fidelity but for `overrides`. */
export function columnOf(fidelity: Fidelity, overrides: Partial<Record<Feature, Fidelity>> = {}): FormatColumn {
  const all = Object.fromEntries(Object.keys(FEATURES).map((feature) => [feature, fidelity]));
  return { fidelity: { ...all, ...overrides } as Record<Feature, Fidelity>, fields: {} };
}

/** Losses of a conversion into `target` from a format that has no names for anything: a loss is noted as the feature's name. */
export function lossesInto(target: FormatColumn, format: WireFormat, strict = false): Losses {
  return new Losses(columnOf('exact'), target, format, strict);
}

export function encodeContext(codec: Codec, overrides: Partial<EncodeContext> = {}): EncodeContext {
  return {
    issuer: codec.issuer,
    model: 'target-model',
    losses: lossesInto(codec.column, codec.format),
    defaultMaxTokens: 4096,
    ...overrides,
  };
}

export function answerContext(codec: Codec, overrides: Partial<AnswerContext> = {}): AnswerContext {
  return { issuer: codec.issuer, model: 'target-model', ...overrides };
}

export function replyContext(overrides: Partial<ReplyContext> = {}): ReplyContext {
  return {
    model: 'client-model',
    request: conversation(),
    includeUsage: true,
    maxHeldBytes: 1_000_000,
    now: 1_700_000_000,
    ...overrides,
  };
}

export function conversation(overrides: Partial<Conversation> = {}): Conversation {
  return { model: 'client-model', stream: false, messages: [], tools: [], sampling: {}, ...overrides };
}

/** What becomes of a conversation on its way to a provider that speaks the format, and which features were lost. */
export function encoded(codec: Codec, from: Conversation, overrides: Partial<EncodeContext> = {}) {
  const context = encodeContext(codec, overrides);
  const body = codec.encodeRequest(from, context);
  return { body, lost: context.losses.header };
}

/** A conversation there and back, through JSON text as on the wire. The model asked for is the conversation's own. */
export function roundTrip(codec: Codec, from: Conversation, path: Partial<PathFacts> = {}): Conversation {
  const { body } = encoded(codec, from, { model: from.model });
  return codec.decodeRequest(asJson(body), { model: from.model, stream: from.stream, ...path });
}

/** As it arrives on the other side. */
export function asJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

// ---- streams ----

/** What a decoder makes of a provider's frames and the end of the stream. */
export function decodeStream(
  codec: Codec,
  frames: Iterable<Frame>,
  overrides: Partial<AnswerContext> = {},
): StreamPart[] {
  const decoder = codec.streamDecoder(answerContext(codec, overrides));
  const parts: StreamPart[] = [];
  for (const frame of frames) decoder.event(frame, (part) => parts.push(part));
  decoder.end((part) => parts.push(part));
  return parts;
}

/** What an encoder makes of parts. */
export function encodeStream(
  codec: Codec,
  parts: Iterable<StreamPart>,
  overrides: Partial<ReplyContext> = {},
): Frame[] {
  const encoder = codec.streamEncoder(replyContext(overrides));
  const frames: Frame[] = [];
  for (const part of parts) encoder.part(part, (frame) => frames.push(frame));
  return frames;
}

/** Joins what a stream may cut anywhere: consecutive deltas of one kind to one part; of usage the last, right before the end; no pings. */
export function normaliseParts(parts: readonly StreamPart[]): StreamPart[] {
  const joined: StreamPart[] = [];
  let usage: StreamPart | null = null;
  for (const part of parts) {
    if (part.type === 'ping') continue;
    if (part.type === 'usage') {
      usage = part;
      continue;
    }
    if ((part.type === 'end' || part.type === 'error') && usage !== null) {
      joined.push(usage);
      usage = null;
    }
    const last = joined.at(-1);
    const both = last === undefined ? null : joinDeltas(last, part);
    if (both === null) joined.push(part);
    else joined[joined.length - 1] = both;
  }
  if (usage !== null) joined.push(usage);
  return joined;
}

/** The steps that every format understands. */
export function commonParts(parts: readonly StreamPart[]): StreamPart[] {
  return parts
    .filter(({ type }) => type !== 'extra')
    .map((part): StreamPart => {
      if (part.type !== 'start') return part;
      const { extra: _, ...start } = part;
      return start;
    });
}

function joinDeltas(a: StreamPart, b: StreamPart): StreamPart | null {
  if (a.type === 'logprobs' && b.type === 'logprobs' && a.choice === b.choice) {
    return { ...a, logprobs: [...a.logprobs, ...b.logprobs] };
  }
  if (!('index' in a) || !('index' in b) || a.choice !== b.choice || a.index !== b.index) return null;
  if (a.type === 'text' && b.type === 'text') return { ...a, text: a.text + b.text };
  if (a.type === 'thinking' && b.type === 'thinking') return { ...a, text: a.text + b.text };
  if (a.type === 'refusal' && b.type === 'refusal') return { ...a, text: a.text + b.text };
  if (a.type === 'arguments' && b.type === 'arguments') return { ...a, json: a.json + b.json };
  if (a.type === 'audio' && b.type === 'audio') {
    return { ...a, data: a.data + b.data, transcript: a.transcript + b.transcript };
  }
  return null;
}

/** The rules every decoder's stream keeps, whatever the provider sent. */
export function expectWellFormed(parts: readonly StreamPart[]): void {
  const open = new Set<string>();
  const used = new Set<string>();
  const finished = new Set<number>();
  for (const [i, part] of parts.entries()) {
    if (part.type === 'start') expect(i, 'start comes first, once').toBe(0);
    if (part.type === 'end' || part.type === 'error') expect(i, `nothing follows ${part.type}`).toBe(parts.length - 1);
    if (part.type === 'end') expect([...open], 'all parts have ended').toEqual([]);
    if (part.type === 'finish') {
      expect(finished.has(part.choice), 'a choice finishes once').toBe(false);
      finished.add(part.choice);
      expect(
        [...open].filter((key) => key.startsWith(`${part.choice}/`)),
        'parts end before their choice',
      ).toEqual([]);
    }
    if (!('index' in part)) continue;
    const key = `${part.choice}/${part.index}`;
    expect(finished.has(part.choice), 'nothing follows the finish of a choice').toBe(false);
    if (part.type === 'part') {
      expect(used.has(key), 'an index is used once').toBe(false);
      expect(part.index, 'indices count from 0').toBe([...used].filter((k) => k.startsWith(`${part.choice}/`)).length);
      used.add(key);
      open.add(key);
    } else expect(open.has(key), `${part.type} of an open part`).toBe(true);
    if (part.type === 'part_end') open.delete(key);
  }
  const last = parts.at(-1)?.type;
  expect(last === 'end' || last === 'error', 'a stream ends').toBe(true);
}

// ---- arbitraries ----

/** Text as people write it, never empty. */
export const anyText: fc.Arbitrary<string> = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 24 });

/** A name every format takes for tools and schemas. */
export const anyName: fc.Arbitrary<string> = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{0,30}$/);

/** An id every format takes for tool calls. */
export const anyId: fc.Arbitrary<string> = fc.stringMatching(/^[a-zA-Z0-9_-]{1,40}$/);

export const anyBase64: fc.Arbitrary<string> = fc
  .uint8Array({ minLength: 1, maxLength: 24 })
  .map((bytes) => Buffer.from(bytes).toString('base64'));

export const anyUrl: fc.Arbitrary<string> = anyName.map((name) => `https://example.com/${name}`);

/** Any JSON value, as a decoder may be sent it. */
export const anyJson: fc.Arbitrary<unknown> = fc.jsonValue({ maxDepth: 4 });

/** A JSON object that survives the wire as it is. */
export const anyJsonObject: fc.Arbitrary<JsonObject> = fc
  .dictionary(anyName, fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string(), { maxLength: 3 })), {
    maxKeys: 4,
    noNullPrototype: true,
  })
  .map((object) => asJson(object));

export const anySchema: fc.Arbitrary<JsonObject> = fc
  .uniqueArray(anyName, { minLength: 1, maxLength: 3 })
  .map((names) => ({
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
    required: names,
    additionalProperties: false,
  }));

export function anySignature(issuer: string): fc.Arbitrary<Signature> {
  return anyBase64.map((data) => ({ issuer, data }));
}

export const anyTextPart: fc.Arbitrary<TextPart> = anyText.map((text) => ({ kind: 'text', text }));

/** Sources of the kinds a format can say. */
export function anySource(
  kinds: readonly MediaSource['type'][],
  mediaTypes: readonly string[],
  issuer: string,
): fc.Arbitrary<MediaSource> {
  const mediaType = fc.constantFrom(...mediaTypes);
  const all: Record<MediaSource['type'], fc.Arbitrary<MediaSource>> = {
    base64: fc.record({ type: fc.constant('base64' as const), mediaType, data: anyBase64 }),
    url: fc.record({ type: fc.constant('url' as const), url: anyUrl, mediaType: fc.constant('') }),
    file: fc.record({
      type: fc.constant('file' as const),
      issuer: fc.constant(issuer),
      id: anyId,
      mediaType: fc.constant(''),
    }),
    text: fc.record({ type: fc.constant('text' as const), text: anyText }),
  };
  return fc.oneof(...kinds.map((kind) => all[kind]));
}

/** A call of a function tool with JSON arguments; `signature`: an arbitrary where the format can sign calls. */
export function anyToolCall(signature?: fc.Arbitrary<Signature>): fc.Arbitrary<ToolCallPart> {
  const call = {
    kind: fc.constant('tool_call' as const),
    id: anyId,
    name: anyName,
    arguments: anyJsonObject.map((value) => JSON.stringify(value)),
  };
  if (signature === undefined) return fc.record(call);
  return fc.record({ ...call, signature }, { requiredKeys: ['kind', 'id', 'name', 'arguments'] });
}

/** Function tools; `strict`: whether the format knows it. */
export function anyFunctionTool(options: { readonly strict: boolean }): fc.Arbitrary<FunctionTool> {
  const tool = { kind: fc.constant('function' as const), name: anyName, description: anyText, parameters: anySchema };
  const requiredKeys: ['kind', 'name', 'parameters'] = ['kind', 'name', 'parameters'];
  if (!options.strict) return fc.record(tool, { requiredKeys });
  return fc.record({ ...tool, strict: fc.boolean() }, { requiredKeys });
}

export const anyEffort = fc.constantFrom('none', 'minimal', 'low', 'medium', 'high', 'xhigh');

export const anyReasoning: fc.Arbitrary<Reasoning> = fc.oneof(
  anyEffort.map((effort) => ({ effort })),
  fc.integer({ min: 1024, max: 60_000 }).map((budget) => ({ mode: 'enabled' as const, budget })),
  fc.constant({ mode: 'disabled' as const }),
);

/** Counts as no provider contradicts itself in. */
export const anyUsage: fc.Arbitrary<Usage> = fc.record({
  input: fc.nat(100_000),
  cachedInput: fc.nat(100_000),
  cacheWrite: fc.nat(100_000),
  output: fc.integer({ min: 1, max: 100_000 }),
  reasoning: fc.nat(100_000),
});

export const anyLogprob: fc.Arbitrary<TokenLogprob> = fc.record({
  token: anyText,
  logprob: fc.integer({ min: -900, max: 0 }).map((hundredths) => hundredths / 100),
  bytes: fc.array(fc.nat(255), { maxLength: 4 }),
  top: fc.constant([]),
});

/** Cuts a text into deltas. */
export function anyCuts(text: string): fc.Arbitrary<string[]> {
  return fc.array(fc.nat(text.length), { maxLength: 4 }).map((places) => {
    const ends = [...new Set([...places, text.length])].filter((place) => place > 0).sort((a, b) => a - b);
    return ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end));
  });
}

/** The deltas that fill an empty part of the kind; none for parts that come whole. */
export function deltaOf(choice: number, index: number, part: Part): StreamPart | null {
  if (part.kind === 'text') return { type: 'text', choice, index, text: part.text };
  if (part.kind === 'thinking') return { type: 'thinking', choice, index, text: part.text };
  if (part.kind === 'refusal') return { type: 'refusal', choice, index, text: part.text };
  if (part.kind === 'tool_call') return { type: 'arguments', choice, index, json: part.arguments };
  return null;
}

/** The part as a stream announces it, before its deltas. */
export function emptied(part: Part): Part {
  if (part.kind === 'text' || part.kind === 'thinking' || part.kind === 'refusal') return { ...part, text: '' };
  return part.kind === 'tool_call' ? { ...part, arguments: '' } : part;
}
