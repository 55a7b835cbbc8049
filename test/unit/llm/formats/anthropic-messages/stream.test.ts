import type { RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages/messages';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anthropicMessagesCodec as codec } from '../../../../../src/adapters/llm/formats/anthropic-messages/codec.ts';
import { type Frame, TooMuchToHold } from '../../../../../src/adapters/llm/formats/codec.ts';
import type { StreamPart } from '../../../../../src/facts/answer.ts';
import type { JsonObject, Part } from '../../../../../src/facts/conversation.ts';
import {
  answerContext,
  anyBase64,
  anyCuts,
  anyId,
  anyJson,
  anyName,
  anyText,
  anyToolCall,
  anyUsage,
  decodeStream,
  deltaOf,
  emptied,
  encodeStream,
  expectWellFormed,
  normaliseParts,
} from '../hub.ts';

type Event = RawMessageStreamEvent | { type: 'ping' } | { type: 'error'; error: { type: string; message: string } };

function frames(...events: readonly (Event | JsonObject)[]): Frame[] {
  return events.map((event) => ({ event: String(event.type), data: JSON.stringify(event) }));
}

function start(index: number, content_block: JsonObject): JsonObject {
  return { type: 'content_block_start', index, content_block };
}
function delta(index: number, value: JsonObject): JsonObject {
  return { type: 'content_block_delta', index, delta: value };
}
function stop(index: number): JsonObject {
  return { type: 'content_block_stop', index };
}
const BEGIN = {
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-opus-5',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: 9,
      cache_read_input_tokens: 4,
      cache_creation_input_tokens: 0,
      output_tokens: 1,
      service_tier: 'standard',
    },
  },
};
const ENDING = [
  {
    type: 'message_delta',
    delta: { stop_reason: 'tool_use', stop_sequence: null },
    usage: { output_tokens: 30, output_tokens_details: { thinking_tokens: 10 } },
  },
  { type: 'message_stop' },
];
const json = (partial_json: string): JsonObject => ({ type: 'input_json_delta', partial_json });
const citation = {
  type: 'char_location',
  cited_text: 'q',
  document_index: 0,
  document_title: null,
  start_char_index: 1,
  end_char_index: 2,
};

describe('streams of providers', () => {
  it('are passed on event by event', () => {
    const decoder = codec.streamDecoder(answerContext(codec));
    const steps = frames(
      BEGIN,
      { type: 'ping' },
      start(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'hm' }),
      delta(0, { type: 'signature_delta', signature: 'c2ln' }),
      stop(0),
      start(1, { type: 'redacted_thinking', data: 'cmVk' }),
      stop(1),
      start(2, { type: 'text', text: '' }),
      delta(2, { type: 'text_delta', text: 'He' }),
      delta(2, { type: 'text_delta', text: 'y' }),
      delta(2, { type: 'citations_delta', citation }),
      stop(2),
      start(3, { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} }),
      start(4, { type: 'tool_use', id: 'toolu_2', name: 'g', input: {} }),
      delta(3, json('')),
      delta(4, json('{"b":')),
      delta(3, json('{"a":1}')),
      delta(4, json('2}')),
      stop(3),
      stop(4),
      ...ENDING,
    ).map((frame) => {
      const parts: StreamPart[] = [];
      decoder.event(frame, (part) => parts.push(part));
      return parts;
    });
    const usage = { input: 9, cachedInput: 4, cacheWrite: 0 };
    const at = (index: number) => ({ choice: 0, index });
    expect(steps).toEqual([
      [
        { type: 'start', id: 'msg_1', model: 'claude-opus-5', created: 0, serviceTier: 'default' },
        { type: 'usage', usage: { ...usage, output: 1, reasoning: 0 } },
      ],
      [{ type: 'ping' }],
      [{ type: 'part', ...at(0), part: { kind: 'thinking', text: '' } }],
      [{ type: 'thinking', ...at(0), text: 'hm' }],
      [{ type: 'signature', ...at(0), signature: { issuer: 'anthropic', data: 'c2ln' } }],
      [{ type: 'part_end', ...at(0) }],
      [
        {
          type: 'part',
          ...at(1),
          part: { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: 'cmVk' } },
        },
      ],
      [{ type: 'part_end', ...at(1) }],
      [{ type: 'part', ...at(2), part: { kind: 'text', text: '' } }],
      [{ type: 'text', ...at(2), text: 'He' }],
      [{ type: 'text', ...at(2), text: 'y' }],
      [
        {
          type: 'citation',
          ...at(2),
          citation: { kind: 'document', quote: 'q', document: { index: 0, unit: 'char', start: 1, end: 2 } },
        },
      ],
      [{ type: 'part_end', ...at(2) }],
      [{ type: 'part', ...at(3), part: { kind: 'tool_call', id: 'toolu_1', name: 'f', arguments: '' } }],
      [{ type: 'part', ...at(4), part: { kind: 'tool_call', id: 'toolu_2', name: 'g', arguments: '' } }],
      [],
      [{ type: 'arguments', ...at(4), json: '{"b":' }],
      [{ type: 'arguments', ...at(3), json: '{"a":1}' }],
      [{ type: 'arguments', ...at(4), json: '2}' }],
      [{ type: 'part_end', ...at(3) }],
      [{ type: 'part_end', ...at(4) }],
      [
        { type: 'finish', choice: 0, stop: { cause: 'tool_calls', raw: 'tool_use' } },
        { type: 'usage', usage: { ...usage, output: 20, reasoning: 10 } },
      ],
      [{ type: 'end' }],
    ]);
  });

  it('have tools of the provider as wholes', () => {
    const parts = decodeStream(
      codec,
      frames(
        BEGIN,
        start(0, { type: 'server_tool_use', id: 's_1', name: 'web_search', input: {} }),
        delta(0, json('{"query":')),
        delta(0, json('"q"}')),
        stop(0),
        start(1, { type: 'web_search_tool_result', tool_use_id: 's_1', content: [] }),
        stop(1),
        ...ENDING,
      ),
    );
    expectWellFormed(parts);
    expect(parts.filter((part) => part.type === 'part')).toMatchObject([
      { index: 0, part: { kind: 'other', value: { type: 'server_tool_use', input: { query: 'q' } } } },
      { index: 1, part: { kind: 'other', value: { type: 'web_search_tool_result', tool_use_id: 's_1' } } },
    ]);
  });

  it('hold no more of those than may be held', () => {
    const decoder = codec.streamDecoder(answerContext(codec));
    const [begin, first, piece] = frames(
      BEGIN,
      start(0, { type: 'server_tool_use', id: 's', name: 'x', input: {} }),
      delta(0, json('x'.repeat(1000))),
    );
    const write = (frame: Frame) => decoder.event(frame, () => {});
    write(begin!);
    write(first!);
    expect(() => {
      for (let i = 0; i < 2000; i++) write(piece!);
    }).toThrow(TooMuchToHold);
  });

  it.each([
    ['sluice_answer', ['{"n"', ':1', '}'], ['{"n"', ':1', '}']],
    ['sluice_value', ['{"val', 'ue": [', '{}', ']', ' } '], ['[', '{}', ']']],
  ])('have the structured answer as text, at once: %s', (name, pieces, texts) => {
    const parts = decodeStream(
      codec,
      frames(
        BEGIN,
        start(0, { type: 'tool_use', id: 't', name, input: {} }),
        ...pieces.map((piece) => delta(0, json(piece))),
        stop(0),
        ...ENDING,
      ),
    );
    expectWellFormed(parts);
    expect(parts.find((part) => part.type === 'part')).toMatchObject({ part: { kind: 'text', text: '' } });
    expect(parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join('')).toBe(texts.join(''));
    expect(parts.find((part) => part.type === 'finish')).toMatchObject({ stop: { cause: 'stop', raw: 'tool_use' } });
  });

  it('have the free text of custom tools, at once', () => {
    const parts = decodeStream(
      codec,
      frames(
        BEGIN,
        start(0, { type: 'tool_use', id: 't', name: 'sluice_text_patch', input: {} }),
        ...['{"in', 'put":"a\\', 'n\\u00', 'e4', 'b', '"}'].map((piece) => delta(0, json(piece))),
        stop(0),
        ...ENDING,
      ),
    );
    expect(parts.find((part) => part.type === 'part')).toMatchObject({
      part: { kind: 'tool_call', name: 'patch', custom: true },
    });
    expect(parts.flatMap((part) => (part.type === 'arguments' ? part.json : []))).toEqual(['a', '\n', 'ä', 'b']);
  });

  it('may give the whole input of a call at its start', () => {
    const parts = decodeStream(
      codec,
      frames(BEGIN, start(0, { type: 'tool_use', id: 't', name: 'f', input: { a: 1 } }), stop(0), ...ENDING),
    );
    expect(parts).toContainEqual({ type: 'arguments', choice: 0, index: 0, json: '{"a":1}' });
  });

  it('that break off end with an error', () => {
    const parts = decodeStream(codec, frames(BEGIN, start(0, { type: 'text', text: '' })));
    expect(parts.at(-1)).toMatchObject({ type: 'error', fault: { status: 502 } });
    expect(decodeStream(codec, [])).toMatchObject([{ type: 'error', fault: { status: 502 } }]);
  });

  it('that tell of an error end with it', () => {
    const parts = decodeStream(
      codec,
      frames(BEGIN, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, ...ENDING),
    );
    expect(parts.at(-1)).toEqual({
      type: 'error',
      fault: { status: 529, message: 'Overloaded', type: 'overloaded_error', code: '', param: '' },
    });
  });

  it('with an event that is no JSON end with an error', () => {
    const parts = decodeStream(codec, [
      ...frames(BEGIN),
      { event: 'content_block_delta', data: '{"type":' },
      ...frames(...ENDING),
    ]);
    expect(parts.map((part) => part.type)).toEqual(['start', 'usage', 'error']);
  });

  it('need no start, no names of events and no end of blocks', () => {
    const parts = decodeStream(codec, [
      ...frames(start(0, { type: 'text', text: 'a' })).map(({ data }) => ({ event: '', data })),
      ...frames(...ENDING, { type: 'message_delta', delta: { stop_reason: 'end_turn' } }),
    ]);
    expectWellFormed(parts);
    expect(parts[0]).toEqual({ type: 'start', id: '', model: 'target-model', created: 0 });
  });

  it('are well formed, whatever is sent', () => {
    const type = fc.constantFrom(
      ...[
        'message_start',
        'content_block_start',
        'content_block_delta',
        'content_block_stop',
        'message_delta',
        'message_stop',
        'ping',
        'x',
      ],
    );
    const block = fc.record(
      {
        type: fc.constantFrom(
          'text',
          'thinking',
          'tool_use',
          'server_tool_use',
          'redacted_thinking',
          'image',
          'document',
          '',
        ),
        text: anyJson,
        thinking: anyJson,
        name: fc.constantFrom('f', 'sluice_answer', 'sluice_value', 'sluice_text_x'),
        input: anyJson,
        source: anyJson,
      },
      { requiredKeys: [] },
    );
    const piece = fc.record(
      {
        type: fc.constantFrom(
          'text_delta',
          'input_json_delta',
          'thinking_delta',
          'signature_delta',
          'citations_delta',
          'y',
        ),
        text: fc.oneof(fc.string(), anyJson),
        partial_json: fc.oneof(fc.string(), fc.constantFrom('{"input":"', '{"value":', '}', '\\')),
        citation: anyJson,
        stop_reason: fc.oneof(anyJson, fc.constant('end_turn')),
      },
      { requiredKeys: [] },
    );
    const event = fc.record(
      {
        type,
        index: fc.oneof(fc.nat(2), anyJson),
        content_block: block,
        delta: fc.oneof(piece, anyJson),
        message: anyJson,
        usage: anyJson,
      },
      { requiredKeys: ['type'] },
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), (events) => {
        const parts = decodeStream(codec, frames(...(events as JsonObject[])));
        expectWellFormed(parts);
        expectWellFormed(parts.filter((part) => part.type !== 'usage'));
      }),
      { numRuns: 500 },
    );
  });
});

// ---- streams for clients ----

function events(parts: readonly StreamPart[], overrides = {}): JsonObject[] {
  return encodeStream(codec, parts, overrides).map(({ event, data }) => {
    const value = JSON.parse(data) as JsonObject;
    expect(value.type).toBe(event);
    return value;
  });
}

const at = (index: number) => ({ choice: 0, index });
const BEGUN: StreamPart = { type: 'start', id: 'm1', model: 'm', created: 5 };

describe('streams for clients', () => {
  it('are written as they come, with counts at the end', () => {
    const usage = { input: 3, cachedInput: 2, cacheWrite: 1, output: 4, reasoning: 5 };
    expect(
      events([
        BEGUN,
        { type: 'part', ...at(0), part: { kind: 'text', text: '' } },
        { type: 'ping' },
        { type: 'text', ...at(0), text: 'a' },
        { type: 'part_end', ...at(0) },
        { type: 'part', ...at(1), part: { kind: 'tool_call', id: 'c', name: 'f', arguments: '' } },
        { type: 'arguments', ...at(1), json: '{}' },
        { type: 'part_end', ...at(1) },
        { type: 'finish', choice: 0, stop: { cause: 'stop', raw: 'stop' } },
        { type: 'usage', usage },
        { type: 'end' },
        { type: 'text', ...at(1), text: 'late' },
      ]),
    ).toEqual([
      {
        type: 'message_start',
        message: {
          id: 'm1',
          type: 'message',
          role: 'assistant',
          model: 'm',
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { input_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 },
        },
      },
      { type: 'ping' },
      start(0, { type: 'text', text: '' }),
      delta(0, { type: 'text_delta', text: 'a' }),
      stop(0),
      start(1, { type: 'tool_use', id: 'c', name: 'f', input: {} }),
      delta(1, json('{}')),
      stop(1),
      {
        type: 'message_delta',
        delta: { stop_reason: 'tool_use', stop_sequence: null },
        usage: {
          input_tokens: 3,
          cache_creation_input_tokens: 1,
          cache_read_input_tokens: 2,
          output_tokens: 9,
          output_tokens_details: { thinking_tokens: 5 },
        },
      },
      { type: 'message_stop' },
    ]);
  });

  it('have no blocks that say nothing, and none of what the format has no word for', () => {
    const parts: Part[] = [
      { kind: 'text', text: '' },
      { kind: 'thinking', text: '' },
      { kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AA==' } },
      { kind: 'other', format: 'responses', name: 'x', value: {} },
      { kind: 'refusal', text: 'No.' },
    ];
    const stream = parts.flatMap((part, index): StreamPart[] => [
      { type: 'part', ...at(index), part },
      { type: 'part_end', ...at(index) },
    ]);
    const written = events([BEGUN, ...stream, { type: 'end' }]);
    expect(written.filter(({ type }) => type === 'content_block_start')).toEqual([
      start(0, { type: 'text', text: '' }),
    ]);
  });

  it('tell the first of several answers', () => {
    const other = { choice: 1, index: 0 };
    const written = events([
      BEGUN,
      { type: 'part', ...other, part: { kind: 'text', text: 'b' } },
      { type: 'part_end', ...other },
      { type: 'finish', choice: 1, stop: { cause: 'length', raw: '' } },
      { type: 'end' },
    ]);
    expect(written.map(({ type }) => type)).toEqual(['message_start', 'message_delta', 'message_stop']);
    expect(written[1]).toMatchObject({ delta: { stop_reason: 'end_turn' } });
  });

  it('keep parallel calls apart', () => {
    const call = (name: string): Part => ({ kind: 'tool_call', id: name, name, arguments: '' });
    const written = events([
      BEGUN,
      { type: 'part', ...at(0), part: call('f') },
      { type: 'part', ...at(1), part: call('g') },
      { type: 'arguments', ...at(1), json: '{"g":1}' },
      { type: 'arguments', ...at(0), json: '{"f":1}' },
      { type: 'part_end', ...at(0) },
      { type: 'part_end', ...at(1) },
      { type: 'end' },
    ]);
    expect(written.slice(3, 5)).toEqual([delta(1, json('{"g":1}')), delta(0, json('{"f":1}'))]);
  });

  it('have the free text of custom tools as an input', () => {
    const written = events([
      BEGUN,
      { type: 'part', ...at(0), part: { kind: 'tool_call', id: 'c', name: 'f', arguments: '', custom: true } },
      { type: 'arguments', ...at(0), json: 'a "b"\n' },
      { type: 'arguments', ...at(0), json: 'c' },
      { type: 'part_end', ...at(0) },
      { type: 'end' },
    ]);
    const input = written.flatMap(({ delta: value }) => (value as JsonObject | undefined)?.partial_json ?? []).join('');
    expect(JSON.parse(input)).toEqual({ input: 'a "b"\nc' });
  });

  it("carry a call's signature behind it", () => {
    const written = events([
      BEGUN,
      { type: 'part', ...at(0), part: { kind: 'tool_call', id: 'c', name: 'f', arguments: '{}' } },
      { type: 'signature', ...at(0), signature: { issuer: 'google', data: 'g' } },
      { type: 'part_end', ...at(0) },
      { type: 'end' },
    ]);
    const blocks = written
      .filter(({ type }) => type === 'content_block_start')
      .map(({ content_block }) => content_block);
    const body = { max_tokens: 1, messages: [{ role: 'assistant', content: blocks as JsonObject[] }] };
    const [message] = codec.decodeRequest(body, { model: 'm', stream: false }).messages;
    expect(message?.parts).toMatchObject([{ kind: 'tool_call', id: 'c', signature: { issuer: 'google', data: 'g' } }]);
  });

  it('end with an error event', () => {
    const fault = { status: 429, message: 'Slow down', type: 'rate_limit_exceeded', code: '', param: '' };
    const written = events([BEGUN, { type: 'error', fault }, { type: 'end' }]);
    expect(written.slice(1)).toEqual([{ type: 'error', error: { type: 'rate_limit_error', message: 'Slow down' } }]);
  });
});

// ---- streams the format can say ----

const signature = anyBase64.map((data) => ({ issuer: 'anthropic', data }));
const text = fc.record({ kind: fc.constant('text' as const), text: anyText });
const thought = fc.record({ kind: fc.constant('thinking' as const), text: anyText });
const other = anyId.map(
  (id): Part => ({
    kind: 'other',
    format: 'messages',
    name: 'server_tool_use',
    value: { type: 'server_tool_use', id, name: 'web_search', input: { query: id } },
  }),
);

function cutsOf(part: Part): fc.Arbitrary<string[]> {
  if (part.kind === 'tool_call') return anyCuts(part.arguments);
  return part.kind === 'other' ? fc.constant([]) : anyCuts((part as { text: string }).text);
}

/** The part in its pieces, its signature last. */
const pieces = fc.oneof<fc.Arbitrary<Part>[]>(text, thought, anyToolCall(), other).chain((part) =>
  fc.record({
    part: fc.constant(part),
    cuts: cutsOf(part),
    signature: part.kind === 'thinking' ? fc.option(signature, { nil: undefined }) : fc.constant(undefined),
  }),
);

const sayable = fc
  .record({ id: anyId, model: anyName, list: fc.array(pieces, { maxLength: 4 }), usage: anyUsage })
  .map(({ id, model, list, usage }): StreamPart[] => {
    const calls = list.some(({ part }) => part.kind === 'tool_call');
    return [
      { type: 'start', id, model, created: 0 },
      ...list.flatMap(({ part, cuts, signature: signed }, index): StreamPart[] => [
        { type: 'part', ...at(index), part: emptied(part) },
        ...cuts.flatMap((cut) => {
          const filled = part.kind === 'tool_call' ? { ...part, arguments: cut } : ({ ...part, text: cut } as Part);
          return deltaOf(0, index, filled) ?? [];
        }),
        ...(signed === undefined ? [] : [{ type: 'signature' as const, ...at(index), signature: signed }]),
        { type: 'part_end', ...at(index) },
      ]),
      {
        type: 'finish',
        choice: 0,
        stop: calls ? { cause: 'tool_calls', raw: 'tool_use' } : { cause: 'length', raw: 'max_tokens' },
      },
      { type: 'usage', usage },
      { type: 'end' },
    ];
  });

/** Towards a client signatures are marked; what comes from a provider bears none. */
function unmarked(frame: Frame): Frame {
  return { ...frame, data: frame.data.replaceAll(/sluice:(?:anthropic|thinking):/g, '') };
}

describe('streams', () => {
  it('are the same after encoding and decoding, where the format can say them', () => {
    fc.assert(
      fc.property(sayable, (parts) => {
        expectWellFormed(parts);
        const decoded = decodeStream(codec, encodeStream(codec, parts).map(unmarked));
        expectWellFormed(decoded);
        expect(normaliseParts(decoded)).toEqual(normaliseParts(parts));
      }),
      { numRuns: 300 },
    );
  });
});
