import type { ConverseCommandInput, ConverseRequest } from '@aws-sdk/client-bedrock-runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bedrockConverseCodec as codec } from '../../../../../src/adapters/llm/formats/bedrock-converse/codec.ts';
import { GatewayError } from '../../../../../src/errors/table.ts';
import type { Conversation, JsonObject, Part } from '../../../../../src/facts/conversation.ts';
import { anyJson, asJson, conversation, encoded, roundTrip } from '../hub.ts';
import { anyConversation, MODEL } from './arbitrary.ts';
import { sentBy } from './sdk.ts';

const bytes = (text: string) => Buffer.from(text);
const base64 = (text: string) => Buffer.from(text).toString('base64');

const INPUT: ConverseCommandInput = {
  modelId: MODEL,
  system: [
    { text: 'Be brief.' },
    { cachePoint: { type: 'default', ttl: '1h' } },
    { guardContent: { text: { text: 'Guard this.', qualifiers: ['query'] } } },
  ],
  messages: [
    {
      role: 'user',
      content: [
        { text: 'What is in these?' },
        { image: { format: 'png', source: { bytes: bytes('png') } } },
        { image: { format: 'jpeg', source: { s3Location: { uri: 's3://b/c.jpg', bucketOwner: '123456789012' } } } },
        {
          document: {
            format: 'pdf',
            name: 'Annual report (2025)',
            source: { bytes: bytes('%PDF') },
            context: 'Figures',
            citations: { enabled: true },
          },
        },
        { document: { format: 'md', name: 'notes', source: { text: '# Notes' } } },
        { document: { name: 'pieces', source: { content: [{ text: 'a' }, { text: 'b' }] } } },
        { video: { format: 'three_gp', source: { s3Location: { uri: 's3://b/v.3gp' } } } },
        { audio: { format: 'mp3', source: { bytes: bytes('mp3') } } },
        {
          searchResult: {
            source: 'https://a.test',
            title: 'A',
            content: [{ text: 'x' }],
            citations: { enabled: true },
          },
        },
        { guardContent: { image: { format: 'png', source: { bytes: bytes('g') } } } },
        { cachePoint: { type: 'default' } },
      ],
    },
    {
      role: 'assistant',
      content: [
        { reasoningContent: { reasoningText: { text: 'hm', signature: 'c2ln' } } },
        { reasoningContent: { redactedContent: bytes('red') } },
        {
          citationsContent: {
            content: [{ text: 'Growth.' }],
            citations: [
              {
                title: 'Annual report (2025)',
                source: 'report',
                sourceContent: [{ text: 'grew' }],
                location: { documentPage: { documentIndex: 0, start: 3, end: 4 } },
              },
              {
                title: 'A',
                source: 'https://a.test',
                location: { searchResultLocation: { searchResultIndex: 0, start: 0, end: 1 } },
              },
            ],
          },
        },
        { toolUse: { toolUseId: 'tooluse_1', name: 'get_weather', input: { city: 'Köln', days: [1, 2] } } },
      ],
    },
    {
      role: 'user',
      content: [
        {
          toolResult: {
            toolUseId: 'tooluse_1',
            content: [
              { json: { degrees: 7 } },
              { text: 'cold' },
              { image: { format: 'webp', source: { bytes: bytes('w') } } },
            ],
            status: 'error',
          },
        },
        { text: 'And now?' },
      ],
    },
  ],
  inferenceConfig: { maxTokens: 9000, stopSequences: ['END'] },
  toolConfig: {
    tools: [
      {
        toolSpec: {
          name: 'get_weather',
          description: 'Weather',
          inputSchema: { json: { type: 'object', properties: { city: { type: 'string' } } } },
          strict: true,
        },
      },
      { cachePoint: { type: 'default' } },
      { systemTool: { name: 'nova_grounding' } },
    ],
    toolChoice: { auto: {} },
  },
  guardrailConfig: { guardrailIdentifier: 'g', guardrailVersion: '1', trace: 'enabled' },
  additionalModelRequestFields: {
    thinking: { type: 'adaptive', display: 'summarized' },
    anthropic_beta: ['interleaved-thinking-2025-05-14'],
  },
  outputConfig: {
    effort: 'high',
    textFormat: {
      type: 'json_schema',
      structure: {
        jsonSchema: { name: 'n', schema: '{"type":"object","properties":{},"additionalProperties":false}' },
      },
    },
  },
  promptVariables: { who: { text: 'me' } },
  additionalModelResponseFieldPaths: ['/stop_sequence'],
  requestMetadata: { team: 'blue' },
  performanceConfig: { latency: 'standard' },
  serviceTier: { type: 'priority' },
};

async function decoded(input: ConverseCommandInput): Promise<{ body: JsonObject; from: Conversation }> {
  const { body } = await sentBy(input);
  return { body, from: codec.decodeRequest(body, { model: MODEL, stream: false }) };
}

const encode = (parts: Partial<Conversation>, model = MODEL, issuer = 'anthropic') =>
  encoded(codec, conversation({ messages: [{ role: 'user', parts: [{ kind: 'text', text: 'hi' }] }], ...parts }), {
    model,
    issuer,
  });
const contentOf = (parts: readonly Part[], model = MODEL, issuer = 'anthropic') => {
  const { body, lost } = encode({ messages: [{ role: 'user', parts }] }, model, issuer);
  return { content: (body as unknown as ConverseRequest).messages?.[0]?.content, lost };
};

describe("a request of AWS's client", () => {
  it("reads how Nova reasons beside and within what Nova's own parameters are", async () => {
    const reasoningConfig = { type: 'enabled', maxReasoningEffort: 'low' };
    const within = { inferenceConfig: { topK: 5, reasoningConfig } };
    for (const fields of [within, { inferenceConfig: { topK: 5 }, reasoningConfig }]) {
      const { from } = await decoded({ ...INPUT, additionalModelRequestFields: fields, outputConfig: undefined });
      expect(from).toMatchObject({ sampling: { topK: 5 }, reasoning: { mode: 'enabled', effort: 'low' } });
      expect(from.extra?.fields).not.toHaveProperty('additionalModelRequestFields');
    }
  });

  it('is read whole', async () => {
    const { from } = await decoded(INPUT);
    expect(from).toMatchObject({
      model: MODEL,
      sampling: { maxTokens: 9000, stop: ['END'] },
      reasoning: { mode: 'adaptive', include: true, effort: 'high' },
      output: { type: 'schema', name: 'n', strict: true },
      metadata: { team: 'blue' },
      serviceTier: 'priority',
      toolChoice: { mode: 'auto' },
      tools: [
        { kind: 'function', name: 'get_weather', strict: true, cache: { ttl: '' } },
        { kind: 'provider', format: 'converse', name: 'nova_grounding' },
      ],
    });
    expect(from.extra?.fields).toMatchObject({
      guardrailConfig: { guardrailIdentifier: 'g' },
      promptVariables: { who: { text: 'me' } },
      performanceConfig: { latency: 'standard' },
      additionalModelResponseFieldPaths: ['/stop_sequence'],
      additionalModelRequestFields: { anthropic_beta: ['interleaved-thinking-2025-05-14'] },
    });
    const [system, user, assistant, results] = from.messages;
    expect(system).toMatchObject({
      role: 'system',
      parts: [
        { text: 'Be brief.', cache: { ttl: '1h' } },
        { kind: 'text', text: 'Guard this.' },
      ],
    });
    expect(user?.parts).toMatchObject([
      { text: 'What is in these?' },
      { kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: base64('png') } },
      { kind: 'image', source: { type: 'url', url: 's3://b/c.jpg', mediaType: 'image/jpeg' } },
      {
        kind: 'file',
        name: 'Annual report (2025)',
        context: 'Figures',
        citations: true,
        source: { type: 'base64', mediaType: 'application/pdf' },
      },
      { kind: 'file', source: { type: 'text', text: '# Notes' } },
      { kind: 'file', source: { type: 'text', text: 'a\nb' } },
      { kind: 'video', source: { type: 'url', url: 's3://b/v.3gp', mediaType: 'video/3gpp' } },
      { kind: 'audio', source: { type: 'base64', mediaType: 'audio/mpeg' } },
      { kind: 'file', name: 'A', context: 'https://a.test', source: { type: 'text', text: 'x' }, citations: true },
      { kind: 'image', source: { mediaType: 'image/png' }, cache: { ttl: '' } },
    ]);
    expect(assistant?.parts).toMatchObject([
      { kind: 'thinking', text: 'hm', signature: { issuer: 'anthropic', data: 'c2ln' } },
      { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: base64('red') } },
      {
        kind: 'text',
        text: 'Growth.',
        citations: [
          { kind: 'document', quote: 'grew', document: { index: 0, unit: 'page', start: 3, end: 4 } },
          { kind: 'search', url: 'https://a.test', document: { index: 0, unit: 'block', start: 0, end: 1 } },
        ],
      },
      { kind: 'tool_call', id: 'tooluse_1', name: 'get_weather', arguments: '{"city":"Köln","days":[1,2]}' },
    ]);
    expect(results?.parts[0]).toMatchObject({
      kind: 'tool_result',
      callId: 'tooluse_1',
      isError: true,
      content: [{ text: '{"degrees":7}' }, { text: 'cold' }, { kind: 'image', source: { mediaType: 'image/webp' } }],
    });
  });

  it('comes out as it went in', async () => {
    const { body, from } = await decoded(INPUT);
    const { body: again, lost } = encoded(codec, from, { model: MODEL });
    expect(lost).toBe('');
    expect(asJson(again)).toEqual(body);
  });

  it.each<[string, Part[]]>([
    [
      'a cache point in front of everything',
      [{ kind: 'other', format: 'converse', name: 'cachePoint', value: { cachePoint: { type: 'default' } } }],
    ],
    ['a block nobody knows', [{ kind: 'other', format: 'converse', name: 'newBlock', value: { newBlock: { a: 1 } } }]],
  ])('keeps %s', (_, parts) => {
    expect(contentOf(parts).content).toEqual(parts.map((part) => (part as { value?: unknown }).value));
  });

  it('names the place of what is wrong', () => {
    const faults: [JsonObject, string][] = [
      [{ messages: [{ role: 'tool', content: [] }] }, 'messages[0].role'],
      [{ messages: [{ content: [] }] }, 'messages[0].role'],
      [
        { messages: [{ role: 'user', content: [{ text: 'a' }, { toolUse: { name: 'f' } }] }] },
        'messages[0].content[1].toolUse.toolUseId',
      ],
      [{ messages: [{ role: 'user', content: [{ text: 7 }] }] }, 'messages[0].content[0].text'],
      [{ inferenceConfig: { maxTokens: 'many' } }, 'inferenceConfig.maxTokens'],
      [{ toolConfig: { tools: [{ toolSpec: {} }] } }, 'toolConfig.tools[0].toolSpec.name'],
      [{ requestMetadata: { a: 1 } }, 'requestMetadata.a'],
    ];
    for (const [body, place] of faults) {
      expect(() => codec.decodeRequest(body, { model: 'm', stream: false }), place).toThrow(
        expect.objectContaining({ code: 'invalid_request_body', message: expect.stringContaining(`"${place}"`) }),
      );
    }
  });

  it('is refused in no other way, whatever it is', () => {
    const blocks = fc.constantFrom(
      'text',
      'image',
      'document',
      'toolUse',
      'toolResult',
      'reasoningContent',
      'citationsContent',
    );
    fc.assert(
      fc.property(blocks, anyJson, anyJson, (name, a, b) => {
        const body = {
          messages: [{ role: 'user', content: [{ [name]: a }, b] }],
          toolConfig: { tools: [{ toolSpec: a }, b] },
          additionalModelRequestFields: b,
          outputConfig: a,
        };
        for (const json of [
          body,
          { messages: body.messages },
          { system: b },
          { additionalModelRequestFields: { thinking: a, top_k: b, tool_choice: a } },
        ]) {
          try {
            codec.decodeRequest(json as JsonObject, { model: 'm', stream: false });
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
            expect((error as GatewayError).code).toBe('invalid_request_body');
          }
        }
      }),
    );
  });
});

describe('a conversation', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(anyConversation, (from) => {
        expect(roundTrip(codec, from)).toEqual(asJson(from));
      }),
      { numRuns: 400 },
    );
  });

  it('alternates, with results first and instructions in front', () => {
    const { body } = encode({
      tools: [{ kind: 'function', name: 'f', parameters: null }],
      messages: [
        { role: 'system', parts: [{ kind: 'text', text: 's' }] },
        { role: 'user', parts: [{ kind: 'text', text: 'a' }] },
        { role: 'user', parts: [{ kind: 'text', text: ' ' }] },
        { role: 'assistant', parts: [{ kind: 'tool_call', id: '1', name: 'f', arguments: '' }] },
        { role: 'assistant', parts: [{ kind: 'tool_call', id: '2', name: 'f', arguments: '{"a":1}' }] },
        { role: 'user', parts: [{ kind: 'text', text: 'wait' }] },
        {
          role: 'tool',
          parts: [{ kind: 'tool_result', callId: '1', name: '', content: [], isError: false, cache: { ttl: '' } }],
        },
        { role: 'developer', parts: [{ kind: 'text', text: 'd' }] },
        { role: 'tool', parts: [{ kind: 'tool_result', callId: '2', name: '', content: [], isError: false }] },
        { role: 'assistant', parts: [{ kind: 'text', text: 'So \n' }] },
      ],
    });
    expect(body.system).toEqual([{ text: 's' }, { text: 'd' }]);
    expect(body.messages).toEqual([
      { role: 'user', content: [{ text: 'a' }] },
      {
        role: 'assistant',
        content: [
          { toolUse: { toolUseId: '1', name: 'f', input: {} } },
          { toolUse: { toolUseId: '2', name: 'f', input: { a: 1 } } },
        ],
      },
      {
        role: 'user',
        content: [
          { toolResult: { toolUseId: '1', content: [] } },
          { cachePoint: { type: 'default' } },
          { toolResult: { toolUseId: '2', content: [] } },
          { text: 'wait' },
        ],
      },
      { role: 'assistant', content: [{ text: 'So' }] },
    ]);
  });

  it('keeps instructions among the messages where a client put them, and names documents without a text', () => {
    const messages = [
      { role: 'user', content: [{ text: 'a' }] },
      { role: 'system', content: [{ text: 'b' }] },
      { role: 'user', content: [{ document: { format: 'txt', name: 'n', source: { text: 't' } } }] },
    ];
    const from = codec.decodeRequest({ messages }, { model: MODEL, stream: false });
    const [, , last] = messages;
    expect(encoded(codec, from, { model: MODEL }).body.messages).toEqual([
      ...messages.slice(0, 2),
      { ...last, content: [...(last?.content ?? []), { text: 'n' }] },
    ]);
  });

  it('of instructions alone has a turn', () => {
    const { body } = encode({ messages: [{ role: 'system', parts: [{ kind: 'text', text: 's' }] }] });
    expect(body).toMatchObject({ messages: [{ role: 'user', content: [{ text: 's' }] }] });
    expect(body.system).toBeUndefined();
  });

  it('notes what can not be said, and refuses what would change the answer', () => {
    const { lost } = encode({
      messages: [{ role: 'user', name: 'ann', parts: [{ kind: 'text', text: 'hi' }] }],
      sampling: { seed: 1, frequencyPenalty: 1, presencePenalty: 1 },
      verbosity: 'low',
      cacheKey: 'k',
      user: 'u',
      serviceTier: 'scale',
      metadata: { ok: 'yes', bad: 'a"b' },
      extra: { format: 'completions', fields: { prediction: {} } },
    });
    expect(lost.split(', ').sort()).toEqual(
      [
        'cacheKey',
        'frequencyPenalty',
        'metadata',
        'participantName',
        'prediction',
        'presencePenalty',
        'seed',
        'serviceTier',
        'user',
        'verbosity',
      ].sort(),
    );
    const image = (source: Part & { kind: 'image' }) => () => contentOf([source]);
    const refused: (() => unknown)[] = [
      () => encode({ sampling: { choices: 2 } }),
      () => encode({ sampling: { logprobs: 2 } }),
      () => encode({ modalities: ['audio'] }),
      () => encode({ tools: [{ kind: 'provider', format: 'messages', name: 'web_search', value: {} }] }),
      image({ kind: 'image', source: { type: 'url', url: 'https://a.test/b.png', mediaType: 'image/png' } }),
      image({ kind: 'image', source: { type: 'file', issuer: 'openai', id: 'f', mediaType: '' } }),
      image({ kind: 'image', source: { type: 'base64', mediaType: 'image/bmp', data: base64('BM') } }),
      () => contentOf([{ kind: 'file', source: { type: 'url', url: 'https://a.test/b.pdf', mediaType: '' } }]),
      () =>
        encode({
          messages: [
            {
              role: 'system',
              parts: [{ kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: '' } }],
            },
          ],
        }),
    ];
    for (const refuse of refused) expect(refuse).toThrow(expect.objectContaining({ code: 'unsupported_parameter' }));
  });
});

describe('media', () => {
  const source = (mediaType: string, data: string) => ({ type: 'base64' as const, mediaType, data });
  it.each<[string, Part, unknown]>([
    ['image/jpg', { kind: 'image', source: source('image/jpg', 'AAAA') }, { image: { format: 'jpeg' } }],
    ['a type that is wrong', { kind: 'image', source: source('image/*', 'iVBORw0K') }, { image: { format: 'png' } }],
    [
      'source code',
      { kind: 'file', source: source('text/x-python; charset=utf-8', 'AAAA') },
      { document: { format: 'txt' } },
    ],
    ['a PDF of unknown type', { kind: 'file', source: source('', 'JVBERi0x') }, { document: { format: 'pdf' } }],
    ['WAV by another name', { kind: 'audio', source: source('audio/x-wav', 'AAAA') }, { audio: { format: 'wav' } }],
    ['QuickTime', { kind: 'video', source: source('video/quicktime', 'AAAA') }, { video: { format: 'mov' } }],
    [
      'an object of S3',
      { kind: 'image', source: { type: 'url', url: 's3://b/c.jpg', mediaType: '' } },
      { image: { format: 'jpeg' } },
    ],
    ['a transcript', { kind: 'audio', source: source('audio/pcm', 'AAAA'), transcript: 'said' }, { text: 'said' }],
  ])('is %s', (_, part, block) => {
    expect(contentOf([part]).content?.[0]).toMatchObject(block as object);
  });

  it('has names that Bedrock takes, each once', () => {
    const file = (name?: string): Part => ({
      kind: 'file',
      source: { type: 'text', text: 't' },
      ...(name === undefined ? {} : { name }),
    });
    const { content } = contentOf([file('a_b: c.pdf'), file('a_b: d.pdf'), file('a_b: c.txt'), file(), file('')]);
    const names = content?.flatMap((block) => block.document?.name ?? []);
    expect(names).toEqual(['a-b- c', 'a-b- d', 'a-b- c (2)', 'document-4', 'document-5']);
    for (const name of names ?? []) expect(name).toMatch(/^[a-zA-Z0-9 ()[\]-]{1,200}$/);
  });
});

describe('tool calls', () => {
  const call = (id: string, name: string, text = '{}'): Part => ({ kind: 'tool_call', id, name, arguments: text });

  it('have ids and names within the limits, the same in results', () => {
    const long = 'n'.repeat(80);
    const { body } = encode({
      tools: [{ kind: 'function', name: 'a.b', parameters: null }],
      messages: [
        { role: 'assistant', parts: [call('id:1', 'a.b'), call('x'.repeat(100), long)] },
        { role: 'tool', parts: [{ kind: 'tool_result', callId: 'id:1', name: 'a.b', content: [], isError: false }] },
      ],
    });
    const { messages, toolConfig } = body as unknown as ConverseRequest;
    const [first, second] = messages?.[0]?.content ?? [];
    for (const use of [first?.toolUse, second?.toolUse]) {
      expect(use?.toolUseId).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
      expect(use?.name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    }
    expect(messages?.[1]?.content?.[0]?.toolResult?.toolUseId).toBe(first?.toolUse?.toolUseId);
    expect(toolConfig?.tools?.[0]?.toolSpec?.name).toBe(first?.toolUse?.name);
  });

  it('have short ids with models of Mistral', () => {
    const { content } = contentOf(
      [call('call_abc', 'f'), call('abcDEF123', 'f')],
      'mistral.mistral-large-2407-v1:0',
      'bedrock',
    );
    expect(content?.[0]?.toolUse?.toolUseId).toMatch(/^[a-zA-Z0-9]{9}$/);
    expect(content?.[1]?.toolUse?.toolUseId).toBe('abcDEF123');
  });

  it('say what tools there were where none are offered any more', () => {
    const messages = [{ role: 'assistant' as const, parts: [call('1', 'f')] }];
    expect(encode({ messages }).body).toMatchObject({
      toolConfig: { tools: [{ toolSpec: { name: 'f' } }] },
      additionalModelRequestFields: { tool_choice: { type: 'none' } },
    });
    expect(encode({ messages }, 'amazon.nova-pro-v1:0', 'bedrock').body.additionalModelRequestFields).toBeUndefined();
  });
});

describe('the choice of tools', () => {
  const tools = ['f', 'g'].map((name) => ({ kind: 'function' as const, name, parameters: null }));
  const NOVA = 'amazon.nova-pro-v1:0';
  const MISTRAL = 'mistral.mistral-large-2407-v1:0';
  const LLAMA = 'us.meta.llama3-3-70b-instruct-v1:0';
  it.each<[string, string, Partial<Conversation>, unknown, string]>([
    ['is auto', NOVA, { toolChoice: { mode: 'auto' } }, { toolChoice: { auto: {} } }, ''],
    ['is any', NOVA, { toolChoice: { mode: 'required' } }, { toolChoice: { any: {} } }, ''],
    ['is one by name', NOVA, { toolChoice: { mode: 'tool', name: 'g' } }, { toolChoice: { tool: { name: 'g' } } }, ''],
    [
      'is among the only one',
      MISTRAL,
      { toolChoice: { mode: 'tool', name: 'g' } },
      { tools: [{ toolSpec: { name: 'g' } }], toolChoice: { any: {} } },
      '',
    ],
    ['is left to the model', LLAMA, { toolChoice: { mode: 'required' } }, { toolChoice: { auto: {} } }, 'toolChoice'],
    [
      'is among some',
      NOVA,
      { toolChoice: { mode: 'required', allowed: ['g'] } },
      { tools: [{ toolSpec: { name: 'g' } }] },
      '',
    ],
    ['can not be one at a time', NOVA, { parallelToolCalls: false }, { tools: [{}, {}] }, 'parallelToolCalls'],
  ])('%s with %s', (_, model, parts, config, lost) => {
    const result = encode({ tools, ...parts }, model, 'bedrock');
    expect(result.body.toolConfig).toMatchObject(config as object);
    expect(result.lost).toBe(lost);
  });

  it("is said in Claude's own words where Bedrock has none", () => {
    const choice = (parts: Partial<Conversation>) => {
      const { body, lost } = encode({ tools, ...parts });
      expect(lost).toBe('');
      expect((body.toolConfig as JsonObject).toolChoice).toBeUndefined();
      return body.additionalModelRequestFields;
    };
    expect(choice({ parallelToolCalls: false })).toEqual({
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    });
    expect(choice({ parallelToolCalls: false, toolChoice: { mode: 'tool', name: 'f' } })).toEqual({
      tool_choice: { type: 'tool', name: 'f', disable_parallel_tool_use: true },
    });
    expect(encode({ tools, toolChoice: { mode: 'none' } }).body.toolConfig).toBeUndefined();
  });

  it('offers tools with free text as tools with one text', () => {
    const { body } = encode({
      tools: [{ kind: 'custom', name: 'sql', grammar: { type: 'regex' } }],
      toolChoice: { mode: 'tool', name: 'sql' },
    });
    expect(body.toolConfig).toMatchObject({
      tools: [{ toolSpec: { name: 'sluice_text_sql', inputSchema: { json: { required: ['input'] } } } }],
      toolChoice: { tool: { name: 'sluice_text_sql' } },
    });
  });
});

describe('structured output', () => {
  const OPEN = { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: true };
  const MAP = { type: 'object', additionalProperties: { type: 'string' } };
  const output = (schema: JsonObject) => ({ type: 'schema' as const, name: 'n', schema });
  const SONNET = 'anthropic.claude-3-5-sonnet-20240620-v1:0';

  it('is native where the model has it and the schema fits', () => {
    const { body } = encode(
      { output: output({ ...OPEN, additionalProperties: false }) },
      'openai.gpt-oss-120b-1:0',
      'bedrock',
    );
    expect(body).toMatchObject({
      outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema: { name: 'n' } } } },
    });
    expect(body.toolConfig).toBeUndefined();
  });

  it('is the input of a tool elsewhere', () => {
    const tool = (schema: JsonObject, model: string) => encode({ output: output(schema) }, model).body.toolConfig;
    expect(tool(MAP, MODEL)).toMatchObject({
      tools: [{ toolSpec: { name: 'sluice_answer', inputSchema: { json: MAP } } }],
      toolChoice: { tool: { name: 'sluice_answer' } },
    });
    expect(tool(OPEN, SONNET)).toMatchObject({ toolChoice: { tool: { name: 'sluice_answer' } } });
    expect(tool({ type: 'array', items: {} }, SONNET)).toMatchObject({
      tools: [{ toolSpec: { name: 'sluice_value', inputSchema: { json: { required: ['value'] } } } }],
    });
  });

  it('leaves the client its tools', () => {
    const tools = [{ kind: 'function' as const, name: 'f', parameters: null }];
    expect(encode({ tools, output: output(MAP) }, SONNET).body.toolConfig).toMatchObject({
      tools: [{ toolSpec: { name: 'f' } }, { toolSpec: { name: 'sluice_answer' } }],
      toolChoice: { any: {} },
    });
    expect(encode({ output: output(MAP) }, 'meta.llama3-1-8b-instruct-v1:0', 'bedrock').lost).toBe('schemaOutput');
  });

  it('is asked for in words without a schema', () => {
    expect(encode({ output: { type: 'json' } }).body.system).toEqual([{ text: expect.stringContaining('JSON') }]);
  });
});

describe('thinking', () => {
  const fields = (parts: Partial<Conversation>, model = MODEL, issuer = 'anthropic') => {
    const { body, lost } = encode(parts, model, issuer);
    const {
      additionalModelRequestFields: own,
      outputConfig,
      inferenceConfig,
    } = body as JsonObject & { [name: string]: JsonObject };
    return { ...own, ...outputConfig, ...inferenceConfig, ...(lost === '' ? {} : { lost }) };
  };
  const SONNET45 = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0';
  const OPUS5 = 'anthropic.claude-opus-5';
  it.each<[string, string, string, Partial<Conversation>, object]>([
    [
      'effort where the model sees fit',
      OPUS5,
      'anthropic',
      { reasoning: { effort: 'xhigh' } },
      { thinking: { type: 'adaptive' }, effort: 'xhigh' },
    ],
    [
      'effort as a budget',
      SONNET45,
      'anthropic',
      { reasoning: { effort: 'medium' } },
      { thinking: { type: 'enabled', budget_tokens: 8192 }, maxTokens: 12_288 },
    ],
    [
      'a budget as effort',
      OPUS5,
      'anthropic',
      { reasoning: { mode: 'enabled', budget: 2000 } },
      { thinking: { type: 'adaptive' }, effort: 'low' },
    ],
    [
      'room for the answer',
      SONNET45,
      'anthropic',
      { reasoning: { budget: 4000 }, sampling: { maxTokens: 2000 } },
      { thinking: { type: 'enabled', budget_tokens: 4000 }, maxTokens: 6000 },
    ],
    [
      'no sampling',
      SONNET45,
      'anthropic',
      { reasoning: { budget: 4000 }, sampling: { maxTokens: 9000, temperature: 0.5 } },
      { thinking: { type: 'enabled', budget_tokens: 4000 }, maxTokens: 9000, lost: 'temperature' },
    ],
    [
      'Nova',
      'us.amazon.nova-2-lite-v1:0',
      'bedrock',
      { reasoning: { effort: 'high' } },
      { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'high' } },
    ],
    [
      'Nova, with a length',
      'us.amazon.nova-2-lite-v1:0',
      'bedrock',
      { reasoning: { effort: 'high' }, sampling: { maxTokens: 10, topK: 5 } },
      {
        reasoningConfig: { type: 'enabled', maxReasoningEffort: 'medium' },
        inferenceConfig: { topK: 5 },
        maxTokens: 10,
      },
    ],
    ['switched off by silence', OPUS5, 'anthropic', { reasoning: { mode: 'disabled' } }, {}],
    ['gpt-oss', 'openai.gpt-oss-20b-1:0', 'bedrock', { reasoning: { effort: 'minimal' } }, { reasoning_effort: 'low' }],
    [
      'a model that does not',
      'cohere.command-r-v1:0',
      'bedrock',
      { reasoning: { effort: 'low' }, sampling: { topK: 3, temperature: 1.5 } },
      { temperature: 1, lost: 'reasoningEffort, topK' },
    ],
    ['switched off where there is none', 'cohere.command-r-v1:0', 'bedrock', { reasoning: { effort: 'none' } }, {}],
  ])('is %s', (_, model, issuer, parts, expected) => {
    expect(fields(parts, model, issuer)).toEqual(expected);
  });

  it('is left out where Claude would refuse it: a forced tool, a call without thinking before it', () => {
    const tools = [{ kind: 'function' as const, name: 'f', parameters: null }];
    const reasoning = { mode: 'enabled' as const, budget: 2000 };
    expect(fields({ tools, reasoning, toolChoice: { mode: 'required' } }, SONNET45)).toEqual({
      lost: 'reasoningBudget',
    });
    const messages: Conversation['messages'] = [
      { role: 'assistant', parts: [{ kind: 'tool_call', id: '1', name: 'f', arguments: '{}' }] },
      { role: 'tool', parts: [{ kind: 'tool_result', callId: '1', name: 'f', content: [], isError: false }] },
    ];
    expect(fields({ tools, reasoning, messages }, SONNET45)).toEqual({ lost: 'reasoningBudget' });
  });

  it('of earlier turns goes to its issuer alone, as it was', () => {
    const signed = (issuer: string): Part => ({ kind: 'thinking', text: 'hm', signature: { issuer, data: 's' } });
    const reasoningText = { text: 'hm' };
    const own = contentOf([signed('anthropic')]);
    expect(own).toEqual({
      content: [{ reasoningContent: { reasoningText: { ...reasoningText, signature: 's' } } }],
      lost: '',
    });
    expect(contentOf([{ kind: 'text', text: 'x' }, signed('google')])).toEqual({
      content: [{ text: 'x' }, { text: '<thinking>\nhm\n</thinking>' }],
      lost: '',
    });
    const other = contentOf([signed('google')], 'minimax.minimax-m2', 'bedrock');
    expect(other).toEqual({ content: [{ reasoningContent: { reasoningText } }], lost: '' });
    const none = contentOf([{ kind: 'text', text: 'x' }, signed('google')], 'us.deepseek.r1-v1:0', 'bedrock');
    expect(none).toEqual({ content: [{ text: 'x' }, { text: '<thinking>\nhm\n</thinking>' }], lost: '' });
  });
});

describe('what models differ in', () => {
  const cached: Part[] = [{ kind: 'text', text: 'x', cache: { ttl: '1h' } }];
  it.each<[string, unknown, string]>([
    [MODEL, [{ text: 'x' }, { cachePoint: { type: 'default', ttl: '1h' } }], ''],
    ['amazon.nova-lite-v1:0', [{ text: 'x' }, { cachePoint: { type: 'default' } }], ''],
    [
      'arn:aws:bedrock:us-east-1:1:application-inference-profile/abc',
      [{ text: 'x' }, { cachePoint: { type: 'default' } }],
      '',
    ],
    ['anthropic.claude-3-haiku-20240307-v1:0', [{ text: 'x' }], 'cacheMarks'],
    ['meta.llama3-1-8b-instruct-v1:0', [{ text: 'x' }], 'cacheMarks'],
  ])('%s: cache points', (model, content, lost) => {
    expect(contentOf(cached, model)).toEqual({ content, lost });
  });

  it('citations and the status of results are known to few', () => {
    const parts: Part[] = [
      { kind: 'text', text: 'x', citations: [{ kind: 'url', url: 'https://a.test' }] },
      { kind: 'tool_result', callId: '1', name: '', content: [], isError: true },
    ];
    expect(contentOf(parts, 'qwen.qwen3-32b-v1:0', 'bedrock').lost).toBe('citationHistory, toolResultError');
    expect(contentOf(parts, 'amazon.nova-pro-v1:0', 'bedrock')).toEqual({
      content: [
        { toolResult: { toolUseId: '1', content: [], status: 'error' } },
        {
          citationsContent: { content: [{ text: 'x' }], citations: [{ location: { web: { url: 'https://a.test' } } }] },
        },
      ],
      lost: '',
    });
  });

  it('Claude is asked for the stop sequence that was met', () => {
    const stop = { sampling: { stop: ['END', ' '] } };
    expect(encode(stop).body).toMatchObject({
      inferenceConfig: { stopSequences: ['END'] },
      additionalModelResponseFieldPaths: ['/stop_sequence', '/delta/stop_sequence'],
    });
    expect(encode(stop, 'amazon.nova-pro-v1:0', 'bedrock').body.additionalModelResponseFieldPaths).toBeUndefined();
  });
});
