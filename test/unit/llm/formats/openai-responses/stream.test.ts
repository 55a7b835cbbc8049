import fc from 'fast-check';
import { accumulateResponse } from 'openai/lib/responses/ResponseAccumulator';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { describe, expect, it } from 'vitest';
import { type Frame, TooMuchToHold } from '../../../../../src/adapters/llm/formats/codec.ts';
import { openaiResponsesCodec as codec } from '../../../../../src/adapters/llm/formats/openai-responses/codec.ts';
import type { StreamPart, TokenLogprob } from '../../../../../src/facts/answer.ts';
import type { Citation, JsonObject, Part } from '../../../../../src/facts/conversation.ts';
import {
  anyCuts,
  anyJson,
  anyLogprob,
  anyName,
  anyUsage,
  asJson,
  commonParts,
  conversation,
  decodeStream,
  deltaOf,
  emptied,
  encodeStream,
  expectWellFormed,
  normaliseParts,
  replyContext,
} from '../hub.ts';
import { anyCitation, anyTurn, stopOf } from './arbitrary.ts';
import { ANSWERED_REQUEST, GOLDEN_ANSWERS } from './golden.ts';

function frame(type: string, members: object = {}): Frame {
  return { event: type, data: JSON.stringify({ type, ...members }) };
}

function eventsOf(frames: readonly Frame[]): JsonObject[] {
  return frames.map(({ data }) => JSON.parse(data) as JsonObject);
}

function typesOf(frames: readonly Frame[]): string[] {
  return frames.map(({ event }) => event.replace('response.', ''));
}

const START: StreamPart = { type: 'start', id: 'resp_1', model: 'm', created: 1_700_000_000 };
const STOP: StreamPart = { type: 'finish', choice: 0, stop: { cause: 'stop', raw: 'completed' } };
const END: StreamPart = { type: 'end' };

function text(index: number, ...deltas: string[]): StreamPart[] {
  return [
    { type: 'part', choice: 0, index, part: { kind: 'text', text: '' } },
    ...deltas.map((delta): StreamPart => ({ type: 'text', choice: 0, index, text: delta })),
    { type: 'part_end', choice: 0, index },
  ];
}

const CREATED = frame('response.created', { response: { id: 'resp_1', model: 'm', created_at: 1_700_000_000 } });
const COMPLETED = frame('response.completed', { response: { status: 'completed', output: [] } });

/** The steps in which a turn may come. */
const anyStream: fc.Arbitrary<StreamPart[]> = fc
  .record({
    parts: anyTurn,
    usage: fc.option(anyUsage),
    logprobs: fc.array(anyLogprob, { maxLength: 2 }),
    citations: fc.array(anyCitation, { maxLength: 2 }),
  })
  .chain(({ parts, usage, logprobs, citations }) =>
    fc.tuple(...parts.map((part) => anyCuts(writtenOf(part)))).map((cuts) => {
      const steps = parts.flatMap((part, index) => stepsOf(part, index, cuts[index] ?? [], { logprobs, citations }));
      const usages: StreamPart[] = usage === null ? [] : [{ type: 'usage', usage }];
      return [START, ...steps, { type: 'finish', choice: 0, stop: stopOf(parts) }, ...usages, END];
    }),
  );

/** What deltas say of a part. */
function writtenOf(part: Part): string {
  if (part.kind === 'tool_call') return part.arguments;
  return part.kind === 'text' || part.kind === 'thinking' || part.kind === 'refusal' ? part.text : '';
}

function stepsOf(
  whole: Part,
  index: number,
  cuts: readonly string[],
  said: { logprobs: readonly TokenLogprob[]; citations: readonly Citation[] },
): StreamPart[] {
  const part: Record<string, unknown> = { ...emptied(whole) };
  delete part.citations;
  if (whole.kind === 'thinking') delete part.signature;
  const steps: StreamPart[] = [{ type: 'part', choice: 0, index, part: part as unknown as Part }];
  for (const cut of cuts) {
    const delta = deltaOf(0, index, { ...whole, text: cut, arguments: cut } as unknown as Part);
    if (delta !== null) steps.push(delta);
  }
  if (whole.kind === 'text') {
    if (said.logprobs.length > 0) steps.push({ type: 'logprobs', choice: 0, logprobs: said.logprobs });
    for (const citation of said.citations) steps.push({ type: 'citation', choice: 0, index, citation });
  }
  if (whole.kind === 'thinking' && whole.signature !== undefined) {
    steps.push({ type: 'signature', choice: 0, index, signature: whole.signature });
  }
  return [...steps, { type: 'part_end', choice: 0, index }];
}

describe('streams there and back', () => {
  it('keeps every stream that it can say', () => {
    fc.assert(
      fc.property(anyStream, (parts) => {
        const back = decodeStream(codec, encodeStream(codec, parts));
        expectWellFormed(back);
        expect(normaliseParts(back)).toEqual(asJson(normaliseParts(parts)));
      }),
    );
  });

  it("adds up to the last event's response in the official client", () => {
    fc.assert(
      fc.property(anyStream, (parts) => {
        const events = eventsOf(encodeStream(codec, parts)) as unknown as ResponseStreamEvent[];
        expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
        const last = events.at(-1) as ResponseStreamEvent & { response: Response };
        expect(last.type).toBe('response.completed');
        let snapshot: Response | undefined;
        for (const event of events.slice(0, -1)) snapshot = accumulateResponse(event, snapshot as Response);
        expect(snapshot?.output).toEqual(last.response.output);
        const whole = codec.encodeAnswer(wholeOf(parts), replyContext());
        expect(comparable(last.response)).toEqual(comparable(whole));
      }),
    );
  });
});

/** What the parts are as one answer, by way of the last event. */
function wholeOf(parts: readonly StreamPart[]) {
  const last = eventsOf(encodeStream(codec, parts)).at(-1) as { response: JsonObject };
  return codec.decodeAnswer(last.response, { issuer: 'openai', model: 'm' });
}

/** Without what is made up, and without log-probabilities: of a whole answer the hub doesn't know whose text's they are. */
function comparable(response: object): unknown {
  return JSON.parse(
    JSON.stringify(response, (name, value) =>
      name === 'logprobs' || name === 'completed_at' ? undefined : value,
    ).replace(/sluice_[0-9a-f]{32}/g, 'made-up'),
  );
}

describe('encoding streams', () => {
  it('tells of text as the API does', () => {
    const frames = encodeStream(codec, [
      START,
      ...text(0, 'Hel', 'lo'),
      STOP,
      { type: 'usage', usage: { input: 1, cachedInput: 2, cacheWrite: 3, output: 4, reasoning: 5 } },
      END,
    ]);
    expect(typesOf(frames)).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ]);
    expect(eventsOf(frames).at(-1)).toMatchObject({
      response: {
        id: 'resp_1',
        status: 'completed',
        output: [{ type: 'message', status: 'completed', content: [{ type: 'output_text', text: 'Hello' }] }],
        usage: { input_tokens: 6, output_tokens: 9, total_tokens: 15 },
      },
    });
  });

  it('writes each delta at once', () => {
    const encoder = codec.streamEncoder(replyContext());
    const out: Frame[] = [];
    const step = (part: StreamPart) => {
      out.length = 0;
      encoder.part(part, (one) => out.push(one));
      return typesOf(out);
    };
    step(START);
    expect(step({ type: 'part', choice: 0, index: 0, part: { kind: 'text', text: '' } })).toHaveLength(2);
    expect(step({ type: 'text', choice: 0, index: 0, text: 'a' })).toEqual(['output_text.delta']);
    const call: Part = { kind: 'tool_call', id: 'c', name: 'f', arguments: '' };
    expect(step({ type: 'part', choice: 0, index: 1, part: call })).toEqual(['output_item.added']);
    expect(step({ type: 'text', choice: 0, index: 0, text: 'b' })).toEqual(['output_text.delta']);
    expect(step({ type: 'arguments', choice: 0, index: 1, json: '{' })).toEqual(['function_call_arguments.delta']);
    expect(step({ type: 'part_end', choice: 0, index: 0 })).toEqual([
      'output_text.done',
      'content_part.done',
      'output_item.done',
    ]);
    expect(step({ type: 'arguments', choice: 0, index: 1, json: '}' })).toEqual(['function_call_arguments.delta']);
    expect(step({ type: 'part_end', choice: 0, index: 1 })).toEqual([
      'function_call_arguments.done',
      'output_item.done',
    ]);
    expect(step({ type: 'ping' })).toEqual(['keepalive']);
  });

  it('writes calls side by side', () => {
    const call = (index: number): StreamPart => ({
      type: 'part',
      choice: 0,
      index,
      part: { kind: 'tool_call', id: `c${index}`, name: `f${index}`, arguments: '' },
    });
    const delta = (index: number, json: string): StreamPart => ({ type: 'arguments', choice: 0, index, json });
    const frames = encodeStream(codec, [
      START,
      call(0),
      call(1),
      delta(1, '{"b"'),
      delta(0, '{"a"'),
      delta(1, ':1}'),
      delta(0, ':0}'),
      { type: 'part_end', choice: 0, index: 1 },
      { type: 'part_end', choice: 0, index: 0 },
      STOP,
      END,
    ]);
    const last = eventsOf(frames).at(-1) as { response: { output: JsonObject[] } };
    expect(last.response.output).toMatchObject([
      { call_id: 'c0', arguments: '{"a":0}' },
      { call_id: 'c1', arguments: '{"b":1}' },
    ]);
    expectWellFormed(decodeStream(codec, frames));
  });

  it('gives log-probabilities that come before or behind their text', () => {
    const logprobs = (token: string): StreamPart => ({
      type: 'logprobs',
      choice: 0,
      logprobs: [{ token, logprob: -1 }],
    });
    const [part, delta, end] = text(0, 'ab') as [StreamPart, StreamPart, StreamPart];
    const frames = encodeStream(codec, [
      START,
      logprobs('a'),
      part,
      delta,
      logprobs('b'),
      end,
      logprobs('c'),
      STOP,
      END,
    ]);
    const deltas = eventsOf(frames).filter((event) => event.type === 'response.output_text.delta');
    expect(deltas).toMatchObject([
      { delta: 'ab', logprobs: [{ token: 'a', bytes: [97] }] },
      { delta: '', logprobs: [{ token: 'b' }] },
    ]);
    expect(eventsOf(frames).at(-1)).toMatchObject({
      response: { output: [{ content: [{ logprobs: [{ token: 'a' }, { token: 'b' }, { token: 'c' }] }] }] },
    });
  });

  it('says of a cut-off answer that its last item is incomplete', () => {
    const stop: StreamPart = { type: 'finish', choice: 0, stop: { cause: 'length', raw: 'max_tokens' } };
    const events = eventsOf(encodeStream(codec, [START, ...text(0, 'He'), stop, END]));
    expect(events.at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: { incomplete_details: { reason: 'max_output_tokens' }, output: [{ status: 'incomplete' }] },
    });
  });

  it('ends with an error event and a failed response', () => {
    const fault = { status: 529, message: 'Overloaded', type: 'overloaded_error', code: '', param: '' };
    const begun = text(0, 'He').slice(0, 2);
    const frames = encodeStream(codec, [START, ...begun, { type: 'error', fault }, ...text(1, 'more'), END]);
    expect(typesOf(frames).slice(-2)).toEqual(['error', 'failed']);
    expect(eventsOf(frames).slice(-2)).toMatchObject([
      { code: 'server_error', message: 'Overloaded', param: null },
      {
        response: {
          status: 'failed',
          error: { code: 'server_error', message: 'Overloaded' },
          output: [{ status: 'incomplete', content: [{ text: 'He' }] }],
        },
      },
    ]);
  });

  it('begins with the response even where an error is all there is', () => {
    const fault = { status: 429, message: 'Slow down', type: '', code: '', param: '' };
    expect(typesOf(encodeStream(codec, [{ type: 'error', fault }]))).toEqual([
      'created',
      'in_progress',
      'error',
      'failed',
    ]);
  });

  it.each<[string, Part, StreamPart]>([
    ['text', { kind: 'text', text: '' }, { type: 'text', choice: 0, index: 0, text: 'x'.repeat(50) }],
    ['refusals', { kind: 'refusal', text: '' }, { type: 'refusal', choice: 0, index: 0, text: 'x'.repeat(50) }],
    ['thinking', { kind: 'thinking', text: '' }, { type: 'thinking', choice: 0, index: 0, text: 'x'.repeat(50) }],
    [
      'arguments',
      { kind: 'tool_call', id: 'c', name: 'f', arguments: '' },
      { type: 'arguments', choice: 0, index: 0, json: 'x'.repeat(50) },
    ],
    [
      'citations',
      { kind: 'text', text: '' },
      { type: 'citation', choice: 0, index: 0, citation: { kind: 'url', url: 'https://example.com/', title: 'Title' } },
    ],
  ])('holds no more %s than it may, and can still say so', (_, part, delta) => {
    const encoder = codec.streamEncoder(replyContext({ maxHeldBytes: 140 }));
    const frames: Frame[] = [];
    const step = (one: StreamPart) => encoder.part(one, (out) => frames.push(out));
    step(START);
    step({ type: 'part', choice: 0, index: 0, part });
    expect(() => {
      for (let i = 0; i < 3; i++) step(delta);
    }).toThrow(TooMuchToHold);
    step({ type: 'error', fault: { status: 502, message: 'Too large', type: '', code: '', param: '' } });
    expect(typesOf(frames).slice(-2)).toEqual(['error', 'failed']);
  });

  it('counts pictures and signatures as held', () => {
    const data = 'x'.repeat(200);
    const source = { type: 'base64', mediaType: 'image/png', data } as const;
    for (const part of [
      { kind: 'image', source },
      { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data } },
    ] as const) {
      expect(() =>
        encodeStream(codec, [START, { type: 'part', choice: 0, index: 0, part }], { maxHeldBytes: 100 }),
      ).toThrow(TooMuchToHold);
    }
  });

  it('leaves out what only other choices say', () => {
    const other = text(0, 'x').map((part) => ({ ...part, choice: 1 }) as StreamPart);
    expect(typesOf(encodeStream(codec, [START, ...other, STOP, END]))).toEqual(['created', 'in_progress', 'completed']);
  });
});

describe('decoding streams', () => {
  it('reads reasoning, text and calls as the API streams them', () => {
    const response = GOLDEN_ANSWERS['text with everything'] as JsonObject;
    const at = { output_index: 0, item_id: 'rs_1' };
    const parts = decodeStream(codec, [
      frame('response.created', { response: { ...response, status: 'in_progress', output: [] } }),
      frame('response.in_progress', { response: { ...response, status: 'in_progress', output: [] } }),
      frame('response.output_item.added', { output_index: 0, item: { id: 'rs_1', type: 'reasoning', summary: [] } }),
      frame('response.reasoning_summary_part.added', {
        ...at,
        summary_index: 0,
        part: { type: 'summary_text', text: '' },
      }),
      frame('response.reasoning_summary_text.delta', { ...at, summary_index: 0, delta: 'Thin' }),
      frame('response.reasoning_summary_text.delta', { ...at, summary_index: 0, delta: 'king.' }),
      frame('response.reasoning_summary_text.done', { ...at, summary_index: 0, text: 'Thinking.' }),
      frame('response.reasoning_summary_part.done', {
        ...at,
        summary_index: 0,
        part: { type: 'summary_text', text: 'Thinking.' },
      }),
      frame('response.output_item.done', {
        output_index: 0,
        item: {
          id: 'rs_1',
          type: 'reasoning',
          summary: [{ type: 'summary_text', text: 'Thinking.' }],
          encrypted_content: 'enc',
        },
      }),
      frame('response.output_item.added', {
        output_index: 1,
        item: { id: 'ws_1', type: 'web_search_call', status: 'in_progress' },
      }),
      frame('response.web_search_call.searching', { output_index: 1, item_id: 'ws_1' }),
      frame('response.output_item.done', {
        output_index: 1,
        item: { id: 'ws_1', type: 'web_search_call', status: 'completed' },
      }),
      frame('response.output_item.added', {
        output_index: 2,
        item: { id: 'fc_1', type: 'function_call', status: 'in_progress', call_id: 'c1', name: 'f', arguments: '' },
      }),
      frame('response.output_item.added', {
        output_index: 3,
        item: { id: 'fc_2', type: 'function_call', status: 'in_progress', call_id: 'c2', name: 'g', arguments: '' },
      }),
      frame('response.function_call_arguments.delta', { output_index: 3, item_id: 'fc_2', delta: '{}' }),
      frame('response.function_call_arguments.delta', { output_index: 2, item_id: 'fc_1', delta: '{"a":1}' }),
      frame('response.function_call_arguments.done', { output_index: 2, item_id: 'fc_1', arguments: '{"a":1}' }),
      frame('response.output_item.done', {
        output_index: 2,
        item: { id: 'fc_1', type: 'function_call', call_id: 'c1', name: 'f', arguments: '{"a":1}' },
      }),
      frame('response.output_item.done', {
        output_index: 3,
        item: { id: 'fc_2', type: 'function_call', call_id: 'c2', name: 'g', arguments: '{}' },
      }),
      frame('response.completed', { response: { ...response, output: [] } }),
    ]);
    expectWellFormed(parts);
    const extra = (fields: JsonObject) => ({ extra: { format: 'responses', fields } });
    expect(normaliseParts(commonParts(parts))).toEqual([
      { type: 'start', id: 'resp_1', model: 'gpt-5-2025-08-07', created: 1_700_000_000, serviceTier: 'default' },
      { type: 'part', choice: 0, index: 0, part: { kind: 'thinking', text: '', summary: true, id: 'rs_1' } },
      { type: 'thinking', choice: 0, index: 0, text: 'Thinking.' },
      { type: 'signature', choice: 0, index: 0, signature: { issuer: 'openai', data: 'enc' } },
      { type: 'part_end', choice: 0, index: 0 },
      {
        type: 'part',
        choice: 0,
        index: 1,
        part: {
          kind: 'other',
          format: 'responses',
          name: 'web_search_call',
          value: { id: 'ws_1', type: 'web_search_call', status: 'completed' },
        },
      },
      { type: 'part_end', choice: 0, index: 1 },
      {
        type: 'part',
        choice: 0,
        index: 2,
        part: { kind: 'tool_call', id: 'c1', name: 'f', arguments: '', ...extra({ id: 'fc_1' }) },
      },
      {
        type: 'part',
        choice: 0,
        index: 3,
        part: { kind: 'tool_call', id: 'c2', name: 'g', arguments: '', ...extra({ id: 'fc_2' }) },
      },
      { type: 'arguments', choice: 0, index: 3, json: '{}' },
      { type: 'arguments', choice: 0, index: 2, json: '{"a":1}' },
      { type: 'part_end', choice: 0, index: 2 },
      { type: 'part_end', choice: 0, index: 3 },
      { type: 'finish', choice: 0, stop: { cause: 'tool_calls', raw: 'completed' } },
      { type: 'usage', usage: { input: 20, cachedInput: 64, cacheWrite: 16, output: 10, reasoning: 30 } },
      { type: 'end' },
    ]);
  });

  it.each(Object.entries(GOLDEN_ANSWERS))('finds %s in the last event where nothing came before', (_, response) => {
    const status = response.status === 'incomplete' ? 'response.incomplete' : 'response.completed';
    const parts = decodeStream(codec, [frame(status, { response })]);
    expectWellFormed(parts);
    const whole = codec.decodeAnswer(asJson(response) as JsonObject, { issuer: 'openai', model: 'm' });
    expect(parts.flatMap((part) => (part.type === 'part' ? [part.part] : []))).toEqual(whole.choices[0]?.parts);
    expect(parts.find((part) => part.type === 'finish')).toMatchObject({ stop: whole.choices[0]?.stop });
  });

  it('takes text from the whole form where there were no deltas, and not twice', () => {
    const item = { id: 'msg_1', type: 'message', role: 'assistant' };
    const content = {
      type: 'output_text',
      text: 'Hello',
      annotations: [{ type: 'url_citation', url: 'https://e.com' }],
    };
    const done = { ...item, content: [content] };
    const parts = decodeStream(codec, [
      CREATED,
      frame('response.output_item.added', { output_index: 0, item: { ...item, content: [] } }),
      frame('response.content_part.added', {
        output_index: 0,
        content_index: 0,
        part: { type: 'output_text', text: '' },
      }),
      frame('response.output_text.done', { output_index: 0, content_index: 0, text: 'Hello' }),
      frame('response.content_part.done', { output_index: 0, content_index: 0, part: content }),
      frame('response.output_item.done', { output_index: 0, item: done }),
      // Elsewhere in the output than it was announced.
      frame('response.completed', { response: { output: [{ type: 'reasoning', id: 'rs_1', summary: [] }, done] } }),
    ]);
    expectWellFormed(parts);
    expect(parts.filter((part) => part.type === 'text')).toEqual([
      { type: 'text', choice: 0, index: 0, text: 'Hello' },
    ]);
    expect(parts.filter((part) => part.type === 'citation')).toHaveLength(1);
  });

  it('reads deltas of items that were never announced', () => {
    const parts = decodeStream(codec, [
      frame('response.output_text.delta', { output_index: 0, content_index: 0, delta: 'Hi' }),
      COMPLETED,
    ]);
    expectWellFormed(parts);
    expect(parts[0]).toEqual({ type: 'start', id: '', model: 'target-model', created: 0 });
    expect(parts).toContainEqual({ type: 'text', choice: 0, index: 0, text: 'Hi' });
  });

  it.each<[string, Frame[], object]>([
    ['ends early', [CREATED], { status: 502 }],
    ['is empty', [], { status: 502 }],
    ['is not JSON', [CREATED, { event: 'response.output_text.delta', data: '{"delta":' }, COMPLETED], { status: 502 }],
    [
      'has an error event',
      [CREATED, frame('error', { code: 'rate_limit_exceeded', message: 'Slow down', param: null }), COMPLETED],
      { status: 429, code: 'rate_limit_exceeded', message: 'Slow down' },
    ],
    [
      'has an error in an object of its own',
      [
        CREATED,
        { event: 'error', data: '{"error":{"message":"Bad","type":"invalid_request_error","code":"invalid_prompt"}}' },

        COMPLETED,
      ],
      { status: 400, code: 'invalid_prompt', message: 'Bad' },
    ],
    [
      'fails',
      [
        CREATED,
        frame('response.failed', { response: { status: 'failed', error: { code: 'server_error', message: 'Oops' } } }),
      ],
      { status: 500, code: 'server_error', message: 'Oops' },
    ],
    ['is cancelled', [CREATED, frame('response.cancelled', { response: {} })], { status: 502 }],
  ])('ends with an error where the stream %s', (_, frames, fault) => {
    const parts = decodeStream(codec, frames);
    expectWellFormed(parts);
    expect(parts.at(-1)).toMatchObject({ type: 'error', fault });
  });

  it('says that the provider is there while its tools are at work', () => {
    const parts = decodeStream(codec, [
      frame('keepalive'),
      CREATED,
      frame('keepalive'),
      frame('response.mcp_call.in_progress'),
      COMPLETED,
    ]);
    expect(parts.map((part) => part.type)).toEqual(['start', 'ping', 'ping', 'finish', 'end']);
  });

  it('keeps the rules of streams, whatever it is sent', () => {
    const types = [
      'response.created',
      'response.output_item.added',
      'response.output_item.done',
      'response.content_part.added',
      'response.content_part.done',
      'response.output_text.delta',
      'response.output_text.done',
      'response.output_text.annotation.added',
      'response.refusal.delta',
      'response.reasoning_summary_part.added',
      'response.reasoning_summary_text.delta',
      'response.reasoning_text.delta',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.completed',
    ];
    const anyItem = fc.record({
      type: fc.constantFrom('message', 'reasoning', 'function_call', 'custom_tool_call', 'x'),
      id: fc.option(anyName, { nil: undefined }),
      content: fc.oneof(anyJson, fc.constant([{ type: 'output_text', text: 'x' }])),
      summary: anyJson,
      encrypted_content: fc.option(anyName, { nil: undefined }),
    });
    const anyEvent = fc.record({
      type: fc.constantFrom(...types),
      output_index: fc.nat(2),
      content_index: fc.nat(1),
      summary_index: fc.nat(1),
      delta: fc.oneof(anyName, anyJson),
      text: fc.oneof(anyName, anyJson),
      item: fc.oneof(anyItem, anyJson),
      part: fc.oneof(
        fc.constantFrom({ type: 'output_text', text: 'x' }, { type: 'refusal' }, { type: 'reasoning_text' }),
        anyJson,
      ),
      annotation: fc.constant({ type: 'url_citation' }),
      response: fc.oneof(fc.record({ output: fc.array(anyItem) }), anyJson),
    });
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 20 }), (events) => {
        const parts = decodeStream(
          codec,
          events.map((event) => ({ event: event.type, data: JSON.stringify(event) })),
        );
        expectWellFormed(parts);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the request in the response', () => {
  it('is repeated as it was said', () => {
    const request = codec.decodeRequest(asJson(ANSWERED_REQUEST) as unknown as JsonObject, { model: '', stream: true });
    const [created] = eventsOf(encodeStream(codec, [START], { request }));
    expect(created?.response).toMatchObject({
      instructions: 'Be brief.',
      max_output_tokens: 512,
      metadata: { topic: 'weather' },
      reasoning: { effort: 'high', summary: 'auto' },
      user: 'user-1',
    });
  });

  it('stands where the request holds what only other formats know', () => {
    const request = conversation({
      tools: [{ kind: 'provider', format: 'messages', name: 'bash', value: {} }],
      sampling: { stop: ['x'], choices: 2 },
      modalities: ['audio'],
    });
    const [created] = eventsOf(encodeStream(codec, [START], { request }));
    expect(created?.response).toMatchObject({ tools: [], tool_choice: 'auto' });
  });
});
