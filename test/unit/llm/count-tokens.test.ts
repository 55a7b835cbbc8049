import { describe, expect, it } from 'vitest';
import { llmBench, model, provider, serve } from '../../support/llm.ts';

const url = '/v1/messages/count_tokens';
const messages = [{ role: 'user', content: 'How many are these?' }];

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
