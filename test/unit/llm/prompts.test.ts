import { describe, expect, it } from 'vitest';
import { PromptAdditions } from '../../../src/adapters/llm/mutate/prompts.ts';
import type { PromptMessage, RouteType } from '../../../src/facts/llm.ts';
import { llmBench, provider, serve } from '../../support/llm.ts';

const prepend: PromptMessage[] = [
  { role: 'system', content: 'Say "a".' },
  { role: 'user', content: 'u0' },
];
const append: PromptMessage[] = [
  { role: 'developer', content: 'z' },
  { role: 'assistant', content: 'a9' },
];

function added(route: RouteType, body: string): string {
  return new PromptAdditions(prepend, append).apply(Buffer.from(body), route).toString();
}

const FRONT = '{"role":"system","content":"Say \\"a\\"."},{"role":"user","content":"u0"}';
const BACK = '{"role":"developer","content":"z"},{"role":"assistant","content":"a9"}';

describe("the operator's messages", () => {
  it.each<[RouteType, string, string]>([
    [
      'completions',
      '{"n":1e0, "messages" : [ {"role":"user"} ]}',
      `{"n":1e0, "messages" : [${FRONT}, {"role":"user"} ,${BACK}]}`,
    ],
    ['completions', '{"messages":[ ]}', `{"messages":[${FRONT},${BACK}]}`],
    ['completions', '{"messages":null}', `{"messages":[${FRONT},${BACK}]}`],
    ['completions', '{}', `{"messages":[${FRONT},${BACK}]}`],
    ['embeddings', '{"input":"x"}', '{"input":"x"}'],
    ['anthropicTokenCount', '{"messages":[]}', '{"messages":[]}'],
  ])('stand at both ends of %s %s', (route, body, expected) => {
    const text = added(route, body);
    expect(JSON.parse(text)).toEqual(JSON.parse(expected));
    if (body.includes('1e0')) expect(text).toBe(expected);
  });

  it.each<[string, object, object]>([
    ['a text', { system: 'S' }, { system: 'Say "a".\n\nS\n\nz' }],
    ['an empty text', { system: '' }, { system: 'Say "a".\n\nz' }],
    ['none', {}, { system: 'Say "a".\n\nz' }],
    [
      'blocks',
      { system: [{ type: 'text', text: 'S', cache_control: { type: 'ephemeral' } }] },
      {
        system: [
          { type: 'text', text: 'Say "a".' },
          { type: 'text', text: 'S', cache_control: { type: 'ephemeral' } },
          { type: 'text', text: 'z' },
        ],
      },
    ],
  ])('of the system go beside a Messages system of %s', (_, system, expected) => {
    const messages = [{ role: 'user', content: 'hi' }];
    expect(JSON.parse(added('messages', JSON.stringify({ ...system, messages })))).toEqual({
      ...expected,
      messages: [{ role: 'user', content: 'u0' }, ...messages, { role: 'assistant', content: 'a9' }],
    });
  });

  it.each<[string, object, object]>([
    [
      'a text',
      { input: 'hi', instructions: 'I' },
      { instructions: 'Say "a".\n\nI', middle: [{ role: 'user', content: 'hi' }] },
    ],
    [
      'items',
      { input: [{ type: 'item_reference', id: 'i' }] },
      { instructions: 'Say "a".', middle: [{ type: 'item_reference', id: 'i' }] },
    ],
    ['nothing', {}, { instructions: 'Say "a".', middle: [] }],
  ])('go around a Responses input of %s', (_, body, expected) => {
    const { middle, instructions } = expected as { middle: object[]; instructions: string };
    expect(JSON.parse(added('responses', JSON.stringify(body)))).toEqual({
      instructions,
      input: [prepend[1], ...middle, ...append],
    });
  });

  it('leave a Responses input as it is where they are instructions alone', () => {
    const additions = new PromptAdditions([{ role: 'system', content: 's' }], []);
    expect(additions.apply(Buffer.from('{"input":"hi"}'), 'responses').toString()).toBe(
      '{"input":"hi","instructions":"s"}',
    );
  });

  it.each(['systemInstruction', 'system_instruction'])('go into contents and %s of Gemini', (name) => {
    const contents = [{ role: 'user', parts: [{ text: 'hi' }] }];
    expect(
      JSON.parse(added('generateContent', JSON.stringify({ contents, [name]: { parts: [{ text: 'S' }] } }))),
    ).toEqual({
      contents: [{ role: 'user', parts: [{ text: 'u0' }] }, ...contents, { role: 'model', parts: [{ text: 'a9' }] }],
      [name]: { parts: [{ text: 'Say "a".' }, { text: 'S' }, { text: 'z' }] },
    });
  });

  it.each<[RouteType, object]>([
    ['converse', {}],
    ['invoke', { schemaVersion: 'messages-v1' }],
  ])('go into blocks of %s', (route, more) => {
    const body = { ...more, messages: [{ role: 'user', content: [{ text: 'hi' }] }] };
    expect(JSON.parse(added(route, JSON.stringify(body)))).toEqual({
      ...more,
      system: [{ text: 'Say "a".' }, { text: 'z' }],
      messages: [
        { role: 'user', content: [{ text: 'u0' }] },
        ...body.messages,
        { role: 'assistant', content: [{ text: 'a9' }] },
      ],
    });
  });

  it.each<[unknown, unknown]>([
    ['hi', 'Say "a".\n\nu0\n\nhi\n\nz\n\na9'],
    [
      ['a', 'b'],
      ['Say "a".\n\nu0\n\na\n\nz\n\na9', 'Say "a".\n\nu0\n\nb\n\nz\n\na9'],
    ],
  ])('surround a text to be completed: %j', (prompt, expected) => {
    expect(JSON.parse(added('textCompletions', JSON.stringify({ prompt })))).toEqual({ prompt: expected });
  });

  it.each<[RouteType, string, string]>([
    ['textCompletions', '{"prompt":[1,2]}', 'unsupported_parameter'],
    ['invoke', '{"inputText":"x"}', 'unsupported_parameter'],
    ['completions', '{"messages":"hi"}', 'invalid_request_body'],
    ['completions', '{"messages":[],"messages":[{"role":"user","content":"x"}]}', 'invalid_request_body'],
    ['messages', '{"messages":[],"System":"x"}', 'invalid_request_body'],
    ['converse', '{"messages":[],"system":"x"}', 'invalid_request_body'],
  ])('are not left out in silence: %s %s', (route, body, code) => {
    expect(() => added(route, body)).toThrow(expect.objectContaining({ code }));
  });

  it('are converted with the rest', async () => {
    const llm = llmBench({
      providers: [[provider('anthropic')]],
      values: { ai: { prompts: { prepend, append: [] } } },
    });
    const body = { model: 'claude-x', messages: [{ role: 'user', content: 'hi' }] };
    await serve(llm, { url: '/v1/chat/completions', body: JSON.stringify(body) });
    expect(llm.flights[0]!.json).toMatchObject({
      system: 'Say "a".',
      messages: [{ role: 'user', content: expect.anything() }],
    });
    expect(llm.flights[0]!.sent).toContain('u0');
  });
});
