import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messageOf } from '../../../../../src/adapters/llm/convert/event-stream.ts';
import { bedrockConverseCodec as codec } from '../../../../../src/adapters/llm/formats/bedrock-converse/codec.ts';
import { type Frame, TooMuchToHold } from '../../../../../src/adapters/llm/formats/codec.ts';
import type { StreamPart } from '../../../../../src/facts/answer.ts';
import type { Part } from '../../../../../src/facts/conversation.ts';
import {
  answerContext,
  anyCuts,
  anyJson,
  anyText,
  anyToolCall,
  anyUsage,
  commonParts,
  conversation,
  decodeStream,
  deltaOf,
  emptied,
  encodeStream,
  expectWellFormed,
  normaliseParts,
} from '../hub.ts';
import { anyCitation, anyThinking } from './arbitrary.ts';
import { streamedBy } from './sdk.ts';

const frame = (event: string, data: object): Frame => ({ event, data: JSON.stringify(data) });
const start = (contentBlockIndex: number, toolUse: object) =>
  frame('contentBlockStart', { contentBlockIndex, start: { toolUse }, p: 'ab' });
const delta = (contentBlockIndex: number, value: object) =>
  frame('contentBlockDelta', { contentBlockIndex, delta: value, p: 'abc' });
const stop = (contentBlockIndex: number) => frame('contentBlockStop', { contentBlockIndex });
const BEGIN = frame('messageStart', { role: 'assistant' });
const done = (stopReason: string, more: object = {}) => frame('messageStop', { stopReason, ...more });
const METADATA = frame('metadata', {
  usage: { inputTokens: 10, outputTokens: 5, totalTokens: 22, cacheReadInputTokens: 4, cacheWriteInputTokens: 3 },
  metrics: { latencyMs: 12 },
});
const USAGE = { input: 10, cachedInput: 4, cacheWrite: 3, output: 5, reasoning: 0 };
const START: StreamPart = { type: 'start', id: '', model: 'target-model', created: 0 };
const at = (index: number) => ({ choice: 0, index });

describe("a stream of Bedrock's", () => {
  it('is read event by event', () => {
    const decoder = codec.streamDecoder(answerContext(codec));
    const steps: [Frame, StreamPart[]][] = [
      [BEGIN, [START]],
      [
        delta(0, { reasoningContent: { text: 'h' } }),
        [
          { type: 'part', ...at(0), part: { kind: 'thinking', text: '' } },
          { type: 'thinking', ...at(0), text: 'h' },
        ],
      ],
      [delta(0, { reasoningContent: { text: '' } }), []],
      [
        delta(0, { reasoningContent: { signature: 's' } }),
        [{ type: 'signature', ...at(0), signature: { issuer: 'anthropic', data: 's' } }],
      ],
      [stop(0), [{ type: 'part_end', ...at(0) }]],
      [delta(1, { reasoningContent: { redactedContent: 'cmVk' } }), []],
      [
        stop(1),
        [
          {
            type: 'part',
            ...at(1),
            part: { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: 'cmVk' } },
          },
          { type: 'part_end', ...at(1) },
        ],
      ],
      [
        delta(2, { text: 'Hi' }),
        [
          { type: 'part', ...at(2), part: { kind: 'text', text: '' } },
          { type: 'text', ...at(2), text: 'Hi' },
        ],
      ],
      [
        delta(2, { citation: { title: 'T', location: { documentChar: { documentIndex: 0, start: 1, end: 2 } } } }),
        [
          {
            type: 'citation',
            ...at(2),
            citation: { kind: 'document', title: 'T', document: { index: 0, unit: 'char', start: 1, end: 2 } },
          },
        ],
      ],
      [stop(2), [{ type: 'part_end', ...at(2) }]],
      [
        start(3, { toolUseId: 'a', name: 'f' }),
        [{ type: 'part', ...at(3), part: { kind: 'tool_call', id: 'a', name: 'f', arguments: '' } }],
      ],
      [
        start(4, { toolUseId: 'b', name: 'g' }),
        [{ type: 'part', ...at(4), part: { kind: 'tool_call', id: 'b', name: 'g', arguments: '' } }],
      ],
      [delta(3, { toolUse: { input: '{"x"' } }), [{ type: 'arguments', ...at(3), json: '{"x"' }]],
      [delta(4, { toolUse: { input: '' } }), []],
      [delta(3, { toolUse: { input: ':1}' } }), [{ type: 'arguments', ...at(3), json: ':1}' }]],
      [stop(3), [{ type: 'part_end', ...at(3) }]],
      // A tool without parameters.
      [
        stop(4),
        [
          { type: 'arguments', ...at(4), json: '{}' },
          { type: 'part_end', ...at(4) },
        ],
      ],
      [done('tool_use'), [{ type: 'finish', choice: 0, stop: { cause: 'tool_calls', raw: 'tool_use' } }]],
      [
        METADATA,
        [
          { type: 'extra', extra: { format: 'converse', fields: { metrics: { latencyMs: 12 } } } },
          { type: 'usage', usage: USAGE },
          { type: 'end' },
        ],
      ],
      [METADATA, []],
      [BEGIN, []],
    ];
    for (const [event, parts] of steps) {
      const emitted: StreamPart[] = [];
      decoder.event(event, (part) => emitted.push(part));
      expect(emitted, JSON.stringify(event)).toEqual(parts);
    }
  });

  it.each<[string, string, string[], string, string]>([
    ['an object', 'sluice_answer', ['{"a', '":1}'], '{"a":1}', 'stop'],
    ['another value', 'sluice_value', ['{"va', 'lue":', '[1,', '2]}'], '[1,2]', 'stop'],
  ])('gives the answer of a tool as text: %s', (_, name, pieces, text, cause) => {
    const parts = decodeStream(codec, [
      start(0, { toolUseId: '1', name }),
      ...pieces.map((input) => delta(0, { toolUse: { input } })),
      stop(0),
      done('tool_use'),
    ]);
    expectWellFormed(parts);
    expect(normaliseParts(parts)).toMatchObject([
      { type: 'start' },
      { type: 'part', part: { kind: 'text' } },
      { type: 'text', text },
      { type: 'part_end' },
      { type: 'finish', stop: { cause } },
      { type: 'end' },
    ]);
  });

  it('gives free text as it comes', () => {
    const parts = decodeStream(codec, [
      start(0, { toolUseId: '1', name: 'sluice_text_sql' }),
      delta(0, { toolUse: { input: '{"input":"SEL' } }),
      delta(0, { toolUse: { input: 'ECT\\n1"}' } }),
      done('tool_use'),
    ]);
    expect(normaliseParts(parts)).toMatchObject([
      { type: 'start' },
      { type: 'part', part: { kind: 'tool_call', name: 'sql', custom: true } },
      { type: 'arguments', json: 'SELECT\n1' },
      { type: 'part_end' },
      { type: 'finish', stop: { cause: 'tool_calls' } },
      { type: 'end' },
    ]);
  });

  it("keeps a tool of Bedrock's own, and an image, as wholes", () => {
    const frames = [
      frame('contentBlockStart', {
        contentBlockIndex: 0,
        start: { toolUse: { toolUseId: 's', name: 'n', type: 'server_tool_use' } },
      }),
      delta(0, { toolUse: { input: '{"q":' } }),
      delta(0, { toolUse: { input: '1}' } }),
      stop(0),
      frame('contentBlockStart', { contentBlockIndex: 1, start: { toolResult: { toolUseId: 's', type: 'r' } } }),
      delta(1, { toolResult: [{ json: { a: 1 } }] }),
      delta(1, { toolResult: [{ text: 'b' }] }),
      stop(1),
      frame('contentBlockStart', { contentBlockIndex: 2, start: { image: { format: 'png' } } }),
      delta(2, { image: { source: { bytes: 'AAAA' } } }),
      stop(2),
      done('end_turn'),
    ];
    const parts = decodeStream(codec, frames);
    expectWellFormed(parts);
    expect(parts.filter(({ type }) => type === 'part').map((part) => (part as { part: Part }).part)).toEqual([
      {
        kind: 'other',
        format: 'converse',
        name: 'toolUse',
        value: { toolUse: { toolUseId: 's', name: 'n', type: 'server_tool_use', input: { q: 1 } } },
      },
      {
        kind: 'other',
        format: 'converse',
        name: 'toolResult',
        value: { toolResult: { toolUseId: 's', type: 'r', content: [{ json: { a: 1 } }, { text: 'b' }] } },
      },
      { kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AAAA' } },
    ]);
  });

  it('does not hold without bounds', () => {
    const decoder = codec.streamDecoder(answerContext(codec));
    const piece = delta(0, { reasoningContent: { redactedContent: 'A'.repeat(8 * 1024 * 1024) } });
    expect(() => {
      for (let i = 0; i < 6; i++) decoder.event(piece, () => {});
    }).toThrow(TooMuchToHold);
  });

  it.each([
    ['throttlingException', { message: 'slow' }, 429],
    ['validationException', { message: 'bad' }, 400],
    ['modelStreamErrorException', { message: 'oops', originalStatusCode: 529 }, 529],
    ['modelStreamErrorException', { message: 'oops' }, 424],
    ['internalServerException', { message: 'ours' }, 500],
    ['serviceUnavailableException', { message: 'later' }, 503],
    ['somethingNewException', { message: 'new' }, 500],
  ])('ends with %s', (event, body, status) => {
    const parts = decodeStream(codec, [BEGIN, delta(0, { text: 'a' }), frame(event, body), delta(0, { text: 'b' })]);
    expectWellFormed(parts);
    expect(parts.at(-1)).toEqual({
      type: 'error',
      fault: { status, message: body.message, type: event, code: '', param: '' },
    });
  });

  it('that breaks off, or is no JSON, is an error', () => {
    for (const frames of [
      [],
      [BEGIN],
      [BEGIN, delta(0, { text: 'a' }), stop(0)],
      [BEGIN, METADATA],
      [{ event: 'messageStart', data: '{' }],
    ]) {
      const parts = decodeStream(codec, frames);
      expectWellFormed(parts);
      expect(parts.at(-1)).toMatchObject({ type: 'error', fault: { status: 502 } });
    }
    expect(decodeStream(codec, [BEGIN, done('end_turn')]).at(-1)).toEqual({ type: 'end' });
  });

  it('keeps the rules, whatever comes', () => {
    const names = [
      'messageStart',
      'contentBlockStart',
      'contentBlockDelta',
      'contentBlockStop',
      'messageStop',
      'metadata',
      'x',
    ];
    const anyDelta = fc.oneof(
      fc.constantFrom<object>(
        { text: 'a' },
        { toolUse: { input: '{' } },
        { reasoningContent: { text: 'h' } },
        { reasoningContent: { redactedContent: 'AA' } },
      ),
      fc.record(
        { text: anyJson, toolUse: anyJson, reasoningContent: anyJson, citation: anyJson },
        { requiredKeys: [] },
      ),
    );
    const anyStart = fc.oneof(
      fc.constantFrom<object>(
        {},
        { toolUse: { toolUseId: 'a', name: 'f' } },
        { toolUse: { name: 'sluice_value' } },
        { toolUse: { type: 's' } },
      ),
      anyJson,
    );
    const anyFrame = fc
      .record({
        event: fc.constantFrom(...names),
        contentBlockIndex: fc.oneof(fc.nat(3), anyJson),
        delta: anyDelta,
        start: anyStart,
        usage: anyJson,
        stopReason: anyJson,
      })
      .map(({ event, ...data }) => frame(event, data));
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 14 }), (frames) => expectWellFormed(decodeStream(codec, frames))),
    );
  });
});

/** The deltas of a part, cut anywhere. */
function anyPieces(index: number, part: Part): fc.Arbitrary<StreamPart[]> {
  const open: StreamPart[] = [
    { type: 'part', choice: 0, index, part: part.kind === 'thinking' ? withoutSignature(part) : emptied(part) },
  ];
  const whole = deltaOf(0, index, part);
  const text = part.kind === 'tool_call' ? part.arguments : 'text' in part ? part.text : '';
  const cuts = whole === null ? fc.constant([]) : anyCuts(text);
  return cuts.map((pieces) => [
    ...open,
    ...pieces.map(
      (piece) => ('json' in (whole as object) ? { ...whole, json: piece } : { ...whole, text: piece }) as StreamPart,
    ),
    ...(part.kind === 'thinking' && part.signature !== undefined
      ? [{ type: 'signature' as const, choice: 0, index, signature: part.signature }]
      : []),
    { type: 'part_end', choice: 0, index },
  ]);
}

function withoutSignature(part: Part & { kind: 'thinking' }): Part {
  const { signature: _, ...rest } = part;
  return { ...rest, text: '' };
}

/** What a provider would have sent: its own signatures, which bear no mark. */
function unmarked({ event, data }: Frame): Frame {
  const plain = data.replace(/"redactedContent":"([^"]*)"/, (_, base64: string) => {
    return `"redactedContent":"${Buffer.from(base64, 'base64').toString()}"`;
  });
  return { event, data: plain.replaceAll('sluice:anthropic:', '') };
}

describe("a stream for AWS's client", () => {
  it('comes back as it was', () => {
    const anyPart: fc.Arbitrary<Part> = fc.oneof<fc.Arbitrary<Part>[]>(
      anyText.map((text) => ({ kind: 'text', text })),
      anyThinking,
      anyToolCall(),
    );
    const anyStream = fc.tuple(fc.array(anyPart, { maxLength: 3 }), anyUsage).chain(([parts, usage]) =>
      fc.tuple(...parts.map((part, index) => anyPieces(index, part))).map((pieces): StreamPart[] => {
        const calls = parts.some(({ kind }) => kind === 'tool_call');
        return [
          START,
          ...pieces.flat(),
          {
            type: 'finish',
            choice: 0,
            stop: calls ? { cause: 'tool_calls', raw: 'tool_use' } : { cause: 'stop', raw: 'end_turn' },
          },
          { type: 'usage', usage: { ...usage, reasoning: 0 } },
          { type: 'end' },
        ];
      }),
    );
    fc.assert(
      fc.property(anyStream, (parts) => {
        const again = decodeStream(codec, encodeStream(codec, parts).map(unmarked));
        expectWellFormed(again);
        expect(normaliseParts(commonParts(again))).toEqual(normaliseParts(parts));
      }),
    );
  });

  it('says each piece at once', () => {
    const encoder = codec.streamEncoder({
      model: 'm',
      request: conversation(),
      includeUsage: true,
      maxHeldBytes: 10,
      now: 0,
    });
    const said = (part: StreamPart) => {
      const frames: Frame[] = [];
      encoder.part(part, (one) => frames.push(one));
      return frames.map(({ event }) => event).join(' ');
    };
    expect(said(START)).toBe('messageStart');
    expect(said({ type: 'part', ...at(0), part: { kind: 'text', text: '' } })).toBe('');
    expect(said({ type: 'text', ...at(0), text: 'x' })).toBe('contentBlockDelta');
    expect(said({ type: 'part', ...at(1), part: { kind: 'tool_call', id: 'a', name: 'f', arguments: '' } })).toBe(
      'contentBlockStart',
    );
    expect(said({ type: 'arguments', ...at(1), json: '{}' })).toBe('contentBlockDelta');
    expect(said({ type: 'ping' })).toBe('');
    expect(said({ type: 'part_end', ...at(0) })).toBe('contentBlockStop');
    expect(said({ type: 'finish', choice: 0, stop: { cause: 'tool_calls', raw: '' } })).toBe(
      'contentBlockStop messageStop',
    );
    expect(said({ type: 'usage', usage: USAGE })).toBe('');
    expect(said({ type: 'end' })).toBe('metadata');
    expect(said({ type: 'end' })).toBe('');
  });

  it('is read by it', async () => {
    const google = { issuer: 'google', data: 'g' };
    const frames = encodeStream(codec, [
      { ...START, serviceTier: 'flex' } as StreamPart,
      { type: 'part', ...at(0), part: { kind: 'thinking', text: 'h' } },
      { type: 'signature', ...at(0), signature: google },
      { type: 'part_end', ...at(0) },
      { type: 'part', ...at(1), part: { kind: 'text', text: 'H' } },
      { type: 'text', ...at(1), text: 'öh' },
      { type: 'citation', ...at(1), citation: { kind: 'url', url: 'https://a.test' } },
      { type: 'part_end', ...at(1) },
      {
        type: 'part',
        ...at(2),
        part: { kind: 'tool_call', id: 'c', name: 'f', arguments: '{"a":', signature: google },
      },
      { type: 'arguments', ...at(2), json: '1}' },
      { type: 'part_end', ...at(2) },
      { type: 'part', ...at(3), part: { kind: 'tool_call', id: 'd', name: 'sql', arguments: 'a"b', custom: true } },
      {
        type: 'part',
        ...at(4),
        part: { kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AAAA' } },
      },
      { type: 'part', choice: 1, index: 0, part: { kind: 'text', text: 'of another answer' } },
      { type: 'finish', choice: 0, stop: { cause: 'tool_calls', raw: 'STOP' } },
      { type: 'usage', usage: { ...USAGE, reasoning: 2 } },
      { type: 'end' },
    ]);
    const events = await streamedBy(Buffer.concat(frames.map(messageOf)));
    expect(events).toMatchObject([
      { messageStart: { role: 'assistant' } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { text: 'h' } } } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { signature: 'sluice:google:g' } } } },
      { contentBlockStop: { contentBlockIndex: 0 } },
      { contentBlockDelta: { contentBlockIndex: 1, delta: { text: 'H' } } },
      { contentBlockDelta: { contentBlockIndex: 1, delta: { text: 'öh' } } },
      {
        contentBlockDelta: {
          contentBlockIndex: 1,
          delta: { citation: { location: { web: { url: 'https://a.test' } } } },
        },
      },
      { contentBlockStop: { contentBlockIndex: 1 } },
      { contentBlockStart: { contentBlockIndex: 2, start: { toolUse: { toolUseId: 'c', name: 'f' } } } },
      { contentBlockDelta: { contentBlockIndex: 2, delta: { toolUse: { input: '{"a":' } } } },
      { contentBlockDelta: { contentBlockIndex: 2, delta: { toolUse: { input: '1}' } } } },
      { contentBlockStop: { contentBlockIndex: 2 } },
      {
        contentBlockDelta: {
          contentBlockIndex: 3,
          delta: { reasoningContent: { redactedContent: expect.any(Uint8Array) } },
        },
      },
      { contentBlockStop: { contentBlockIndex: 3 } },
      { contentBlockStart: { contentBlockIndex: 4, start: { toolUse: { toolUseId: 'd', name: 'sql' } } } },
      { contentBlockDelta: { contentBlockIndex: 4, delta: { toolUse: { input: '{"input":"' } } } },
      { contentBlockDelta: { contentBlockIndex: 4, delta: { toolUse: { input: 'a\\"b' } } } },
      { contentBlockStart: { contentBlockIndex: 5, start: { image: { format: 'png' } } } },
      { contentBlockDelta: { contentBlockIndex: 5, delta: { image: { source: { bytes: expect.any(Uint8Array) } } } } },
      { contentBlockDelta: { contentBlockIndex: 4, delta: { toolUse: { input: '"}' } } } },
      { contentBlockStop: { contentBlockIndex: 4 } },
      { contentBlockStop: { contentBlockIndex: 5 } },
      { messageStop: { stopReason: 'tool_use' } },
      {
        metadata: {
          usage: { inputTokens: 10, outputTokens: 7, totalTokens: 24 },
          metrics: { latencyMs: 0 },
          serviceTier: { type: 'flex' },
        },
      },
    ]);
  });

  it('has no block for what says nothing, but for its signature', () => {
    const signature = { issuer: 'google', data: 'g' };
    const events = (part: Part) =>
      encodeStream(codec, [START, { type: 'part', ...at(0), part }, { type: 'part_end', ...at(0) }]).map(
        ({ event }) => event,
      );
    expect(events({ kind: 'text', text: '' })).toEqual(['messageStart']);
    expect(events({ kind: 'other', format: 'messages', name: 'x', value: {} })).toEqual(['messageStart']);
    expect(events({ kind: 'text', text: '', signature })).toEqual([
      'messageStart',
      'contentBlockDelta',
      'contentBlockStop',
    ]);
  });

  it('tells an error as an exception', async () => {
    const fault = (status: number, type = '') => ({
      type: 'error' as const,
      fault: { status, message: 'why', type, code: '', param: '' },
    });
    const names = ([400, 404, 429, 500, 503, 424] as const).map(
      (status) => encodeStream(codec, [START, fault(status)]).at(-1)?.event,
    );
    expect(names).toEqual([
      'validationException',
      'validationException',
      'throttlingException',
      'internalServerException',
      'serviceUnavailableException',
      'modelStreamErrorException',
    ]);
    const frames = encodeStream(codec, [START, fault(429), START, { type: 'end' }]);
    expect(frames).toHaveLength(2);
    await expect(streamedBy(Buffer.concat(frames.map(messageOf)))).rejects.toMatchObject({
      name: 'ThrottlingException',
      message: 'why',
    });
  });

  it('has the citations of a part that comes whole', () => {
    fc.assert(
      fc.property(fc.array(anyCitation, { minLength: 1, maxLength: 2 }), (citations) => {
        const parts = decodeStream(
          codec,
          encodeStream(codec, [
            START,
            { type: 'part', ...at(0), part: { kind: 'text', text: 'x', citations } },
            { type: 'part_end', ...at(0) },
            { type: 'end' },
          ]),
        );
        const found = parts.flatMap((part) => (part.type === 'citation' ? [part.citation] : []));
        expect(found).toEqual(citations);
      }),
    );
  });
});
