import { describe, expect, it } from 'vitest';
import { nearestEffort } from '../../../src/adapters/llm/providers/chat-quirks.ts';
import type { AiProvider } from '../../../src/resources/types.ts';
import { llmBench, provider, serve } from '../../support/llm.ts';

/** What providers refuse or name otherwise than their format does, as their requests leave. */

const KEY = { backendAuth: { key: 'a-key' } };
const SETTINGS: Record<string, object> = { azure: { resourceName: 'r', resourceType: 'openAI' } };
const OPTIONS = { backendAuth: KEY.backendAuth };
const open = (kind: string, more: Partial<AiProvider> = {}) =>
  llmBench({
    providers: [[provider(kind, { settings: (SETTINGS[kind] ?? {}) as never, policies: OPTIONS, ...more })]],
  });

/** A client of responses: every provider here is asked in chat completions. */
async function converted(kind: string, model: string, body: object, strict = false) {
  const llm = llmBench({
    providers: [[provider(kind, { settings: (SETTINGS[kind] ?? {}) as never, policies: KEY })]],
    values: { ai: { strict } },
  });
  const exchange = await serve(llm, {
    url: '/v1/messages',
    body: JSON.stringify({ model, max_tokens: 99, messages: [{ role: 'user', content: 'hi' }], ...body }),
  });
  const [flight] = llm.flights;
  const sent = flight?.json as Record<string, any> | undefined;
  flight?.answer(200, JSON.stringify({ choices: [{ index: 0, finish_reason: 'stop', message: { content: 'Hi' } }] }));
  return { sent, lossy: exchange.downstream.header('x-sluice-lossy'), status: exchange.status };
}

describe('the longest answer of a converted request', () => {
  it.each([
    ['openAI', 'gpt-4o', 'max_completion_tokens'],
    ['azure', 'my-deployment', 'max_completion_tokens'],
    ['groq', 'm', 'max_completion_tokens'],
    ['vllm', 'm', 'max_completion_tokens'],
    ['mistral', 'm', 'max_tokens'],
    ['cohere', 'm', 'max_tokens'],
    ['ollama', 'm', 'max_tokens'],
    ['perplexity', 'm', 'max_tokens'],
  ])('%s, %s: %s', async (kind, model, name) => {
    const { sent, lossy } = await converted(kind, model, {});
    const names = ['max_tokens', 'max_completion_tokens'].filter((one) => sent![one] === 99);
    expect(names).toEqual([name]);
    expect(lossy).toBeUndefined();
  });
});

describe("max_tokens in a client's own chat request", () => {
  it.each([
    ['openAI', 'gpt-5', { max_completion_tokens: 5 }],
    ['openAI', 'o3-mini', { max_completion_tokens: 5 }],
    ['openAI', 'ft:gpt-4o:me::1', { max_completion_tokens: 5 }],
    ['azure', 'gpt-4o', { max_completion_tokens: 5 }],
    ['copilot', 'gpt-4o', { max_completion_tokens: 5 }],
    ['openAI', 'somebody/llama', { max_tokens: 5 }],
    ['vllm', 'gpt-oss-20b', { max_tokens: 5 }],
  ])('%s, %s: %j', async (kind, model, expected) => {
    const llm = open(kind);
    const bytes = `{ "model": "${model}", "max_tokens": 5, "messages": [] }`;
    await serve(llm, { url: '/v1/chat/completions', body: bytes });
    expect(llm.flights[0]!.json).toEqual({ model, messages: [], ...expected });
  });

  it('yields to the newer name where both are there; a text that says it stays', async () => {
    const llm = open('openAI');
    const messages = [{ role: 'user', content: 'what is "max_tokens"?' }];
    const both = { model: 'gpt-4o', max_tokens: 5, max_completion_tokens: 6, messages };
    await serve(llm, { url: '/v1/chat/completions', body: JSON.stringify(both) });
    expect(llm.flights[0]!.json).toEqual({ model: 'gpt-4o', max_completion_tokens: 6, messages });
    const none = JSON.stringify({ model: 'gpt-4o', messages });
    await serve(llm, { url: '/v1/chat/completions', body: none });
    expect(llm.flights[1]!.sent).toBe(none);
  });
});

describe("OpenAI's models", () => {
  const SAMPLED = { temperature: 0.5, top_p: 0.9 };
  const THINKS = { thinking: { type: 'enabled', budget_tokens: 2000 } };
  it.each([
    ['gpt-4o', SAMPLED, SAMPLED, undefined],
    ['gpt-5', SAMPLED, {}, 'temperature, top_p'],
    ['gpt-5', { temperature: 1 }, {}, undefined],
    ['o3', { ...SAMPLED, stop_sequences: ['x'] }, {}, 'temperature, top_p, stop_sequences'],
    ['o1', { stop_sequences: ['x'] }, { stop: ['x'] }, undefined],
    ['gpt-5-chat-latest', SAMPLED, SAMPLED, undefined],
    // Doesn't reason unless it is told to.
    ['gpt-5.2', SAMPLED, SAMPLED, undefined],
    ['gpt-5.2', { ...SAMPLED, ...THINKS, temperature: 1 }, { reasoning_effort: 'low' }, 'top_p'],
    ['gpt-5.2', { thinking: { type: 'disabled' } }, { reasoning_effort: 'none' }, undefined],
    ['gpt-5', { thinking: { type: 'disabled' } }, { reasoning_effort: 'minimal' }, undefined],
    ['o4-mini', { thinking: { type: 'disabled' } }, { reasoning_effort: 'low' }, undefined],
    ['gpt-4o', { thinking: { type: 'disabled' } }, {}, undefined],
    ['gpt-4o', THINKS, {}, 'thinking.budget_tokens'],
    ['gpt-5-pro', THINKS, { reasoning_effort: 'high' }, undefined],
    ['my-deployment', { ...SAMPLED, ...THINKS }, { ...SAMPLED, reasoning_effort: 'low' }, undefined],
  ])('%s given %j', async (model, body, expected, lost) => {
    const { sent, lossy } = await converted('openAI', model, body);
    const { model: _, messages: _messages, max_completion_tokens: _tokens, ...rest } = sent!;
    expect(rest).toEqual(expected);
    if (lost === 'thinking.budget_tokens') expect(lossy).toBeDefined();
    else expect(lossy).toBe(lost);
  });

  it('refuses on a strict route what it would leave out', async () => {
    expect((await converted('openAI', 'gpt-5', SAMPLED, true)).status).toBe(400);
    expect((await converted('openAI', 'gpt-4o', SAMPLED, true)).status).toBe(200);
  });

  it('of responses are told of effort in their own place', async () => {
    const llm = llmBench({ providers: [[provider('copilot', { policies: KEY })]] });
    const ask = async (model: string, body: object) => {
      const messages = [{ role: 'user', content: 'hi' }];
      await serve(llm, { url: '/v1/messages', body: JSON.stringify({ model, max_tokens: 9, messages, ...body }) });
      return llm.flights.at(-1)!.json;
    };
    expect(await ask('gpt-5.2', { thinking: { type: 'disabled' } })).toMatchObject({ reasoning: { effort: 'none' } });
    const coded = await ask('gpt-5.1-codex', { thinking: { type: 'disabled' }, temperature: 0.2 });
    expect(coded.reasoning.effort).toBe('low');
    expect(coded.temperature).toBeUndefined();
  });
});

describe('thinking in earlier turns', () => {
  const messages = [
    { role: 'user', content: 'hi' },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 'x' },
        { type: 'text', text: 'Hi' },
      ],
    },
    { role: 'user', content: 'and?' },
  ];
  it.each([
    ['openAI', true],
    ['azure', true],
    ['groq', true],
    ['cerebras', true],
    ['mistral', true],
    ['vllm', false],
    ['togetherai', false],
  ])('%s refuses it, and is told it as text: %s', async (kind, refuses) => {
    const { sent, lossy } = await converted(kind, 'm', { messages });
    const said = { role: 'assistant', content: refuses ? '<thinking>\nhm\n</thinking>\n\nHi' : 'Hi' };
    expect(sent!.messages[1]).toEqual(refuses ? said : { ...said, reasoning_content: 'hm' });
    expect(lossy).toBeUndefined();
  });
});

describe('roles', () => {
  it.each([
    ['openAI', 'developer'],
    ['cohere', 'developer'],
    ['mistral', 'system'],
    ['vllm', 'system'],
  ])('%s knows developers as %s', async (kind, role) => {
    const llm = open(kind);
    const input = [
      { role: 'developer', content: 'be brief' },
      { role: 'user', content: 'hi' },
    ];
    const bytes = JSON.stringify({ model: 'gpt-4o', input });
    await serve(llm, { url: '/v1/responses', body: bytes });
    const { messages = input } = llm.flights[0]!.json;
    expect(messages[0].role).toBe(role);
  });
});

describe('Mistral', () => {
  it('is given no member it has no word for, and calls by ids of its own length', async () => {
    const tools = [{ type: 'function', name: 'f', parameters: { type: 'object' } }];
    const llm = open('mistral');
    const input = [
      { role: 'user', content: 'hi' },
      { type: 'function_call', call_id: 'call_0123456789', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'call_0123456789', output: 'r' },
    ];
    const exchange = await serve(llm, {
      url: '/v1/responses',
      body: JSON.stringify({
        model: 'mistral-large',
        input,
        tools,
        tool_choice: 'required',
        stream: true,
        safety_identifier: 'u',
        store: false,
      }),
    });
    const { json } = llm.flights[0]!;
    expect(json.tool_choice).toBe('any');
    expect(json.stream).toBe(true);
    for (const name of ['stream_options', 'user', 'max_completion_tokens']) expect(json).not.toHaveProperty(name);
    const [, call, result] = json.messages;
    expect(call.tool_calls[0].id).toMatch(/^[a-zA-Z0-9]{9}$/);
    expect(result.tool_call_id).toBe(call.tool_calls[0].id);
    llm.flights[0]!.stream('data: [DONE]\n\n');
    expect(exchange.downstream.header('x-sluice-lossy')).toBe('user');
  });

  it('knows a seed under another name', async () => {
    const llm = llmBench({ providers: [[provider('mistral', { policies: KEY })]] });
    await serve(llm, { url: '/v1/completions', body: JSON.stringify({ model: 'm', prompt: 'hi', seed: 7 }) });
    expect(llm.flights[0]!.json).toEqual({ model: 'm', messages: [{ role: 'user', content: 'hi' }], random_seed: 7 });
  });
});

describe("xAI's models", () => {
  it.each([
    ['grok-4', { stop_sequences: ['x'] }, {}, 'stop_sequences'],
    ['grok-4-fast-non-reasoning', { stop_sequences: ['x'] }, { stop: ['x'] }, undefined],
    ['grok-3', { stop_sequences: ['x'] }, { stop: ['x'] }, undefined],
    ['grok-3-mini', { thinking: { type: 'enabled', budget_tokens: 9000 } }, { reasoning_effort: 'low' }, undefined],
    ['grok-4', { thinking: { type: 'disabled' } }, {}, undefined],
  ])('%s given %j', async (model, body, expected, lost) => {
    const { sent, lossy } = await converted('xai', model, body);
    const { model: _, messages: _messages, max_completion_tokens: _tokens, ...rest } = sent!;
    expect(rest).toEqual(expected);
    expect(lossy).toBe(lost);
  });
});

describe('an effort', () => {
  it.each([
    ['medium', ['low', 'medium', 'high'], 'medium'],
    ['xhigh', ['low', 'medium', 'high'], 'high'],
    ['minimal', ['none', 'low'], 'low'],
    ['medium', ['none', 'high'], 'high'],
    ['none', ['minimal', 'low'], 'minimal'],
    ['minimal', ['none'], 'none'],
    ['own-word', ['low'], 'own-word'],
    ['low', [], undefined],
    ['own-word', [], undefined],
  ])('%s of %j is %s', (effort, words, word) => {
    expect(nearestEffort(effort, words)).toBe(word);
  });
});

describe('legacy completions', () => {
  it.each([
    ['vllm', '/v1/completions'],
    ['openrouter', '/api/v1/completions'],
    ['groq', '/openai/v1/chat/completions'],
    ['mistral', '/v1/chat/completions'],
    ['deepseek', '/anthropic/v1/messages'],
  ])('%s is asked at %s', async (kind, path) => {
    const llm = open(kind);
    await serve(llm, { url: '/v1/completions', body: JSON.stringify({ model: 'm', prompt: 'hi' }) });
    expect(llm.flights[0]!.call.path).toBe(path);
  });
});

describe("Claude's longest answer, where the client set none", () => {
  it.each([
    ['claude-3-haiku-20240307', 4096],
    ['claude-3-5-sonnet-20241022', 8192],
    ['claude-sonnet-4-20250514', 32_000],
    ['claude-sonnet-4-5', 64_000],
    ['claude-opus-4-7', 128_000],
    ['somebody-elses', 8192],
  ])('%s: %d', async (model, tokens) => {
    const llm = open('anthropic');
    const messages = [{ role: 'user', content: 'hi' }];
    await serve(llm, { url: '/v1/chat/completions', body: JSON.stringify({ model, messages }) });
    expect(llm.flights[0]!.json.max_tokens).toBe(tokens);
  });
});
