import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Losses } from '../../../../../src/adapters/llm/formats/features.ts';
import { openaiResponsesCodec as codec } from '../../../../../src/adapters/llm/formats/openai-responses/codec.ts';
import { responsesColumn } from '../../../../../src/adapters/llm/formats/openai-responses/column.ts';
import type { Conversation, JsonObject, Part } from '../../../../../src/facts/conversation.ts';
import { anyJson, asJson, columnOf, conversation, encodeContext, encoded, roundTrip } from '../hub.ts';
import { anyConversation } from './arbitrary.ts';
import { GOLDEN_REQUESTS } from './golden.ts';

const PATH = { model: 'from-path', stream: false };

function decode(body: object): Conversation {
  return codec.decodeRequest(asJson(body) as JsonObject, PATH);
}

/** The items that `parts` of one role become. */
function items(role: 'user' | 'assistant' | 'tool', parts: readonly Part[], overrides = {}): unknown[] {
  return encoded(codec, conversation({ messages: [{ role, parts }] }), overrides).body.input as unknown[];
}

describe('requests there and back', () => {
  it.each(Object.entries(GOLDEN_REQUESTS))('says %s again', (name, body) => {
    const { body: again, lost } = encoded(codec, decode(body), { model: 'gpt-5' });
    const input = name === 'a question' ? [{ type: 'message', role: 'user', content: body.input }] : body.input;
    expect(asJson(again)).toEqual({ ...body, input });
    expect(lost).toBe('');
  });

  it('keeps every conversation that it can say', () => {
    fc.assert(
      fc.property(anyConversation, (from) => {
        expect(asJson(roundTrip(codec, from))).toEqual(asJson(from));
      }),
    );
  });
});

describe('decoding requests', () => {
  const golden = decode(GOLDEN_REQUESTS['a conversation with everything in it'] as object);

  it('makes one message of each turn of the model, and one of each result', () => {
    expect(golden.messages.map((message) => [message.role, message.parts.map((part) => part.kind).join(' ')])).toEqual([
      ['system', 'text'],
      ['developer', 'text'],
      ['user', 'text image image image file file file'],
      ['assistant', 'thinking thinking text refusal text tool_call tool_call other other image'],
      ['tool', 'tool_result'],
      ['tool', 'tool_result'],
      ['tool', 'other'],
      ['user', 'text'],
      ['assistant', 'thinking thinking text'],
    ]);
  });

  it('reads thinking with its signature, or redacted where there is no text', () => {
    const thinking = golden.messages.flatMap((message) => message.parts.filter((part) => part.kind === 'thinking'));
    expect(thinking).toEqual([
      { kind: 'thinking', text: 'Looking.', summary: true, id: 'rs_1' },
      {
        kind: 'thinking',
        text: 'Still looking.',
        summary: true,
        id: 'rs_1',
        signature: { issuer: 'openai', data: 'gAAAA1' },
      },
      { kind: 'thinking', text: 'Hm.', id: 'rs_2' },
      { kind: 'thinking', text: '', id: 'rs_3', redacted: { issuer: 'openai', data: 'gAAAA2' } },
    ]);
  });

  it('reads the parameters into the words of the hub', () => {
    const { messages: _, tools, extra, ...rest } = decode(GOLDEN_REQUESTS['every parameter'] as object);
    expect(rest).toEqual({
      model: 'gpt-5',
      stream: true,
      toolChoice: { mode: 'required', allowed: ['get_weather', 'sql'] },
      parallelToolCalls: false,
      output: {
        type: 'schema',
        name: 'weather',
        description: 'The weather.',
        schema: { type: 'object', properties: { degrees: { type: 'number' } } },
        strict: true,
      },
      verbosity: 'low',
      reasoning: { effort: 'high', summary: 'detailed', include: true },
      sampling: { maxTokens: 512, temperature: 0.5, topP: 0.9, logprobs: 3 },
      store: false,
      serviceTier: 'flex',
      user: 'user-1',
      metadata: { topic: 'weather' },
      cacheKey: 'weather',
    });
    expect(tools.map((tool) => `${tool.kind} ${tool.name}`)).toEqual([
      'function get_weather',
      'function now',
      'custom sql',
      'provider web_search',
      'provider mcp',
    ]);
    expect(Object.keys(extra?.fields ?? {}).sort()).toEqual([
      'background',
      'conversation',
      'include',
      'previous_response_id',
      'prompt',
      'prompt_cache_retention',
      'reasoning',
      'safety_identifier',
      'truncation',
    ]);
  });

  it('has nothing to lose where what holds anyway is said', () => {
    const said = decode({
      input: 'Hi',
      truncation: 'disabled',
      background: false,
      stream_options: { include_obfuscation: false },
      include: ['reasoning.encrypted_content'],
      reasoning: { effort: 'low' },
      text: { format: { type: 'text' } },
    });
    expect(said.extra).toBeUndefined();
    expect(said.model).toBe('from-path');
  });

  it('takes a lone safety identifier for the user', () => {
    const said = decode({ model: 'm', input: 'Hi', safety_identifier: 'hashed' });
    expect(said.user).toBe('hashed');
    expect(said.extra).toBeUndefined();
  });

  it.each([
    [{ model: 'm' }, '"input" is missing'],
    [{ model: 'm', input: 7 }, '"input" must be an array'],
    [{ model: 'm', input: [7] }, '"input[0]" must be an object'],
    [{ model: 'm', input: [{ content: 'x' }] }, '"input[0].type" is missing'],
    [{ model: 'm', input: [{ role: 'robot', content: 'x' }] }, '"input[0].role" is none there is'],
    [{ model: 'm', input: [{ role: 'user', content: [{ text: 'x' }] }] }, '"input[0].content[0].type" is missing'],
    [{ model: 'm', input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, '"input[0].content[0].image_url"'],
    [{ model: 'm', input: [{ role: 'assistant', content: [{ type: 'input_image' }] }] }, '"input[0].content[0].type"'],
    [{ model: 'm', input: [{ type: 'function_call', name: 'f', arguments: '{}' }] }, '"input[0].call_id" is missing'],
    [{ model: 'm', input: [{ type: 'function_call_output', call_id: 'c', output: 7 }] }, '"input[0].output" must be'],
    [{ model: 'm', input: 'x', tools: [{ name: 'f' }] }, '"tools[0].type" is missing'],
    [{ model: 'm', input: 'x', tool_choice: 'maybe' }, '"tool_choice" must be an object'],
    [{ model: 'm', input: 'x', text: { format: { type: 'xml' } } }, '"text.format.type" must be'],
    [
      { model: 'm', input: 'x', text: { format: { type: 'json_schema', name: 'n' } } },
      '"text.format.schema" is missing',
    ],
    [{ model: 'm', input: 'x', metadata: { a: 1 } }, '"metadata.a" must be a string'],
  ])('says what is wrong with %j', (body, message) => {
    expect(() => decode(body)).toThrow(
      expect.objectContaining({ code: 'invalid_request_body', message: expect.stringContaining(message) }),
    );
  });

  it('throws nothing else, whatever it is sent', () => {
    const names = ['input', 'tools', 'tool_choice', 'text', 'reasoning', 'include', 'metadata', 'instructions'];
    const anyBody = fc.dictionary(fc.constantFrom(...names), anyJson, { noNullPrototype: true });
    const anyItem = fc.record({
      type: fc.constantFrom('message', 'reasoning', 'function_call', 'x'),
      content: anyJson,
      role: fc.constantFrom('user', 'assistant'),
    });
    fc.assert(
      fc.property(anyBody, fc.array(anyItem), (body, input) => {
        for (const one of [body, { ...body, input }]) {
          try {
            decode(one);
          } catch (error) {
            expect(error).toMatchObject({ code: 'invalid_request_body' });
          }
        }
      }),
    );
  });
});

describe('encoding requests of other formats', () => {
  it('does not have the provider store what the client did not ask it to', () => {
    expect(encoded(codec, conversation()).body.store).toBe(false);
  });

  it('asks OpenAI for encrypted reasoning where reasoning is asked for', () => {
    const asking = conversation({ reasoning: { mode: 'enabled', budget: 20_000, include: true } });
    const { body } = encoded(codec, asking);
    expect(body.reasoning).toEqual({ effort: 'high', summary: 'auto' });
    expect(body.include).toEqual(['reasoning.encrypted_content']);
    expect(encoded(codec, asking, { issuer: 'groq' }).body.include).toBeUndefined();
    expect(encoded(codec, conversation({ reasoning: { mode: 'disabled' } })).body).toMatchObject({
      reasoning: { effort: 'none' },
    });
  });

  it('says that functions are not strict where nobody said they were', () => {
    const tool = { kind: 'function', name: 'f', parameters: { type: 'object' } } as const;
    expect(encoded(codec, conversation({ tools: [tool] })).body.tools).toEqual([
      { type: 'function', name: 'f', parameters: { type: 'object' }, strict: false },
    ]);
  });

  it('says nothing of the choice among no tools', () => {
    const { body } = encoded(codec, conversation({ toolChoice: { mode: 'auto' }, parallelToolCalls: true }));
    expect(body).not.toHaveProperty('tool_choice');
    expect(body).not.toHaveProperty('parallel_tool_calls');
  });

  it('puts the results of tools before what else the user says', () => {
    const result = { kind: 'tool_result', callId: 'c1', name: 'f', content: [], isError: false } as const;
    expect(items('user', [{ kind: 'text', text: 'So?' }, result])).toEqual([
      { type: 'function_call_output', call_id: 'c1', output: '' },
      { type: 'message', role: 'user', content: 'So?' },
    ]);
  });

  it('gives a signature to its issuer alone, and text without one to the others', () => {
    const own = { kind: 'thinking', text: 'Hm.', signature: { issuer: 'openai', data: 'enc' } } as const;
    const foreign = { kind: 'thinking', text: 'Hm.', signature: { issuer: 'anthropic', data: 'sig' } } as const;
    const secret = { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: 'sig' } } as const;
    const content = [{ type: 'reasoning_text', text: 'Hm.' }];
    expect(items('assistant', [own])).toEqual([{ type: 'reasoning', summary: [], content, encrypted_content: 'enc' }]);
    expect(items('assistant', [foreign])).toEqual([
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] },
    ]);
    expect(items('assistant', [{ kind: 'thinking', text: 'Hm.', id: 'thought-1' }])).toEqual([
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] },
    ]);
    expect(items('assistant', [foreign], { issuer: 'vllm' })).toEqual([{ type: 'reasoning', summary: [], content }]);
    expect(items('assistant', [secret, { kind: 'text', text: 'Hi' }])).toEqual([
      { type: 'message', role: 'assistant', content: 'Hi' },
    ]);
  });

  it.each(['openai', 'azure', 'copilot'])('gives %s thinking of others as a summary, under no id', (issuer) => {
    const other = { issuer: 'xai', data: 'enc' };
    const summary = [{ type: 'summary_text', text: 'Hm.' }];
    expect(items('assistant', [{ kind: 'thinking', text: 'Hm.', id: 'thought-1' }], { issuer })).toEqual([
      { type: 'reasoning', summary },
    ]);
    expect(items('assistant', [{ kind: 'thinking', text: 'Hm.', id: 'rs_1', redacted: other }], { issuer })).toEqual([
      { type: 'reasoning', summary },
    ]);
    expect(items('assistant', [{ kind: 'thinking', text: '', id: 'rs_1', redacted: other }], { issuer })).toEqual([]);
    const asking = conversation({ reasoning: { effort: 'low' }, sampling: { maxTokens: 1 } });
    expect(encoded(codec, asking, { issuer }).body).toMatchObject({
      include: ['reasoning.encrypted_content'],
      max_output_tokens: 16,
    });
  });

  it('sends no id that was made up for a client', () => {
    const answer = codec.encodeAnswer(
      {
        id: 'x',
        model: 'm',
        created: 0,
        usage: null,
        choices: [
          {
            index: 0,
            stop: { cause: 'tool_calls', raw: 'tool_use' },
            parts: [
              { kind: 'thinking', text: 'Hm.' },
              { kind: 'text', text: 'Hi' },
              { kind: 'tool_call', id: 'c1', name: 'f', arguments: '{}' },
            ],
          },
        ],
      },
      { model: 'm', request: conversation(), includeUsage: true, maxHeldBytes: 1000, now: 1 },
    );
    const { messages } = decode({ model: 'm', input: answer.output });
    expect(JSON.stringify(encoded(codec, conversation({ messages })).body)).not.toContain('sluice');
  });

  it('fits names and ids into what the provider takes', () => {
    const name = 'files.read';
    const id = 'x'.repeat(100);
    const [call, result] = encoded(
      codec,
      conversation({
        tools: [{ kind: 'function', name, parameters: null }],
        toolChoice: { mode: 'tool', name },
        messages: [
          { role: 'assistant', parts: [{ kind: 'tool_call', id, name, arguments: '' }] },
          { role: 'tool', parts: [{ kind: 'tool_result', callId: id, name, content: [], isError: false }] },
        ],
      }),
    ).body.input as [JsonObject, JsonObject];
    expect(call.name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    expect(call.arguments).toBe('{}');
    expect(call.call_id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    expect(result.call_id).toBe(call.call_id);
  });

  it('keeps long users and cache keys apart in 64 characters', () => {
    const { body } = encoded(codec, conversation({ user: 'u'.repeat(65), cacheKey: 'k'.repeat(64) }));
    expect(body.user).toMatch(/^[0-9a-f]{64}$/);
    expect(body.prompt_cache_key).toBe('k'.repeat(64));
  });

  it('asks OpenAI for no fewer tokens than it makes', () => {
    const from = conversation({ sampling: { maxTokens: 1 } });
    expect(encoded(codec, from).body.max_output_tokens).toBe(16);
    expect(encoded(codec, from, { issuer: 'vllm' }).body.max_output_tokens).toBe(1);
  });

  it('shows pictures and documents as text, or as a user would', () => {
    expect(
      items('user', [
        { kind: 'file', name: 'a.txt', context: 'A poem.', source: { type: 'text', text: 'Roses' } },
        { kind: 'file', source: { type: 'base64', mediaType: 'application/pdf', data: 'JVBERi0=' } },
      ]),
    ).toEqual([
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'A poem.' },
          { type: 'input_text', text: 'a.txt\n\nRoses' },
          { type: 'input_file', filename: 'document.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' },
        ],
      },
    ]);
    expect(
      items('assistant', [{ kind: 'image', source: { type: 'url', url: 'https://e.com/a.png', mediaType: '' } }]),
    ).toEqual([
      {
        type: 'message',
        role: 'user',
        content: [{ type: 'input_image', detail: 'auto', image_url: 'https://e.com/a.png' }],
      },
    ]);
  });

  it.each<[string, Partial<Conversation>]>([
    ['topK', { sampling: { topK: 5 } }],
    ['seed', { sampling: { seed: 5 } }],
    ['frequencyPenalty', { sampling: { frequencyPenalty: 1 } }],
    ['presencePenalty', { sampling: { presencePenalty: 1 } }],
    ['serviceTier', { serviceTier: 'ultra' }],
    ['participantName', { messages: [{ role: 'user', name: 'Ann', parts: [{ kind: 'text', text: 'Hi' }] }] }],
    ['cacheMarks', { messages: [{ role: 'user', parts: [{ kind: 'text', text: 'Hi', cache: { ttl: '5m' } }] }] }],
    ['cacheMarks', { messages: [{ role: 'system', parts: [{ kind: 'text', text: 'Hi', cache: { ttl: '5m' } }] }] }],
    ['cacheMarks', { tools: [{ kind: 'function', name: 'f', parameters: null, cache: { ttl: '' } }] }],
    [
      'toolResultError',
      {
        messages: [
          { role: 'tool', parts: [{ kind: 'tool_result', callId: 'c', name: '', content: [], isError: true }] },
        ],
      },
    ],
    [
      'fileCitations',
      { messages: [{ role: 'user', parts: [{ kind: 'file', citations: true, source: { type: 'text', text: 'x' } }] }] },
    ],
    ['top_a', { extra: { format: 'completions', fields: { top_a: 1 } } }],
  ])('reports that %s is dropped', (name, overrides) => {
    expect(encoded(codec, conversation(overrides)).lost).toBe(name);
  });

  it.each<[string, Partial<Conversation>]>([
    ['stop', { sampling: { stop: ['END'] } }],
    ['choices', { sampling: { choices: 2 } }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['bash_20250124', { tools: [{ kind: 'provider', format: 'messages', name: 'bash_20250124', value: {} }] }],
    [
      'server_tool_use',
      {
        messages: [
          { role: 'assistant', parts: [{ kind: 'other', format: 'messages', name: 'server_tool_use', value: {} }] },
        ],
      },
    ],
    [
      'audio',
      {
        messages: [
          {
            role: 'user',
            parts: [{ kind: 'audio', source: { type: 'base64', mediaType: 'audio/wav', data: 'AA==' } }],
          },
        ],
      },
    ],
    [
      'file-1',
      {
        messages: [
          {
            role: 'user',
            parts: [{ kind: 'file', source: { type: 'file', issuer: 'anthropic', id: 'file-1', mediaType: '' } }],
          },
        ],
      },
    ],
  ])('refuses %s', (name, overrides) => {
    expect(() => codec.encodeRequest(conversation(overrides), encodeContext(codec))).toThrow(
      expect.objectContaining({ code: 'unsupported_parameter', message: expect.stringContaining(`"${name}"`) }),
    );
  });

  it('does not let another provider answer without what the answer hangs on', () => {
    const losses = new Losses(responsesColumn, columnOf('exact'), 'messages', false);
    losses.dropFields(['truncation']);
    expect(losses.header).toBe('truncation');
    for (const name of ['prompt', 'conversation', 'previous_response_id', 'tool_choice']) {
      expect(() => losses.dropFields([name])).toThrow(expect.objectContaining({ code: 'unsupported_parameter' }));
    }
  });
});
