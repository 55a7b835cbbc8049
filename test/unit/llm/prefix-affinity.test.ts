import { describe, expect, it } from 'vitest';
import { PrefixAffinity } from '../../../src/adapters/llm/prefix-affinity.ts';

const hash = (body: object, tenant = 't') => new PrefixAffinity(tenant, Buffer.from(JSON.stringify(body))).hash;
const user = (content: unknown) => ({ role: 'user', content });
const system = { role: 'system', content: 'Be brief.' };
const tool = (name: string) => ({ type: 'function', function: { name, parameters: { type: 'object' } } });
const image = (data: string) => [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data } }];

describe('the stable prefix of a conversation', () => {
  it.each<[string, object, object]>([
    [
      'goes on',
      { messages: [system, user('Hi')] },
      { messages: [system, user('Hi'), { role: 'assistant', content: 'Hello' }, user('Bye')] },
    ],
    [
      'has other parameters',
      { model: 'a', messages: [user('Hi')] },
      { model: 'b', temperature: 1, stream: true, messages: [user('Hi')] },
    ],
    [
      'moves its cache mark on',
      {
        system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
        messages: [user([{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } }])],
      },
      { system: 'Be brief.', messages: [user('Hi'), { role: 'assistant', content: 'Hello' }, user('Bye')] },
    ],
    [
      'goes on in the responses API',
      { instructions: 'Be brief.', input: [{ type: 'message', id: 'm1', ...user('Hi') }] },
      { instructions: 'Be brief.', input: [user('Hi'), { type: 'function_call', call_id: 'c', name: 'f' }] },
    ],
    [
      'began with a text in the responses API',
      { instructions: 'Be brief.', input: 'Hi' },
      { instructions: 'Be brief.', input: [{ type: 'message', ...user('Hi') }, user('Bye')] },
    ],
    [
      "goes on in Gemini's format",
      { systemInstruction: { parts: [{ text: 'Be brief.' }] }, contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] },
      {
        systemInstruction: { parts: [{ text: 'Be brief.' }] },
        contents: [
          { role: 'user', parts: [{ text: 'Hi' }] },
          { role: 'model', parts: [{ text: 'Hello' }] },
        ],
      },
    ],
    [
      'names its cache',
      { prompt_cache_key: 'k', messages: [user('Hi')] },
      { prompt_cache_key: 'k', messages: [user('Something else')] },
    ],
  ])('stays where it %s', (_, one, other) => {
    expect(hash(one)).toBe(hash(other));
    expect(hash(one)).not.toBe(0);
  });

  it.each<[string, object, object]>([
    ['system prompt', { messages: [system, user('Hi')] }, { messages: [user('Hi')] }],
    ['first turn', { messages: [system, user('Hi')] }, { messages: [system, user('Ho')] }],
    ['tools', { tools: [tool('a')], messages: [user('Hi')] }, { tools: [tool('b')], messages: [user('Hi')] }],
    ['prompt', { prompt: 'Once' }, { prompt: 'Twice' }],
    ['input', { input: 'Once' }, { input: 'Twice' }],
    ['quotes', { prompt: 'a "b" c\\' }, { prompt: 'a "b" c' }],
    ['end of a long text', { messages: [user(`${'x'.repeat(9000)}1`)] }, { messages: [user(`${'x'.repeat(9000)}2`)] }],
    ['length of a long text', { messages: [user('x'.repeat(9000))] }, { messages: [user('x'.repeat(9001))] }],
    ['image', { messages: [user(image('AAAA'))] }, { messages: [user(image('AAAB'))] }],
    ['cache', { prompt_cache_key: 'k', prompt: 'x' }, { prompt_cache_key: 'l', prompt: 'x' }],
  ])('is another with another %s', (_, one, other) => {
    expect(hash(one)).not.toBe(hash(other));
  });

  it('is another for another tenant', () => {
    const body = { messages: [user('Hi')] };
    expect(hash(body, 'a')).not.toBe(hash(body, 'b'));
  });

  it('is the same however the body is laid out', () => {
    const body = { tools: [tool('a')], messages: [system, user([{ type: 'text', text: 'Hi "there"\n' }])] };
    const wide = new PrefixAffinity('t', Buffer.from(JSON.stringify(body, null, 4))).hash;
    expect(wide).toBe(hash(body));
  });

  it.each(['{}', '{"model":"m"}', '{"messages":[]}', '{"messages":[1,null,true]}', '', 'x', '{"messages":"'])(
    'is none in %s',
    (body) => {
      expect(new PrefixAffinity('t', Buffer.from(body)).hash).toBe(0);
    },
  );

  it.each<[string, object]>([
    ['chat', { messages: [system, user('Hi'), { role: 'assistant', content: 'Hello' }, user('Bye')] }],
    ['a tool that was called', { messages: [user('Hi'), { role: 'assistant', tool_calls: [] }] }],
    ['a list of user turns', { messages: [user('Hi'), user('there'), { content: 'Hello', role: 'assistant' }] }],
    [
      "Gemini's contents",
      {
        contents: [
          { role: 'user', parts: [] },
          { role: 'model', parts: [{ text: 'x' }] },
        ],
      },
    ],
    ['items of the responses API', { input: [user('Hi'), { type: 'reasoning', id: 'rs_1', summary: [] }] }],
    ['a named cache', { prompt_cache_key: 'k', messages: [user('Hi'), { role: 'assistant', content: 'Hello' }] }],
  ])('knows that a conversation goes on by %s', (_, body) => {
    expect(new PrefixAffinity('t', Buffer.from(JSON.stringify(body))).goesOn).toBe(true);
  });

  it.each<[string, unknown]>([
    ['a first turn', { messages: [system, user('Hi')] }],
    ['two turns of the user', { messages: [user('Hi'), user('there')] }],
    ['instructions behind it', { messages: [user('Hi'), { role: 'developer', content: 'Be brief.' }] }],
    ['examples before it', { messages: [{ role: 'assistant', content: 'Hello' }, user('Hi')] }],
    ['a role within', { messages: [user([{ type: 'text', text: '"role":"assistant"' }, { role: 'assistant' }])] }],
    ['a text', { input: 'Hi' }],
    ['a prompt', { prompt: ['a', 'b'] }],
    ['nothing', {}],
  ])('takes %s for the beginning', (_, body) => {
    const key = new PrefixAffinity('t', Buffer.from(JSON.stringify(body)));
    expect(key.goesOn).toBe(false);
    key.release();
    expect(key.goesOn).toBe(false);
  });

  it('lets go of the body, asked or not', () => {
    const body = Buffer.from(JSON.stringify({ prompt: 'x' }));
    const [asked, unasked] = [new PrefixAffinity('t', body), new PrefixAffinity('t', body)];
    const { hash: before } = asked;
    asked.release();
    unasked.release();
    expect([asked.hash, unasked.hash]).toEqual([before, 0]);
  });

  it('ends whatever it is given', () => {
    const many = { tools: Array.from({ length: 5000 }, (_, i) => tool(`t${i}`)), messages: [user('Hi')] };
    expect(hash(many)).not.toBe(hash({ ...many, messages: [user('Ho')] }));
    const deep = `{"messages":[{"role":"user","content":${'['.repeat(200)}"x"${']'.repeat(200)}}]}`;
    expect(new PrefixAffinity('t', Buffer.from(deep)).hash).toBeGreaterThan(0);
  });
});
