import type { ConverseResponse } from '@aws-sdk/client-bedrock-runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bedrockConverseCodec as codec } from '../../../../../src/adapters/llm/formats/bedrock-converse/codec.ts';
import type { Answer, Stop, StopCause } from '../../../../../src/facts/answer.ts';
import type { JsonObject, Part, Signature } from '../../../../../src/facts/conversation.ts';
import { totalTokens } from '../../../../../src/facts/llm.ts';
import {
  answerContext,
  anyBase64,
  anyId,
  anyJson,
  anyText,
  anyToolCall,
  anyUsage,
  asJson,
  conversation,
  replyContext,
} from '../hub.ts';
import { anyCitation, anyThinking } from './arbitrary.ts';
import { readBy, refusedBy } from './sdk.ts';

const ANSWER = {
  output: {
    message: {
      role: 'assistant',
      content: [
        { reasoningContent: { reasoningText: { text: 'hm', signature: 'c2ln' } } },
        { reasoningContent: { redactedContent: 'cmVk' } },
        { toolUse: { toolUseId: 's1', name: 'nova_grounding', input: { query: 'q' }, type: 'server_tool_use' } },
        {
          toolResult: {
            toolUseId: 's1',
            content: [{ json: { a: 1 } }],
            status: 'success',
            type: 'nova_grounding_result',
          },
        },
        {
          citationsContent: {
            content: [{ text: 'So it is.' }],
            citations: [{ title: 'T', location: { web: { url: 'https://a.test', domain: 'a.test' } } }],
          },
        },
        { image: { format: 'png', source: { bytes: 'cG5n' } } },
        { toolUse: { toolUseId: 't1', name: 'f', input: { a: [1, { b: null }] } } },
      ],
    },
  },
  stopReason: 'tool_use',
  usage: {
    inputTokens: 10,
    outputTokens: 40,
    totalTokens: 100,
    cacheReadInputTokens: 30,
    cacheWriteInputTokens: 20,
    cacheDetails: [{ ttl: '1h', inputTokens: 20 }],
  },
  metrics: { latencyMs: 321 },
  trace: { promptRouter: { invokedModelId: 'arn:aws:x' } },
  performanceConfig: { latency: 'optimized' },
  serviceTier: { type: 'priority' },
};

const decode = (body: unknown, issuer = 'anthropic') =>
  codec.decodeAnswer(asJson(body) as JsonObject, answerContext(codec, { issuer }));
const encode = (answer: Partial<Answer>, request = conversation()) => {
  const whole: Answer = { id: '', model: 'm', created: 0, choices: [], usage: null, ...answer };
  return asJson(codec.encodeAnswer(whole, replyContext({ request }))) as unknown as ConverseResponse & JsonObject;
};
const answerOf = (parts: readonly Part[], stop: Stop = { cause: 'stop', raw: '' }): Partial<Answer> => ({
  choices: [{ index: 0, parts, stop }],
});
const contentOf = (parts: readonly Part[], request = conversation()) =>
  encode(answerOf(parts), request).output?.message?.content as unknown as JsonObject[];
const message = (content: readonly object[], more: object = {}) => ({
  output: { message: { role: 'assistant', content } },
  ...more,
});

describe('answers of Bedrock', () => {
  it('are read in the words of the hub', () => {
    const answer = decode(ANSWER);
    expect(answer).toMatchObject({
      model: 'target-model',
      serviceTier: 'priority',
      usage: { input: 10, cachedInput: 30, cacheWrite: 20, output: 40, reasoning: 0 },
      extra: {
        format: 'converse',
        fields: { metrics: { latencyMs: 321 }, trace: {}, usage: { cacheDetails: [{ ttl: '1h' }] } },
      },
    });
    expect(answer.usage && totalTokens(answer.usage)).toBe(ANSWER.usage.totalTokens);
    expect(answer.choices[0]).toMatchObject({
      stop: { cause: 'tool_calls', raw: 'tool_use' },
      parts: [
        { kind: 'thinking', text: 'hm', signature: { issuer: 'anthropic', data: 'c2ln' } },
        { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: 'cmVk' } },
        { kind: 'other', format: 'converse', name: 'toolUse' },
        { kind: 'other', format: 'converse', name: 'toolResult' },
        { kind: 'text', text: 'So it is.', citations: [{ kind: 'url', url: 'https://a.test', title: 'T' }] },
        { kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'cG5n' } },
        { kind: 'tool_call', id: 't1', name: 'f', arguments: '{"a":[1,{"b":null}]}' },
      ],
    });
  });

  it('come out as they went in, their signatures marked', () => {
    const marked = JSON.stringify(ANSWER)
      .replace('c2ln', 'sluice:anthropic:c2ln')
      .replace('cmVk', Buffer.from('sluice:anthropic:cmVk').toString('base64'));
    expect(encode(decode(ANSWER))).toEqual(JSON.parse(marked));
  });

  it('bear the issuer they come from', () => {
    expect(decode(ANSWER, 'bedrock').choices[0]?.parts[0]).toMatchObject({ signature: { issuer: 'bedrock' } });
  });

  it('are read leniently, whatever they are', () => {
    const names = fc.constantFrom(
      'text',
      'image',
      'toolUse',
      'toolResult',
      'reasoningContent',
      'citationsContent',
      'document',
      'toString',
      'x',
    );
    fc.assert(
      fc.property(anyJson, anyJson, names, (a, b, name) => {
        for (const body of [
          { output: a, usage: b, stopReason: a },
          message([{ [name]: a }, { [name]: { [name]: b, source: a } }], { additionalModelResponseFields: b }),
        ]) {
          expect(decode(body).choices).toHaveLength(1);
        }
        decode(a);
      }),
    );
  });

  it('of a tool that stands for the answer are text', () => {
    const answer = (name: string, input: unknown) =>
      decode(message([{ toolUse: { toolUseId: '1', name, input } }], { stopReason: 'tool_use' })).choices[0];
    expect(answer('sluice_answer', { a: 1 })).toMatchObject({
      parts: [{ kind: 'text', text: '{"a":1}' }],
      stop: { cause: 'stop' },
    });
    expect(answer('sluice_value', { value: [1] })).toMatchObject({ parts: [{ kind: 'text', text: '[1]' }] });
    expect(answer('sluice_text_sql', { input: 'SELECT 1' })).toMatchObject({
      parts: [{ kind: 'tool_call', name: 'sql', custom: true, arguments: 'SELECT 1' }],
      stop: { cause: 'tool_calls' },
    });
  });

  it.each<[string, StopCause, string?]>([
    ['end_turn', 'stop'],
    ['max_tokens', 'length'],
    ['stop_sequence', 'stop_sequence'],
    ['tool_use', 'tool_calls'],
    ['content_filtered', 'content_filter'],
    ['guardrail_intervened', 'content_filter'],
    ['model_context_window_exceeded', 'context_length'],
    ['malformed_tool_use', 'malformed_tool_call'],
    ['malformed_model_output', 'error'],
    ['refusal', 'refusal', 'content_filtered'],
    ['a_new_one', 'stop', 'end_turn'],
  ])('that ended by %s', (reason, cause, told = reason) => {
    const answer = decode(message([{ text: 'x' }], { stopReason: reason }));
    expect(answer.choices[0]?.stop).toEqual({ cause, raw: reason });
    expect(encode(answer).stopReason).toBe(told);
  });

  it('tell which stop sequence was met to those that asked', () => {
    const stop = { cause: 'stop_sequence', raw: 'stop_sequence', sequence: 'END' };
    for (const fields of [{ stop_sequence: 'END' }, { delta: { stop_sequence: 'END' } }]) {
      const answer = decode(message([], { stopReason: 'stop_sequence', additionalModelResponseFields: fields }));
      expect(answer.choices[0]?.stop).toEqual(stop);
      expect(answer.extra).toBeUndefined();
      const paths = Object.keys(fields)[0] === 'delta' ? ['/delta/stop_sequence'] : ['/stop_sequence'];
      const extra = { format: 'converse' as const, fields: { additionalModelResponseFieldPaths: paths } };
      expect(encode(answer, conversation({ extra })).additionalModelResponseFields).toEqual(fields);
    }
  });

  it('come back as they were', () => {
    const anyPart = fc.oneof<fc.Arbitrary<Part>[]>(
      anyText.map((text) => ({ kind: 'text', text })),
      fc
        .tuple(anyText, fc.array(anyCitation, { maxLength: 2 }))
        .map(([text, citations]) => ({ kind: 'text', text, citations })),
      anyThinking,
      anyToolCall(),
      anyBase64.map((data) => ({ kind: 'image', source: { type: 'base64', mediaType: 'image/webp', data } })),
    );
    const anyAnswer = fc
      .tuple(fc.array(anyPart, { maxLength: 4 }), anyUsage, anyId)
      .map(([parts, usage, tier]): Answer => {
        const calls = parts.some(({ kind }) => kind === 'tool_call');
        const stop: Stop = calls ? { cause: 'tool_calls', raw: 'tool_use' } : { cause: 'stop', raw: 'end_turn' };
        const choices = [{ index: 0, parts, stop }];
        return {
          id: '',
          model: 'target-model',
          created: 0,
          choices,
          usage: { ...usage, reasoning: 0 },
          serviceTier: tier,
        };
      });
    fc.assert(
      fc.property(anyAnswer, (answer) => {
        // As a provider would send it: its own signatures, which bear no mark.
        const wire = JSON.stringify(encode(answer)).replaceAll('sluice:anthropic:', '');
        const unwrapped = wire.replace(/"redactedContent":"([^"]*)"/g, (_, base64: string) => {
          const text = Buffer.from(base64, 'base64').toString();
          return `"redactedContent":"${text.replace('sluice:anthropic:', '')}"`;
        });
        const { extra: _, ...again } = decode(JSON.parse(unwrapped));
        expect(again).toEqual(asJson(answer));
      }),
    );
  });
});

describe("a client of AWS's", () => {
  it('reads what other providers answered', async () => {
    const google: Signature = { issuer: 'google', data: 'AAA=' };
    const answer = encode({
      ...answerOf([
        { kind: 'thinking', text: 'hm', signature: google },
        { kind: 'refusal', text: 'No.' },
        { kind: 'audio', source: { type: 'base64', mediaType: 'audio/wav', data: 'AAAA' }, transcript: 'said' },
        { kind: 'other', format: 'messages', name: 'web_search', value: {} },
        { kind: 'tool_call', id: 'c', name: 'f', arguments: '{"a":1}', signature: google },
      ]),
      usage: { input: 1, cachedInput: 2, cacheWrite: 3, output: 4, reasoning: 5 },
    });
    const read = await readBy(answer);
    expect(read.stopReason).toBe('tool_use');
    expect(read.usage).toMatchObject({
      inputTokens: 1,
      outputTokens: 9,
      totalTokens: 15,
      cacheReadInputTokens: 2,
      cacheWriteInputTokens: 3,
    });
    expect(read.metrics).toEqual({ latencyMs: 0 });
    expect(read.output?.message?.content).toMatchObject([
      { reasoningContent: { reasoningText: { text: 'hm', signature: 'sluice:google:AAA=' } } },
      { text: 'No.' },
      { text: 'said' },
      { toolUse: { toolUseId: 'c', name: 'f', input: { a: 1 } } },
      { reasoningContent: { redactedContent: expect.any(Uint8Array) } },
    ]);
  });

  it('brings back the signatures of all that it was given', () => {
    const parts: Part[] = [
      { kind: 'thinking', text: 'a', summary: true, id: 'rs_1', redacted: { issuer: 'openai', data: 'enc' } },
      { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: 'red' } },
      { kind: 'text', text: 'b', signature: { issuer: 'google', data: 'x' } },
      { kind: 'tool_call', id: 'c', name: 'f', arguments: '{}', signature: { issuer: 'google', data: 'y' } },
    ];
    const body = { messages: [{ role: 'assistant', content: contentOf(parts) }] };
    expect(codec.decodeRequest(body, { model: 'm', stream: false }).messages[0]?.parts).toEqual(parts);
  });

  it('knows its tools by its own names', () => {
    const request = conversation({ tools: [{ kind: 'function', name: 'a.b', parameters: null }] });
    const { body } = {
      body: codec.encodeRequest(request, {
        issuer: 'bedrock',
        model: 'amazon.nova-pro-v1:0',
        defaultMaxTokens: 1,
        losses: null as never,
      }),
    };
    const safe = (body as { toolConfig: { tools: { toolSpec: { name: string } }[] } }).toolConfig.tools[0]!.toolSpec
      .name;
    expect(safe).not.toBe('a.b');
    expect(contentOf([{ kind: 'tool_call', id: '1', name: safe, arguments: '{}' }], request)).toMatchObject([
      { toolUse: { name: 'a.b' } },
    ]);
  });
});

describe('errors', () => {
  const told = (status: number, body: JsonObject | null, text = '') => codec.decodeFault(status, body, text);

  it('are read in all their spellings', () => {
    expect(told(429, { message: 'slow down' })).toEqual({
      status: 429,
      message: 'slow down',
      type: 'ThrottlingException',
      code: '',
      param: '',
    });
    expect(told(403, { Message: 'no' })).toMatchObject({ message: 'no', type: 'AccessDeniedException' });
    expect(told(400, { __type: 'com.amazon.coral.service#ValidationException', message: 'bad' })).toMatchObject({
      type: 'ValidationException',
    });
    expect(told(502, null, '<html>')).toMatchObject({ status: 502, message: '<html>' });
  });

  it.each([
    [400, 'ValidationException'],
    [401, 'AccessDeniedException'],
    [404, 'ResourceNotFoundException'],
    [408, 'ModelTimeoutException'],
    [424, 'ModelErrorException'],
    [429, 'ThrottlingException'],
    [500, 'InternalServerException'],
    [503, 'ServiceUnavailableException'],
  ])('with status %i are %s to a client', async (status, name) => {
    const { headers, body } = codec.encodeFault({ status, message: 'why', type: 'overloaded', code: 'c', param: 'p' });
    const error = await refusedBy(status, { [headers[0] as string]: headers[1] as string }, body);
    expect(error.name).toBe(name);
    expect(error.message).toBe('why');
  });

  it("keep Bedrock's own name", () => {
    const fault = { status: 400, message: 'm', type: 'serviceQuotaExceededException', code: '', param: '' };
    expect(codec.encodeFault(fault).headers).toEqual(['x-amzn-errortype', 'ServiceQuotaExceededException']);
  });
});
