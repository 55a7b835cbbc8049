import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { markPrompt } from '../../../src/adapters/llm/mutate/cache-marks.ts';
import { elementsAt, memberAt } from '../../../src/adapters/llm/mutate/json-places.ts';
import type { PromptCaching, RouteType } from '../../../src/facts/llm.ts';
import { llmBench, model, provider, serve } from '../../support/llm.ts';

const ALL: PromptCaching = {
  cacheSystem: true,
  cacheMessages: true,
  cacheTools: true,
  minTokens: 0,
  cacheMessageOffset: 0,
};
const cache_control = { type: 'ephemeral' };
const hour = { type: 'ephemeral', ttl: '1h' };
const cachePoint = { type: 'default' };
const user = (content: unknown) => ({ role: 'user', content });

function marked(body: object, options: Partial<PromptCaching> = {}, format: RouteType = 'messages', name = 'claude-x') {
  const bytes = Buffer.from(JSON.stringify(body));
  return JSON.parse(markPrompt(bytes, format, name, { ...ALL, ...options }).toString());
}

describe('marks of a Messages body', () => {
  const tools = [{ name: 'a' }, { name: 'b', input_schema: { properties: { cache_control: { type: 'string' } } } }];
  const text = (value: string, more: object = {}) => ({ type: 'text', text: value, ...more });

  it('stand behind tools, system and messages', () => {
    expect(marked({ tools, system: 'S', messages: [user('x'), user('y')] })).toEqual({
      tools: [tools[0], { ...tools[1], cache_control }],
      system: [text('S', { cache_control })],
      messages: [user('x'), user([text('y', { cache_control })])],
    });
  });

  it.each<[string, object, Partial<PromptCaching>, object]>([
    [
      'nothing that is not asked for',
      { system: 'S', messages: [user('x')] },
      { cacheSystem: false, cacheMessages: false },
      {},
    ],
    [
      'the message before the last ones',
      { messages: [user('x'), user('y')] },
      { cacheMessageOffset: 1 },
      { messages: [user([text('x', { cache_control })]), user('y')] },
    ],
    ['no message where all are left out', { messages: [user('x')] }, { cacheMessageOffset: 1 }, {}],
    [
      'the last block that can be marked',
      { messages: [user([text('x'), { type: 'thinking' }, text(' ')])] },
      {},
      { messages: [user([text('x', { cache_control }), { type: 'thinking' }, text(' ')])] },
    ],
    ['nothing that is empty', { system: '', messages: [user('')], tools: [] }, {}, {}],
    [
      'no tool that is loaded later',
      { tools: [{ name: 'a' }, { name: 'b', defer_loading: true }], messages: [] },
      {},
      {
        tools: [
          { name: 'a', cache_control },
          { name: 'b', defer_loading: true },
        ],
      },
    ],
    ['no part that the client marked', { system: [text('a', { cache_control }), text('b')], messages: [] }, {}, {}],
    [
      'nothing in front of a mark of an hour',
      { tools, system: 'S', messages: [user([text('x', { cache_control: hour })]), user('y')] },
      {},
      {},
    ],
    [
      'what is behind a mark of an hour',
      { system: [text('a', { cache_control: hour })], messages: [user('x')] },
      {},
      { messages: [user([text('x', { cache_control })])] },
    ],
    ['no message beside a mark at the top', { cache_control, messages: [user('x')] }, {}, {}],
    [
      'four at most',
      {
        tools: [
          { name: 'a', cache_control },
          { name: 'b', cache_control },
        ],
        system: [text('S', { cache_control })],
        messages: [user('x')],
      },
      {},
      { messages: [user([text('x', { cache_control })])] },
    ],
    [
      'no fifth',
      {
        system: [
          text('1', { cache_control }),
          text('2', { cache_control }),
          text('3', { cache_control }),
          text('4', { cache_control }),
        ],
        messages: [user('x')],
      },
      {},
      {},
    ],
    ['no short prompt', { system: 'S'.repeat(4000), messages: [user('x')] }, { minTokens: null }, {}],
    [
      'a long one',
      { system: 'S'.repeat(5000), messages: [] },
      { minTokens: null },
      { system: [text('S'.repeat(5000), { cache_control })] },
    ],
    [
      'what is long with what stands before it',
      { system: 'S'.repeat(4000), messages: [user('x'.repeat(400))] },
      { minTokens: null },
      { messages: [user([text('x'.repeat(400), { cache_control })])] },
    ],
    [
      'no long image',
      { messages: [user([{ type: 'image', source: { data: 'A'.repeat(9000) } }])] },
      { minTokens: null },
      {},
    ],
  ])('are put on %s', (_, body, options, expected) => {
    expect(marked(body, options)).toEqual({ ...body, ...expected });
  });

  it('leave every other byte', () => {
    const body = '{ "n":1e0,"messages" : [ {"role":"user", "content" : "\\u00e9\\"" } ] }';
    const bytes = markPrompt(Buffer.from(body), 'messages', 'm', ALL);
    const block = '[{"type":"text","text":"\\u00e9\\"","cache_control":{"type":"ephemeral"}}]';
    expect(bytes.toString()).toBe(body.replace('"\\u00e9\\""', block));
  });
});

describe('cache points of Bedrock', () => {
  const body = {
    toolConfig: { tools: [{ toolSpec: { name: 't', inputSchema: { json: { cachePoint: {} } } } }] },
    system: [{ text: 'S' }],
    messages: [user([{ text: 'x' }])],
  };
  const point = { cachePoint };

  it('stand behind tools, system and messages of Claude', () => {
    expect(marked(body, {}, 'converse', 'us.anthropic.claude-sonnet-4-6')).toEqual({
      toolConfig: { tools: [...body.toolConfig.tools, point] },
      system: [{ text: 'S' }, point],
      messages: [user([{ text: 'x' }, point])],
    });
  });

  it.each<[string, object]>([
    ['amazon.nova-pro-v1:0', { system: [{ text: 'S' }, point], messages: [user([{ text: 'x' }, point])] }],
    ['meta.llama3-70b-instruct-v1:0', {}],
    ['anthropic.claude-3-haiku-20240307-v1:0', {}],
  ])('stand where %s takes them', (name, expected) => {
    expect(marked(body, {}, 'converse', name)).toEqual({ ...body, ...expected });
  });

  it('do not follow thinking, and respect those that are there', () => {
    const thought = {
      system: [{ text: 'S' }, point],
      messages: [{ role: 'assistant', content: [{ reasoningContent: {} }] }],
    };
    expect(marked(thought, {}, 'converse', 'anthropic.claude-opus-4-8')).toEqual(thought);
  });

  it("are Anthropic's marks in a body of its own", () => {
    const own = { anthropic_version: 'bedrock-2023-05-31', messages: [user('x')] };
    expect(marked(own, {}, 'invoke', 'anthropic.claude-opus-4-8').messages[0].content[0].cache_control).toEqual(
      cache_control,
    );
  });
});

it.each<RouteType>(['completions', 'responses', 'generateContent', 'embeddings'])(
  'a body of %s stays as it is',
  (format) => {
    const body = { messages: [user('x')], system: 'S' };
    expect(marked(body, {}, format, 'any')).toEqual(body);
  },
);

it('a converted body is marked in the words of its provider, for each attempt', async () => {
  const promptCaching = { ...ALL, cacheTools: false };
  const llm = llmBench({
    models: [
      model('a', {
        provider: provider('anthropic', { hostOverride: 'a.test:80' }),
        policies: { ai: { promptCaching } },
      }),
      model('b', {
        provider: provider('bedrock', {
          settings: { region: 'x' },
          hostOverride: 'b.test:80',
          policies: { backendAuth: { key: 'k' } },
        }),
        policies: { ai: { promptCaching } },
      }),
    ],
  });
  for (const name of ['a', 'b']) {
    const body = { model: name, messages: [{ role: 'system', content: 'S' }, user('x')] };
    await serve(llm, { url: '/v1/chat/completions', body: JSON.stringify(body) });
  }
  expect(llm.flights[0]!.json.system).toEqual([{ type: 'text', text: 'S', cache_control }]);
  // No model of that name has a cache.
  expect(llm.flights[1]!.json.system).toEqual([{ text: 'S' }]);
});

it('places agree with a parser', () => {
  fc.assert(
    fc.property(fc.array(fc.json({ maxDepth: 3 })), fc.constantFrom('', ' ', '\n\t'), (items, gap) => {
      const text = `[${gap}${items.join(`${gap},${gap}`)}${gap}]`;
      const bytes = Buffer.from(text);
      const found = elementsAt(bytes, { start: 0, end: bytes.length });
      expect(found.map(({ start, end }) => bytes.toString('utf8', start, end))).toEqual(items);
    }),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), (object) => {
      const bytes = Buffer.from(JSON.stringify(object));
      for (const name of Object.keys(object)) {
        const at = memberAt(bytes, { start: 0, end: bytes.length }, name)!;
        expect(JSON.parse(bytes.toString('utf8', at.start, at.end))).toEqual(JSON.parse(JSON.stringify(object[name])));
      }
      expect(memberAt(bytes, { start: 0, end: bytes.length }, `${Object.keys(object).join()}-`)).toBeNull();
    }),
  );
});
