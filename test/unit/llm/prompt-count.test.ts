import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import { llmBench, provider, serve } from '../../support/llm.ts';

/** Serves a request; returns what was counted ahead (null: nothing), and what became of it. */
async function ask(url: string, body: object, options: { tokenize?: boolean; limit?: boolean; refuse?: boolean } = {}) {
  const llm = llmBench({ providers: [[provider('openAI', { tokenize: options.tokenize ?? true })]] });
  let counted: number | null = null;
  const exchange = await serve(llm, { url, body: JSON.stringify(body) }, (one) => {
    if (options.limit === false) return;
    one.onPromptTokens((_, tokens) => {
      counted = tokens;
      if (options.refuse === true) throw new GatewayError('rate_limited', 'too many');
    });
  });
  return { counted, exchange, llm };
}

const CHAT = '/v1/chat/completions';
const chat = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hello' }] };

describe('a prompt counted ahead', () => {
  // The bench counts each text as one token.
  it.each([
    ['a conversation', CHAT, chat, 2 + 3 + 3],
    ['texts to embed', '/v1/embeddings', { model: 'e', input: ['a', 'b', 'c'] }, 3 + 1],
    ['tokens to embed', '/v1/embeddings', { model: 'e', input: [[1, 2, 3], [4]], dimensions: 9 }, 4 + 1],
  ])('is that of %s', async (_, url, body, tokens) => {
    const { counted, llm } = await ask(url, body);
    expect(counted).toBe(tokens);
    expect(llm.flights).toHaveLength(1);
  });

  it.each([
    ['the provider is not configured so', { tokenize: false }],
    ['no limit asks for it', { limit: false }],
  ])('is not counted where %s', async (_, options) => {
    const { counted, llm } = await ask(CHAT, chat, options);
    expect(counted).toBeNull();
    expect(llm.flights).toHaveLength(1);
  });

  it('goes nowhere once a limit has refused it', async () => {
    const { exchange, llm } = await ask(CHAT, chat, { refuse: true });
    expect(exchange.status).toBe(429);
    expect(JSON.parse(exchange.downstream.text).error.message).toContain('too many');
    expect(llm.flights).toEqual([]);
  });

  it('goes nowhere where its client has left meanwhile', async () => {
    const llm = llmBench({ providers: [[provider('openAI', { tokenize: true })]] });
    await serve(llm, { url: CHAT, body: JSON.stringify(chat) }, (one) => {
      one.onPromptTokens((exchange) => llm.context.reply.finish(exchange, 'client_gone'));
    });
    expect(llm.flights).toEqual([]);
  });
});
