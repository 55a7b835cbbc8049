import { encode } from 'gpt-tokenizer/encoding/cl100k_base';
import { afterAll, expect, it } from 'vitest';
import { decodeTokens } from '../../../../src/adapters/llm/tokens/decode.ts';
import { TokenCounter } from '../../../../src/adapters/llm/tokens/pool.ts';

const counter = new TokenCounter(new URL('../../../../dist/adapters/llm/tokens/task.js', import.meta.url));
afterAll(() => counter.close());

it('makes the texts again that tokens were made of', async () => {
  const texts = ['hello world', 'größer 🦦 als zwei'];
  expect(await decodeTokens(texts.map((text) => encode(text)))).toEqual(texts);
});

it('tells what is no token', async () => {
  expect(await decodeTokens([[15339], [99_999_999], [-1], [0.5]])).toEqual(['hello', null, null, null]);
});

it('works off the event loop, and says so where it does not', async () => {
  expect(await counter.decode([encode('hello world'), [-1]])).toEqual(['hello world', null]);
  const broken = new TokenCounter(new URL('file:///nowhere/task.js'));
  expect(await broken.decode([[1]])).toBeNull();
  await broken.close();
});
