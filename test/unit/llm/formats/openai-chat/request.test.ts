import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openaiChatCodec } from '../../../../../src/adapters/llm/formats/openai-chat/codec.ts';
import { GatewayError } from '../../../../../src/errors/table.ts';
import type { Conversation, Message, Part } from '../../../../../src/facts/conversation.ts';
import {
  anyBase64,
  anyFunctionTool,
  anyId,
  anyJson,
  anyJsonObject,
  anyName,
  anySchema,
  anySignature,
  anySource,
  anyText,
  anyTextPart,
  anyToolCall,
  anyUrl,
  asJson,
  conversation,
  encoded,
  roundTrip,
} from '../hub.ts';

const PATH = { model: '', stream: false };

function decode(body: object): Conversation {
  return openaiChatCodec.decodeRequest(asJson(body) as Record<string, unknown>, PATH);
}

// ---- what the format can say ----

const extra = <T extends string>(name: T) =>
  fc.record({ format: fc.constant('completions' as const), fields: fc.record({ [name]: anyJsonObject }) });

const anyContent: fc.Arbitrary<Part> = fc.oneof(
  anyTextPart,
  fc.record(
    {
      kind: fc.constant('image' as const),
      source: anySource(['base64', 'url'], ['image/png', 'image/jpeg'], 'openai'),
      detail: fc.constantFrom('low', 'high', 'auto'),
      extra: extra('something'),
    },
    { requiredKeys: ['kind', 'source'] },
  ),
  fc.record({
    kind: fc.constant('audio' as const),
    source: anySource(['base64', 'url'], ['audio/wav', 'audio/mpeg', 'audio/flac'], 'openai'),
  }),
  fc.record({ kind: fc.constant('video' as const), source: anySource(['base64', 'url'], ['video/mp4'], 'openai') }),
  fc.record({
    kind: fc.constant('file' as const),
    source: anySource(['base64', 'file'], ['application/pdf'], 'openai'),
    name: anyName,
  }),
);

const texts = fc.array(anyTextPart, { maxLength: 3 });

const anyCited: fc.Arbitrary<Part> = fc
  .record({ text: anyText, url: anyUrl, title: anyText })
  .map(({ text, url, title }) => ({
    kind: 'text' as const,
    text,
    citations: [{ kind: 'url' as const, url, title, start: 0, end: text.length }],
  }));

const anyAnswered: fc.Arbitrary<Part[]> = fc
  .tuple(
    fc.oneof(texts, fc.tuple(anyCited)),
    fc.option(fc.record({ kind: fc.constant('refusal' as const), text: anyText }), { nil: undefined }),
  )
  .map(([said, refusal]) => [...said, ...(refusal === undefined ? [] : [refusal])]);

/** An assistant's message with calls, and the messages of their results. */
const anyTurn: fc.Arbitrary<Message[]> = fc
  .tuple(
    anyAnswered,
    fc.array(fc.tuple(anyToolCall(), fc.boolean(), texts, fc.option(anyName, { nil: '' })), { maxLength: 3 }),
  )
  .map(([said, calls]) => {
    const parts: Part[] = [...said];
    const results: Message[] = [];
    for (const [i, [call, isCustom, content, name]] of calls.entries()) {
      const custom = isCustom ? { custom: true } : {};
      const id = `call_${i}_${isCustom ? 'c' : 'f'}`;
      parts.push({ ...call, ...custom, id });
      results.push({
        role: 'tool',
        parts: [{ kind: 'tool_result', callId: id, name, content, isError: false, ...custom }],
      });
    }
    return [{ role: 'assistant' as const, parts }, ...results];
  });

const anyAsked: fc.Arbitrary<Message> = fc.oneof(
  fc.record(
    { role: fc.constantFrom('system' as const, 'developer' as const), parts: texts, name: anyName },
    { requiredKeys: ['role', 'parts'] },
  ),
  fc.record(
    {
      role: fc.constant('user' as const),
      parts: fc.array(anyContent, { maxLength: 4 }),
      name: anyName,
      extra: extra('x'),
    },
    { requiredKeys: ['role', 'parts'] },
  ),
);

const anyTools = fc.oneof(
  fc.constant({ tools: [] }),
  fc
    .uniqueArray(
      fc.oneof(
        anyFunctionTool({ strict: true }),
        fc.record(
          {
            kind: fc.constant('custom' as const),
            name: anyName,
            description: anyText,
            grammar: fc.constant({ type: 'grammar', syntax: 'lark', definition: 'start: "a"' }),
          },
          { requiredKeys: ['kind', 'name'] },
        ),
      ),
      { minLength: 1, maxLength: 4, selector: (tool) => tool.name },
    )
    .chain((tools) => {
      const name = fc.constantFrom(...tools.map((tool) => tool.name));
      return fc.record(
        {
          tools: fc.constant(tools),
          toolChoice: fc.oneof(
            fc.record({ mode: fc.constantFrom('auto' as const, 'none' as const, 'required' as const) }),
            fc.record({ mode: fc.constant('tool' as const), name }),
            fc.record({ mode: fc.constantFrom('auto' as const, 'required' as const), allowed: fc.tuple(name) }),
          ),
          parallelToolCalls: fc.boolean(),
        },
        { requiredKeys: ['tools'] },
      );
    }),
);

const anyRest = fc.record(
  {
    output: fc.oneof(
      fc.constant({ type: 'json' as const }),
      fc.record(
        {
          type: fc.constant('schema' as const),
          name: anyName,
          description: anyText,
          schema: anySchema,
          strict: fc.boolean(),
        },
        { requiredKeys: ['type', 'name', 'schema'] },
      ),
    ),
    verbosity: fc.constantFrom('low', 'medium', 'high'),
    reasoning: fc.constantFrom('none', 'minimal', 'low', 'high', 'xhigh').map((effort) => ({ effort })),
    modalities: fc.constant(['text']),
    serviceTier: fc.constantFrom('auto', 'default', 'flex', 'priority'),
    user: anyId,
    metadata: fc.constant({ purpose: 'test' }),
    cacheKey: anyId,
    extra: extra('logit_bias'),
  },
  { requiredKeys: [] },
);

const anySampling = fc.record(
  {
    maxTokens: fc.integer({ min: 1, max: 100_000 }),
    temperature: fc.constantFrom(0, 0.5, 2),
    topP: fc.constantFrom(0.1, 1),
    frequencyPenalty: fc.constantFrom(-2, 0, 1.5),
    presencePenalty: fc.constantFrom(-2, 0, 1.5),
    seed: fc.integer(),
    stop: fc.array(anyText, { minLength: 1, maxLength: 4 }),
    choices: fc.integer({ min: 1, max: 5 }),
    logprobs: fc.integer({ min: 0, max: 20 }),
  },
  { requiredKeys: [] },
);

const anyConversation: fc.Arbitrary<Conversation> = fc
  .tuple(
    fc.array(fc.oneof(fc.tuple(anyAsked), anyTurn), { maxLength: 4 }),
    anyTools,
    anyRest,
    anySampling,
    fc.boolean(),
  )
  .map(([messages, tools, rest, sampling, stream]) =>
    conversation({ messages: messages.flat(), ...tools, ...rest, sampling, stream }),
  );

describe('requests', () => {
  it('come back as they were, for all that the format can say', () => {
    fc.assert(
      fc.property(anyConversation, (from) => {
        expect(roundTrip(openaiChatCodec, from)).toEqual(from);
        expect(encoded(openaiChatCodec, from).lost).toBe('');
      }),
      { numRuns: 120 },
    );
  });

  it('are canonical once encoded', () => {
    fc.assert(
      fc.property(anyConversation, (from) => {
        const { body } = encoded(openaiChatCodec, from, { model: from.model });
        expect(encoded(openaiChatCodec, decode(body), { model: from.model }).body).toEqual(body);
      }),
    );
  });

  it('throw nothing but a fault with its place, whatever is sent', () => {
    const anyBody = fc.record(
      {
        messages: fc.oneof(
          anyJson,
          fc.array(
            fc.oneof(
              anyJson,
              fc.record({
                role: fc.constantFrom('user', 'assistant', 'tool'),
                content: anyJson,
                tool_calls: anyJson,
                audio: anyJson,
                reasoning_details: anyJson,
              }),
            ),
          ),
        ),
        tools: anyJson,
        tool_choice: anyJson,
        response_format: anyJson,
        stop: anyJson,
        metadata: anyJson,
        reasoning: anyJson,
        thinking: anyJson,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anyBody, (body) => {
        try {
          decode(body);
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
          expect((error as GatewayError).code).toBe('invalid_request_body');
        }
      }),
      { numRuns: 250 },
    );
  });
});

describe('thinking in the history', () => {
  const thought = (parts: Part[]) => conversation({ messages: [{ role: 'assistant', parts }] });
  const vendor = { issuer: 'vendor', model: 'client-model' };

  it('goes as text to a provider that knows it, and comes back', () => {
    fc.assert(
      fc.property(anyText, anyText, (text, said) => {
        const from = thought([
          { kind: 'thinking', text },
          { kind: 'text', text: said },
        ]);
        const { body, lost } = encoded(openaiChatCodec, from, vendor);
        expect(body.messages).toEqual([{ role: 'assistant', content: said, reasoning_content: text }]);
        expect(lost).toBe('');
        expect(decode(body)).toEqual(from);
      }),
    );
  });

  it('takes signatures and encrypted thinking to their issuer alone', () => {
    fc.assert(
      fc.property(anyText, anySignature('vendor'), anySignature('openai'), anyName, (text, signature, redacted, id) => {
        const from = thought([
          { kind: 'thinking', text, signature },
          { kind: 'thinking', text: '', redacted: { issuer: 'vendor', data: redacted.data }, id },
          { kind: 'thinking', text: '', redacted },
          { kind: 'thinking', text, summary: true },
        ]);
        const [message] = encoded(openaiChatCodec, from, vendor).body.messages as Record<string, unknown>[];
        expect(message?.reasoning_details).toEqual([
          { type: 'reasoning.text', text, signature: signature.data, index: 0 },
          { type: 'reasoning.encrypted', data: redacted.data, id, index: 1 },
          { type: 'reasoning.summary', summary: text, index: 3 },
        ]);
        const [other] = encoded(openaiChatCodec, from, { issuer: 'other' }).body.messages as Record<string, unknown>[];
        expect(other).toEqual({ role: 'assistant', content: '', reasoning_content: `${text}\n\n${text}` });
      }),
    );
  });

  it('is read with the issuer its mark names', () => {
    const decoded = decode({
      model: 'm',
      messages: [
        {
          role: 'assistant',
          content: 'said',
          reasoning_content: 'ignored, the details say it',
          reasoning_details: [
            { type: 'reasoning.text', text: 'a', signature: 'sluice:anthropic:sig', index: 0 },
            { type: 'reasoning.summary', summary: 'b', index: 1, format: 'openai-responses-v1' },
            { type: 'reasoning.encrypted', data: 'enc', id: 'rs_1', index: 1, format: 'openai-responses-v1' },
          ],
        },
      ],
    });
    expect(decoded.messages[0]?.parts).toEqual([
      { kind: 'thinking', text: 'a', signature: { issuer: 'anthropic', data: 'sig' } },
      {
        kind: 'thinking',
        text: 'b',
        summary: true,
        redacted: { issuer: 'openai', data: 'enc' },
        id: 'rs_1',
        extra: { format: 'completions', fields: { format: 'openai-responses-v1' } },
      },
      { kind: 'text', text: 'said' },
    ]);
  });

  it("keeps Google's signatures of calls and text for Google", () => {
    const from = decode({
      messages: [
        {
          role: 'assistant',
          content: 'said',
          extra_content: { google: { thought_signature: 'T' } },
          tool_calls: [
            {
              id: 'c1',
              type: 'function',
              function: { name: 'f', arguments: '{}' },
              extra_content: { google: { thought_signature: 'sluice:google:S' } },
            },
          ],
        },
      ],
    });
    expect(from.messages[0]?.parts).toMatchObject([
      { kind: 'text', signature: { issuer: 'google', data: 'T' } },
      { kind: 'tool_call', signature: { issuer: 'google', data: 'S' } },
    ]);
    expect(encoded(openaiChatCodec, from, { issuer: 'google' }).body.messages).toMatchObject([
      {
        extra_content: { google: { thought_signature: 'T' } },
        tool_calls: [{ extra_content: { google: { thought_signature: 'S' } } }],
      },
    ]);
    expect(JSON.stringify(encoded(openaiChatCodec, from).body)).not.toContain('extra_content');
  });
});

describe('what other formats say', () => {
  const call: Part = { kind: 'tool_call', id: 'a', name: 'look', arguments: '' };

  it('puts results right behind the calls, with their media in the user message that follows', () => {
    const from = conversation({
      messages: [
        { role: 'assistant', parts: [call, { ...call, id: 'b' }] },
        {
          role: 'user',
          parts: [
            { kind: 'text', text: 'and now?' },
            {
              kind: 'tool_result',
              callId: 'a',
              name: '',
              isError: false,
              content: [{ kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'iVBO' } }],
            },
            { kind: 'tool_result', callId: 'b', name: '', isError: true, content: [{ kind: 'text', text: 'no' }] },
          ],
        },
      ],
    });
    expect(encoded(openaiChatCodec, from).body.messages).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } },
          { id: 'b', type: 'function', function: { name: 'look', arguments: '{}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: 'The result is shown in the next user message.' },
      {
        role: 'tool',
        tool_call_id: 'b',
        content: [
          { type: 'text', text: 'The tool failed.' },
          { type: 'text', text: 'no' },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Result of the tool call a:' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBO' } },
          { type: 'text', text: 'and now?' },
        ],
      },
    ]);
  });

  it('shows media of a result in a message of its own where no user message follows', () => {
    const from = conversation({
      messages: [
        {
          role: 'tool',
          parts: [
            {
              kind: 'tool_result',
              callId: 'a',
              name: 'look',
              isError: false,
              content: [{ kind: 'image', source: { type: 'url', url: 'https://example.com/a.png', mediaType: '' } }],
            },
          ],
        },
        { role: 'assistant', parts: [{ kind: 'text', text: 'seen' }] },
      ],
    });
    const messages = encoded(openaiChatCodec, from).body.messages as { role: string }[];
    expect(messages.map((message) => message.role)).toEqual(['tool', 'user', 'assistant']);
  });

  it('fits names, ids and end users to what OpenAI takes', () => {
    const id = 'toolu_'.padEnd(70, 'x');
    const from = conversation({
      tools: [{ kind: 'function', name: 'files.read', parameters: null }],
      toolChoice: { mode: 'tool', name: 'files.read' },
      user: 'u'.repeat(100),
      messages: [
        { role: 'assistant', parts: [{ kind: 'tool_call', id, name: 'files.read', arguments: '{}' }] },
        { role: 'tool', parts: [{ kind: 'tool_result', callId: id, name: 'files.read', isError: false, content: [] }] },
      ],
    });
    const { body } = encoded(openaiChatCodec, from);
    const text = JSON.stringify(body);
    expect(text).not.toContain('files.read');
    const names = [...text.matchAll(/"name":"([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(names).size).toBe(1);
    expect(names).toHaveLength(4);
    const messages = body.messages as [{ tool_calls: [{ id: string }] }, { tool_call_id: string }];
    expect(messages[0].tool_calls[0].id).toBe(messages[1].tool_call_id);
    expect(messages[1].tool_call_id.length).toBeLessThanOrEqual(40);
    expect(String(body.safety_identifier)).toHaveLength(64);
    expect(encoded(openaiChatCodec, from, { issuer: 'vendor' }).body).toHaveProperty('user');
  });

  it.each<[string, Partial<Conversation>, string]>([
    ['top_k', { sampling: { topK: 5 } }, 'topK'],
    ['a summary of reasoning', { reasoning: { summary: 'auto' } }, 'reasoningSummary'],
    ['a service tier of another', { serviceTier: 'reserved' }, 'serviceTier'],
    ['members of another format', { extra: { format: 'messages', fields: { container: 'c' } } }, 'container'],
    ['cache marks', { tools: [{ kind: 'function', name: 'f', parameters: null, cache: { ttl: '5m' } }] }, 'cacheMarks'],
    [
      'cache marks within results',
      {
        messages: [
          {
            role: 'user',
            parts: [
              {
                kind: 'tool_result',
                callId: 'a',
                name: '',
                isError: false,
                content: [{ kind: 'text', text: 'x', cache: { ttl: '' } }],
              },
            ],
          },
        ],
      },
      'cacheMarks',
    ],
  ])('notes %s', (_, overrides, lost) => {
    expect(encoded(openaiChatCodec, conversation(overrides)).lost).toBe(lost);
  });

  it.each<[string, Part]>([
    ['an uploaded image', { kind: 'image', source: { type: 'file', issuer: 'openai', id: 'f', mediaType: '' } }],
    ['a document by URL', { kind: 'file', source: { type: 'url', url: 'https://example.com/a.pdf', mediaType: '' } }],
    [
      'a file of another provider',
      { kind: 'file', source: { type: 'file', issuer: 'anthropic', id: 'f', mediaType: '' } },
    ],
    ["another's built-in tool", { kind: 'other', format: 'messages', name: 'server_tool_use', value: {} }],
  ])('refuses %s', (_, part) => {
    const from = conversation({ messages: [{ role: 'user', parts: [part] }] });
    expect(() => encoded(openaiChatCodec, from)).toThrow(
      expect.objectContaining({ code: 'unsupported_parameter' }) as Error,
    );
  });

  it('has citations in the history for OpenAI alone, and only of URLs', () => {
    const cited = (url: object) =>
      conversation({
        messages: [{ role: 'assistant', parts: [{ kind: 'text', text: 'a', citations: [{ kind: 'url', ...url }] }] }],
      });
    const url = { url: 'https://example.com/' };
    expect(encoded(openaiChatCodec, cited(url))).toMatchObject({
      body: { messages: [{ annotations: [{ url_citation: url }] }] },
      lost: '',
    });
    expect(encoded(openaiChatCodec, cited({})).lost).toBe('citationHistory');
    expect(encoded(openaiChatCodec, cited(url), { issuer: 'vendor', model: 'm' })).toMatchObject({
      body: { messages: [{ role: 'assistant', content: 'a' }] },
      lost: 'citationHistory',
    });
  });

  it('says plain-text documents as text', () => {
    const part: Part = { kind: 'file', source: { type: 'text', text: 'body' }, name: 'a.txt', context: 'notes' };
    expect(
      encoded(openaiChatCodec, conversation({ messages: [{ role: 'user', parts: [part] }] })).body.messages,
    ).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'notes' },
          { type: 'text', text: 'a.txt\n\nbody' },
        ],
      },
    ]);
  });

  it.each([
    [{ mode: 'enabled' as const, budget: 10_000 }, 'medium'],
    [{ mode: 'disabled' as const }, 'none'],
    [{ mode: 'adaptive' as const }, undefined],
  ])('turns %j into effort', (reasoning, effort) => {
    expect(encoded(openaiChatCodec, conversation({ reasoning })).body.reasoning_effort).toBe(effort);
  });
});

describe('what clients send', () => {
  it('reads legacy functions as tools with one call at a time', () => {
    const decoded = decode({
      model: 'm',
      messages: [
        { role: 'user', content: 'weather?' },
        { role: 'assistant', content: null, function_call: { name: 'weather', arguments: '{"city":"Bonn"}' } },
        { role: 'function', name: 'weather', content: 'rain' },
      ],
      functions: [{ name: 'weather', parameters: { type: 'object', properties: {} } }],
      function_call: { name: 'weather' },
    });
    expect(decoded).toMatchObject({
      legacyFunctions: true,
      parallelToolCalls: false,
      toolChoice: { mode: 'tool', name: 'weather' },
      tools: [{ kind: 'function', name: 'weather' }],
    });
    const [, asked, answered] = decoded.messages;
    expect(asked?.parts).toMatchObject([{ kind: 'tool_call', name: 'weather', arguments: '{"city":"Bonn"}' }]);
    expect(answered?.role).toBe('tool');
    const [called] = asked?.parts ?? [];
    expect(answered?.parts).toMatchObject([{ callId: called?.kind === 'tool_call' ? called.id : '', name: 'weather' }]);
  });

  it.each<[object, object]>([
    [{ reasoning_effort: 'low' }, { effort: 'low' }],
    [{ reasoning: { max_tokens: 2000, exclude: true } }, { budget: 2000, include: false }],
    [{ reasoning: { enabled: true } }, { mode: 'enabled' }],
    [{ thinking: { type: 'enabled', budget_tokens: 3000 } }, { mode: 'enabled', budget: 3000 }],
    [{ thinking: { type: 'auto' } }, { mode: 'adaptive' }],
  ])('reads %j', (body, reasoning) => {
    expect(decode({ messages: [], ...body }).reasoning).toEqual(reasoning);
  });

  it.each<[object, object]>([
    [{ max_tokens: 5 }, { maxTokens: 5 }],
    [{ max_tokens: 5, max_completion_tokens: 6 }, { maxTokens: 6 }],
    [{ stop: 'x' }, { stop: ['x'] }],
    [{ logprobs: true, top_logprobs: 3 }, { logprobs: 3 }],
    [{ logprobs: false, top_logprobs: 3 }, {}],
    [{ top_k: 4 }, { topK: 4 }],
    [{ temperature: null }, {}],
  ])('reads %j', (body, sampling) => {
    expect(decode({ messages: [], ...body }).sampling).toEqual(sampling);
  });

  it.each<[object, object]>([
    [{ tool_choice: 'any' }, { mode: 'required' }],
    [
      {
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
        },
      },
      { mode: 'auto', allowed: ['f'] },
    ],
    [{ tool_choice: { type: 'custom', custom: { name: 'c' } } }, { mode: 'tool', name: 'c' }],
  ])('reads %j', (body, choice) => {
    expect(decode({ messages: [], ...body }).toolChoice).toEqual(choice);
  });

  it.each<[string, object]>([
    ['messages', {}],
    ['messages', { messages: 'hello' }],
    ['messages[0].role', { messages: [{ content: 'x' }] }],
    ['messages[0].role', { messages: [{ role: 'robot' }] }],
    [
      'messages[1].content[0].text',
      {
        messages: [
          { role: 'user', content: 'x' },
          { role: 'user', content: [{ type: 'text' }] },
        ],
      },
    ],
    [
      'messages[0].content[0].image_url.url',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
    ],
    ['messages[0].tool_call_id', { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages[0].tool_calls[0].function', { messages: [{ role: 'assistant', tool_calls: [{ id: 'a' }] }] }],
    ['tools[0].function.name', { messages: [], tools: [{ type: 'function', function: {} }] }],
    ['tool_choice', { messages: [], tool_choice: 'sometimes' }],
    ['response_format.json_schema.name', { messages: [], response_format: { type: 'json_schema', json_schema: {} } }],
    ['thinking.type', { messages: [], thinking: { type: 'maybe' } }],
    ['metadata.a', { messages: [], metadata: { a: 1 } }],
    ['temperature', { messages: [], temperature: 'hot' }],
  ])('says that "%s" is wrong', (place, body) => {
    expect(() => decode(body)).toThrow(
      expect.objectContaining({
        code: 'invalid_request_body',
        message: expect.stringContaining(`"${place}" `),
      }) as Error,
    );
  });

  it('takes web search for a tool that only its own format can say', () => {
    const decoded = decode({ messages: [], web_search_options: { search_context_size: 'low' } });
    expect(decoded.tools).toEqual([
      { kind: 'provider', format: 'completions', name: 'web_search_options', value: { search_context_size: 'low' } },
    ]);
    expect(encoded(openaiChatCodec, decoded).body).toMatchObject({
      web_search_options: { search_context_size: 'low' },
    });
  });

  it('reads breakpoints of prompt caching, and sends them on as they were', () => {
    const body = {
      model: 'm',
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'a', prompt_cache_breakpoint: { mode: 'explicit' } }] },
        { role: 'user', content: [{ type: 'text', text: 'b', cache_control: { type: 'ephemeral', ttl: '1h' } }] },
        { role: 'user', content: 'c', cache_control: { type: 'ephemeral' } },
      ],
    };
    const decoded = decode(body);
    expect(decoded.messages.map((message) => message.parts[0])).toMatchObject([
      { cache: { ttl: '' } },
      { cache: { ttl: '1h' } },
      { cache: { ttl: '' } },
    ]);
    expect(encoded(openaiChatCodec, decoded, { model: 'm' })).toEqual({ body, lost: '' });
  });

  it('keeps an audio answer of before by its id', () => {
    const body = { model: 'm', messages: [{ role: 'assistant', content: null, audio: { id: 'audio_1' } }] };
    expect(encoded(openaiChatCodec, decode(body), { model: 'm' }).body).toEqual(body);
  });

  it('takes base64 without a data URL for a PDF', () => {
    fc.assert(
      fc.property(anyBase64, (data) => {
        const content = [{ type: 'file', file: { file_data: data } }];
        expect(decode({ messages: [{ role: 'user', content }] }).messages[0]?.parts).toEqual([
          { kind: 'file', source: { type: 'base64', mediaType: 'application/pdf', data } },
        ]);
      }),
    );
  });
});
