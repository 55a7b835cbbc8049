import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { geminiCodec } from '../../../../../src/adapters/llm/formats/gemini/codec.ts';
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
  anyText,
  anyTextPart,
  anyToolCall,
  anyUrl,
  conversation,
  encoded,
  roundTrip,
} from '../hub.ts';

const MODEL = 'gemini-3-flash-preview';

function decode(body: JsonObject, model = MODEL, stream = false): Conversation {
  return geminiCodec.decodeRequest(body, { model, stream });
}

function encode(from: Conversation, model = MODEL): JsonObject {
  return encoded(geminiCodec, from, { model }).body;
}

function lost(from: Partial<Conversation>, model = MODEL): string {
  return encoded(geminiCodec, conversation(from), { model }).lost;
}

function userText(text: string): Message {
  return { role: 'user', parts: [{ kind: 'text', text }] };
}

/** A request as the official client writes it, in canonical form. */
const GOLDEN: JsonObject = {
  systemInstruction: { parts: [{ text: 'You are brief.' }] },
  contents: [
    {
      role: 'user',
      parts: [
        { text: 'What is on this picture, and how warm is it there?' },
        {
          inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' },
          mediaResolution: { level: 'MEDIA_RESOLUTION_HIGH' },
        },
        {
          fileData: { fileUri: 'gs://bucket/talk.mp4', mimeType: 'video/mp4' },
          videoMetadata: { startOffset: '10s', fps: 5 },
        },
      ],
    },
    {
      role: 'model',
      parts: [
        { text: 'A lighthouse; I look up the weather.', thought: true },
        {
          functionCall: { id: 'fc_1', name: 'get_weather', args: { place: 'Kiel', days: 2 } },
          thoughtSignature: 'EjQKMgEMOdbH',
        },
        { functionCall: { id: 'fc_2', name: 'get_tide', args: {} } },
      ],
    },
    {
      role: 'user',
      parts: [
        { functionResponse: { id: 'fc_1', name: 'get_weather', response: { temperature: 21.5, unit: 'C' } } },
        { functionResponse: { id: 'fc_2', name: 'get_tide', response: { error: 'no station' } } },
      ],
    },
    {
      role: 'model',
      parts: [{ text: 'It is warm.', thoughtSignature: 'AbCd' }, { executableCode: { language: 'PYTHON', code: '1' } }],
    },
    { role: 'user', parts: [{ text: 'Thanks. And tomorrow?' }] },
  ],
  tools: [
    {
      functionDeclarations: [
        {
          name: 'get_weather',
          description: 'The weather at a place',
          parametersJsonSchema: {
            type: 'object',
            properties: { place: { type: 'string' }, days: { type: 'integer', minimum: 1 } },
            required: ['place'],
          },
          behavior: 'BLOCKING',
        },
        { name: 'get_tide' },
      ],
    },
    { googleSearch: {} },
  ],
  toolConfig: {
    functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['get_weather', 'get_tide'] },
    retrievalConfig: { languageCode: 'de' },
  },
  generationConfig: {
    maxOutputTokens: 1000,
    temperature: 0.5,
    topP: 0.9,
    topK: 40,
    frequencyPenalty: 0.1,
    presencePenalty: -0.1,
    seed: 7,
    candidateCount: 2,
    stopSequences: ['END'],
    responseLogprobs: true,
    logprobs: 3,
    responseModalities: ['TEXT', 'IMAGE'],
    responseMimeType: 'application/json',
    responseJsonSchema: { type: 'object', properties: { answer: { type: 'string' } }, required: ['answer'] },
    thinkingConfig: { includeThoughts: true, thinkingLevel: 'LOW' },
    speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: 'Kore' } } },
    mediaResolution: 'MEDIA_RESOLUTION_LOW',
  },
  serviceTier: 'flex',
  safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
  cachedContent: 'cachedContents/abc',
  labels: { team: 'blue' },
};

describe('a golden request', () => {
  test('keeps all it says', () => {
    expect(encode(decode(GOLDEN))).toEqual(GOLDEN);
  });

  test('says in the hub what other formats can say', () => {
    const hub = decode(GOLDEN, MODEL, true);
    expect(hub).toMatchObject({
      model: MODEL,
      stream: true,
      toolChoice: { mode: 'required', allowed: ['get_weather', 'get_tide'] },
      output: { type: 'schema', name: 'response' },
      reasoning: { include: true, effort: 'low' },
      modalities: ['text', 'image'],
      sampling: { maxTokens: 1000, topK: 40, choices: 2, stop: ['END'], logprobs: 3, seed: 7 },
      serviceTier: 'flex',
    });
    expect(hub.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'tool', 'assistant', 'user']);
    expect(hub.messages[1]?.parts).toMatchObject([
      { kind: 'text' },
      { kind: 'image', detail: 'high', source: { type: 'base64', mediaType: 'image/png' } },
      { kind: 'video', source: { type: 'file', issuer: 'google', id: 'gs://bucket/talk.mp4' } },
    ]);
    expect(hub.messages[2]?.parts).toMatchObject([
      { kind: 'thinking', summary: true },
      {
        kind: 'tool_call',
        id: 'fc_1',
        arguments: '{"place":"Kiel","days":2}',
        signature: { issuer: 'google', data: 'EjQKMgEMOdbH' },
      },
      { kind: 'tool_call', id: 'fc_2', arguments: '{}' },
    ]);
    expect(hub.messages[3]?.parts).toEqual([
      {
        kind: 'tool_result',
        callId: 'fc_1',
        name: 'get_weather',
        content: [{ kind: 'text', text: '{"temperature":21.5,"unit":"C"}' }],
        isError: false,
      },
      {
        kind: 'tool_result',
        callId: 'fc_2',
        name: 'get_tide',
        content: [{ kind: 'text', text: 'no station' }],
        isError: true,
      },
    ]);
    expect(Object.keys(hub.extra?.fields ?? {})).toEqual([
      'safetySettings',
      'cachedContent',
      'labels',
      'toolConfig.retrievalConfig',
      'generationConfig.speechConfig',
      'generationConfig.mediaResolution',
    ]);
  });
});

describe('what clients may write', () => {
  test('snake_case and single values in place of lists, but never inside the client own data', () => {
    const body = {
      system_instruction: { parts: { text: 'Be brief.' } },
      contents: {
        parts: [
          { inline_data: { mime_type: 'image/png', data: 'AAAA' } },
          { function_response: { name: 'f', response: { some_key: 1 } } },
          { function_call: { name: 'f', args: { snake_arg: { inline_data: 1 } } }, thought_signature: 'AA==' },
        ],
      },
      tools: {
        function_declarations: {
          name: 'f',
          parameters: { type: 'OBJECT', any_of: [], properties: { a_b: { type: 'STRING', max_length: '5' } } },
        },
      },
      tool_config: { function_calling_config: { mode: 'ANY', allowed_function_names: ['f'] } },
      generation_config: { max_output_tokens: 5, thinking_config: { thinking_budget: 0, include_thoughts: false } },
      safety_settings: [],
    };
    const hub = decode(body);
    expect(hub.messages[0]).toEqual({ role: 'system', parts: [{ kind: 'text', text: 'Be brief.' }] });
    expect(hub.messages[1]?.parts).toMatchObject([
      { kind: 'image' },
      { kind: 'tool_result', content: [{ text: '{"some_key":1}' }] },
      { kind: 'tool_call', arguments: '{"snake_arg":{"inline_data":1}}', signature: { data: 'AA==' } },
    ]);
    expect(hub.tools).toMatchObject([
      { name: 'f', parameters: { type: 'object', properties: { a_b: { type: 'string', maxLength: 5 } } } },
    ]);
    expect(hub.toolChoice).toEqual({ mode: 'tool', name: 'f' });
    expect(hub.sampling.maxTokens).toBe(5);
    expect(hub.reasoning).toEqual({ budget: 0, include: false });
  });

  test('calls and results without ids, which are made up alike in each turn and matched by name', () => {
    const turn = [
      { role: 'user', parts: [{ text: 'go' }] },
      {
        role: 'model',
        parts: [{ functionCall: { name: 'a' } }, { functionCall: { name: 'b' } }, { functionCall: { name: 'a' } }],
      },
      {
        role: 'function',
        parts: ['b', 'a', 'a'].map((name, i) => ({ functionResponse: { name, response: { output: String(i) } } })),
      },
    ];
    const hub = decode({ contents: turn });
    const calls = hub.messages[1]?.parts.map((part) => (part.kind === 'tool_call' ? part.id : ''));
    expect(new Set(calls).size).toBe(3);
    const results = hub.messages[2]?.parts.map((part) => (part.kind === 'tool_result' ? part.callId : ''));
    expect(results).toEqual([calls?.[1], calls?.[0], calls?.[2]]);
    const later = decode({ contents: [...turn, ...turn] });
    expect(later.messages.slice(0, 3)).toEqual(hub.messages);
    const ids = later.messages.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.kind === 'tool_call' ? [part.id] : [])),
    );
    expect(new Set(ids).size).toBe(6);
  });

  test('a history from a stream: empty texts, thoughts in pieces before another provider signature', () => {
    const signature = Buffer.from('sluice:anthropic:sig').toString('base64');
    const hub = decode({
      contents: [
        {
          role: 'model',
          parts: [
            { text: 'I ', thought: true },
            { text: 'think', thought: true },
            { text: '', thought: true, thoughtSignature: signature },
            { text: 'so' },
            { text: '' },
          ],
        },
        { role: 'model', parts: [{ text: '' }] },
      ],
    });
    expect(hub.messages).toEqual([
      {
        role: 'assistant',
        parts: [
          { kind: 'thinking', text: 'I think', summary: true, signature: { issuer: 'anthropic', data: 'sig' } },
          { kind: 'text', text: 'so' },
        ],
      },
    ]);
  });

  test('a file of the Files API, a public URL, a document with a name', () => {
    const files = [
      {
        fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/x', mimeType: 'application/pdf' },
      },
      { fileData: { fileUri: 'https://example.com/cat.png' } },
      { inlineData: { mimeType: 'text/csv', data: 'YQ==', displayName: 'a.csv' } },
    ];
    expect(decode({ contents: [{ parts: files }] }).messages[0]?.parts).toMatchObject([
      { kind: 'file', source: { type: 'file', issuer: 'google' } },
      { kind: 'image', source: { type: 'url', url: 'https://example.com/cat.png' } },
      { kind: 'file', name: 'a.csv' },
    ]);
  });

  test.each([
    [{ contents: 'hello' }, '"contents[0]" must be an object'],
    [{ contents: [{ role: 'bot', parts: [] }] }, '"contents[0].role" must be'],
    [{ contents: [{ parts: [{ text: 5 }] }] }, '"contents[0].parts[0].text" must be a string'],
    [{ contents: [{ parts: [{ functionCall: {} }] }] }, '"contents[0].parts[0].functionCall.name" is missing'],
    [{ contents: [{ parts: [{ inlineData: { mimeType: 'image/png' } }] }] }, 'inlineData.data" is missing'],
    [
      { contents: [], toolConfig: { functionCallingConfig: { mode: 'SOMETIMES' } } },
      '"toolConfig.functionCallingConfig.mode" must be',
    ],
    [{ contents: [], generationConfig: { temperature: 'hot' } }, '"generationConfig.temperature" must be a number'],
  ])('%j is refused with the place', (body, message) => {
    expect(() => decode(body)).toThrow(message);
  });

  test('whatever JSON comes, only the request is at fault', () => {
    fc.assert(
      fc.property(
        fc.record({
          contents: anyJson,
          systemInstruction: anyJson,
          tools: anyJson,
          generationConfig: anyJson,
          toolConfig: anyJson,
        }),
        (body) => {
          try {
            decode(body);
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
            expect((error as GatewayError).code).toBe('invalid_request_body');
          }
        },
      ),
    );
  });
});

describe('what other formats say', () => {
  const call = { kind: 'tool_call', id: 'call_1', name: 'f', arguments: '{"a":1}' } as const;
  const result = (callId: string, text = 'ok') =>
    ({ kind: 'tool_result', callId, name: '', content: [{ kind: 'text', text }], isError: false }) as const;

  test('system and developer messages become the one instruction', () => {
    const messages: Message[] = [
      { role: 'system', parts: [{ kind: 'text', text: 'a' }] },
      userText('hi'),
      { role: 'developer', parts: [{ kind: 'text', text: 'b' }] },
    ];
    expect(encode(conversation({ messages }))).toEqual({
      systemInstruction: { parts: [{ text: 'a' }, { text: 'b' }] },
      contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
    });
    expect(encode(conversation({ messages: messages.slice(0, 1) })).contents).toEqual([
      { role: 'user', parts: [{ text: 'a' }] },
    ]);
  });

  test('results of one turn stand together, with the names of what was called', () => {
    const messages: Message[] = [
      userText('go'),
      { role: 'assistant', parts: [call, { ...call, id: 'call_2', name: 'g' }] },
      { role: 'tool', parts: [result('call_1')] },
      { role: 'tool', parts: [result('call_2', '{"n":12345678901234567890}')] },
    ];
    expect((encode(conversation({ messages })).contents as JsonObject[])[2]).toEqual({
      role: 'user',
      parts: [
        { functionResponse: { id: 'call_1', name: 'f', response: { output: 'ok' } } },
        // A number that would lose digits stays text.
        { functionResponse: { id: 'call_2', name: 'g', response: { output: '{"n":12345678901234567890}' } } },
      ],
    });
  });

  test('media in results: inside since Gemini 3, behind before', () => {
    const image = { kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'AAAA' } } as const;
    const messages: Message[] = [
      { role: 'assistant', parts: [call] },
      { role: 'tool', parts: [{ ...result('call_1'), content: [{ kind: 'text', text: 'see' }, image] }] },
    ];
    const blob = { inlineData: { mimeType: 'image/png', data: 'AAAA' } };
    const response = { id: 'call_1', name: 'f', response: { output: 'see' } };
    const last = (model: string) => (encode(conversation({ messages }), model).contents as JsonObject[])[1]?.parts;
    expect(last('gemini-3-pro')).toEqual([{ functionResponse: { ...response, parts: [blob] } }]);
    expect(last('gemini-2.5-flash')).toEqual([{ functionResponse: response }, blob]);
  });

  test('signatures go to their issuer alone; an unsigned first call is told to pass since Gemini 3', () => {
    const signed = (issuer: string): Part[] => [
      { kind: 'thinking', text: 'hm', signature: { issuer, data: 'c2ln' } },
      { ...call, signature: { issuer, data: 'c2ln' } },
      { ...call, id: 'call_2' },
    ];
    const parts = (issuer: string, model: string) =>
      (
        encode(conversation({ messages: [{ role: 'assistant', parts: signed(issuer) }] }), model).contents as {
          parts: JsonObject[];
        }[]
      )[0]?.parts.map(({ thoughtSignature }) => thoughtSignature);
    expect(parts('google', 'gemini-3-pro')).toEqual(['c2ln', 'c2ln', undefined]);
    expect(parts('anthropic', 'gemini-3-pro')).toEqual([undefined, 'skip_thought_signature_validator', undefined]);
    expect(parts('anthropic', 'gemini-2.5-pro')).toEqual([undefined, undefined, undefined]);
  });

  test('calls of one turn that stand in messages of their own are put together, as their results are', () => {
    const assistant = (id: string): Message => ({ role: 'assistant', parts: [{ ...call, id }] });
    const tool = (id: string): Message => ({ role: 'tool', parts: [result(id)] });
    const messages = [assistant('a'), assistant('b'), tool('a'), { role: 'system', parts: [] } as const, tool('b')];
    const contents = encode(conversation({ messages }), 'gemini-2.5-pro').contents as { parts: unknown[] }[];
    expect(contents.map(({ parts }) => parts.length)).toEqual([2, 2]);
  });

  test('a model that is not said to be of Google is not told to let calls pass', () => {
    const from = conversation({ messages: [{ role: 'assistant', parts: [call] }] });
    const body = (model: string) => JSON.stringify(encoded(geminiCodec, from, { model, issuer: 'custom' }).body);
    expect(body('llama')).not.toContain('skip_thought');
    expect(body('gemini-3-pro')).toContain('skip_thought');
  });

  test('tools with free text are functions with one string', () => {
    const body = encode(
      conversation({
        messages: [
          userText('go'),
          { role: 'assistant', parts: [{ ...call, name: 'patch', arguments: '*** x', custom: true }] },
          { role: 'tool', parts: [result('call_1')] },
        ],
        tools: [{ kind: 'custom', name: 'patch', description: 'Edits' }],
        toolChoice: { mode: 'tool', name: 'patch' },
      }),
    );
    expect(body).toMatchObject({
      contents: [
        {},
        { parts: [{ functionCall: { name: 'sluice_text_patch', args: { input: '*** x' } } }] },
        { parts: [{ functionResponse: { name: 'sluice_text_patch' } }] },
      ],
      tools: [{ functionDeclarations: [{ name: 'sluice_text_patch', parametersJsonSchema: { required: ['input'] } }] }],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['sluice_text_patch'] } },
    });
  });

  test.each([
    [{ effort: 'high' }, 'gemini-3-pro', { thinkingLevel: 'HIGH' }],
    [{ effort: 'none' }, 'gemini-3-flash', { thinkingLevel: 'MINIMAL' }],
    [{ effort: 'none' }, 'gemini-3.1-pro', { thinkingLevel: 'LOW' }],
    [{ effort: 'medium' }, 'gemini-3-pro', { thinkingLevel: 'HIGH' }],
    [{ effort: 'medium' }, 'gemini-2.5-flash', { thinkingBudget: 8192 }],
    [{ effort: 'max' }, 'gemini-2.5-flash', { thinkingBudget: 24_576 }],
    [{ mode: 'disabled' }, 'gemini-2.5-flash', { thinkingBudget: 0 }],
    [{ mode: 'disabled' }, 'gemini-2.5-pro', { thinkingBudget: 128 }],
    [{ mode: 'disabled' }, 'gemini-3-flash', { thinkingLevel: 'MINIMAL' }],
    [{ mode: 'enabled', budget: 2000 }, 'gemini-3-flash', { includeThoughts: true, thinkingBudget: 2000 }],
    [{ mode: 'adaptive' }, 'gemini-3-flash', { includeThoughts: true }],
    [{ mode: 'enabled', include: false, budget: 9 }, 'gemini-2.5-flash', { includeThoughts: false, thinkingBudget: 9 }],
    [{ effort: 'low', summary: 'auto' }, 'some-tuned-model', { includeThoughts: true, thinkingLevel: 'LOW' }],
    [{ effort: 'low' }, 'gemini-2.0-flash', undefined],
  ] as const)('reasoning %j for %s', (reasoning, model, expected) => {
    const config = encode(conversation({ messages: [userText('x')], reasoning }), model).generationConfig as
      | JsonObject
      | undefined;
    expect(config?.thinkingConfig).toEqual(expected);
  });

  test.each<[Partial<Conversation>, string]>([
    [{ parallelToolCalls: false }, 'parallelToolCalls'],
    [{ verbosity: 'low' }, 'verbosity'],
    [{ user: 'u' }, 'user'],
    [{ metadata: { a: 'b' } }, 'metadata'],
    [{ cacheKey: 'k' }, 'cacheKey'],
    [{ serviceTier: 'scale' }, 'serviceTier'],
    [{ messages: [{ ...userText('x'), name: 'Bob' }] }, 'participantName'],
    [{ messages: [{ role: 'user', parts: [{ kind: 'text', text: 'x', cache: { ttl: '' } }] }] }, 'cacheMarks'],
    [{ extra: { format: 'messages', fields: { container: 1 } } }, 'container'],
  ])('%j is lost, and said to be', (from, name) => {
    expect(lost(from)).toBe(name);
  });

  test.each<[Partial<Conversation>]>([
    [
      {
        messages: [
          {
            role: 'user',
            parts: [{ kind: 'image', source: { type: 'file', issuer: 'openai', id: 'file-1', mediaType: '' } }],
          },
        ],
      },
    ],
    [
      {
        messages: [
          {
            role: 'user',
            parts: [{ kind: 'file', source: { type: 'file', issuer: 'anthropic', id: 'file_1', mediaType: '' } }],
          },
        ],
      },
    ],
    [{ tools: [{ kind: 'provider', format: 'messages', name: 'web_search_20250305', value: {} }] }],
    [
      {
        messages: [
          { role: 'assistant', parts: [{ kind: 'other', format: 'responses', name: 'web_search_call', value: {} }] },
        ],
      },
    ],
  ])('%j is refused', (from) => {
    expect(() => lost(from)).toThrow(GatewayError);
  });

  test.each([
    ['default', 'standard'],
    ['standard_only', 'standard'],
    ['auto', undefined],
    ['priority', 'priority'],
  ])('service tier %s is %s', (serviceTier, expected) => {
    expect(encode(conversation({ messages: [userText('x')], serviceTier })).serviceTier).toBe(expected);
  });

  test.each([
    [{ mode: 'auto' }, { mode: 'AUTO' }],
    [{ mode: 'none' }, { mode: 'NONE' }],
    [{ mode: 'required' }, { mode: 'ANY' }],
    [
      { mode: 'tool', name: 'f' },
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
    [
      { mode: 'auto', allowed: ['f'] },
      { mode: 'VALIDATED', allowedFunctionNames: ['f'] },
    ],
  ] as const)('tool choice %j', (toolChoice, expected) => {
    const tools = [{ kind: 'function', name: 'f', parameters: null } as const];
    expect(encode(conversation({ toolChoice, tools })).toolConfig).toEqual({ functionCallingConfig: expected });
    const alone = encode(conversation({ toolChoice })).toolConfig;
    expect(alone === undefined).toBe(['AUTO', 'NONE', 'VALIDATED'].includes(expected.mode));
  });
});

// ---- round trips ----

const anyMedia: fc.Arbitrary<Part> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('image' as const),
    source: fc.record({ type: fc.constant('base64' as const), mediaType: fc.constant('image/png'), data: anyBase64 }),
    detail: fc.constantFrom('low', 'high'),
  }),
  fc.record({
    kind: fc.constant('audio' as const),
    source: fc.record({ type: fc.constant('url' as const), url: anyUrl, mediaType: fc.constant('audio/wav') }),
  }),
  fc.record({
    kind: fc.constant('file' as const),
    source: fc.record({
      type: fc.constant('file' as const),
      issuer: fc.constant('google'),
      id: anyId.map((id) => `gs://${id}`),
      mediaType: fc.constant('application/pdf'),
    }),
    name: anyName,
  }),
);

const anySignedText = fc
  .record({ text: fc.oneof(fc.constant(''), anyText), signature: anySignature('google') })
  .map((part): Part => ({ kind: 'text', ...part }));

const anyThinking = fc
  .record({ text: anyText, signature: anySignature('google') }, { requiredKeys: ['text'] })
  .map((part): Part => ({ kind: 'thinking', summary: true, ...part }));

const anyOther = anyJsonObject.map(
  (value): Part => ({
    kind: 'other',
    format: 'generateContent',
    name: 'executableCode',
    value: { executableCode: value },
  }),
);

const anyResult = fc
  .record({
    text: fc.oneof(
      anyText,
      anyJsonObject.map((value) => JSON.stringify(value)),
      fc.json(),
    ),
    isError: fc.boolean(),
    media: fc.array(anyMedia, { maxLength: 1 }),
    named: anyName,
    id: anyId,
  })
  .map(
    ({ text, isError, media, named, id }): Part => ({
      kind: 'tool_result',
      callId: id,
      name: named,
      content: [
        { kind: 'text', text },
        ...media.map((part) => (part.kind === 'image' ? { kind: part.kind, source: part.source } : part)),
      ],
      isError,
    }),
  );

const anyTurn: fc.Arbitrary<Message> = fc.oneof(
  fc
    .array(fc.oneof(anyTextPart, anyMedia), { minLength: 1, maxLength: 3 })
    .map((parts) => ({ role: 'user' as const, parts })),
  fc
    .array(fc.oneof(anyTextPart, anySignedText, anyThinking, anyOther, anyToolCall(anySignature('google'))), {
      minLength: 1,
      maxLength: 4,
    })
    .map((parts) => ({ role: 'assistant' as const, parts })),
);

const anyConversation: fc.Arbitrary<Conversation> = fc
  .record(
    {
      stream: fc.boolean(),
      system: fc.array(anyTextPart, { minLength: 1, maxLength: 2 }),
      turns: fc.array(anyTurn, { minLength: 1, maxLength: 4 }),
      results: fc.array(anyResult, { minLength: 1, maxLength: 2 }),
      functions: fc.uniqueArray(anyFunctionTool({ strict: false }), { maxLength: 3, selector: ({ name }) => name }),
      builtIn: fc.boolean(),
      toolChoice: fc.oneof(
        fc.constantFrom({ mode: 'auto' as const }, { mode: 'none' as const }, { mode: 'required' as const }),
        anyName.map((name) => ({ mode: 'tool' as const, name })),
      ),
      output: fc.oneof(
        fc.constant({ type: 'json' as const }),
        anySchema.map((schema) => ({ type: 'schema' as const, name: 'response', schema })),
      ),
      reasoning: fc.oneof(
        fc.record(
          { effort: fc.constantFrom('minimal', 'low', 'medium', 'high'), include: fc.boolean() },
          { requiredKeys: ['effort'] },
        ),
        fc.record(
          { budget: fc.integer({ min: -1, max: 30_000 }), include: fc.boolean() },
          { requiredKeys: ['budget'] },
        ),
      ),
      sampling: fc.record(
        {
          maxTokens: fc.integer({ min: 1, max: 100_000 }),
          temperature: fc.constantFrom(0, 0.5, 1.5),
          topP: fc.constantFrom(0.1, 1),
          topK: fc.integer({ min: 1, max: 100 }),
          frequencyPenalty: fc.constantFrom(-1, 0.5),
          presencePenalty: fc.constantFrom(-1, 0.5),
          seed: fc.integer(),
          stop: fc.array(anyText, { minLength: 1, maxLength: 3 }),
          choices: fc.integer({ min: 1, max: 4 }),
          logprobs: fc.nat(20),
        },
        { requiredKeys: [] },
      ),
      modalities: fc.constantFrom(['text'], ['text', 'image'], ['audio']),
      serviceTier: fc.constantFrom('flex', 'priority', 'standard'),
      extra: fc.record(
        {
          cachedContent: anyName,
          'generationConfig.mediaResolution': anyName,
          'toolConfig.retrievalConfig': anyJsonObject,
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ['stream', 'turns', 'functions', 'builtIn', 'sampling'] },
  )
  .map(({ system, turns, results, functions, builtIn, extra, toolChoice, ...rest }) => ({
    model: MODEL,
    ...rest,
    ...(toolChoice !== undefined && functions.length > 0 && { toolChoice }),
    messages: [
      ...(system === undefined ? [] : [{ role: 'system' as const, parts: system }]),
      ...turns.filter((turn, i) => turn.role === 'user' || turns[i - 1]?.role !== 'assistant'),
      ...(results === undefined ? [] : [{ role: 'tool' as const, parts: results }]),
    ],
    tools: [
      ...functions,
      ...(builtIn
        ? [
            {
              kind: 'provider' as const,
              format: 'generateContent' as const,
              name: 'googleSearch',
              value: { googleSearch: {} },
            },
          ]
        : []),
    ],
    ...(extra !== undefined &&
      Object.keys(extra).length > 0 && { extra: { format: 'generateContent' as const, fields: extra } }),
  }));

test('a conversation that Gemini can say comes back as it was', () => {
  fc.assert(
    fc.property(anyConversation, (from) => {
      expect(roundTrip(geminiCodec, from)).toEqual(from);
    }),
    { numRuns: 300 },
  );
});

describe('answers of a given form beside tools, before Gemini 3', () => {
  const OLD = 'gemini-2.5-flash';
  const tool = { kind: 'function', name: 'f', parameters: null } as const;
  const schema = { type: 'object', properties: { a: { type: 'integer' } } };
  const output = { type: 'schema', name: 'x', schema } as const;
  const both = (more: Partial<Conversation>, model = OLD) =>
    encode(conversation({ tools: [tool], output, ...more }), model);
  const names = (body: JsonObject) =>
    (body.tools as { functionDeclarations: { name: string }[] }[]).flatMap(({ functionDeclarations }) =>
      functionDeclarations.map(({ name }) => name),
    );

  test('are the input of a tool', () => {
    const body = both({});
    expect(body.generationConfig).toBeUndefined();
    expect(names(body)).toEqual(['f', 'sluice_answer']);
    expect(body.toolConfig).toEqual({ functionCallingConfig: { mode: 'ANY' } });
    const some = both({ toolChoice: { mode: 'auto', allowed: ['f'] } });
    expect(some.toolConfig).toEqual({
      functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f', 'sluice_answer'] },
    });
    expect(names(both({ output: { ...output, schema: { type: 'integer' } } }))).toEqual(['f', 'sluice_value']);
  });

  test("give way to the client's choice of a tool, and are Gemini's own where no tool may be called", () => {
    const forced = both({ toolChoice: { mode: 'tool', name: 'f' } });
    expect([names(forced), forced.generationConfig]).toEqual([['f'], undefined]);
    const none = both({ toolChoice: { mode: 'none' } });
    expect([none.tools, none.generationConfig]).toMatchObject([undefined, { responseJsonSchema: schema }]);
  });

  test('are asked for in words where there is no schema', () => {
    const body = both({ output: { type: 'json' }, messages: [userText('hi')] });
    expect(body.generationConfig).toBeUndefined();
    expect(body.systemInstruction).toMatchObject({ parts: [{ text: expect.stringContaining('JSON object') }] });
  });

  test('are said as they are since then, and without tools', () => {
    expect(both({}, MODEL)).toMatchObject({ generationConfig: { responseJsonSchema: schema } });
    expect(both({ tools: [] })).toMatchObject({ generationConfig: { responseJsonSchema: schema } });
  });
});
