import { describe, expect, it } from 'vitest';
import { BodyContents } from '../../../src/adapters/llm/contents.ts';
import { messageOf } from '../../../src/adapters/llm/convert/event-stream.ts';
import type { RouteType } from '../../../src/facts/llm.ts';
import { HeaderList } from '../../../src/headers.ts';

function contents(route: RouteType, body: unknown = {}): BodyContents {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return new BodyContents(route, { bytes, headers: new HeaderList(), model: 'm' });
}

const events = (...data: unknown[]) => data.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
const named = (...data: { type: string; [name: string]: unknown }[]) =>
  data.map((one) => `event: ${one.type}\ndata: ${JSON.stringify(one)}\n\n`).join('');

describe('a prompt', () => {
  const said = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi there' },
  ];
  const cases: [RouteType, object][] = [
    [
      'completions',
      {
        messages: [
          { role: 'system', content: 'Be brief.' },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Hi' },
              { type: 'image_url', image_url: { url: 'https://a.example/i.png' } },
              { type: 'text', text: ' there' },
            ],
          },
        ],
      },
    ],
    ['messages', { max_tokens: 5, system: 'Be brief.', messages: [{ role: 'user', content: 'Hi there' }] }],
    ['responses', { instructions: 'Be brief.', input: 'Hi there' }],
    [
      'generateContent',
      {
        systemInstruction: { parts: [{ text: 'Be brief.' }] },
        contents: [{ role: 'user', parts: [{ text: 'Hi' }, { text: ' there' }] }],
      },
    ],
    ['converse', { system: [{ text: 'Be brief.' }], messages: [{ role: 'user', content: [{ text: 'Hi there' }] }] }],
  ];

  it.each(cases)('%s: a message each, its texts put together', (route, body) => {
    expect(contents(route, body).prompt()).toEqual(said);
  });

  it('is not told of what is none, cannot be read or is gone', () => {
    expect(contents('embeddings', { input: 'Hi' }).prompt()).toBe(null);
    expect(contents('completions', '{"messages":').prompt()).toBe(null);
    expect(contents('completions', { messages: 'Hi' }).prompt()).toBe(null);
    const gone = contents('completions', { messages: [{ role: 'user', content: 'Hi' }] });
    gone.letGo();
    expect([gone.prompt(), gone.params()]).toEqual([null, null]);
  });
});

describe('parameters', () => {
  it.each<[RouteType, object, object]>([
    [
      'completions',
      { messages: [], temperature: 0.5, top_p: 1, seed: 7, max_completion_tokens: 9, frequency_penalty: 0.1 },
      { temperature: 0.5, top_p: 1, seed: 7, max_tokens: 9, frequency_penalty: 0.1 },
    ],
    ['messages', { max_tokens: 5, temperature: 0, messages: [] }, { max_tokens: 5, temperature: 0 }],
    [
      'generateContent',
      { contents: [], generationConfig: { maxOutputTokens: 5, topP: 0.5, presencePenalty: 1 } },
      { max_tokens: 5, top_p: 0.5, presence_penalty: 1 },
    ],
    [
      'embeddings',
      { input: 'a', dimensions: 256, encoding_format: 'base64' },
      { dimensions: 256, encoding_format: 'base64' },
    ],
  ])('%s: by the same names', (route, body, params) => {
    expect(contents(route, body).params()).toEqual(params);
  });
});

describe('an answer', () => {
  const told = { completion: ['Hello'], toolCalls: [{ id: 'c1', name: 'weather', arguments: { city: 'Paris' } }] };
  const json = 'application/json; charset=utf-8';
  const sse = 'text/event-stream';
  const call = { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Paris"}' } };
  const geminiCall = { functionCall: { id: 'c1', name: 'weather', args: { city: 'Paris' } } };
  const gemini = [
    { candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'Hel' }] } }] },
    {
      candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'lo' }, geminiCall] }, finishReason: 'STOP' }],
    },
  ];
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    id: 'x',
    choices: [{ index: 0, delta, finish_reason }],
  });
  const converseEvent = (event: string, payload: object) => messageOf({ event, data: JSON.stringify(payload) });

  it.each<[string, RouteType, string, string]>([
    [
      'whole',
      'completions',
      json,
      JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: 'Hello', tool_calls: [call] } }] }),
    ],
    [
      'streamed',
      'completions',
      sse,
      `${events(
        chunk({ role: 'assistant', content: 'Hel' }),
        chunk({ content: 'lo' }),
        chunk({ tool_calls: [{ index: 0, ...call, function: { name: 'weather', arguments: '{"city":' } }] }),
        chunk({ tool_calls: [{ index: 0, function: { arguments: '"Paris"}' } }] }),
        chunk({}, 'tool_calls'),
      )}data: [DONE]\n\n`,
    ],
    [
      'whole',
      'messages',
      json,
      JSON.stringify({
        type: 'message',
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'Hm.', signature: 's' },
          { type: 'text', text: 'Hello' },
          { type: 'tool_use', id: 'c1', name: 'weather', input: { city: 'Paris' } },
        ],
        stop_reason: 'tool_use',
      }),
    ],
    [
      'streamed',
      'messages',
      sse,
      named(
        { type: 'message_start', message: { id: 'm', role: 'assistant', content: [] } },
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
        { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
        { type: 'content_block_stop', index: 0 },
        {
          type: 'content_block_start',
          index: 1,
          content_block: { type: 'tool_use', id: 'c1', name: 'weather', input: {} },
        },
        {
          type: 'content_block_delta',
          index: 1,
          delta: { type: 'input_json_delta', partial_json: '{"city":"Paris"}' },
        },
        { type: 'content_block_stop', index: 1 },
      ),
    ],
    [
      'whole',
      'responses',
      json,
      JSON.stringify({
        id: 'r',
        status: 'completed',
        output: [
          { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hello', annotations: [] }] },
          { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{"city":"Paris"}' },
        ],
      }),
    ],
    ['streamed', 'generateContent', sse, events(...gemini)],
    ['streamed as an array', 'generateContent', json, JSON.stringify(gemini)],
    [
      'whole',
      'converse',
      json,
      JSON.stringify({
        output: {
          message: {
            role: 'assistant',
            content: [{ text: 'Hello' }, { toolUse: { toolUseId: 'c1', name: 'weather', input: { city: 'Paris' } } }],
          },
        },
        stopReason: 'tool_use',
      }),
    ],
  ])('%s, of %s', (_, route, type, body) => {
    expect(contents(route).answer(Buffer.from(body), type)).toEqual(told);
  });

  it('in the framing of AWS', () => {
    const body = Buffer.concat([
      converseEvent('messageStart', { role: 'assistant' }),
      converseEvent('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hello' } }),
      converseEvent('contentBlockStop', { contentBlockIndex: 0 }),
    ]);
    const answer = contents('converse').answer(body, 'application/vnd.amazon.eventstream');
    expect(answer).toEqual({ completion: ['Hello'], toolCalls: [] });
  });

  it('of legacy completions, several of them', () => {
    const whole = JSON.stringify({
      choices: [
        { index: 1, text: 'b' },
        { index: 0, text: 'a' },
      ],
    });
    expect(contents('textCompletions').answer(Buffer.from(whole), json)?.completion).toEqual(['a', 'b']);
    const streamed = events({ choices: [{ index: 0, text: 'a' }] }, { choices: [{ index: 0, text: 'b' }] });
    expect(contents('textCompletions').answer(Buffer.from(streamed), sse)?.completion).toEqual(['ab']);
  });

  it('that broke off says what came of it; one that is no answer says nothing', () => {
    const cut = `${events(chunk({ content: 'Hel' }))}data: {"choi`;
    expect(contents('completions').answer(Buffer.from(cut), sse)?.completion).toEqual(['Hel']);
    expect(contents('completions').answer(Buffer.from('{"choices":[{"mess'), json)).toBe(null);
    expect(contents('embeddings').answer(Buffer.from('{"data":[]}'), json)).toBe(null);
  });
});
