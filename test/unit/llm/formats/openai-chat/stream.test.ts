import fc from 'fast-check';
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import { describe, expect, it } from 'vitest';
import { answerParts } from '../../../../../src/adapters/llm/convert/answer.ts';
import { type Frame, type ReplyContext, TooMuchToHold } from '../../../../../src/adapters/llm/formats/codec.ts';
import { openaiChatCodec } from '../../../../../src/adapters/llm/formats/openai-chat/codec.ts';
import type { StreamPart } from '../../../../../src/facts/answer.ts';
import type { Part } from '../../../../../src/facts/conversation.ts';
import {
  anyBase64,
  anyCuts,
  anyId,
  anyJson,
  anyLogprob,
  anyName,
  anySignature,
  anyText,
  anyToolCall,
  anyUrl,
  anyUsage,
  conversation,
  decodeStream,
  deltaOf,
  emptied,
  encodeStream,
  expectWellFormed,
  normaliseParts,
} from '../hub.ts';

const DONE: Frame = { event: '', data: '[DONE]' };

function frame(body: unknown): Frame {
  return { event: '', data: JSON.stringify(body) };
}

/** An event with one choice. */
function chunk(delta: object, more: object = {}): Frame {
  return frame({ id: 'c1', model: 'm', created: 1, choices: [{ index: 0, delta, finish_reason: null, ...more }] });
}

const FINISH = chunk({}, { finish_reason: 'stop' });

function decode(...frames: Frame[]): StreamPart[] {
  const parts = decodeStream(openaiChatCodec, frames);
  expectWellFormed(parts);
  return parts;
}

function encode(parts: readonly StreamPart[], overrides: Partial<ReplyContext> = {}): Record<string, unknown>[] {
  return encodeStream(openaiChatCodec, parts, overrides)
    .filter(({ data }) => data !== '[DONE]')
    .map(({ data }) => JSON.parse(data) as Record<string, unknown>);
}

// ---- streams the format can say ----

/** A whole part as a stream of it: announced empty, filled by deltas, ended. */
function steps(choice: number, index: number, part: Part, cuts: readonly string[]): StreamPart[] {
  const deltas = cuts.flatMap((cut) => {
    const cutPart: Part = part.kind === 'tool_call' ? { ...part, arguments: cut } : ({ ...part, text: cut } as Part);
    return deltaOf(choice, index, cutPart) ?? [];
  });
  return [{ type: 'part', choice, index, part: emptied(part) }, ...deltas, { type: 'part_end', choice, index }];
}

const anyFlowing: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ kind: fc.constant('text' as const), text: anyText }),
  fc.record({ kind: fc.constant('refusal' as const), text: anyText }),
  fc.record(
    { kind: fc.constant('thinking' as const), text: anyText, summary: fc.constant(true as const), id: anyId },
    { requiredKeys: ['kind', 'text'] },
  ),
  fc.record({ kind: fc.constant('thinking' as const), text: anyText, redacted: anySignature('openai') }),
  anyToolCall(anySignature('openai')),
);

/** What may stand behind the deltas of a part. */
function anyTail(part: Part): fc.Arbitrary<((choice: number, index: number) => StreamPart)[]> {
  const signed = anySignature('openai').map(
    (signature) =>
      (choice: number, index: number): StreamPart => ({ type: 'signature', choice, index, signature }),
  );
  const cited = fc.record({ url: anyUrl, title: anyText }).map(
    ({ url, title }) =>
      (choice: number, index: number): StreamPart => ({
        type: 'citation',
        choice,
        index,
        citation: { kind: 'url', url, title, start: 0, end: 1 },
      }),
  );
  if (part.kind === 'text') return fc.array(fc.oneof(signed, cited), { maxLength: 2 });
  if (part.kind === 'thinking' && part.redacted === undefined) return fc.array(signed, { maxLength: 1 });
  return fc.constant([]);
}

function textOf(part: Part): string {
  if (part.kind === 'tool_call') return part.arguments;
  return part.kind === 'text' || part.kind === 'thinking' || part.kind === 'refusal' ? part.text : '';
}

const anyFilled = anyFlowing.chain((part) =>
  fc.record({ part: fc.constant(part), cuts: anyCuts(textOf(part)), tail: anyTail(part) }),
);

const anyAudio = fc.record({ id: anyId, data: anyBase64, transcript: anyText });

/** Consecutive parts of a kind that says no index would be one part. */
function mergesWith(before: Part | undefined, part: Part): boolean {
  return before?.kind === part.kind && (part.kind === 'text' || part.kind === 'refusal');
}

function anyChoice(choice: number): fc.Arbitrary<StreamPart[]> {
  return fc
    .tuple(
      fc.array(anyFilled, { maxLength: 5 }),
      fc.option(anyAudio, { nil: undefined }),
      fc.option(fc.array(anyLogprob, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    )
    .map(([filled, audio, logprobs]) => {
      const kept = filled.filter(({ part }, i) => !mergesWith(filled[i - 1]?.part, part));
      const parts: StreamPart[] = [];
      let index = 0;
      for (const { part, cuts, tail } of kept) {
        const all = steps(choice, index, part, cuts);
        parts.push(...all.slice(0, -1), ...tail.map((one) => one(choice, index)), ...all.slice(-1));
        index++;
      }
      if (audio !== undefined) {
        const { id, data, transcript } = audio;
        const source = { type: 'base64' as const, mediaType: 'audio/L16;rate=24000', data: '' };
        parts.push({ type: 'part', choice, index, part: { kind: 'audio', source, id } });
        parts.push({ type: 'audio', choice, index, data, transcript: '' });
        parts.push({ type: 'audio', choice, index, data: '', transcript });
        parts.push({ type: 'part_end', choice, index });
      }
      if (logprobs !== undefined) parts.unshift({ type: 'logprobs', choice, logprobs });
      const refused = kept.some(({ part }) => part.kind === 'refusal');
      const called = kept.some(({ part }) => part.kind === 'tool_call');
      if (refused) parts.push({ type: 'finish', choice, stop: { cause: 'refusal', raw: 'stop' } });
      else if (called) parts.push({ type: 'finish', choice, stop: { cause: 'tool_calls', raw: 'tool_calls' } });
      else parts.push({ type: 'finish', choice, stop: { cause: 'stop_sequence', raw: 'stop', sequence: 'END' } });
      return parts;
    });
}

/** Several sequences, each in its order, mixed. */
function anyMix(sequences: StreamPart[][]): fc.Arbitrary<StreamPart[]> {
  const total = sequences.reduce((sum, sequence) => sum + sequence.length, 0);
  return fc.array(fc.nat(sequences.length - 1), { minLength: total, maxLength: total }).map((picks) => {
    const rest = sequences.map((sequence) => [...sequence]);
    const mixed: StreamPart[] = [];
    for (const pick of picks) {
      const from = rest[pick]?.length ? rest[pick] : rest.find((sequence) => sequence.length > 0);
      const next = from?.shift();
      if (next !== undefined) mixed.push(next);
    }
    return mixed;
  });
}

const anyStream: fc.Arbitrary<StreamPart[]> = fc
  .tuple(
    fc.record({ id: anyId, model: anyName, created: fc.integer({ min: 1, max: 2_000_000_000 }) }),
    fc.integer({ min: 1, max: 3 }).chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => anyChoice(i)))),
    fc.option(anyUsage, { nil: undefined }),
  )
  .chain(([head, choices, usage]) =>
    anyMix(choices).map((parts) => [
      { type: 'start' as const, ...head },
      ...parts,
      ...(usage === undefined ? [] : [{ type: 'usage' as const, usage }]),
      { type: 'end' as const },
    ]),
  );

/** Each choice's steps in order, and what belongs to none: how the choices are mixed says nothing. */
function byChoice(parts: readonly StreamPart[]): StreamPart[][] {
  const groups = new Map<number, StreamPart[]>();
  for (const part of parts) {
    const key = 'choice' in part ? part.choice : -1;
    groups.set(key, [...(groups.get(key) ?? []), part]);
  }
  return [...groups].sort(([a], [b]) => a - b).map(([, group]) => normaliseParts(group));
}

describe('streams', () => {
  it('come back as they were, for all that the format can say', () => {
    fc.assert(
      fc.property(anyStream, (parts) => {
        expectWellFormed(parts);
        const frames = encodeStream(openaiChatCodec, parts).map(({ event, data }) => ({
          event,
          data: data.replaceAll('"sluice:openai:', '"'),
        }));
        expect(byChoice(decode(...frames))).toEqual(byChoice(parts));
      }),
      { numRuns: 120 },
    );
  });

  it('are well-formed whatever the provider sends', () => {
    const anyDelta = fc.oneof(
      anyJson,
      fc.record(
        {
          content: fc.oneof(anyText, anyJson),
          reasoning_content: fc.oneof(anyText, anyJson),
          reasoning_details: fc.array(
            fc.oneof(
              anyJson,
              fc.record({
                type: fc.constantFrom('reasoning.text', 'reasoning.encrypted'),
                text: anyJson,
                index: anyJson,
              }),
            ),
          ),
          refusal: anyJson,
          audio: anyJson,
          images: fc.array(fc.record({ type: fc.constantFrom('image_url', 'file') })),
          annotations: fc.array(fc.record({ type: fc.constant('url_citation'), url_citation: anyJson })),
          tool_calls: fc.oneof(
            anyJson,
            fc.array(
              fc.record(
                {
                  index: fc.oneof(fc.nat(2), anyJson),
                  id: fc.constantFrom('a', 'b', '', 7),
                  function: fc.record({ name: fc.constantFrom('f', 'g', ''), arguments: fc.oneof(anyText, anyJson) }),
                },
                { requiredKeys: [] },
              ),
            ),
          ),
          function_call: anyJson,
        },
        { requiredKeys: [] },
      ),
    );
    const anyChunk = fc.record(
      {
        id: fc.constantFrom('x', '', 3),
        choices: fc.oneof(
          anyJson,
          fc.array(
            fc.record({
              index: fc.oneof(fc.nat(1), anyJson),
              delta: anyDelta,
              finish_reason: fc.constantFrom(null, null, null, 'stop', 3),
            }),
            { maxLength: 3 },
          ),
        ),
        usage: fc.option(anyJson),
      },
      { requiredKeys: [] },
    );
    const anyFrame = fc.oneof(
      { weight: 12, arbitrary: anyChunk.map(frame) },
      { weight: 1, arbitrary: anyJson.map(frame) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(DONE, { event: '', data: '{"choi' }, frame({ error: { message: 'no' } })),
      },
    );
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), (frames) => {
        const parts = decode(...frames);
        expect(() => encodeStream(openaiChatCodec, parts)).not.toThrow();
      }),
      { numRuns: 250 },
    );
  });
});

describe('what providers stream', () => {
  it('reads a golden stream of OpenAI, with calls whose arguments come interleaved', () => {
    const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk' as const, created: 5, model: 'gpt-5.4' };
    const of = (delta: ChatCompletionChunk.Choice.Delta, finish: 'tool_calls' | null = null): ChatCompletionChunk => ({
      ...head,
      choices: [{ index: 0, delta, finish_reason: finish, logprobs: null }],
      usage: null,
    });
    const chunks: ChatCompletionChunk[] = [
      of({ role: 'assistant', content: '' }),
      of({ content: 'Let me ' }),
      of({ content: 'look.' }),
      of({ tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }] }),
      of({ tool_calls: [{ index: 0, function: { arguments: '{"x"' } }] }),
      of({ tool_calls: [{ index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '{' } }] }),
      of({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
      of({ tool_calls: [{ index: 1, function: { arguments: '}' } }] }),
      of({}, 'tool_calls'),
      {
        ...head,
        choices: [],
        usage: {
          prompt_tokens: 10,
          completion_tokens: 7,
          total_tokens: 17,
          prompt_tokens_details: { cached_tokens: 4 },
          completion_tokens_details: { reasoning_tokens: 2 },
        },
      },
    ];
    expect(decode(...chunks.map(frame), DONE)).toEqual([
      { type: 'start', id: 'chatcmpl-1', model: 'gpt-5.4', created: 5 },
      { type: 'part', choice: 0, index: 0, part: { kind: 'text', text: '' } },
      { type: 'text', choice: 0, index: 0, text: 'Let me ' },
      { type: 'text', choice: 0, index: 0, text: 'look.' },
      { type: 'part_end', choice: 0, index: 0 },
      { type: 'part', choice: 0, index: 1, part: { kind: 'tool_call', id: 'a', name: 'f', arguments: '' } },
      { type: 'arguments', choice: 0, index: 1, json: '{"x"' },
      { type: 'part', choice: 0, index: 2, part: { kind: 'tool_call', id: 'b', name: 'g', arguments: '' } },
      { type: 'arguments', choice: 0, index: 2, json: '{' },
      { type: 'arguments', choice: 0, index: 1, json: ':1}' },
      { type: 'arguments', choice: 0, index: 2, json: '}' },
      { type: 'part_end', choice: 0, index: 1 },
      { type: 'part_end', choice: 0, index: 2 },
      { type: 'finish', choice: 0, stop: { cause: 'tool_calls', raw: 'tool_calls' } },
      { type: 'usage', usage: { input: 6, cachedInput: 4, cacheWrite: 0, output: 5, reasoning: 2 } },
      { type: 'end' },
    ]);
  });

  it('ends a call whose arguments are complete when the next begins', () => {
    const parts = decode(
      chunk({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{"s":"}{\\""}' } }] }),
      chunk({ tool_calls: [{ index: 1, id: 'b', function: { name: 'g', arguments: '{}' } }] }),
      FINISH,
      DONE,
    );
    const order = parts.map((part) => ('index' in part ? `${part.type} ${part.index}` : part.type));
    expect(order.indexOf('part_end 0')).toBe(order.indexOf('part 1') - 1);
  });

  it.each<[string, object[]]>([
    [
      'no index',
      [
        { id: 'a', function: { name: 'f', arguments: '{}' } },
        { id: 'b', function: { name: 'f', arguments: '{}' } },
      ],
    ],
    [
      'one index for all',
      [
        { index: 0, id: 'a', function: { name: 'f', arguments: '{}' } },
        { index: 0, id: 'b', function: { name: 'f', arguments: '{}' } },
      ],
    ],
    [
      'the id in every delta',
      [
        { index: 0, id: 'a', function: { name: 'f', arguments: '{' } },
        { index: 0, id: 'a', function: { name: 'f', arguments: '}' } },
        { index: 1, id: 'b', function: { name: 'f', arguments: '{}' } },
      ],
    ],
    [
      'the name after the arguments began',
      [
        { index: 0, id: 'a', function: { arguments: '{' } },
        { index: 0, function: { name: 'f', arguments: '}' } },
        { index: 1, id: 'b', function: { name: 'f', arguments: '{}' } },
      ],
    ],
    [
      'deltas without id or index',
      [
        { id: 'a', function: { name: 'f', arguments: '{' } },
        { function: { arguments: '}' } },
        { id: 'b', function: { name: 'f', arguments: '{}' } },
      ],
    ],
  ])('tells calls apart that come with %s', (_, calls) => {
    const parts = decode(...calls.map((call) => chunk({ tool_calls: [call] })), FINISH, DONE);
    const announced = parts.flatMap((part) => (part.type === 'part' && part.part.kind === 'tool_call' ? [part] : []));
    const json = (index: number) =>
      parts.map((part) => (part.type === 'arguments' && part.index === index ? part.json : '')).join('');
    expect(announced.map(({ part, index }) => [part, json(index)])).toEqual([
      [{ kind: 'tool_call', id: 'a', name: 'f', arguments: '' }, '{}'],
      [{ kind: 'tool_call', id: 'b', name: 'f', arguments: '' }, '{}'],
    ]);
  });

  it('makes up the id of a legacy call', () => {
    const parts = decode(
      chunk({ function_call: { name: 'f', arguments: '' } }),
      chunk({ function_call: { arguments: '{}' } }),
      chunk({}, { finish_reason: 'function_call' }),
      DONE,
    );
    expect(parts).toContainEqual({
      type: 'part',
      choice: 0,
      index: 0,
      part: { kind: 'tool_call', id: expect.stringMatching(/^call_[0-9a-f]{24}$/), name: 'f', arguments: '' },
    });
    expect(parts).toContainEqual({ type: 'arguments', choice: 0, index: 0, json: '{}' });
  });

  it.each<[string, object]>([
    ['DeepSeek', { reasoning_content: 'hm' }],
    ['vLLM', { reasoning: 'hm' }],
    ['OpenRouter', { reasoning: 'hm', reasoning_details: [{ type: 'reasoning.text', text: 'hm', index: 0 }] }],
    ['Mistral', { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }] }],
  ])('reads the thinking of %s', (_, delta) => {
    expect(
      normaliseParts(decode(chunk(delta), chunk(delta), chunk({ content: 'a' }), FINISH, DONE)).slice(1, 5),
    ).toEqual([
      { type: 'part', choice: 0, index: 0, part: { kind: 'thinking', text: '' } },
      { type: 'thinking', choice: 0, index: 0, text: 'hmhm' },
      { type: 'part_end', choice: 0, index: 0 },
      { type: 'part', choice: 0, index: 1, part: { kind: 'text', text: '' } },
    ]);
  });

  it('takes a signature beside the text for that of the text', () => {
    const signed = { reasoning: 'hm', reasoning_details: [{ type: 'reasoning.text', signature: 's', index: 0 }] };
    expect(decode(chunk({ reasoning: 'hm' }), chunk(signed), FINISH, DONE).slice(1, 6)).toEqual([
      { type: 'part', choice: 0, index: 0, part: { kind: 'thinking', text: '' } },
      { type: 'thinking', choice: 0, index: 0, text: 'hm' },
      { type: 'thinking', choice: 0, index: 0, text: 'hm' },
      { type: 'signature', choice: 0, index: 0, signature: { issuer: 'openai', data: 's' } },
      { type: 'part_end', choice: 0, index: 0 },
    ]);
  });

  it('waits with the start for an event of the answer itself (Azure)', () => {
    const filters = frame({ id: '', model: '', created: 0, choices: [], prompt_filter_results: [] });
    expect(decode(filters, chunk({ content: 'a' }), FINISH, DONE)[0]).toMatchObject({ type: 'start', id: 'c1' });
  });

  it("finds Groq's usage", () => {
    const last = frame({ id: 'c1', choices: [], x_groq: { usage: { prompt_tokens: 1, completion_tokens: 2 } } });
    expect(decode(FINISH, last, DONE)).toContainEqual({
      type: 'usage',
      usage: { input: 1, cachedInput: 0, cacheWrite: 0, output: 2, reasoning: 0 },
    });
  });

  it('is complete without its mark where each choice has its reason', () => {
    expect(decode(chunk({ content: 'a' }), FINISH).at(-1)).toEqual({ type: 'end' });
  });

  it('finishes a choice that says no reason', () => {
    expect(decode(chunk({ content: 'a' }), DONE).slice(-3)).toEqual([
      { type: 'part_end', choice: 0, index: 0 },
      { type: 'finish', choice: 0, stop: { cause: 'stop', raw: '' } },
      { type: 'end' },
    ]);
  });

  it.each<[string, Frame[], object]>([
    ['is cut off', [chunk({ content: 'a' })], { status: 502 }],
    ['has an event that is not JSON', [chunk({ content: 'a' }), { event: '', data: '{"id":' }], { status: 502 }],
    [
      'tells an error',
      [chunk({ content: 'a' }), frame({ error: { message: 'slow down', type: 'rate_limit_error', code: null } })],
      { status: 429, message: 'slow down' },
    ],
    ['tells an error with a status', [frame({ error: { message: 'busy', code: 503 } })], { status: 503, code: '503' }],
    ['tells an error by event', [{ event: 'error', data: '{"message":"gone"}' }], { status: 502, message: 'gone' }],
  ])('ends with an error where a stream %s, whatever follows', (_, frames, fault) => {
    expect(decode(...frames, ...(frames.length > 1 ? [chunk({ content: 'b' }), DONE] : [])).at(-1)).toMatchObject({
      type: 'error',
      fault,
    });
  });

  it('takes no more choices and calls than any answer has', () => {
    const many = Array.from({ length: 3000 }, (_, index) => ({ index, delta: { content: 'a' } }));
    const calls = Array.from({ length: 3000 }, (_, index) => ({ index, id: `c${index}`, function: { name: 'f' } }));
    const parts = decode(frame({ id: 'c1', choices: many }), chunk({ tool_calls: calls }), DONE);
    expect(parts.filter((part) => part.type === 'finish')).toHaveLength(128);
    expect(parts.filter((part) => part.type === 'part' && part.part.kind === 'tool_call')).toHaveLength(1024);
  });
});

describe('what clients are streamed', () => {
  const START: StreamPart = { type: 'start', id: 'msg_1', model: 'claude', created: 0 };
  const STOP: StreamPart = { type: 'finish', choice: 0, stop: { cause: 'stop', raw: 'end_turn' } };
  const USAGE: StreamPart = {
    type: 'usage',
    usage: { input: 1, cachedInput: 2, cacheWrite: 3, output: 4, reasoning: 5 },
  };

  it("is read by OpenAI's client", async () => {
    const parts: StreamPart[] = [
      START,
      ...steps(0, 0, { kind: 'thinking', text: 'hm' }, ['h', 'm']),
      ...steps(0, 1, { kind: 'text', text: 'Hello' }, ['Hel', 'lo']),
      ...steps(0, 2, { kind: 'tool_call', id: 'a', name: 'f', arguments: '{"x":1}' }, ['{"x"', ':1}']),
      ...steps(0, 3, { kind: 'tool_call', id: 'b', name: 'g', arguments: '{}' }, ['{}']),
      ...steps(0, 4, { kind: 'tool_call', id: 'c', name: 'g', arguments: '' }, []),
      { type: 'finish', choice: 0, stop: { cause: 'tool_calls', raw: 'tool_use' } },
      USAGE,
      { type: 'end' },
    ];
    const frames = encodeStream(openaiChatCodec, parts);
    expect(frames.at(-1)).toEqual(DONE);
    const lines = frames.slice(0, -1).map(({ data }) => `${data}\n`);
    const bytes = new Blob(lines).stream() as ReadableStream;
    const completion = await ChatCompletionStream.fromReadableStream(bytes).finalChatCompletion();
    expect(completion).toMatchObject({
      id: 'msg_1',
      model: 'claude',
      created: 1_700_000_000,
      choices: [
        {
          message: {
            role: 'assistant',
            content: 'Hello',
            tool_calls: [
              { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
              { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
              // A provider streams nothing for a call without arguments.
              { id: 'c', type: 'function', function: { name: 'g', arguments: '{}' } },
            ],
          },
          finish_reason: 'tool_calls',
        },
      ],
      usage: {
        prompt_tokens: 6,
        completion_tokens: 9,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 2, cache_write_tokens: 3 },
      },
    });
  });

  it('begins with the role at once, and has no usage where the client wants none', () => {
    const [first] = encode([START], { includeUsage: false });
    expect(first).toMatchObject({ choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }] });
    const all = encode([START, STOP, USAGE, { type: 'end' }], { includeUsage: false });
    expect(all).toHaveLength(2);
    expect(JSON.stringify(all)).not.toContain('usage');
  });

  it('gives each delta an event of its own, at once', () => {
    const encoder = encodeStream(openaiChatCodec, [
      START,
      { type: 'part', choice: 0, index: 0, part: { kind: 'text', text: '' } },
      { type: 'text', choice: 0, index: 0, text: 'a"\u2028' },
      { type: 'text', choice: 0, index: 0, text: 'b' },
    ]);
    expect(encoder.slice(1).map(({ data }) => JSON.parse(data).choices[0].delta)).toEqual([
      { content: 'a"\u2028' },
      { content: 'b' },
    ]);
  });

  it('says thinking with its marked signature in the details as well', () => {
    const parts: StreamPart[] = [
      START,
      { type: 'part', choice: 0, index: 0, part: { kind: 'thinking', text: '' } },
      { type: 'thinking', choice: 0, index: 0, text: 'hm' },
      { type: 'signature', choice: 0, index: 0, signature: { issuer: 'anthropic', data: 's' } },
      { type: 'part_end', choice: 0, index: 0 },
      {
        type: 'part',
        choice: 0,
        index: 1,
        part: { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: 'r' } },
      },
    ];
    expect(encode(parts).slice(1)).toMatchObject([
      {
        choices: [
          { delta: { reasoning_content: 'hm', reasoning_details: [{ type: 'reasoning.text', text: 'hm', index: 0 }] } },
        ],
      },
      { choices: [{ delta: { reasoning_details: [{ signature: 'sluice:anthropic:s', index: 0 }] } }] },
      {
        choices: [
          { delta: { reasoning_details: [{ type: 'reasoning.encrypted', data: 'sluice:anthropic:r', index: 1 }] } },
        ],
      },
    ]);
  });

  const cited = (length: number): StreamPart[] => [
    START,
    ...steps(0, 0, { kind: 'text', text: 'before' }, ['before']),
    { type: 'part', choice: 0, index: 1, part: { kind: 'text', text: '' } },
    {
      type: 'citation',
      choice: 0,
      index: 1,
      citation: { kind: 'url', url: `https://example.com/${'x'.repeat(length)}` },
    },
    { type: 'text', choice: 0, index: 1, text: 'cited' },
    { type: 'part_end', choice: 0, index: 1 },
  ];

  it('holds a citation of a whole text until the text is known', () => {
    expect(encode(cited(0)).at(-1)).toMatchObject({
      choices: [{ delta: { annotations: [{ url_citation: { start_index: 6, end_index: 11 } }] } }],
    });
  });

  it('holds no more than it may', () => {
    expect(() => encode(cited(200), { maxHeldBytes: 100 })).toThrow(TooMuchToHold);
  });

  it('tells a client of functions its call in its own words', () => {
    const request = conversation({ legacyFunctions: true });
    const parts: StreamPart[] = [
      START,
      ...steps(0, 0, { kind: 'tool_call', id: 'a', name: 'f', arguments: '{}' }, ['{', '}']),
      { type: 'finish', choice: 0, stop: { cause: 'tool_calls', raw: 'tool_use' } },
    ];
    expect(encode(parts, { request }).slice(1)).toMatchObject([
      { choices: [{ delta: { function_call: { name: 'f', arguments: '' } } }] },
      { choices: [{ delta: { function_call: { arguments: '{' } } }] },
      { choices: [{ delta: { function_call: { arguments: '}' } } }] },
      { choices: [{ delta: {}, finish_reason: 'function_call' }] },
    ]);
  });

  it('keeps the connection alive with deltas that say nothing', () => {
    const parts = [START, { type: 'ping' } as const, STOP, { type: 'ping' } as const];
    expect(encode(parts).map((body) => body.choices)).toMatchObject([
      [{ delta: { role: 'assistant' } }],
      [{ delta: {}, finish_reason: null }],
      [{ delta: {}, finish_reason: 'stop' }],
    ]);
  });

  it("tells an error as OpenAI's clients expect it, and ends there", () => {
    const fault = { status: 529, message: 'Overloaded', type: 'overloaded_error', code: '', param: '' };
    expect(encode([START, { type: 'error', fault }]).at(-1)).toEqual({
      error: { message: 'Overloaded', type: 'server_error', param: null, code: 'overloaded_error' },
    });
  });

  it('plays a whole answer', () => {
    const parts: Part[] = [
      { kind: 'thinking', text: 'hm', signature: { issuer: 'anthropic', data: 's' } },
      { kind: 'text', text: 'said', citations: [{ kind: 'url', url: 'https://example.com/' }] },
      { kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AA==' } },
      { kind: 'tool_call', id: 'a', name: 'f', arguments: '{"x":1}', custom: true },
      { kind: 'other', format: 'messages', name: 'server_tool_use', value: {} },
    ];
    const choices = [{ index: 0, parts, stop: { cause: 'tool_calls' as const, raw: 'tool_use' } }];
    const deltas = encode([...answerParts({ id: 'a', model: 'm', created: 1, choices, usage: null })]).map(
      (body) => (body.choices as [{ delta: object }])[0].delta,
    );
    expect(deltas).toEqual([
      { role: 'assistant', content: '' },
      {
        reasoning_content: 'hm',
        reasoning_details: [{ type: 'reasoning.text', text: 'hm', signature: 'sluice:anthropic:s', index: 0 }],
      },
      { content: 'said' },
      {
        annotations: [
          {
            type: 'url_citation',
            url_citation: { url: 'https://example.com/', title: '', start_index: 0, end_index: 4 },
          },
        ],
      },
      { images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] },
      { tool_calls: [{ index: 0, id: 'a', type: 'custom', custom: { name: 'f', input: '{"x":1}' } }] },
      {},
    ]);
  });
});
