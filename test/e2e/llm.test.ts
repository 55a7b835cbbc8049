import { readFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers, until } from '../support/gateway.ts';
import { MockLlm, WORDS } from '../support/mock-llm.ts';

const ANSWER = WORDS.join('');

function clients(port: number) {
  const options = { apiKey: 'client-key', maxRetries: 0, timeout: 10_000 };
  return {
    openai: new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, ...options }),
    anthropic: new Anthropic({ baseURL: `http://127.0.0.1:${port}`, ...options }),
  };
}

describe('official clients through the gateway', () => {
  let mock: MockLlm;
  let gateway: Gateway;
  let port: number;
  let openai: OpenAI;
  let anthropic: Anthropic;

  beforeAll(async () => {
    mock = await MockLlm.start();
    [port = 0] = await freePorts(1);
    gateway = await Gateway.start(
      (ports) => `${ownServers(ports)}  logging:
    format: json
llm:
  port: ${port}
  models:
  - name: "*claude"
    provider: anthropic
    params: { apiKey: sk-ant-own, baseUrl: "http://127.0.0.1:${mock.port}" }
  - name: alias
    provider: openAI
    params: { model: ok-real, apiKey: sk-own, baseUrl: "http://127.0.0.1:${mock.port}/v1" }
  - name: "*"
    provider: openAI
    params: { apiKey: sk-own, baseUrl: "http://127.0.0.1:${mock.port}/v1" }
`,
    );
    ({ openai, anthropic } = clients(port));
  });

  afterAll(async () => {
    await gateway?.stop();
    await mock?.close();
  });

  /** The access-log line of the request for this model. */
  async function line(model: string): Promise<Record<string, unknown>> {
    let found: Record<string, unknown> | undefined;
    await until(async () => {
      found = gateway.lines
        .filter((text) => text.includes(`"${model}"`))
        .map((text) => JSON.parse(text))
        .at(-1);
      return found !== undefined;
    });
    return found ?? {};
  }

  const messages = [{ role: 'user' as const, content: 'hello' }];

  it('chat: whole and streamed, with tokens in the log', async () => {
    const whole = await openai.chat.completions.create({ model: 'ok-chat', messages });
    expect(whole.choices[0]?.message.content).toBe(ANSWER);
    expect(whole.usage?.total_tokens).toBe(31);
    expect(mock.requests.at(-1)?.headers.authorization).toBe('Bearer sk-own');
    expect(await line('ok-chat')).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'ok-chat',
      'gen_ai.response.model': 'ok-chat-2026',
      'gen_ai.usage.input_tokens': 20,
      'gen_ai.usage.output_tokens': 11,
    });

    let text = '';
    for await (const chunk of await openai.chat.completions.create({ model: 'ok-stream', messages, stream: true })) {
      expect(chunk.choices.length).toBe(1);
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe(ANSWER);
    expect(mock.requests.at(-1)?.body.stream_options).toEqual({ include_usage: true });
    const logged = await line('ok-stream');
    expect(logged).toMatchObject({ 'gen_ai.usage.input_tokens': 20, 'gen_ai.usage.output_tokens': 11 });
    expect(logged['agw.ai.time_to_first_token']).toBeDefined();
  });

  it('chat: usage for a client that asks for it, and an alias', async () => {
    const stream = await openai.chat.completions.create({
      model: 'alias',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let total = 0;
    for await (const chunk of stream) total = chunk.usage?.total_tokens ?? total;
    expect(total).toBe(31);
    expect(mock.requests.at(-1)?.body.model).toBe('ok-real');
  });

  it('responses: whole and streamed', async () => {
    const whole = await openai.responses.create({ model: 'ok-responses', input: 'hello' });
    expect(whole.output_text).toBe(ANSWER);
    const stream = openai.responses.stream({ model: 'ok-responses-stream', input: 'hello' });
    const final = await stream.finalResponse();
    expect(final.output_text).toBe(ANSWER);
    expect(final.usage?.total_tokens).toBe(31);
    expect(await line('ok-responses-stream')).toMatchObject({ 'gen_ai.usage.output_tokens': 11 });
  });

  it('embeddings and the list of models', async () => {
    const embedded = await openai.embeddings.create({ model: 'ok-embed', input: 'x', encoding_format: 'float' });
    expect(embedded.data[0]?.embedding).toEqual([0.25, -0.5]);
    expect(await line('ok-embed')).toMatchObject({
      'gen_ai.operation.name': 'embeddings',
      'gen_ai.usage.input_tokens': 4,
    });
    const listed = await openai.models.list();
    expect(listed.data.map(({ id }) => id)).toEqual(['*claude', 'alias', '*'].sort((a, b) => b.length - a.length));
    expect((await openai.models.retrieve('alias')).id).toBe('alias');
  });

  it('messages: whole, streamed, and counted', async () => {
    const whole = await anthropic.messages.create({ model: 'ok-claude', max_tokens: 9, messages });
    expect(whole.content).toMatchObject([{ type: 'text', text: ANSWER }]);
    expect(mock.requests.at(-1)?.headers).toMatchObject({
      'x-api-key': 'sk-ant-own',
      'anthropic-version': expect.stringMatching(/^20/),
    });
    const stream = anthropic.messages.stream({ model: 'ok-stream-claude', max_tokens: 9, messages });
    expect((await stream.finalMessage()).usage.output_tokens).toBe(11);
    expect(await line('ok-stream-claude')).toMatchObject({
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.usage.output_tokens': 11,
      'gen_ai.usage.cache_read.input_tokens': 8,
    });
    expect(await anthropic.messages.countTokens({ model: 'ok-claude', messages })).toEqual({ input_tokens: 42 });
  });

  it('errors of the provider reach the client whole, also on a stream', async () => {
    const chat = openai.chat.completions.create({ model: 'refuses-me', messages, stream: true });
    await expect(chat).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
    const message = anthropic.messages.create({ model: 'refuses-claude', max_tokens: 1, messages, stream: true });
    await expect(message).rejects.toMatchObject({
      status: 401,
      error: { error: { type: 'authentication_error', message: 'invalid x-api-key' } },
    });
  });

  it('errors of the gateway are errors of the client', async () => {
    const wrong = openai.embeddings.create({ model: 'ok-claude', input: 'x' });
    await expect(wrong).rejects.toMatchObject({ status: 400, code: 'unsupported_conversion' });
    const malformed = anthropic.messages.create({ model: 'ok-chat', max_tokens: 1, messages: 'hi' as never });
    await expect(malformed).rejects.toMatchObject({ status: 400, error: { type: 'error' } });
  });

  it('a stream that breaks off says so', async () => {
    const read = async () => {
      const stream = await openai.chat.completions.create({ model: 'cut-chat', messages, stream: true });
      for await (const _ of stream);
    };
    await expect(read()).rejects.toMatchObject({ code: expect.stringMatching(/^upstream_/) });
    const message = anthropic.messages.stream({ model: 'cut-claude', max_tokens: 1, messages });
    await expect(message.finalMessage()).rejects.toThrow();
    expect(await line('cut-chat')).toMatchObject({ 'gen_ai.usage.output_tokens': expect.any(Number) });
  });

  it.each(['unfinished', 'split', 'slow'])('a %s stream is counted like any other', async (kind) => {
    let text = '';
    for await (const chunk of await openai.chat.completions.create({ model: `${kind}-chat`, messages, stream: true }))
      text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(ANSWER);
    expect(await line(`${kind}-chat`)).toMatchObject({
      'gen_ai.usage.input_tokens': 20,
      'gen_ai.usage.output_tokens': 11,
    });
    const stream = anthropic.messages.stream({ model: `${kind}-claude`, max_tokens: 9, messages });
    stream.on('error', () => {});
    await stream.done().catch(() => {});
    expect(await line(`${kind}-claude`)).toMatchObject({ 'gen_ai.usage.output_tokens': 11 });
  });

  it('a provider that does not count is estimated', async () => {
    for await (const _ of await openai.chat.completions.create({ model: 'uncounted', messages, stream: true }));
    const logged = await line('uncounted');
    expect(logged['gen_ai.usage.output_tokens']).toBeGreaterThan(0);
    expect(logged['gen_ai.usage.input_tokens']).toBeGreaterThan(0);
  });

  it('a client that leaves half-way is accounted with the count of the provider', async () => {
    const before = mock.finished;
    const stream = await openai.chat.completions.create({ model: 'slow-aborted', messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    stream.controller.abort();
    const logged = await line('slow-aborted');
    expect(mock.finished).toBe(before + 1);
    expect(logged).toMatchObject({ 'gen_ai.usage.input_tokens': 20, 'gen_ai.usage.output_tokens': 11 });
    await until(
      async () => (await gateway.metric('agentgateway_gen_ai_client_aborts_total', 'accounting="drained"')) >= 1,
    );
  });
});

describe('the quickstart', () => {
  let gateway: Gateway;
  let openai: OpenAI;
  let anthropic: Anthropic;

  beforeAll(async () => {
    const [port = 0] = await freePorts(1);
    const quickstart = readFileSync(new URL('../../examples/quickstart/config.yaml', import.meta.url), 'utf8');
    const env = { ...process.env };
    delete env.OPENAI_API_KEY;
    delete env.ANTHROPIC_API_KEY;
    gateway = await Gateway.start(
      (ports) => ownServers(ports, 1) + quickstart.replace('port: 4000', `port: ${port}`),
      env,
    );
    ({ openai, anthropic } = clients(port));
  });

  afterAll(() => gateway?.stop());

  const messages = [{ role: 'user' as const, content: 'Good morning' }];

  it('answers without any key, and says what it is', async () => {
    const chat = await openai.chat.completions.create({ model: 'gpt-4o-mini', messages });
    expect(chat.choices[0]?.message.content).toMatch(/^\[demo\].*Good morning/);
    expect(chat.usage?.total_tokens).toBe((chat.usage?.prompt_tokens ?? 0) + (chat.usage?.completion_tokens ?? 0));
    const message = await anthropic.messages.create({ model: 'claude-3-5-haiku-latest', max_tokens: 99, messages });
    expect(message.content[0]).toMatchObject({ type: 'text', text: expect.stringContaining('demo') });
  });

  it('streams every API', async () => {
    let text = '';
    for await (const chunk of await openai.chat.completions.create({ model: 'gpt-4o-mini', messages, stream: true }))
      text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toContain('demo');
    const response = await openai.responses.stream({ model: 'gpt-4o', input: 'hi' }).finalResponse();
    expect(response.output_text).toContain('demo');
    expect(response.usage?.total_tokens).toBe(
      (response.usage?.input_tokens ?? 0) + (response.usage?.output_tokens ?? 0),
    );
    const message = await anthropic.messages
      .stream({ model: 'claude-3-5-haiku-latest', max_tokens: 99, messages })
      .finalMessage();
    expect(message.usage.output_tokens).toBeGreaterThan(10);
  });

  it('embeds and counts', async () => {
    const input = ['a', 'a', 'b'];
    const { data } = await openai.embeddings.create({ model: 'text-embedding-3-small', input, dimensions: 8 });
    const vectors = data.map(({ embedding }) => embedding);
    expect(vectors.map((vector) => vector.length)).toEqual([8, 8, 8]);
    expect(vectors[0]).toEqual(vectors[1]);
    expect(vectors[0]).not.toEqual(vectors[2]);
    expect(await anthropic.messages.countTokens({ model: 'claude-3-5-haiku-latest', messages })).toEqual({
      input_tokens: 2,
    });
  });
});
