import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anthropicMessagesCodec as codec } from '../../../../../src/adapters/llm/formats/anthropic-messages/codec.ts';
import { Losses } from '../../../../../src/adapters/llm/formats/features.ts';
import { GatewayError } from '../../../../../src/errors/table.ts';
import type { Conversation, JsonObject, Message, Part } from '../../../../../src/facts/conversation.ts';
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
  anyToolCall,
  anyUrl,
  asJson,
  columnOf,
  conversation,
  encodeContext,
  encoded,
  lossesInto,
  roundTrip,
} from '../hub.ts';
import { REQUESTS } from './golden-requests.ts';

const PATH = { model: '', stream: false };

function decode(body: unknown): Conversation {
  return codec.decodeRequest(asJson(body) as JsonObject, PATH);
}

describe('requests of clients', () => {
  it.each(Object.entries(REQUESTS))('come out as they went in: %s', (_, body) => {
    const read = decode(body);
    const context = encodeContext(codec, { model: read.model });
    expect(asJson(codec.encodeRequest(read, context))).toEqual(asJson(body));
    expect(context.losses.header).toBe('');
  });

  it('are read in the words of the hub', () => {
    const read = decode(REQUESTS['an agent with cache marks']);
    expect(read).toMatchObject({
      stream: true,
      toolChoice: { mode: 'auto' },
      parallelToolCalls: false,
      reasoning: { mode: 'enabled', budget: 10_000, include: true },
      user: 'user_abc',
      serviceTier: 'default',
      sampling: { maxTokens: 32_000, stop: ['END'] },
      extra: { format: 'messages', fields: { context_management: {} } },
    });
    expect(read.messages[0]?.parts[1]).toEqual({ kind: 'text', text: 'Long instructions.', cache: { ttl: '1h' } });
    expect(read.messages[2]?.parts).toMatchObject([
      { kind: 'thinking', text: 'I should look.', signature: { issuer: 'anthropic', data: 'c2lnbmF0dXJl' } },
      { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: 'b3BhcXVl' } },
      { kind: 'text' },
      { kind: 'tool_call', id: 'toolu_1', name: 'read', arguments: '{"path":"a.txt"}' },
      { kind: 'tool_call', arguments: '{}' },
    ]);
    expect(read.messages[3]?.parts[1]).toMatchObject({ kind: 'tool_result', callId: 'toolu_2', isError: true });
    expect(read.tools.map((tool) => tool.kind)).toEqual(['function', 'function', 'provider']);
  });

  it('bring documents that others can take', () => {
    const parts = decode(REQUESTS['documents, images, search results and citations']).messages[0]?.parts;
    expect(parts).toMatchObject([
      { kind: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
      { kind: 'image', source: { type: 'file', issuer: 'anthropic', id: 'file_1' } },
      {
        kind: 'file',
        name: 'Report',
        context: 'of this year',
        citations: true,
        source: { mediaType: 'application/pdf' },
      },
      { kind: 'file', source: { type: 'url' } },
      { kind: 'file', source: { type: 'text', text: 'plain' } },
      { kind: 'file', source: { type: 'file', id: 'file_2' } },
      { kind: 'file', source: { type: 'text', text: 'one' } },
      { kind: 'other', name: 'document' },
      { kind: 'file', name: 'Found', context: 'https://example.com', source: { type: 'text', text: 'passage' } },
      { kind: 'other', name: 'container_upload' },
    ]);
  });

  it('take model and stream from the path where the body has none', () => {
    const body = { messages: [], max_tokens: 1 };
    expect(codec.decodeRequest(body, { model: 'claude', stream: true })).toMatchObject({
      model: 'claude',
      stream: true,
    });
  });

  it.each([
    [{}, '"messages" is missing'],
    [{ messages: 'x' }, '"messages" must be an array'],
    [{ messages: [1] }, '"messages[0]" must be an object'],
    [{ messages: [{ role: 'tool', content: '' }] }, '"messages[0].role" must be user, assistant or system'],
    [{ messages: [{ role: 'user', content: [{ text: 'a' }] }] }, '"messages[0].content[0].type" is missing'],
    [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, '"messages[0].content[0].text" is missing'],
    [
      { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url' } }] }] },
      '"messages[0].content[0].source.url" is missing',
    ],
    [{ messages: [], tool_choice: { type: 'some' } }, '"tool_choice.type" must be auto, any, tool or none'],
    [{ messages: [], temperature: 'hot' }, '"temperature" must be a number'],
    [{ messages: [], tools: [{ input_schema: {} }] }, '"tools[0].name" is missing'],
  ])('are refused with the place of the fault: %j', (body, message) => {
    expect(() => decode({ model: 'm', ...body })).toThrow(message);
  });

  it('are refused where another provider would leave out what the answer hangs on', () => {
    const losses = new Losses(codec.column, columnOf('exact'), 'completions', false);
    expect(() => losses.dropFields(['mcp_servers'])).toThrow('"mcp_servers" can not be said');
    losses.dropFields(['speed']);
    expect(losses.header).toBe('speed');
  });

  it('are read or refused, whatever they are', () => {
    fc.assert(
      fc.property(anyJson, anyJson, (content, rest) => {
        const body = {
          messages: [{ role: 'user', content }],
          system: rest,
          tools: rest,
          thinking: rest,
          metadata: rest,
        };
        try {
          decode(body);
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
        }
      }),
    );
  });
});

// ---- conversations the format can say ----

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 24 }).map((value) => `${value.trim()}.`);
const cache = fc.constantFrom({ ttl: '' }, { ttl: '5m' }, { ttl: '1h' });
const signature = anySignature('anthropic');

function optionalCache<T extends Part>(part: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc
    .tuple(part, fc.option(cache, { nil: undefined }))
    .map(([one, mark]) => (mark ? { ...one, cache: mark } : one));
}

const range = { start: fc.nat(9), end: fc.nat(9) };
const citation = fc.oneof(
  fc.record(
    {
      kind: fc.constant('document' as const),
      quote: text,
      title: text,
      document: fc.record({ index: fc.nat(5), unit: fc.constantFrom('char' as const, 'page', 'block'), ...range }),
      fileId: anyId,
    },
    { requiredKeys: ['kind', 'quote', 'document'] },
  ),
  fc.record({
    kind: fc.constant('search' as const),
    quote: text,
    url: anyUrl,
    title: text,
    document: fc.record({ index: fc.nat(5), unit: fc.constant('block' as const), ...range }),
  }),
  fc.record({
    kind: fc.constant('url' as const),
    quote: text,
    url: anyUrl,
    extra: anyBase64.map((index) => ({ format: 'messages' as const, fields: { encrypted_index: index } })),
  }),
);

const plainText = text.map((value): Part => ({ kind: 'text', text: value }));
const imagePart = anySource(['base64', 'url', 'file'], ['image/png', 'image/jpeg'], 'anthropic').map(
  (source): Part => ({ kind: 'image', source }),
);
const filePart = fc
  .record(
    {
      source: anySource(['base64', 'url', 'file', 'text'], ['application/pdf'], 'anthropic'),
      name: text,
      context: text,
      citations: fc.boolean(),
    },
    { requiredKeys: ['source'] },
  )
  .map((file): Part => ({ kind: 'file', ...file }));
const otherPart = fc
  .record({ name: fc.constantFrom('container_upload', 'mcp_tool_result'), value: anyJsonObject })
  .map(({ name, value }): Part => ({ kind: 'other', format: 'messages', name, value: { ...value, type: name } }));

const resultPart = fc.record({
  kind: fc.constant('tool_result' as const),
  callId: anyId,
  name: fc.constant(''),
  content: fc.oneof(
    fc.constant([]),
    fc.array(fc.oneof(plainText, imagePart, filePart), { minLength: 1, maxLength: 3 }),
  ),
  isError: fc.boolean(),
});

const userMessage = fc
  .tuple(
    fc.array(optionalCache<Part>(resultPart), { maxLength: 2 }),
    fc.array(optionalCache(fc.oneof(plainText, imagePart, filePart, otherPart)), { minLength: 1, maxLength: 3 }),
  )
  .map(([results, others]): Message => ({ role: 'user', parts: [...results, ...others] }));

const citedText = fc.record({
  kind: fc.constant('text' as const),
  text,
  citations: fc.array(citation, { minLength: 1, maxLength: 2 }),
});
const thinkingPart = fc.oneof(
  fc.record({ kind: fc.constant('thinking' as const), text, signature }),
  fc.record({ kind: fc.constant('thinking' as const), text: fc.constant(''), redacted: signature }),
);
const assistantMessage = fc
  .tuple(
    fc.array(thinkingPart, { maxLength: 2 }),
    fc.array(optionalCache<Part>(fc.oneof(plainText, citedText, anyToolCall(), otherPart)), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([thoughts, others]): Message => ({ role: 'assistant', parts: [...thoughts, ...others] }));

const messages = fc
  .tuple(
    fc.option(fc.array(optionalCache(plainText), { minLength: 1, maxLength: 2 }), { nil: undefined }),
    userMessage,
    fc.array(fc.tuple(assistantMessage, userMessage), { maxLength: 2 }),
    fc.boolean(),
  )
  .map(([system, first, more, instructs]): Message[] => [
    ...(system === undefined ? [] : [{ role: 'system' as const, parts: system }]),
    first,
    ...more.flat(),
    ...(instructs
      ? [
          {
            role: 'system' as const,
            parts: [{ kind: 'text' as const, text: 'Be short.' }],
            extra: { format: 'messages' as const, fields: { role: 'system' } },
          },
        ]
      : []),
  ]);

const effort = fc.constantFrom('low', 'medium', 'high', 'xhigh', 'max');
const include = fc.boolean();
const reasoning = fc.oneof(
  fc.record(
    { mode: fc.constant('enabled' as const), budget: fc.integer({ min: 1024, max: 50_000 }), effort, include },
    {
      requiredKeys: ['mode', 'budget'],
    },
  ),
  fc.record({ mode: fc.constant('adaptive' as const), effort, include }, { requiredKeys: ['mode'] }),
  fc.record({ mode: fc.constant('disabled' as const), effort }, { requiredKeys: ['mode'] }),
  effort.map((word) => ({ effort: word, effortOnly: true })),
);

const providerTool = anyName.map((name) => ({
  kind: 'provider' as const,
  format: 'messages' as const,
  name: 'web_search_20250305',
  value: { type: 'web_search_20250305', name },
}));
const tools = fc.uniqueArray(fc.oneof(anyFunctionTool({ strict: true }), providerTool), {
  minLength: 1,
  maxLength: 3,
  selector: (tool) => (tool.kind === 'provider' ? tool.value.name : tool.name),
});
const toolChoice = fc.oneof(
  fc.constantFrom({ mode: 'auto' as const }, { mode: 'required' as const }),
  anyName.map((name) => ({ mode: 'tool' as const, name })),
);
const tooling = fc.oneof(
  fc.record({ tools }),
  fc.record({ tools, toolChoice, parallelToolCalls: fc.boolean() }, { requiredKeys: ['tools', 'toolChoice'] }),
  fc.record({ tools, toolChoice: fc.constant({ mode: 'none' as const }) }),
);

const sampling = fc.oneof(
  fc.record(
    {
      maxTokens: fc.integer({ min: 50_001, max: 64_000 }),
      temperature: fc.integer({ min: 0, max: 100 }).map((hundredths) => hundredths / 100),
      topP: fc.integer({ min: 1, max: 100 }).map((hundredths) => hundredths / 100),
      topK: fc.nat(100),
      stop: fc.array(text, { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: ['maxTokens'] },
  ),
);

const sayable: fc.Arbitrary<Conversation> = fc
  .tuple(
    fc.record({ model: anyName, stream: fc.boolean(), messages, sampling }),
    tooling,
    fc.record(
      {
        output: anySchema.map((schema) => ({ type: 'schema' as const, name: 'output', schema })),
        reasoning,
        user: anyName,
        serviceTier: fc.constantFrom('auto', 'default'),
        extra: anyJsonObject.map((fields) => ({ format: 'messages' as const, fields: { ...fields, speed: 'fast' } })),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([base, tool, more]) => {
    const said = { ...base, ...tool, ...more };
    // While it thinks, a model takes no sampling.
    const thinks = said.reasoning !== undefined && 'mode' in said.reasoning && said.reasoning.mode !== 'disabled';
    const { temperature: _, topP: __, topK: ___, ...rest } = said.sampling;
    return thinks ? { ...said, sampling: rest } : said;
  });

describe('conversations', () => {
  it('are the same after encoding and decoding, where the format can say them', () => {
    fc.assert(
      fc.property(sayable, (said) => {
        expect(roundTrip(codec, said)).toEqual(said);
      }),
      { numRuns: 300 },
    );
  });

  it('lose nothing that the format can say', () => {
    fc.assert(
      fc.property(sayable, (said) => {
        expect(encoded(codec, said, { model: said.model }).lost).toBe('');
      }),
    );
  });
});

// ---- conversations of other formats ----

function said(...parts: Part[]): Message {
  return { role: 'user', parts };
}
const hello = said({ kind: 'text', text: 'Hello' });

function body(from: Partial<Conversation>, overrides: Parameters<typeof encoded>[2] = {}) {
  return encoded(codec, conversation({ messages: [hello], ...from }), overrides);
}

describe('turns', () => {
  it('alternate, with results of tools first', () => {
    const { body: written } = body({
      messages: [
        { role: 'system', parts: [{ kind: 'text', text: 'S' }] },
        { role: 'developer', parts: [{ kind: 'text', text: 'D' }] },
        hello,
        hello,
        {
          role: 'assistant',
          parts: [{ kind: 'tool_call', id: 'call_1', name: 'f', arguments: '{"a":1}' }],
        },
        { role: 'assistant', parts: [{ kind: 'tool_call', id: 'call.2', name: 'g.h', arguments: '' }] },
        said({ kind: 'text', text: 'and' }),
        {
          role: 'tool',
          parts: [
            {
              kind: 'tool_result',
              callId: 'call_1',
              name: 'f',
              content: [{ kind: 'text', text: '1' }],
              isError: false,
            },
          ],
        },
        { role: 'tool', parts: [{ kind: 'tool_result', callId: 'call.2', name: 'g.h', content: [], isError: true }] },
        { role: 'developer', parts: [{ kind: 'text', text: 'Later' }] },
      ],
    });
    expect(written.system).toEqual([
      { type: 'text', text: 'S' },
      { type: 'text', text: 'D' },
      { type: 'text', text: 'Later' },
    ]);
    const calls = (written.messages as JsonObject[])[1]?.content as JsonObject[];
    const [, second] = calls as [JsonObject, JsonObject];
    expect(second.id).toMatch(/^[a-zA-Z0-9_-]+$/);
    expect(second.name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    expect(written.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hello' },
          { type: 'text', text: 'Hello' },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'call_1', name: 'f', input: { a: 1 } },
          { type: 'tool_use', id: second.id, name: second.name, input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'call_1', content: '1' },
          { type: 'tool_result', tool_use_id: second.id, is_error: true },
          { type: 'text', text: 'and' },
        ],
      },
    ]);
    // Calls without tools: the API wants to know them.
    expect(written.tools).toEqual([
      { name: 'f', input_schema: { type: 'object' } },
      { name: second.name, input_schema: { type: 'object' } },
    ]);
    expect(written.tool_choice).toEqual({ type: 'none' });
  });

  it('are never without one', () => {
    const { body: written } = body({ messages: [{ role: 'system', parts: [{ kind: 'text', text: 'S' }] }] });
    expect(written).toMatchObject({ messages: [{ role: 'user', content: 'S' }] });
    expect(written).not.toHaveProperty('system');
  });

  it('leave out what says nothing', () => {
    const { body: written } = body({
      messages: [
        said({ kind: 'text', text: ' ' }, { kind: 'text', text: 'a' }),
        { role: 'assistant', parts: [{ kind: 'text', text: '' }] },
        said({ kind: 'text', text: 'b' }),
        { role: 'assistant', parts: [{ kind: 'text', text: 'Thus: \n' }] },
      ],
    });
    expect(written.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      { role: 'assistant', content: 'Thus:' },
    ]);
  });

  it.each([
    ['[1]', undefined, { value: [1] }],
    ['not json', undefined, { arguments: 'not json' }],
    ['  ', undefined, {}],
    ['free text', true, { input: 'free text' }],
  ])('have calls whose input is an object: %s', (args, custom, input) => {
    const call: Part = { kind: 'tool_call', id: 'c', name: 'f', arguments: args, ...(custom && { custom }) };
    const { body: written } = body({ messages: [hello, { role: 'assistant', parts: [call] }] });
    expect(written).toMatchObject({ messages: [{}, { content: [{ type: 'tool_use', input }] }] });
  });
});

describe('thinking of earlier turns', () => {
  const history = (part: Part): Message[] => [
    hello,
    { role: 'assistant', parts: [part, { kind: 'text', text: 'x' }] },
    hello,
  ];
  const foreign: Part = { kind: 'thinking', text: 'hm', signature: { issuer: 'google', data: 'g' } };

  it('is told as text, without the signature, where it is not of the provider', () => {
    const { body: written, lost } = body({ messages: history(foreign) });
    const said = ['<thinking>\nhm\n</thinking>', 'x'].map((text) => ({ type: 'text', text }));
    expect(written).toMatchObject({ messages: [{}, { content: said }, {}] });
    expect(JSON.stringify(written)).not.toContain('signature');
    expect(lost).toBe('');
  });

  it('goes unsigned to others who speak the format', () => {
    const { body: written, lost } = body({ messages: history(foreign) }, { issuer: 'moonshot' });
    expect(written).toMatchObject({
      messages: [
        {},
        {
          content: [
            { type: 'thinking', thinking: 'hm', signature: '' },
            { type: 'text', text: 'x' },
          ],
        },
        {},
      ],
    });
    expect(lost).toBe('');
  });

  it('is left out where it is encrypted for another', () => {
    const { body: written, lost } = body({
      messages: history({ kind: 'thinking', text: '', redacted: { issuer: 'openai', data: 'o' } }),
    });
    expect(written).toMatchObject({ messages: [{}, { content: 'x' }, {}] });
    expect(lost).toBe('thinkingHistory');
  });
});

describe('media', () => {
  it.each<[Part, string]>([
    [{ kind: 'image', source: { type: 'file', issuer: 'openai', id: 'f', mediaType: '' } }, 'imageFile'],
    [{ kind: 'file', source: { type: 'file', issuer: 'openai', id: 'f', mediaType: '' } }, 'fileId'],
    [{ kind: 'audio', source: { type: 'base64', mediaType: 'audio/wav', data: 'AA==' } }, 'audio'],
    [{ kind: 'video', source: { type: 'url', url: 'https://example.com/v', mediaType: '' } }, 'video'],
    [{ kind: 'other', format: 'responses', name: 'web_search_call', value: {} }, 'web_search_call'],
  ])('that the format has no place for is refused: %j', (part, name) => {
    expect(() => body({ messages: [said(part)] })).toThrow(`"${name}" can not be said`);
  });

  it('that is text goes as text, images in files as images, speech as what was said', () => {
    const { body: written, lost } = body({
      messages: [
        said(
          {
            kind: 'file',
            source: { type: 'base64', mediaType: 'text/csv', data: Buffer.from('ä,b').toString('base64') },
          },
          { kind: 'file', source: { type: 'base64', mediaType: 'image/png', data: 'AAAA' }, name: 'a.png' },
          { kind: 'image', source: { type: 'url', url: 'https://example.com/i', mediaType: '' }, detail: 'low' },
          { kind: 'audio', source: { type: 'base64', mediaType: '', data: '' }, transcript: 'said' },
        ),
      ],
    });
    expect(written).toMatchObject({
      messages: [
        {
          content: [
            { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'ä,b' } },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
            { type: 'image', source: { type: 'url', url: 'https://example.com/i' } },
            { type: 'text', text: 'said' },
          ],
        },
      ],
    });
    expect(lost).toBe('imageDetail');
  });
});

describe('tools', () => {
  it('with free text become tools with one input', () => {
    const { body: written } = body({
      tools: [
        {
          kind: 'custom',
          name: 'patch',
          description: 'P',
          grammar: { type: 'grammar', syntax: 'lark', definition: 'x' },
        },
        { kind: 'function', name: 'f', parameters: null },
      ],
      toolChoice: { mode: 'tool', name: 'patch' },
    });
    expect(written.tools).toEqual([
      {
        name: 'sluice_text_patch',
        description: 'P\n\nThe input must match this lark grammar:\nx',
        input_schema: { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] },
      },
      { name: 'f', input_schema: { type: 'object', properties: {} } },
    ]);
    expect(written.tool_choice).toEqual({ type: 'tool', name: 'sluice_text_patch' });
  });

  it('that may be called are those that are sent', () => {
    const f = { kind: 'function' as const, parameters: { type: 'object' } };
    const { body: written } = body({
      tools: [
        { ...f, name: 'a' },
        { ...f, name: 'b' },
      ],
      toolChoice: { mode: 'required', allowed: ['b'] },
      parallelToolCalls: false,
    });
    expect(written.tools).toEqual([{ name: 'b', input_schema: { type: 'object' } }]);
    expect(written.tool_choice).toEqual({ type: 'any', disable_parallel_tool_use: true });
  });

  it('are called one at a time where the client knows no other way', () => {
    const tools = [{ kind: 'function' as const, name: 'f', parameters: null }];
    const { body: written } = body({ tools, legacyFunctions: true });
    expect(written.tool_choice).toEqual({ type: 'auto', disable_parallel_tool_use: true });
  });

  it('of other providers are refused', () => {
    const tool = { kind: 'provider' as const, format: 'responses' as const, name: 'file_search', value: {} };
    expect(() => body({ tools: [tool] })).toThrow('"file_search" can not be said');
  });

  it('without which nothing is chosen', () => {
    expect(body({ toolChoice: { mode: 'required' }, parallelToolCalls: false }).body).not.toHaveProperty('tool_choice');
  });
});

describe('the longest answer', () => {
  it('has a default', () => {
    expect(body({}, { defaultMaxTokens: 777 }).body.max_tokens).toBe(777);
  });

  it('is above the budget of thinking', () => {
    const reasoning = { mode: 'enabled' as const, budget: 5000 };
    expect(body({ reasoning, sampling: { maxTokens: 1000 } }).body).toMatchObject({
      max_tokens: 6000,
      thinking: { type: 'enabled', budget_tokens: 5000 },
    });
    expect(body({ reasoning, sampling: { maxTokens: 8000 } }).body.max_tokens).toBe(8000);
    const most = body({ reasoning: { effort: 'max' }, sampling: { maxTokens: 20_000 } }, { model: 'claude-opus-4-1' });
    expect(most.body).toMatchObject({ max_tokens: 20_000, thinking: { budget_tokens: 16_000 } });
  });
});

describe('thinking', () => {
  it.each([
    ['claude-3-5-sonnet-20241022', { effort: 'high' }, {}, 'reasoningEffort'],
    ['claude-3-5-sonnet-20241022', { effort: 'none' }, {}, ''],
    ['claude-3-7-sonnet-latest', { effort: 'low' }, { thinking: { type: 'enabled', budget_tokens: 2048 } }, ''],
    ['claude-sonnet-4-20250514', { budget: 20 }, { thinking: { type: 'enabled', budget_tokens: 1024 } }, ''],
    ['claude-sonnet-4-5', { budget: -1 }, { thinking: { type: 'enabled', budget_tokens: 8192 } }, ''],
    [
      'claude-opus-4-5-20251101',
      { effort: 'xhigh' },
      { thinking: { type: 'enabled', budget_tokens: 32_000 }, output_config: { effort: 'high' } },
      '',
    ],
    [
      'claude-opus-4-6',
      { effort: 'minimal' },
      { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } },
      '',
    ],
    [
      'claude-sonnet-4-6',
      { effort: 'xhigh' },
      { thinking: { type: 'adaptive' }, output_config: { effort: 'high' } },
      '',
    ],
    ['claude-opus-4-6', { budget: 3000 }, { thinking: { type: 'enabled', budget_tokens: 3000 } }, ''],
    ['claude-opus-4-7', { budget: 3000 }, { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } }, ''],
    ['claude-opus-5', { effort: 'max' }, { thinking: { type: 'adaptive' }, output_config: { effort: 'max' } }, ''],
    ['claude-opus-5', { effort: 'none' }, { thinking: { type: 'disabled' } }, ''],
    ['claude-fable-5-1', { effort: 'none' }, { output_config: { effort: 'low' } }, ''],
    ['claude-mythos-preview', { budget: -1 }, { thinking: { type: 'adaptive' } }, ''],
    ['claude-sonnet-4-5', { effort: 'high', effortOnly: true }, {}, 'reasoningEffort'],
    [
      'us.anthropic.claude-opus-4-8-v1:0',
      { effort: 'high', summary: 'concise' },
      { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'high' } },
      '',
    ],
    ['deployment', { effort: 'high', include: false }, { thinking: { type: 'adaptive', display: 'omitted' } }, ''],
  ])('is asked for as %s takes it: %j', (model, reasoning, expected, lost) => {
    const written = body({ reasoning }, { model });
    expect(written.body).toMatchObject(expected);
    if (!('thinking' in expected)) expect(written.body).not.toHaveProperty('thinking');
    if (!('output_config' in expected) && model !== 'deployment')
      expect(written.body).not.toHaveProperty('output_config');
    expect(written.lost).toBe(lost);
  });

  it('is asked of others by a budget', () => {
    expect(body({ reasoning: { effort: 'high' } }, { model: 'kimi-k2', issuer: 'moonshot' }).body).toMatchObject({
      thinking: { type: 'enabled', budget_tokens: 24_576 },
    });
  });

  const tools = [{ kind: 'function' as const, name: 'f', parameters: { type: 'object' } }];

  it.each([
    ['claude-sonnet-4-5', 'reasoningEffort'],
    ['claude-opus-4-6', 'reasoningEffort'],
    ['claude-opus-4-8', ''],
  ])('gives way to a forced tool where %s has not both', (model, lost) => {
    const from = { reasoning: { effort: 'high' }, tools, toolChoice: { mode: 'required' as const } };
    const written = body(from, { model });
    expect(written.lost).toBe(lost);
    expect('thinking' in written.body).toBe(lost === '');
    expect(written.body.tool_choice).toEqual({ type: 'any' });
  });

  it('is left out in the middle of a turn that began without it', () => {
    const messages: Message[] = [
      hello,
      { role: 'assistant', parts: [{ kind: 'tool_call', id: 'c', name: 'f', arguments: '{}' }] },
      { role: 'tool', parts: [{ kind: 'tool_result', callId: 'c', name: 'f', content: [], isError: false }] },
    ];
    const from = { messages, tools, reasoning: { effort: 'high' } };
    const old = body(from, { model: 'claude-sonnet-4-5' });
    expect(old.body).not.toHaveProperty('thinking');
    expect(old.lost).toBe('reasoningEffort');
    expect(body(from, { model: 'claude-opus-4-6' }).body).toMatchObject({ thinking: { type: 'adaptive' } });
    expect(body({ ...from, messages: [...messages, hello] }, { model: 'claude-sonnet-4-5' }).lost).toBe(
      'reasoningEffort',
    );
  });
});

describe('sampling', () => {
  it.each([
    ['claude-3-5-haiku-latest', { temperature: 1.7, topP: 0.5 }, { temperature: 1, top_p: 0.5 }, ''],
    ['claude-sonnet-4-5', { temperature: 0.3, topP: 0.5, topK: 3 }, { temperature: 0.3, top_k: 3 }, 'topP'],
    ['claude-opus-4-7', { temperature: 0.3, topP: 0.5, topK: 3 }, {}, 'temperature, topK, topP'],
    ['claude-opus-5', { temperature: 1 }, {}, ''],
    [
      'any-model',
      { frequencyPenalty: 1, presencePenalty: 1, seed: 1, stop: ['a', '\n'] },
      { stop_sequences: ['a'] },
      'frequencyPenalty, presencePenalty, seed, stop',
    ],
  ])('of %s: %j', (model, sampling, expected, lost) => {
    const written = body({ sampling }, { model });
    const { model: _, max_tokens: __, messages: ___, ...rest } = written.body;
    expect(rest).toEqual(expected);
    expect(written.lost).toBe(lost);
  });

  it('while the model thinks is near the middle or left out', () => {
    const reasoning = { mode: 'enabled' as const, budget: 2000 };
    const written = body(
      { reasoning, sampling: { temperature: 0, topK: 1, topP: 0.97 } },
      { model: 'claude-sonnet-4' },
    );
    expect(written.body).toMatchObject({ top_p: 0.97 });
    expect(written.body).not.toHaveProperty('temperature');
    expect(written.lost).toBe('temperature, topK');
  });

  it.each([{ choices: 2 }, { logprobs: 3 }])('that would give another answer is refused: %j', (sampling) => {
    expect(() => body({ sampling })).toThrow('can not be said');
  });
});

describe('structured output', () => {
  const schema = { type: 'object', properties: { n: { type: 'integer', minimum: 1 } }, required: ['n'] };
  const output = { type: 'schema' as const, name: 'x', schema };
  const tools = [{ kind: 'function' as const, name: 'f', parameters: { type: 'object' } }];

  it('is bound to a schema that the API takes', () => {
    expect(body({ output }, { model: 'claude-haiku-4-5' }).body.output_config).toEqual({
      format: {
        type: 'json_schema',
        schema: {
          type: 'object',
          properties: { n: { type: 'integer', description: '(minimum: 1)' } },
          required: ['n'],
          additionalProperties: false,
        },
      },
    });
  });

  it.each(['claude-3-5-sonnet-20241022', 'claude-sonnet-4-0', 'claude-opus-4-1-20250805', 'claude-opus-4@20250514'])(
    'is the input of a tool that %s is made to call',
    (model) => {
      const written = body({ output, reasoning: { effort: 'none' } }, { model }).body;
      expect(written).not.toHaveProperty('output_config');
      expect(written.tools).toMatchObject([{ name: 'sluice_answer', input_schema: schema }]);
      expect(written.tool_choice).toEqual({ type: 'tool', name: 'sluice_answer' });
    },
  );

  it('leaves the choice between the tools and the answer', () => {
    const written = body({ output, tools }, { model: 'claude-sonnet-4-0' }).body;
    expect(written.tools).toMatchObject([{ name: 'f' }, { name: 'sluice_answer' }]);
    expect(written.tool_choice).toEqual({ type: 'any' });
    const chosen = body(
      { output, tools, toolChoice: { mode: 'tool', name: 'f' } },
      { model: 'claude-sonnet-4-0' },
    ).body;
    expect(chosen.tools).toMatchObject([{ name: 'f' }]);
    expect(chosen.tool_choice).toEqual({ type: 'tool', name: 'f' });
  });

  it('is wrapped where it is no object, and a tool where the API would close it', () => {
    const list = { type: 'array', items: { type: 'string' } };
    const old = body({ output: { ...output, schema: list } }, { model: 'claude-3-opus' }).body;
    expect(old.tools).toMatchObject([{ name: 'sluice_value', input_schema: { properties: { value: list } } }]);
    const open = { type: 'object', additionalProperties: { type: 'string' } };
    const map = body({ output: { ...output, schema: open } }, { model: 'claude-opus-5' }).body;
    expect(map.tools).toMatchObject([{ name: 'sluice_answer', input_schema: open }]);
  });

  it('without a schema is asked for in words', () => {
    expect(body({ output: { type: 'json' } }).body.system).toContain('JSON');
  });
});

describe('the rest', () => {
  it.each<[Partial<Conversation>, JsonObject, string]>([
    [{ serviceTier: 'priority' }, { service_tier: 'auto' }, ''],
    [{ serviceTier: 'flex' }, {}, 'serviceTier'],
    [{ serviceTier: 'toString' }, {}, 'serviceTier'],
    [{ user: 'someone@example.com' }, {}, 'user'],
    [{ user: '+49 (30) 123456' }, {}, 'user'],
    [{ user: 'u-1' }, { metadata: { user_id: 'u-1' } }, ''],
    [{ metadata: { a: 'b' } }, {}, 'metadata'],
    [{ verbosity: 'low', cacheKey: 'k' }, {}, 'verbosity, cacheKey'],
    [{ modalities: ['text'] }, {}, ''],
    [{ extra: { format: 'completions', fields: { logit_bias: {}, store: true } } }, {}, 'logit_bias, store'],
    [{ messages: [{ ...hello, name: 'Ann' }] }, {}, 'participantName'],
  ])('%j', (from, expected, lost) => {
    const written = body(from);
    const { model: _, max_tokens: __, messages: ___, ...rest } = written.body;
    expect(rest).toEqual(expected);
    expect(written.lost).toBe(lost);
  });

  it('refuses what would be dropped where the route is strict', () => {
    const losses = lossesInto(codec.column, codec.format, true);
    expect(() => body({ sampling: { seed: 1 } }, { losses })).toThrow('"seed" can not be said');
  });
});
