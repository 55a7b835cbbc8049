import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openaiResponsesCodec as codec } from '../../../../../src/adapters/llm/formats/openai-responses/codec.ts';
import type { Answer, Stop } from '../../../../../src/facts/answer.ts';
import type { JsonObject, Part } from '../../../../../src/facts/conversation.ts';
import { totalTokens } from '../../../../../src/facts/llm.ts';
import {
  answerContext,
  anyId,
  anyJson,
  anyLogprob,
  anyName,
  anyUsage,
  asJson,
  conversation,
  replyContext,
} from '../hub.ts';
import { anyTurn, stopOf } from './arbitrary.ts';
import { ANSWERED_REQUEST, GOLDEN_ANSWERS } from './golden.ts';

const request = codec.decodeRequest(asJson(ANSWERED_REQUEST) as unknown as JsonObject, { model: '', stream: false });

function decode(body: object): Answer {
  return codec.decodeAnswer(asJson(body) as JsonObject, answerContext(codec));
}

function answerOf(parts: readonly Part[], stop: Stop = { cause: 'stop', raw: 'stop' }): Answer {
  return { id: 'msg_x', model: 'm', created: 0, choices: [{ index: 0, parts, stop }], usage: null };
}

function outputOf(parts: readonly Part[], overrides = {}): JsonObject[] {
  return codec.encodeAnswer(answerOf(parts), replyContext(overrides)).output as JsonObject[];
}

describe('answers there and back', () => {
  it.each(Object.entries(GOLDEN_ANSWERS))('says %s again', (_, body) => {
    expect(asJson(codec.encodeAnswer(decode(body), replyContext({ request })))).toEqual(body);
  });

  it('keeps every answer that it can say', () => {
    const anyAnswer: fc.Arbitrary<Answer> = fc
      .record(
        {
          id: anyId.map((id) => `resp_${id}`),
          model: anyName,
          created: fc.integer({ min: 1, max: 2_000_000_000 }),
          parts: anyTurn,
          logprobs: fc.array(anyLogprob, { minLength: 1, maxLength: 3 }),
          usage: fc.option(anyUsage),
          serviceTier: anyName,
        },
        { requiredKeys: ['id', 'model', 'created', 'parts', 'usage'] },
      )
      .map(({ parts, logprobs, ...rest }) => {
        const saidAloud = logprobs !== undefined && parts.some((part) => part.kind === 'text');
        return { ...rest, choices: [{ index: 0, parts, stop: stopOf(parts), ...(saidAloud && { logprobs }) }] };
      });
    fc.assert(
      fc.property(anyAnswer, (answer) => {
        expect(decode(codec.encodeAnswer(answer, replyContext()))).toEqual(asJson(answer));
      }),
    );
  });
});

describe('decoding answers', () => {
  it('reads counts into buckets that do not overlap', () => {
    const { usage } = decode(GOLDEN_ANSWERS['text with everything'] as object);
    expect(usage).toEqual({ input: 20, cachedInput: 64, cacheWrite: 16, output: 10, reasoning: 30 });
    expect(usage && totalTokens(usage)).toBe(140);
  });

  it('names the provider as issuer of what it signed', () => {
    const body = { output: [{ type: 'reasoning', summary: [], encrypted_content: 'enc' }] };
    const { choices } = codec.decodeAnswer(body, answerContext(codec, { issuer: 'xai' }));
    expect(choices[0]?.parts).toEqual([{ kind: 'thinking', text: '', redacted: { issuer: 'xai', data: 'enc' } }]);
  });

  it.each<[JsonObject, Stop | null]>([
    [{ status: 'completed' }, { cause: 'stop', raw: 'completed' }],
    [{}, { cause: 'stop', raw: 'completed' }],
    [{ status: 'in_progress' }, null],
    [{ status: 'queued' }, null],
    [
      { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } },
      { cause: 'length', raw: 'max_output_tokens' },
    ],
    [
      { status: 'incomplete', incomplete_details: { reason: 'content_filter' } },
      { cause: 'content_filter', raw: 'content_filter' },
    ],
    [{ status: 'incomplete' }, { cause: 'length', raw: 'incomplete' }],
    [
      { status: 'failed', error: { code: 'server_error', message: 'x' } },
      { cause: 'error', raw: 'server_error' },
    ],
    [{ status: 'cancelled' }, { cause: 'error', raw: 'cancelled' }],
  ])('reads from %j why it ended', (body, stop) => {
    expect(decode(body).choices[0]?.stop).toEqual(stop);
  });

  it('takes whatever comes', () => {
    const anyBody = fc.dictionary(fc.constantFrom('id', 'output', 'usage', 'status', 'error', 'model', 'x'), anyJson, {
      noNullPrototype: true,
    });
    const types = ['message', 'reasoning', 'function_call', 'image_generation_call', 'custom_tool_call', 'x'];
    const anyItem = fc.record({ type: fc.constantFrom(...types), content: anyJson, summary: anyJson, result: anyJson });
    fc.assert(
      fc.property(anyBody, fc.array(fc.oneof(anyItem, anyJson)), (body, output) => {
        for (const one of [body, { ...body, output }]) {
          expect(decode(one).choices).toHaveLength(1);
          codec.encodeAnswer(decode(one), replyContext());
        }
      }),
    );
  });
});

describe('encoding answers of other formats', () => {
  it('makes up the ids that clients expect', () => {
    const body = codec.encodeAnswer(
      answerOf([
        { kind: 'thinking', text: 'Hm.' },
        { kind: 'text', text: 'Hi' },
        { kind: 'tool_call', id: 'toolu_1', name: 'f', arguments: '' },
      ]),
      replyContext({ model: 'claude' }),
    );
    expect(body.id).toMatch(/^resp_[0-9a-f]{32}$/);
    expect(body.created_at).toBe(1_700_000_000);
    const output = body.output as JsonObject[];
    expect(output.map(({ id }) => String(id).replace(/[0-9a-f]{32}$/, '…'))).toEqual([
      'rs_sluice_…',
      'msg_sluice_…',
      'fc_sluice_…',
    ]);
    expect(output[2]).toMatchObject({ call_id: 'toolu_1', name: 'f', arguments: '{}', status: 'completed' });
  });

  it.each<[Stop['cause'], string, unknown]>([
    ['stop', 'completed', null],
    ['stop_sequence', 'completed', null],
    ['tool_calls', 'completed', null],
    ['refusal', 'completed', null],
    ['length', 'incomplete', { reason: 'max_output_tokens' }],
    ['context_length', 'incomplete', { reason: 'max_output_tokens' }],
    ['pause', 'incomplete', { reason: 'max_output_tokens' }],
    ['content_filter', 'incomplete', { reason: 'content_filter' }],
    ['malformed_tool_call', 'failed', null],
    ['error', 'failed', null],
  ])('says of %s that it is %s', (cause, status, details) => {
    const body = codec.encodeAnswer(answerOf([{ kind: 'text', text: 'Hi' }], { cause, raw: 'word' }), replyContext());
    expect(body).toMatchObject({ status, incomplete_details: details });
    expect(body.error === null).toBe(status !== 'failed');
    expect(body.completed_at === null).toBe(status !== 'completed');
  });

  it('keeps a signature from a stranger until it comes back', () => {
    const parts: Part[] = [
      { kind: 'thinking', text: 'Hm.', signature: { issuer: 'anthropic', data: 'sig:1' } },
      { kind: 'thinking', text: '', signature: { issuer: 'anthropic', data: 'sig:2' } },
      { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: 'sig:3' } },
      { kind: 'text', text: 'Hi', signature: { issuer: 'google', data: 'sig:4' } },
      { kind: 'text', text: 'you' },
      { kind: 'tool_call', id: 'call@1:2', name: 'f', arguments: '{}', signature: { issuer: 'google', data: 'sig:5' } },
    ];
    const output = outputOf(parts);
    expect(output.map((item) => item.type)).toEqual([
      'reasoning',
      'reasoning',
      'reasoning',
      'message',
      'reasoning',
      'message',
      'function_call',
      'reasoning',
    ]);
    expect(output[0]?.encrypted_content).toBe('sluice:anthropic:sig:1');
    const { messages } = codec.decodeRequest({ model: 'm', input: output }, { model: '', stream: false });
    expect(messages).toEqual([{ role: 'assistant', parts }]);
  });

  it('shows thinking as a summary to clients that asked for one', () => {
    const [shown] = outputOf([{ kind: 'thinking', text: 'Hm.' }], {
      request: conversation({ reasoning: { summary: 'auto', include: true } }),
    });
    expect(shown).toMatchObject({ summary: [{ type: 'summary_text', text: 'Hm.' }] });
    expect(outputOf([{ kind: 'thinking', text: 'Hm.' }])[0]).toMatchObject({
      summary: [],
      content: [{ type: 'reasoning_text', text: 'Hm.' }],
    });
  });

  it('has pictures as what a tool made, sound as what was said', () => {
    expect(
      outputOf([
        { kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'iVBORw0K' } },
        { kind: 'audio', source: { type: 'base64', mediaType: 'audio/wav', data: 'AA==' }, transcript: 'Hello' },
      ]),
    ).toMatchObject([
      { type: 'image_generation_call', status: 'completed', result: 'iVBORw0K' },
      { type: 'message', content: [{ type: 'output_text', text: 'Hello' }] },
    ]);
  });

  it('gives a citation of a document the place it has', () => {
    const citation = {
      kind: 'document',
      title: 'Report',
      quote: 'q',
      document: { index: 2, unit: 'page', start: 1, end: 2 },
    } as const;
    expect(
      outputOf([{ kind: 'text', text: 'So.', citations: [citation, { kind: 'search', url: 'https://e.com' }] }]),
    ).toMatchObject([
      {
        content: [
          {
            annotations: [
              { type: 'file_citation', file_id: '', filename: 'Report', index: 2 },
              { type: 'url_citation', url: 'https://e.com', title: '', start_index: 0, end_index: 3 },
            ],
          },
        ],
      },
    ]);
  });

  it("calls a client's tool by the client's name", () => {
    const tool = { kind: 'function', name: 'files.read', parameters: null } as const;
    const context = replyContext({ request: conversation({ tools: [tool] }) });
    const { input } = codec.encodeRequest(
      conversation({
        messages: [{ role: 'assistant', parts: [{ kind: 'tool_call', id: 'c', name: tool.name, arguments: '{}' }] }],
      }),
      { issuer: 'openai', model: 'm', losses: { drop: () => {} } as never, defaultMaxTokens: 1 },
    ) as { input: JsonObject[] };
    const called = String(input[0]?.name);
    const answer = answerOf([{ kind: 'tool_call', id: 'c', name: called, arguments: '{}' }]);
    expect(codec.encodeAnswer(answer, context).output).toMatchObject([{ name: 'files.read' }]);
  });
});

describe('errors', () => {
  it('says them as OpenAI does', () => {
    const fault = codec.decodeFault(
      429,
      { error: { message: 'Slow down', type: 'tokens', code: 'rate_limit_exceeded' } },
      '',
    );
    expect(fault).toMatchObject({ status: 429, message: 'Slow down', code: 'rate_limit_exceeded' });
    expect(codec.encodeFault(fault).body).toMatchObject({
      error: { message: 'Slow down', code: 'rate_limit_exceeded' },
    });
  });
});
