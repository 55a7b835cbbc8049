import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import type { AiProvider } from '../../../src/resources/types.ts';
import { llmBench, model, provider, serve } from '../../support/llm.ts';

const url = '/v1/messages/count_tokens';
const KEY = { backendAuth: { key: 'a-key' } };
const messages = [{ role: 'user', content: 'How many are these?' }];

describe('thinking among what is counted', () => {
  const ours = 'sluice:anthropic:abc';
  const others = 'sluice:google:def';
  const turn = (signature: string) => ({
    role: 'assistant',
    content: [
      { type: 'thinking', thinking: 'Hm.', signature },
      { type: 'text', text: 'Yes.' },
    ],
  });

  it('is shown to Anthropic with its own signatures, without marks, and with no others', async () => {
    const llm = llmBench({ providers: [[provider('anthropic')]] });
    const messages = [{ role: 'user', content: 'a' }, turn(ours), { role: 'user', content: 'b' }, turn(others)];
    const rest = { model: 'claude-sonnet-4-5', tools: [{ name: 't', input_schema: { type: 'object' } }], unknown: 1 };
    await serve(llm, { url: '/v1/messages/count_tokens', body: JSON.stringify({ ...rest, messages }) });
    const { messages: sent, ...left } = llm.flights[0]!.json as { messages: { content: unknown[] }[] };
    expect(left).toEqual(rest);
    expect(sent[1]?.content[0]).toEqual({ type: 'thinking', thinking: 'Hm.', signature: 'abc' });
    expect(llm.flights[0]!.sent).not.toMatch(/sluice|def/);
  });

  it.each([
    (request: object) => request,
    (request: object) => ({ generateContentRequest: { model: 'x', ...request } }),
  ])('is shown to Google so too, %#', async (wrap) => {
    const llm = llmBench({ providers: [[provider('gemini')]] });
    const signed = (mark: string) => ({
      role: 'model',
      parts: [{ functionCall: { name: 'f', args: {} }, thoughtSignature: Buffer.from(mark).toString('base64') }],
    });
    const contents = [{ role: 'user', parts: [{ text: 'a' }] }, signed('sluice:google:QUJD'), signed(ours)];
    await serve(llm, { url: '/v1beta/models/gemini-3-pro:countTokens', body: JSON.stringify(wrap({ contents })) });
    expect(llm.flights[0]!.sent).toContain('"thoughtSignature":"QUJD"');
    expect(llm.flights[0]!.sent).not.toContain('c2x1aWNlO');
  });
});

describe('counting tokens ahead of a request', () => {
  it('is answered here where the provider can not', async () => {
    const llm = llmBench({ models: [model('gpt-4o', { provider: provider('openAI') })] });
    const exchange = await serve(llm, { url, body: JSON.stringify({ model: 'gpt-4o', messages }) });
    expect(llm.flights).toEqual([]);
    // The test's counter finds one token a text; framing is three a message and three for the answer.
    expect(JSON.parse(exchange.downstream.text)).toEqual({ input_tokens: 2 + 6 });
    expect(exchange.llm).toMatchObject({ operation: 'count_tokens', provider: 'openai', usage: null, cost: null });
    expect(exchange.downstream.header('x-sluice-estimated')).toBeUndefined();
  });

  it('says where it is an estimate', async () => {
    const llm = llmBench({ providers: [[provider('openAI')]] });
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
    const body = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: [image] }] });
    const exchange = await serve(llm, { url, body });
    expect(exchange.status).toBe(200);
    expect(exchange.downstream.header('x-sluice-estimated')).toBe('true');
  });

  it('is left to the provider where it can', async () => {
    const llm = llmBench({ providers: [[provider('anthropic')]] });
    await serve(llm, { url, body: JSON.stringify({ model: 'claude-x', messages }) });
    expect(llm.flights[0]!.call.path).toBe('/v1/messages/count_tokens');
  });

  it('refuses what is no request, in the words of the client', async () => {
    const llm = llmBench({ providers: [[provider('openAI')]] });
    const exchange = await serve(llm, { url, body: '{"model":"gpt-4o","messages":7}' });
    expect(exchange.status).toBe(400);
    expect(JSON.parse(exchange.downstream.text).error.message).toContain('"messages" must be an array');
  });
});

describe('counting tokens on Bedrock', () => {
  const CLAUDE = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0';
  const bedrock = (named = CLAUDE) =>
    llmBench({
      providers: [[provider('bedrock', { settings: { region: 'eu-west-1', model: named }, policies: KEY })]],
    });
  const ask = {
    url,
    headers: ['anthropic-beta', 'context-1m-2025-08-07,other'],
    body: JSON.stringify({ model: 'x', messages }),
  };

  it('asks the model itself, not the profile of several regions', async () => {
    const llm = bedrock();
    const exchange = await serve(llm, ask);
    const [flight] = llm.flights;
    expect(flight!.call.path).toBe('/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens');
    expect(flight!.header('anthropic-beta')).toBeUndefined();
    expect(JSON.parse(Buffer.from(flight!.json.input.invokeModel.body, 'base64').toString())).toEqual({
      anthropic_version: 'bedrock-2023-05-31',
      anthropic_beta: ['context-1m-2025-08-07'],
      max_tokens: 1,
      messages,
    });
    flight!.answer(200, '{"inputTokens":42}');
    expect(exchange.downstream.text).toBe('{"input_tokens":42}');
    expect(exchange.downstream.header('x-sluice-estimated')).toBeUndefined();
    expect(exchange.llm).toMatchObject({ operation: 'count_tokens', requestModel: CLAUDE, usage: null, cost: null });
    expect(exchange.endCause).toBe('complete');
  });

  it('counts here what Bedrock does not', async () => {
    const llm = bedrock();
    const exchange = await serve(llm, ask);
    llm.flights[0]!.answer(400, '{"message":"The provided model doesn\'t support counting tokens."}');
    await turn();
    expect(JSON.parse(exchange.downstream.text)).toEqual({ input_tokens: 8 });
  });

  it.each([
    [429, '{"message":"Too many requests"}', 'rate_limit_error', 'Too many requests'],
    [403, '{"message":"No access"}', 'permission_error', 'No access'],
    [200, '{"tokens":1}', 'api_error', 'no count'],
    [200, '<html>', 'api_error', 'no count'],
  ])('tells of other errors in the words of the client: %s %s', async (status, text, type, told) => {
    const llm = bedrock();
    const exchange = await serve(llm, ask);
    llm.flights[0]!.answer(status, text);
    const { error } = JSON.parse(exchange.downstream.text);
    expect(error.type).toBe(type);
    expect(error.message).toContain(told);
  });

  it('tells of a time-out', async () => {
    const llm = bedrock();
    const exchange = await serve(llm, ask);
    llm.flights[0]!.sink.onError(new GatewayError('upstream_timeout'));
    expect(exchange.status).toBe(504);
  });

  it('gives up with its client', async () => {
    const llm = bedrock();
    const exchange = await serve(llm, ask);
    exchange.downstream.onAbort?.();
    expect(llm.flights[0]!.aborted).toBe(true);
    expect(exchange.endCause).toBe('client_gone');
  });

  it('is done here for models of others', async () => {
    const llm = bedrock('amazon.nova-lite-v1:0');
    const exchange = await serve(llm, ask);
    expect(llm.flights).toEqual([]);
    expect(JSON.parse(exchange.downstream.text)).toEqual({ input_tokens: 8 });
  });
});

describe("a provider that speaks Anthropic's format, and may not count", () => {
  const ask = { url, body: JSON.stringify({ model: 'm', messages }) };

  it.each([404, 405, 501])('has what it has no count for counted here: %d', async (status) => {
    const llm = llmBench({ providers: [[provider('deepseek', { policies: KEY })]] });
    const exchange = await serve(llm, ask);
    expect(llm.flights[0]!.call.path).toBe('/anthropic/v1/messages/count_tokens');
    llm.flights[0]!.answer(status, '<html>no such page</html>');
    await turn();
    expect(exchange.status).toBe(200);
    expect(JSON.parse(exchange.downstream.text)).toEqual({ input_tokens: 8 });
  });

  it.each<[string, AiProvider, number, string]>([
    ['its count', provider('deepseek', { policies: KEY }), 200, '{"input_tokens":5}'],
    ['its other errors', provider('deepseek', { policies: KEY }), 429, '{"type":"error","error":{"message":"slow"}}'],
    ["Anthropic's own 404", provider('anthropic', { policies: KEY }), 404, '{"type":"error","error":{"message":"m"}}'],
    [
      'the 404 of one that was said to count',
      provider('custom', {
        settings: { formats: [{ type: 'messages' }, { type: 'anthropicTokenCount' }] },
        hostOverride: 'x.test:443',
        policies: KEY,
      }),
      404,
      '{"type":"error","error":{"message":"m"}}',
    ],
  ])('is passed on: %s', async (_, one, status, text) => {
    const llm = llmBench({ providers: [[one]] });
    const exchange = await serve(llm, ask);
    llm.flights[0]!.answer(status, text);
    await turn();
    expect([exchange.status, exchange.downstream.text]).toEqual([status, text]);
  });
});

describe("a client of Bedrock's that counts", () => {
  const converse = { messages: [{ role: 'user', content: [{ text: 'hi' }] }] };
  const invoke = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 1, messages };
  const blob = (text: string) => ({ invokeModel: { body: Buffer.from(text).toString('base64') } });
  const ask = (input: object | undefined) => ({ url: '/model/gpt-4o/count-tokens', body: JSON.stringify({ input }) });

  it.each([[{ converse }], [blob(JSON.stringify(invoke))], [blob('{"inputText":"hi"}')]])(
    'is answered here: %j',
    async (input) => {
      const llm = llmBench({ providers: [[provider('openAI')]] });
      const exchange = await serve(llm, ask(input));
      expect(llm.flights).toEqual([]);
      expect(JSON.parse(exchange.downstream.text)).toEqual({ inputTokens: 8 });
    },
  );

  it.each([
    [undefined, 'input'],
    [{}, 'input.invokeModel'],
    [blob('no JSON'), 'input.invokeModel.body'],
  ])('is told what is wrong: %j', async (input, place) => {
    const exchange = await serve(llmBench({ providers: [[provider('openAI')]] }), ask(input));
    expect(exchange.status).toBe(400);
    expect(exchange.downstream.header('x-amzn-errortype')).toBe('ValidationException');
    expect(JSON.parse(exchange.downstream.text).message).toContain(`"${place}"`);
  });

  it('is passed on to Bedrock', async () => {
    const llm = llmBench({ providers: [[provider('bedrock', { settings: { region: 'eu-west-1' }, policies: KEY })]] });
    const exchange = await serve(llm, { ...ask({ converse }), url: '/model/us.anthropic.claude-x/count-tokens' });
    expect(llm.flights[0]!.call.path).toBe('/model/anthropic.claude-x/count-tokens');
    expect(llm.flights[0]!.json).toEqual({ input: { converse } });
    llm.flights[0]!.answer(200, '{"inputTokens":5}');
    expect(exchange.downstream.text).toBe('{"inputTokens":5}');
    expect(exchange.llm).toMatchObject({ operation: 'count_tokens', usage: null, cost: null });
  });
});
