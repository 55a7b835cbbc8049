import type { Message as WireAnswer } from '@anthropic-ai/sdk/resources/messages/messages';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anthropicMessagesCodec as codec } from '../../../../../src/adapters/llm/formats/anthropic-messages/codec.ts';
import type { Answer, StopCause } from '../../../../../src/facts/answer.ts';
import type { JsonObject, Part, ThinkingPart } from '../../../../../src/facts/conversation.ts';
import { inputTokens, outputTokens } from '../../../../../src/facts/llm.ts';
import {
  answerContext,
  anyBase64,
  anyId,
  anyJson,
  anyName,
  anyText,
  anyToolCall,
  anyUrl,
  anyUsage,
  asJson,
  conversation,
  replyContext,
} from '../hub.ts';

const ANSWER: WireAnswer = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-opus-5',
  container: { id: 'c_1', expires_at: '2026-01-01T00:00:00Z', skills: null },
  diagnostics: null,
  content: [
    { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
    { type: 'redacted_thinking', data: 'cmVk' },
    {
      type: 'server_tool_use',
      id: 'srvtoolu_1',
      name: 'web_search',
      input: { query: 'q' },
      caller: { type: 'direct' },
    },
    {
      type: 'web_search_tool_result',
      tool_use_id: 'srvtoolu_1',
      caller: { type: 'direct' },
      content: { type: 'web_search_tool_result_error', error_code: 'unavailable' },
    },
    {
      type: 'text',
      text: 'So it is.',
      citations: [
        {
          type: 'page_location',
          cited_text: 'b',
          document_index: 1,
          document_title: 'T',
          start_page_number: 3,
          end_page_number: 4,
          file_id: 'file_1',
        },
      ],
    },
    { type: 'tool_use', id: 'toolu_1', name: 'f', input: { a: [1, { b: null }] }, caller: { type: 'direct' } },
  ],
  stop_reason: 'tool_use',
  stop_sequence: null,
  stop_details: null,
  usage: {
    input_tokens: 10,
    cache_creation_input_tokens: 20,
    cache_read_input_tokens: 30,
    cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 15 },
    output_tokens: 40,
    output_tokens_details: { thinking_tokens: 25 },
    server_tool_use: { web_search_requests: 1, web_fetch_requests: 0 },
    inference_geo: 'us',
    service_tier: 'standard',
    speed: null,
  },
};

/** The body as clients of this format get it: what is null is left out, and signatures are marked. */
function withoutNulls(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (name, item: unknown) =>
      item === null && !['stop_sequence', 'b', 'skills'].includes(name) ? undefined : item,
    ),
  );
}

function decode(body: unknown) {
  return codec.decodeAnswer(asJson(body) as JsonObject, answerContext(codec));
}

function encode(answer: Partial<Answer>, request = conversation()): JsonObject {
  const whole: Answer = { id: 'a', model: 'm', created: 0, choices: [], usage: null, ...answer };
  return asJson(codec.encodeAnswer(whole, replyContext({ request })));
}

function answerOf(parts: readonly Part[], cause: StopCause = 'stop'): Partial<Answer> {
  return { choices: [{ index: 0, parts, stop: { cause, raw: cause } }] };
}

describe('answers of providers', () => {
  it('are read in the words of the hub', () => {
    const answer = decode(ANSWER);
    expect(answer).toMatchObject({ id: 'msg_1', model: 'claude-opus-5', serviceTier: 'default' });
    expect(answer.usage).toEqual({ input: 10, cachedInput: 30, cacheWrite: 20, output: 15, reasoning: 25 });
    expect(answer.choices).toHaveLength(1);
    expect(answer.choices[0]).toMatchObject({
      stop: { cause: 'tool_calls', raw: 'tool_use' },
      parts: [
        { kind: 'thinking', text: 'hm', signature: { issuer: 'anthropic', data: 'c2ln' } },
        { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: 'cmVk' } },
        { kind: 'other', name: 'server_tool_use', value: { input: { query: 'q' } } },
        { kind: 'other', name: 'web_search_tool_result' },
        {
          kind: 'text',
          citations: [
            { kind: 'document', title: 'T', fileId: 'file_1', document: { index: 1, unit: 'page', start: 3, end: 4 } },
          ],
        },
        { kind: 'tool_call', id: 'toolu_1', name: 'f', arguments: '{"a":[1,{"b":null}]}' },
      ],
    });
  });

  it('come out as they went in, their signatures marked', () => {
    const body = JSON.parse(
      JSON.stringify(ANSWER).replace('c2ln', 'sluice:anthropic:c2ln').replace('cmVk', 'sluice:anthropic:cmVk'),
    );
    expect(encode(decode(ANSWER))).toEqual(withoutNulls(body));
  });

  it('are read leniently, whatever they are', () => {
    fc.assert(
      fc.property(
        anyJson,
        anyJson,
        fc.constantFrom('text', 'tool_use', 'thinking', 'image', 'document', 'x'),
        (a, b, type) => {
          decode({ content: a, usage: b, stop_reason: a, model: b });
          decode({
            content: [{ type, text: a, input: a, source: b, citations: [a, b], content: a, cache_control: b }],
          });
          codec.decodeAnswer((typeof a === 'object' && a !== null ? a : {}) as JsonObject, answerContext(codec));
        },
      ),
    );
  });

  it('have the model asked for where they name none, and no usage where there is none', () => {
    expect(decode({ content: [] })).toMatchObject({ model: 'target-model', usage: null, choices: [{ stop: null }] });
  });

  it.each([
    ['end_turn', 'stop'],
    ['max_tokens', 'length'],
    ['stop_sequence', 'stop_sequence'],
    ['tool_use', 'tool_calls'],
    ['pause_turn', 'pause'],
    ['refusal', 'refusal'],
    ['model_context_window_exceeded', 'context_length'],
    ['something_new', 'stop'],
    ['constructor', 'stop'],
  ])('that end with %s end with %s', (raw, cause) => {
    expect(decode({ content: [], stop_reason: raw }).choices[0]?.stop).toEqual({ cause, raw });
  });

  it('tell the stop sequence that was met', () => {
    const stop = { cause: 'stop_sequence', raw: 'stop_sequence', sequence: 'END' };
    expect(decode({ stop_reason: 'stop_sequence', stop_sequence: 'END' }).choices[0]?.stop).toEqual(stop);
  });
});

describe('what was asked for under a reserved name', () => {
  const call = (name: string, input: unknown) => ({ type: 'tool_use', id: 'toolu_1', name, input });

  it.each([
    ['sluice_answer', { n: 1 }, '{"n":1}'],
    ['sluice_value', { value: ['a'] }, '["a"]'],
  ])('is the answer itself: %s', (name, input, text) => {
    const answer = decode({ content: [call(name, input)], stop_reason: 'tool_use' });
    expect(answer.choices[0]).toMatchObject({ parts: [{ kind: 'text', text }], stop: { cause: 'stop' } });
  });

  it('beside calls of other tools is not the end', () => {
    const answer = decode({ content: [call('sluice_answer', {}), call('f', {})], stop_reason: 'tool_use' });
    expect(answer.choices[0]?.stop?.cause).toBe('tool_calls');
  });

  it('is the free text of a custom tool', () => {
    const answer = decode({ content: [call('sluice_text_patch', { input: 'a "b"' })], stop_reason: 'tool_use' });
    expect(answer.choices[0]).toMatchObject({
      parts: [{ kind: 'tool_call', name: 'patch', arguments: 'a "b"', custom: true }],
      stop: { cause: 'tool_calls' },
    });
  });
});

describe('answers for clients', () => {
  it.each<[StopCause, string]>([
    ['stop', 'end_turn'],
    ['stop_sequence', 'stop_sequence'],
    ['length', 'max_tokens'],
    ['context_length', 'model_context_window_exceeded'],
    ['tool_calls', 'tool_use'],
    ['content_filter', 'refusal'],
    ['refusal', 'refusal'],
    ['pause', 'pause_turn'],
    ['malformed_tool_call', 'end_turn'],
    ['error', 'end_turn'],
  ])('that end with %s end with %s', (cause, reason) => {
    expect(encode(answerOf([{ kind: 'text', text: 'a' }], cause)).stop_reason).toBe(reason);
  });

  it('with calls say that tools are to be run', () => {
    const call: Part = { kind: 'tool_call', id: 'c', name: 'f', arguments: '{}' };
    expect(encode(answerOf([call])).stop_reason).toBe('tool_use');
  });

  it('have the id, the model and the counts a client looks for', () => {
    expect(encode({ id: '', model: '' })).toMatchObject({
      id: expect.stringMatching(/^msg_[0-9a-f]{32}$/),
      model: 'client-model',
      content: [],
      stop_reason: null,
      usage: { input_tokens: 0, output_tokens: 0 },
    });
  });

  it("call the client's tools by their own names", () => {
    const name = 'a.name:with signs';
    const tools = [{ kind: 'function' as const, name, parameters: null }];
    const sent = codec.encodeRequest(conversation({ tools }), {
      issuer: 'anthropic',
      model: 'm',
      losses: { drop() {}, dropFields() {} } as never,
      defaultMaxTokens: 1,
    });
    const { name: wireName } = (sent.tools as JsonObject[])[0] as JsonObject;
    const call: Part = { kind: 'tool_call', id: 'c', name: wireName as string, arguments: '{}' };
    expect(encode(answerOf([call]), conversation({ tools })).content).toMatchObject([{ name }]);
  });

  it('say what they can of other kinds of parts', () => {
    const parts: Part[] = [
      { kind: 'refusal', text: 'No.' },
      { kind: 'audio', source: { type: 'base64', mediaType: 'audio/wav', data: '' }, transcript: 'said' },
      { kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: '' } },
      { kind: 'other', format: 'responses', name: 'x', value: {} },
      { kind: 'text', text: '' },
      {
        kind: 'text',
        text: 'cited',
        citations: [{ kind: 'url', url: 'https://example.com', title: 'T', start: 0, end: 3 }],
      },
      { kind: 'text', text: 'filed', citations: [{ kind: 'file', fileId: 'f', title: 'a.pdf' }] },
    ];
    expect(encode(answerOf(parts)).content).toEqual([
      { type: 'text', text: 'No.' },
      { type: 'text', text: 'said' },
      {
        type: 'text',
        text: 'cited',
        citations: [
          {
            type: 'web_search_result_location',
            cited_text: '',
            url: 'https://example.com',
            title: 'T',
            encrypted_index: '',
          },
        ],
      },
      {
        type: 'text',
        text: 'filed',
        citations: [
          {
            type: 'char_location',
            cited_text: '',
            document_index: 0,
            document_title: 'a.pdf',
            start_char_index: 0,
            end_char_index: 0,
            file_id: 'f',
          },
        ],
      },
    ]);
  });

  it('count as the provider did', () => {
    fc.assert(
      fc.property(anyUsage, (usage) => {
        const written = encode({ usage }).usage as Record<string, number>;
        const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens } = written;
        expect(input_tokens! + cache_creation_input_tokens! + cache_read_input_tokens!).toBe(inputTokens(usage));
        expect(output_tokens).toBe(outputTokens(usage));
        expect(decode({ usage: written }).usage).toEqual(usage);
      }),
    );
  });
});

// ---- answers the format can say ----

const text = fc.record({ kind: fc.constant('text' as const), text: anyText });
const cited = fc.record({
  kind: fc.constant('text' as const),
  text: anyText,
  citations: fc.array(
    fc.record({
      kind: fc.constant('document' as const),
      quote: anyText,
      title: anyText,
      document: fc.record({
        index: fc.nat(9),
        unit: fc.constantFrom('char' as const, 'page', 'block'),
        start: fc.nat(9),
        end: fc.nat(9),
      }),
    }),
    { minLength: 1, maxLength: 2 },
  ),
});
const other = fc.record({ id: anyId, url: anyUrl }).map(
  (value): Part => ({
    kind: 'other',
    format: 'messages',
    name: 'web_fetch_tool_result',
    value: { type: 'web_fetch_tool_result', ...value },
  }),
);
const cause = fc.constantFrom<[StopCause, string]>(
  ['length', 'max_tokens'],
  ['tool_calls', 'tool_use'],
  ['pause', 'pause_turn'],
  ['refusal', 'refusal'],
  ['context_length', 'model_context_window_exceeded'],
);
const sayable = fc
  .tuple(
    anyId,
    anyName,
    fc.array(fc.oneof(text, cited, anyToolCall(), other), { maxLength: 4 }),
    cause,
    anyUsage,
    fc.constantFrom('default', 'priority', undefined),
  )
  .map(([id, model, parts, [why, raw], usage, tier]): Answer => {
    const choice = { index: 0, parts, stop: { cause: why, raw } };
    const answer = { id, model, created: 0, choices: [choice], usage };
    return tier === undefined ? answer : { ...answer, serviceTier: tier };
  });

describe('answers', () => {
  it('are the same after encoding and decoding, where the format can say them', () => {
    fc.assert(
      fc.property(sayable, (answer) => {
        expect(decode(encode(answer))).toEqual(answer);
      }),
      { numRuns: 300 },
    );
  });

  /** What a client gets, and sends back in its next request. */
  function sentBack(parts: readonly Part[]): readonly Part[] | undefined {
    const { content } = encode(answerOf(parts));
    const body = { model: 'm', max_tokens: 1, messages: [{ role: 'assistant', content }] };
    return codec.decodeRequest(asJson(body), { model: '', stream: false }).messages[0]?.parts;
  }

  const signature = fc.record({ issuer: fc.constantFrom('google', 'openai', 'anthropic', 'xai'), data: anyBase64 });
  const thinking: fc.Arbitrary<ThinkingPart> = fc
    .record(
      {
        kind: fc.constant('thinking' as const),
        text: fc.oneof(anyText, fc.constant('')),
        signature,
        redacted: signature,
        id: anyId,
        summary: fc.constant(true),
      },
      { requiredKeys: ['kind', 'text'] },
    )
    .filter(({ text: thought, ...rest }) => thought !== '' || Object.keys(rest).length > 1);

  it("bring any provider's thinking back to it through a client", () => {
    fc.assert(
      fc.property(fc.array(thinking, { minLength: 1, maxLength: 3 }), (parts) => {
        expect(sentBack(parts)).toEqual(parts);
      }),
      { numRuns: 300 },
    );
  });

  it('bring signatures of calls and texts back too', () => {
    const call = anyToolCall(signature);
    const signed = fc.record({ kind: fc.constant('text' as const), text: anyText, signature });
    fc.assert(
      fc.property(
        fc.array(fc.oneof<fc.Arbitrary<Part>[]>(call, signed, text, thinking), { minLength: 1, maxLength: 4 }),
        (parts) => {
          expect(sentBack(parts)).toEqual(parts);
        },
      ),
    );
  });
});
