import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Frame, TooMuchToHold } from '../../../../../src/adapters/llm/formats/codec.ts';
import { geminiCodec } from '../../../../../src/adapters/llm/formats/gemini/codec.ts';
import type { StreamPart } from '../../../../../src/facts/answer.ts';
import type { JsonObject, Part } from '../../../../../src/facts/conversation.ts';
import {
  anyBase64,
  anyCuts,
  anyId,
  anyJson,
  anyJsonObject,
  anyName,
  anyText,
  anyToolCall,
  anyUsage,
  commonParts,
  decodeStream,
  deltaOf,
  emptied,
  encodeStream,
  expectWellFormed,
  normaliseParts,
} from '../hub.ts';

const HEAD = { modelVersion: 'gemini-3-flash', responseId: 'r-1' };

function frame(value: unknown): Frame {
  return { event: '', data: JSON.stringify(value) };
}

function chunk(parts: JsonObject[], rest: JsonObject = {}, top: JsonObject = {}): Frame {
  return frame({ candidates: [{ content: { role: 'model', parts }, index: 0, ...rest }], ...HEAD, ...top });
}

function decode(...frames: Frame[]): StreamPart[] {
  const parts = decodeStream(geminiCodec, frames);
  expectWellFormed(parts);
  return parts;
}

function fault(parts: StreamPart[]) {
  const last = parts.at(-1);
  return last?.type === 'error' ? last.fault : null;
}

const USAGE = { promptTokenCount: 10, candidatesTokenCount: 4, thoughtsTokenCount: 2, totalTokenCount: 16 };

describe('decoding', () => {
  test('a golden stream', () => {
    const parts = decode(
      chunk([{ text: 'Let me ', thought: true }], {}, { usageMetadata: { promptTokenCount: 10, totalTokenCount: 10 } }),
      chunk([{ text: 'see.', thought: true }]),
      chunk([{ text: 'The ' }]),
      chunk([{ text: 'tower' }]),
      chunk([{ text: '', thoughtSignature: 'AAAA' }], {
        groundingMetadata: {
          groundingChunks: [{ web: { uri: 'https://a.example', title: 'a' } }],
          groundingSupports: [{ segment: { startIndex: 4, endIndex: 9 }, groundingChunkIndices: [0] }],
        },
      }),
      chunk([
        { functionCall: { id: 'c1', name: 'f', args: { a: 1 } }, thoughtSignature: 'BBBB' },
        { functionCall: { id: 'c2', name: 'g' } },
      ]),
      chunk([{ text: '' }], { finishReason: 'STOP' }, { usageMetadata: USAGE }),
    );
    expect(commonParts(parts)).toEqual([
      { type: 'start', id: 'r-1', model: 'gemini-3-flash', created: 0 },
      { type: 'usage', usage: { input: 10, cachedInput: 0, cacheWrite: 0, output: 0, reasoning: 0 } },
      { type: 'part', choice: 0, index: 0, part: { kind: 'thinking', text: '', summary: true } },
      { type: 'thinking', choice: 0, index: 0, text: 'Let me ' },
      { type: 'thinking', choice: 0, index: 0, text: 'see.' },
      { type: 'part_end', choice: 0, index: 0 },
      { type: 'part', choice: 0, index: 1, part: { kind: 'text', text: '' } },
      { type: 'text', choice: 0, index: 1, text: 'The ' },
      { type: 'text', choice: 0, index: 1, text: 'tower' },
      { type: 'signature', choice: 0, index: 1, signature: { issuer: 'google', data: 'AAAA' } },
      {
        type: 'citation',
        choice: 0,
        index: 1,
        citation: { kind: 'url', url: 'https://a.example', title: 'a', start: 4, end: 9 },
      },
      { type: 'part_end', choice: 0, index: 1 },
      {
        type: 'part',
        choice: 0,
        index: 2,
        part: { kind: 'tool_call', id: 'c1', name: 'f', arguments: '', signature: { issuer: 'google', data: 'BBBB' } },
      },
      { type: 'arguments', choice: 0, index: 2, json: '{"a":1}' },
      { type: 'part_end', choice: 0, index: 2 },
      { type: 'part', choice: 0, index: 3, part: { kind: 'tool_call', id: 'c2', name: 'g', arguments: '' } },
      { type: 'arguments', choice: 0, index: 3, json: '{}' },
      { type: 'part_end', choice: 0, index: 3 },
      { type: 'finish', choice: 0, stop: { cause: 'tool_calls', raw: 'STOP' } },
      { type: 'usage', usage: { input: 10, cachedInput: 0, cacheWrite: 0, output: 4, reasoning: 2 } },
      { type: 'end' },
    ]);
  });

  test.each([
    [{ functionCall: { name: 'f', args: {} } }, 'tool_calls'],
    [{ text: 'Hi' }, 'stop'],
    [{ text: '' }, 'error'],
  ])('a reason that Gemini does not have, after %j, is %s', (part, cause) => {
    const parts = decode(chunk([part]), chunk([], { finishReason: 'FUNCTION_CALL' }));
    expect(parts).toContainEqual({ type: 'finish', choice: 0, stop: { cause, raw: 'FUNCTION_CALL' } });
  });

  test('a call that stands for the answer is text', () => {
    const parts = decode(
      chunk([{ functionCall: { name: 'sluice_answer', args: { a: 1 } } }], { finishReason: 'STOP' }),
    );
    expect(parts).toContainEqual({ type: 'text', choice: 0, index: 0, text: '{"a":1}' });
    expect(parts).toContainEqual({ type: 'finish', choice: 0, stop: { cause: 'stop', raw: 'STOP' } });
  });

  test('each event says at once what it brings', () => {
    const decoder = geminiCodec.streamDecoder({ issuer: 'google', model: 'm' });
    for (const text of ['a', 'b']) {
      const parts: StreamPart[] = [];
      decoder.event(chunk([{ text }]), (part) => parts.push(part));
      expect(parts.at(-1)).toMatchObject({ type: 'text', text });
    }
  });

  test('several candidates', () => {
    const both = (first: JsonObject, second: JsonObject) =>
      frame({
        candidates: [
          { index: 0, ...first },
          { index: 1, ...second },
        ],
        ...HEAD,
      });
    const parts = decode(
      both({ content: { parts: [{ text: 'a' }] } }, { content: { parts: [{ text: 'x' }] } }),
      both({ content: { parts: [{ text: 'b' }] }, finishReason: 'STOP' }, { content: { parts: [{ text: 'y' }] } }),
      frame({ candidates: [{ index: 1, finishReason: 'MAX_TOKENS' }] }),
    );
    expect(parts.filter(({ type }) => type === 'finish')).toEqual([
      { type: 'finish', choice: 0, stop: { cause: 'stop', raw: 'STOP' } },
      { type: 'finish', choice: 1, stop: { cause: 'length', raw: 'MAX_TOKENS' } },
    ]);
  });

  test('calls have the ids that the whole answer would have', () => {
    const call = { functionCall: { name: 'f', args: { a: 1 } } };
    const streamed = decode(chunk([call]), chunk([call], { finishReason: 'STOP' })).flatMap((part) =>
      part.type === 'part' && part.part.kind === 'tool_call' ? [part.part.id] : [],
    );
    const whole = geminiCodec.decodeAnswer(
      { ...HEAD, candidates: [{ content: { parts: [call, call] } }] },
      { issuer: 'google', model: '' },
    );
    expect(streamed).toEqual(whole.choices[0]?.parts.map((part) => (part.kind === 'tool_call' ? part.id : '')));
    expect(new Set(streamed).size).toBe(2);
  });

  test('a refused prompt', () => {
    expect(decode(frame({ promptFeedback: { blockReason: 'SAFETY' }, ...HEAD })).slice(1)).toEqual([
      { type: 'extra', extra: { format: 'generateContent', fields: { promptFeedback: { blockReason: 'SAFETY' } } } },
      { type: 'finish', choice: 0, stop: { cause: 'content_filter', raw: 'SAFETY' } },
      { type: 'end' },
    ]);
  });

  test('an end without a reason is an error', () => {
    expect(fault(decode(chunk([{ text: 'a' }])))).toMatchObject({ status: 502 });
    expect(fault(decode())).toMatchObject({ status: 502 });
  });

  test('an error in mid-stream', () => {
    const error = { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' };
    const parts = decode(chunk([{ text: 'a' }]), frame({ error }), chunk([{ text: 'late' }]));
    expect(fault(parts)).toEqual({
      status: 503,
      message: 'The model is overloaded.',
      type: 'UNAVAILABLE',
      code: '',
      param: '',
    });
  });

  test('what is no JSON is an error, what says nothing is skipped', () => {
    expect(fault(decode({ event: '', data: '{"candidates": [' }))).toMatchObject({ status: 502 });
    const parts = decode({ event: '', data: '' }, frame(5), chunk([{ text: 'a' }], { finishReason: 'STOP' }), {
      event: '',
      data: '[DONE]',
    });
    expect(parts.at(-1)).toEqual({ type: 'end' });
  });

  test('whatever events come, the stream is well formed', () => {
    const anyEvent = fc.record(
      {
        candidates: fc.array(
          fc.record(
            {
              index: fc.oneof(fc.nat(2), anyJson),
              content: fc.record({
                parts: fc.array(
                  fc.oneof(
                    fc.record(
                      { text: fc.string(), thought: fc.boolean(), thoughtSignature: fc.string() },
                      { requiredKeys: [] },
                    ),
                    fc.record({ functionCall: fc.oneof(anyJson, anyJsonObject) }),
                    fc.record({
                      inlineData: fc.record({ mimeType: fc.constantFrom('audio/wav', 'image/png'), data: anyBase64 }),
                    }),
                    anyJsonObject,
                  ),
                ),
              }),
              finishReason: fc.oneof(fc.constantFrom('STOP', 'SAFETY'), anyJson),
              groundingMetadata: anyJson,
              logprobsResult: anyJson,
            },
            { requiredKeys: [] },
          ),
        ),
        usageMetadata: anyJson,
        promptFeedback: anyJson,
      },
      { requiredKeys: [] },
    );
    fc.assert(fc.property(fc.array(fc.oneof(anyEvent, anyJson)), (events) => void decode(...events.map(frame))));
  });
});

describe('encoding', () => {
  const text: StreamPart[] = [
    { type: 'start', id: 'x', model: 'claude', created: 0 },
    { type: 'part', choice: 0, index: 0, part: { kind: 'text', text: '' } },
    { type: 'text', choice: 0, index: 0, text: 'Hi' },
  ];
  const call = (index: number): Part => ({ kind: 'tool_call', id: `c${index}`, name: 'f', arguments: '' });

  test('text at once; the reason of the end, sources and usage in the last event', () => {
    const frames = encodeStream(geminiCodec, [
      ...text,
      { type: 'ping' },
      { type: 'citation', choice: 0, index: 0, citation: { kind: 'url', url: 'https://a.example', start: 0, end: 2 } },
      { type: 'part_end', choice: 0, index: 0 },
      { type: 'finish', choice: 0, stop: { cause: 'stop', raw: 'end_turn' } },
      { type: 'usage', usage: { input: 1, cachedInput: 2, cacheWrite: 3, output: 4, reasoning: 5 } },
      { type: 'end' },
    ]);
    const head = { modelVersion: 'claude', responseId: 'x' };
    expect(frames.map(({ data }) => JSON.parse(data))).toEqual([
      { candidates: [{ content: { role: 'model', parts: [{ text: 'Hi' }] }, index: 0 }], ...head },
      {
        candidates: [
          {
            content: { role: 'model', parts: [{ text: '' }] },
            finishReason: 'STOP',
            index: 0,
            groundingMetadata: {
              groundingChunks: [{ web: { uri: 'https://a.example' } }],
              groundingSupports: [{ segment: { endIndex: 2 }, groundingChunkIndices: [0] }],
            },
          },
        ],
        usageMetadata: {
          promptTokenCount: 6,
          cachedContentTokenCount: 2,
          candidatesTokenCount: 4,
          thoughtsTokenCount: 5,
          totalTokenCount: 15,
        },
        ...head,
      },
    ]);
  });

  test('interleaved calls are each written whole, when they are whole', () => {
    const at = { choice: 0 };
    const encoder: StreamPart[] = [
      { type: 'part', ...at, index: 0, part: call(0) },
      { type: 'part', ...at, index: 1, part: call(1) },
      { type: 'arguments', ...at, index: 1, json: '{"b":' },
      { type: 'arguments', ...at, index: 0, json: '{"a":1}' },
      { type: 'arguments', ...at, index: 1, json: '2}' },
      { type: 'part_end', ...at, index: 1 },
      { type: 'part_end', ...at, index: 0 },
    ];
    const calls = encodeStream(geminiCodec, encoder).map(
      ({ data }) => JSON.parse(data).candidates[0].content.parts[0].functionCall,
    );
    expect(calls).toEqual([
      { id: 'c1', name: 'f', args: { b: 2 } },
      { id: 'c0', name: 'f', args: { a: 1 } },
    ]);
  });

  test('what grows past the limit is too much', () => {
    const parts: StreamPart[] = [
      { type: 'part', choice: 0, index: 0, part: call(0) },
      { type: 'arguments', choice: 0, index: 0, json: 'x'.repeat(60) },
      { type: 'arguments', choice: 0, index: 0, json: 'x'.repeat(60) },
    ];
    expect(() => encodeStream(geminiCodec, parts, { maxHeldBytes: 100 })).toThrow(TooMuchToHold);
    const longText = Array.from(
      { length: 50 },
      (): StreamPart => ({ type: 'text', choice: 0, index: 0, text: 'x'.repeat(60) }),
    );
    expect(encodeStream(geminiCodec, [...text, ...longText], { maxHeldBytes: 100 })).toHaveLength(51);
  });

  test('an error', () => {
    const [frame] = encodeStream(geminiCodec, [
      { type: 'error', fault: { status: 529, message: 'Overloaded', type: 'overloaded_error', code: '', param: '' } },
    ]);
    expect(JSON.parse(frame?.data ?? '')).toEqual({ error: { code: 529, message: 'Overloaded', status: 'INTERNAL' } });
  });

  test('a thought comes in pieces, its signature with what else is known of it at its end', () => {
    const frames = encodeStream(geminiCodec, [
      { type: 'part', choice: 0, index: 0, part: { kind: 'thinking', text: '', id: 'rs_1' } },
      { type: 'thinking', choice: 0, index: 0, text: 'hm' },
      { type: 'signature', choice: 0, index: 0, signature: { issuer: 'openai', data: 'gAAA' } },
      { type: 'part_end', choice: 0, index: 0 },
    ]);
    const parts = frames.map(({ data }) => JSON.parse(data).candidates[0].content.parts[0]);
    const back = geminiCodec.decodeRequest({ contents: [{ role: 'model', parts }] }, { model: 'm', stream: false });
    expect(back.messages[0]?.parts).toEqual([
      { kind: 'thinking', text: 'hm', summary: true, id: 'rs_1', signature: { issuer: 'openai', data: 'gAAA' } },
    ]);
  });
});

test('a stream that Gemini can send comes back as it was', () => {
  const anyPiece: fc.Arbitrary<{ part: Part; cuts: string[] }> = fc.oneof(
    fc
      .oneof(
        anyText.map((text): Part => ({ kind: 'text', text })),
        anyText.map((text): Part => ({ kind: 'thinking', text, summary: true })),
      )
      .chain((part) =>
        anyCuts(part.kind === 'text' || part.kind === 'thinking' ? part.text : '').map((cuts) => ({ part, cuts })),
      ),
    anyToolCall().map((part) => ({ part, cuts: [] })),
    anyBase64.map((data) => ({
      part: { kind: 'image' as const, source: { type: 'base64' as const, mediaType: 'image/png', data } },
      cuts: [],
    })),
    anyJsonObject.map((value) => ({
      part: {
        kind: 'other' as const,
        format: 'generateContent' as const,
        name: 'executableCode',
        value: { executableCode: value },
      },
      cuts: [],
    })),
  );
  const anyStream = fc
    .record({ id: anyId, model: anyName, pieces: fc.array(anyPiece, { maxLength: 5 }), usage: anyUsage })
    .map(({ id, model, pieces, usage }): StreamPart[] => {
      // What is alike and stands side by side is one part.
      const apart = pieces.filter(
        ({ part }, i) => (part.kind !== 'text' && part.kind !== 'thinking') || pieces[i - 1]?.part.kind !== part.kind,
      );
      const parts: StreamPart[] = [{ type: 'start', id, model, created: 0 }];
      for (const [index, { part, cuts }] of apart.entries()) {
        parts.push({ type: 'part', choice: 0, index, part: emptied(part) });
        for (const text of cuts)
          if (part.kind === 'text' || part.kind === 'thinking') parts.push({ type: part.kind, choice: 0, index, text });
        const whole = cuts.length === 0 ? deltaOf(0, index, part) : null;
        if (whole !== null) parts.push(whole);
        parts.push({ type: 'part_end', choice: 0, index });
      }
      const called = apart.some(({ part }) => part.kind === 'tool_call');
      parts.push({ type: 'finish', choice: 0, stop: { cause: called ? 'tool_calls' : 'stop', raw: 'STOP' } });
      parts.push({ type: 'usage', usage: { ...usage, cacheWrite: 0 } }, { type: 'end' });
      return parts;
    });
  fc.assert(
    fc.property(anyStream, (parts) => {
      const back = decodeStream(geminiCodec, encodeStream(geminiCodec, parts));
      expectWellFormed(back);
      expect(normaliseParts(commonParts(back))).toEqual(normaliseParts(parts));
    }),
    { numRuns: 300 },
  );
});
