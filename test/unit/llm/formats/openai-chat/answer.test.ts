import fc from 'fast-check';
import type { ChatCompletion } from 'openai/resources/chat/completions';
import { describe, expect, it } from 'vitest';
import { openaiChatCodec } from '../../../../../src/adapters/llm/formats/openai-chat/codec.ts';
import type { Answer, AnswerChoice, StopCause } from '../../../../../src/facts/answer.ts';
import type { Part } from '../../../../../src/facts/conversation.ts';
import { totalTokens } from '../../../../../src/facts/llm.ts';
import {
  answerContext,
  anyBase64,
  anyId,
  anyJson,
  anyJsonObject,
  anyLogprob,
  anyName,
  anySignature,
  anyText,
  anyToolCall,
  anyUrl,
  anyUsage,
  asJson,
  conversation,
  replyContext,
} from '../hub.ts';

const { decodeAnswer, encodeAnswer } = openaiChatCodec;

function decode(body: object): Answer {
  return decodeAnswer(asJson(body) as Record<string, unknown>, answerContext(openaiChatCodec));
}

/** A client gives signatures back with their mark; the decoder of answers takes them for the provider's own data. */
function unmarked<T>(value: T): T {
  return JSON.parse(JSON.stringify(value).replaceAll('"sluice:openai:', '"')) as T;
}

const anyThinking: fc.Arbitrary<Part[]> = fc.array(
  fc.oneof(
    fc.record(
      {
        kind: fc.constant('thinking' as const),
        text: anyText,
        summary: fc.constant(true as const),
        signature: anySignature('openai'),
        id: anyId,
      },
      { requiredKeys: ['kind', 'text'] },
    ),
    fc.record(
      { kind: fc.constant('thinking' as const), text: fc.constant(''), redacted: anySignature('openai'), id: anyId },
      { requiredKeys: ['kind', 'text', 'redacted'] },
    ),
  ),
  { maxLength: 3 },
);

const anySaid: fc.Arbitrary<Part> = fc
  .record(
    { text: anyText, url: anyUrl, title: anyText, quote: anyText, signature: anySignature('openai') },
    { requiredKeys: ['text', 'title'] },
  )
  .map(({ text, url, title, quote, signature }) => ({
    kind: 'text' as const,
    text,
    ...(url === undefined
      ? {}
      : {
          citations: [
            { kind: 'url' as const, url, title, ...(quote === undefined ? {} : { quote }), start: 0, end: text.length },
          ],
        }),
    ...(signature === undefined ? {} : { signature }),
  }));

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(arbitrary, { maxLength: 1 });

const anyParts: fc.Arbitrary<Part[]> = fc
  .tuple(
    anyThinking,
    optional(anySaid),
    optional(fc.record({ kind: fc.constant('refusal' as const), text: anyText })),
    optional(
      fc.record({
        kind: fc.constant('audio' as const),
        source: fc.record({
          type: fc.constant('base64' as const),
          mediaType: fc.constant('audio/wav'),
          data: anyBase64,
        }),
        transcript: anyText,
        id: anyId,
      }),
    ),
    fc.array(
      fc.record({
        kind: fc.constant('image' as const),
        source: fc.record({
          type: fc.constant('base64' as const),
          mediaType: fc.constant('image/png'),
          data: anyBase64,
        }),
      }),
      { maxLength: 2 },
    ),
    fc.array(
      fc.oneof(
        anyToolCall(anySignature('openai')),
        anyToolCall().map((call) => ({ ...call, custom: true })),
      ),
      { maxLength: 3 },
    ),
  )
  .map((groups) => groups.flat());

function stopFor(parts: readonly Part[]): AnswerChoice['stop'] {
  if (parts.some((part) => part.kind === 'refusal')) return { cause: 'refusal', raw: 'stop' };
  if (parts.some((part) => part.kind === 'tool_call')) return { cause: 'tool_calls', raw: 'tool_calls' };
  return { cause: 'stop_sequence', raw: 'stop', sequence: 'END' };
}

const anyAnswer: fc.Arbitrary<Answer> = fc.record(
  {
    id: anyId,
    model: anyName,
    created: fc.integer({ min: 1, max: 2_000_000_000 }),
    choices: fc
      .array(
        fc.record(
          {
            parts: anyParts,
            logprobs: fc.array(anyLogprob, { minLength: 1, maxLength: 3 }),
            extra: fc.record({
              format: fc.constant('completions' as const),
              fields: fc.record({ native_finish_reason: anyText, message: fc.record({ x_vendor: anyJsonObject }) }),
            }),
          },
          { requiredKeys: ['parts'] },
        ),
        { maxLength: 3 },
      )
      .map((choices) => choices.map((choice, index) => ({ ...choice, index, stop: stopFor(choice.parts) }))),
    usage: fc.option(anyUsage),
    serviceTier: fc.constantFrom('default', 'priority'),
    extra: fc.record({
      format: fc.constant('completions' as const),
      fields: fc.record({ system_fingerprint: anyText }),
    }),
  },
  { requiredKeys: ['id', 'model', 'created', 'choices', 'usage'] },
);

describe('answers', () => {
  it('come back as they were, for all that the format can say', () => {
    fc.assert(
      fc.property(anyAnswer, (answer) => {
        expect(decode(unmarked(encodeAnswer(answer, replyContext())))).toEqual(answer);
      }),
      { numRuns: 120 },
    );
  });

  it('count what the provider counted', () => {
    fc.assert(
      fc.property(anyUsage, (usage) => {
        const body = asJson(encodeAnswer({ id: 'a', model: 'm', created: 1, choices: [], usage }, replyContext()));
        const told = body.usage as Record<string, number>;
        expect(told.total_tokens).toBe(totalTokens(usage));
        expect((told.prompt_tokens ?? 0) + (told.completion_tokens ?? 0)).toBe(told.total_tokens);
        expect(decode(body).usage).toEqual(usage);
      }),
    );
  });

  it('are read whatever they are', () => {
    const names = ['role', 'content', 'refusal', 'reasoning', 'reasoning_details', 'annotations', 'audio', 'images'];
    const anyMessage = fc.oneof(
      anyJson,
      fc.dictionary(fc.constantFrom(...names, 'tool_calls', 'function_call', 'extra_content'), anyJson),
      fc.record({
        content: fc.array(fc.record({ type: fc.constantFrom('text', 'image_url', 'input_audio', 'file', 'thinking') })),
        images: fc.array(fc.record({ type: fc.constantFrom('image_url', 'file', 'input_audio') })),
        audio: anyJsonObject,
        tool_calls: fc.array(
          fc.record({ type: fc.constantFrom('function', 'custom'), function: anyJson, custom: anyJson }),
        ),
        reasoning_details: fc.array(anyJson),
        annotations: fc.array(fc.record({ type: fc.constant('url_citation'), url_citation: anyJson })),
      }),
    );
    const anyBody = fc.record(
      {
        id: anyJson,
        created: anyJson,
        choices: fc.oneof(
          anyJson,
          fc.array(fc.record({ index: anyJson, message: anyMessage, logprobs: anyJson, finish_reason: anyJson })),
        ),
        usage: anyJson,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anyBody, (body) => {
        const answer = decode(body);
        expect(answer.model).toBe('target-model');
        expect(() => encodeAnswer(answer, replyContext())).not.toThrow();
      }),
      { numRuns: 250 },
    );
  });

  it('are canonical for a golden body', () => {
    const golden: ChatCompletion = {
      id: 'chatcmpl-Bx1',
      object: 'chat.completion',
      created: 1_741_570_283,
      model: 'gpt-5.4',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'It rains in Bonn.',
            refusal: null,
            annotations: [
              {
                type: 'url_citation',
                url_citation: { url: 'https://example.com/w', title: 'Weather', start_index: 3, end_index: 16 },
              },
            ],
            tool_calls: [
              { id: 'call_1', type: 'function', function: { name: 'umbrella', arguments: '{"city":"Bonn"}' } },
              { id: 'call_2', type: 'custom', custom: { name: 'note', input: 'take a coat' } },
            ],
          },
          logprobs: {
            content: [
              {
                token: 'It',
                logprob: -0.1,
                bytes: [73, 116],
                top_logprobs: [{ token: 'It', logprob: -0.1, bytes: null }],
              },
            ],
            refusal: null,
          },
          finish_reason: 'tool_calls',
        },
      ],
      usage: {
        prompt_tokens: 100,
        completion_tokens: 60,
        total_tokens: 160,
        prompt_tokens_details: { cached_tokens: 64 },
        completion_tokens_details: { reasoning_tokens: 40 },
      },
      service_tier: 'default',
      system_fingerprint: 'fp_1',
    };
    const answer = decode(golden);
    expect(answer.usage).toEqual({ input: 36, cachedInput: 64, cacheWrite: 0, output: 20, reasoning: 40 });
    expect(asJson(encodeAnswer(answer, replyContext()))).toEqual(golden);
  });
});

describe('why an answer ended', () => {
  const ended = (finish_reason: string, message: object = {}, more: object = {}) =>
    decode({ choices: [{ index: 0, message, finish_reason, ...more }] }).choices[0]?.stop;
  const call = { tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }] };

  it.each<[string, object, object, object]>([
    ['stop', {}, {}, { cause: 'stop', raw: 'stop' }],
    ['length', {}, {}, { cause: 'length', raw: 'length' }],
    ['tool_calls', call, {}, { cause: 'tool_calls', raw: 'tool_calls' }],
    ['function_call', {}, {}, { cause: 'tool_calls', raw: 'function_call' }],
    ['content_filter', {}, {}, { cause: 'content_filter', raw: 'content_filter' }],
    ['model_length', {}, {}, { cause: 'context_length', raw: 'model_length' }],
    ['insufficient_system_resource', {}, {}, { cause: 'error', raw: 'insufficient_system_resource' }],
    ['MALFORMED_FUNCTION_CALL', {}, {}, { cause: 'malformed_tool_call', raw: 'MALFORMED_FUNCTION_CALL' }],
    ['a word of tomorrow', {}, {}, { cause: 'stop', raw: 'a word of tomorrow' }],
    ['stop', call, {}, { cause: 'tool_calls', raw: 'stop' }],
    ['stop', { refusal: 'no' }, {}, { cause: 'refusal', raw: 'stop' }],
    ['stop', {}, { stop_reason: 'END' }, { cause: 'stop_sequence', raw: 'stop', sequence: 'END' }],
    ['stop', {}, { stop_reason: 151_643 }, { cause: 'stop', raw: 'stop' }],
  ])('%s with %j and %j', (reason, message, more, stop) => {
    expect(ended(reason, message, more)).toEqual(stop);
  });

  it.each<[StopCause, string]>([
    ['stop', 'stop'],
    ['stop_sequence', 'stop'],
    ['length', 'length'],
    ['context_length', 'length'],
    ['tool_calls', 'tool_calls'],
    ['content_filter', 'content_filter'],
    ['refusal', 'content_filter'],
    ['pause', 'stop'],
    ['malformed_tool_call', 'stop'],
    ['error', 'length'],
  ])('%s is told as %s', (cause, word) => {
    const choices = [{ index: 0, parts: [], stop: { cause, raw: 'another' } }];
    const body = encodeAnswer({ id: 'a', model: 'm', created: 1, choices, usage: null }, replyContext());
    expect(body.choices).toMatchObject([{ finish_reason: word }]);
  });
});

describe('what providers send', () => {
  const partsOf = (message: object) => decode({ id: 'x', choices: [{ message }] }).choices[0]?.parts;

  it.each<[string, object, object[]]>([
    [
      'DeepSeek',
      { reasoning_content: 'hm', content: 'a' },
      [
        { kind: 'thinking', text: 'hm' },
        { kind: 'text', text: 'a' },
      ],
    ],
    ['vLLM', { reasoning: 'hm', reasoning_content: null }, [{ kind: 'thinking', text: 'hm' }]],
    [
      'OpenRouter',
      { reasoning: 'hm', reasoning_details: [{ type: 'reasoning.text', text: 'hm', signature: 's', index: 0 }] },
      [{ kind: 'thinking', text: 'hm', signature: { issuer: 'openai', data: 's' } }],
    ],
    [
      'a signature beside the text',
      { reasoning: 'hm', reasoning_details: [{ type: 'reasoning.text', signature: 's', index: 0 }] },
      [{ kind: 'thinking', text: 'hm', signature: { issuer: 'openai', data: 's' } }],
    ],
    [
      'encrypted thinking beside the text',
      { reasoning: 'hm', reasoning_details: [{ type: 'reasoning.encrypted', data: 'e', index: 0 }] },
      [
        { kind: 'thinking', text: 'hm' },
        { kind: 'thinking', text: '', redacted: { issuer: 'openai', data: 'e' } },
      ],
    ],
    [
      'Mistral',
      {
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] },
          { type: 'text', text: 'a' },
        ],
      },
      [
        { kind: 'thinking', text: 'hm' },
        { kind: 'text', text: 'a' },
      ],
    ],
    [
      'an image',
      { content: '', images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] },
      [{ kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AA==' } }],
    ],
    [
      'arguments as an object',
      { tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: { x: 1 } } }] },
      [{ kind: 'tool_call', id: 'a', name: 'f', arguments: '{"x":1}' }],
    ],
  ])('%s', (_, message, parts) => {
    expect(partsOf(message)).toEqual(parts);
  });

  it('makes up ids of calls that have none, apart from each other and from those of other answers', () => {
    const message = { tool_calls: [{ function: { name: 'f' } }, { function: { name: 'f' } }] };
    const ids = (id: string) =>
      decode({ id, choices: [{ message }] }).choices[0]?.parts.map((part) =>
        part.kind === 'tool_call' ? part.id : '',
      );
    expect(new Set([...(ids('a') ?? []), ...(ids('b') ?? [])]).size).toBe(4);
    expect(ids('a')).toEqual(ids('a'));
  });

  it('keeps annotations of other kinds, and those of an answer without text', () => {
    const file = { type: 'file', file: { hash: 'h' } };
    const message = { content: 'a', annotations: [file] };
    const answer = decode({ id: 'x', choices: [{ message }] });
    expect(answer.choices[0]?.extra?.fields).toEqual({ message: { annotations: [file] } });
    expect(encodeAnswer(answer, replyContext()).choices).toMatchObject([{ message: { annotations: [file] } }]);
  });
});

describe('what clients are told', () => {
  const answer = (parts: readonly Part[]): Answer => ({
    id: '',
    model: '',
    created: 0,
    choices: [{ index: 0, parts, stop: { cause: 'tool_calls', raw: 'tool_use' } }],
    usage: null,
  });

  it('marks whose a signature is', () => {
    const signature = { issuer: 'anthropic', data: 's' };
    const body = encodeAnswer(answer([{ kind: 'thinking', text: 'hm', signature }]), replyContext());
    expect(body.choices).toMatchObject([
      { message: { reasoning_content: 'hm', reasoning_details: [{ text: 'hm', signature: 'sluice:anthropic:s' }] } },
    ]);
  });

  it('joins texts, and counts the offsets of their citations through', () => {
    const url = 'https://example.com/';
    const parts: Part[] = [
      { kind: 'text', text: 'one ' },
      {
        kind: 'text',
        text: 'two',
        citations: [
          { kind: 'url', url },
          { kind: 'document', title: 'no URL' },
        ],
      },
    ];
    expect(encodeAnswer(answer(parts), replyContext()).choices).toMatchObject([
      {
        message: {
          content: 'one two',
          annotations: [{ type: 'url_citation', url_citation: { url, title: '', start_index: 4, end_index: 7 } }],
        },
      },
    ]);
  });

  it('tells a client of functions its call in its own words', () => {
    const call: Part = { kind: 'tool_call', id: 'a', name: 'f', arguments: '{}' };
    const request = conversation({ legacyFunctions: true });
    expect(encodeAnswer(answer([call]), replyContext({ request })).choices).toMatchObject([
      { message: { function_call: { name: 'f', arguments: '{}' } }, finish_reason: 'function_call' },
    ]);
  });

  it("gives the client its own tool's name back", () => {
    const request = conversation({ tools: [{ kind: 'function', name: 'files.read', parameters: null }] });
    const sent = openaiChatCodec.encodeRequest(request, {
      issuer: 'openai',
      model: 'm',
      losses: { drop: () => undefined } as never,
      defaultMaxTokens: 1,
    });
    const [tool] = sent.tools as [{ function: { name: string } }];
    const call: Part = { kind: 'tool_call', id: 'a', name: tool.function.name, arguments: '{}' };
    expect(encodeAnswer(answer([call]), replyContext({ request })).choices).toMatchObject([
      { message: { tool_calls: [{ function: { name: 'files.read' } }] } },
    ]);
  });

  it('fills in what the provider did not say', () => {
    expect(encodeAnswer(answer([]), replyContext())).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
      created: 1_700_000_000,
      model: 'client-model',
    });
  });
});

describe('faults', () => {
  const { decodeFault, encodeFault } = openaiChatCodec;

  it.each<[string, object | null, string, object]>([
    [
      'OpenAI',
      { error: { message: 'bad', type: 'invalid_request_error', param: 'model', code: 'model_not_found' } },
      '',
      { message: 'bad', type: 'invalid_request_error', param: 'model', code: 'model_not_found' },
    ],
    ['Ollama', { error: 'model not found' }, '', { message: 'model not found', type: '' }],
    [
      'Mistral',
      { object: 'error', message: 'no', type: 'invalid_model', code: 1500 },
      '',
      { message: 'no', code: '1500' },
    ],
    ['FastAPI', { detail: 'Not Found' }, '', { message: 'Not Found' }],
    ['FastAPI with places', { detail: [{ loc: ['body'] }] }, '', { message: '[{"loc":["body"]}]' }],
    ['Google', null, '[{"error": {"code": 400, "message": "bad"}}]', { message: 'bad', code: '400' }],
    [
      'OpenRouter',
      { error: { message: 'Provider returned error', code: 400, metadata: { raw: 'too long' } } },
      '',
      { message: 'Provider returned error: too long' },
    ],
    ['text', null, 'upstream connect error', { message: 'upstream connect error' }],
    ['a page', null, '<html>Bad Gateway</html>', { message: 'The provider answered with status 418.' }],
    ['a broken array', null, '[{"error"', { message: '[{"error"' }],
    ['nothing', {}, '', { message: 'The provider answered with status 418.' }],
  ])('of %s', (_, body, text, fault) => {
    expect(decodeFault(418, body as Record<string, unknown> | null, text)).toMatchObject({ status: 418, ...fault });
  });

  it('are read whatever they are', () => {
    fc.assert(
      fc.property(fc.oneof(fc.record({ error: anyJson, detail: anyJson, message: anyJson }), anyJsonObject), (body) => {
        expect(decodeFault(500, asJson(body), '').message).not.toBe('');
      }),
    );
  });

  it.each<[number, string, string, object]>([
    [429, 'rate_limit_error', '', { type: 'rate_limit_error', code: null }],
    [529, 'overloaded_error', '', { type: 'server_error', code: 'overloaded_error' }],
    [400, 'invalid_request_error', 'context_length_exceeded', { code: 'context_length_exceeded' }],
  ])('of status %i and type %s are told in the words of OpenAI', (status, type, code, error) => {
    const { body, headers } = encodeFault({ status, message: 'why', type, code, param: '' });
    expect(body).toMatchObject({ error: { message: 'why', param: null, ...error } });
    expect(headers).toEqual([]);
  });
});
