import fc from 'fast-check';
import { countTokens as whole } from 'gpt-tokenizer/encoding/o200k_base';
import { afterAll, describe, expect, it } from 'vitest';
import { countTokens } from '../../../../src/adapters/llm/tokens/count.ts';
import { encodingOf, isExact } from '../../../../src/adapters/llm/tokens/encodings.ts';
import { TokenCounter } from '../../../../src/adapters/llm/tokens/pool.ts';

describe('a count', () => {
  it('is that of the encoding, though long text is cut', async () => {
    const word = fc.stringMatching(/^[a-zA-Zäöü,.!?0-9]{1,12}$/);
    const prose = fc.array(word, { minLength: 600, maxLength: 1200 }).map((words) => words.join(' '));
    await fc.assert(
      fc.asyncProperty(prose, async (text) => {
        expect(await countTokens(text, 'o200k_base')).toBe(whole(text));
      }),
      { numRuns: 20 },
    );
  });

  it.each([
    ['one endless word', 'a'.repeat(200_000)],
    [
      'letters at random',
      Array.from({ length: 100_000 }, (_, i) => String.fromCharCode(97 + ((i * 7919) % 26))).join(''),
    ],
    ['characters of two units', '😀'.repeat(20_000)],
  ])('of %s ends, and cuts no character in two', async (_, text) => {
    const tokens = await countTokens(text, 'o200k_base');
    expect(tokens).toBeGreaterThan(1000);
    expect(tokens).toBeLessThanOrEqual(text.length);
  });

  it('takes the name of a special token for text', async () => {
    expect(await countTokens('<|endoftext|>', 'o200k_base')).toBeGreaterThan(1);
  });
});

it.each([
  ['gpt-4o-mini', 'o200k_base', true],
  ['openai/gpt-5', 'o200k_base', true],
  ['o3-mini', 'o200k_base', true],
  ['gpt-4-turbo', 'cl100k_base', true],
  ['gpt-3.5-turbo', 'cl100k_base', true],
  ['text-embedding-3-small', 'cl100k_base', true],
  ['claude-sonnet-4-5', 'o200k_base', false],
  ['ollama-7b', 'o200k_base', false],
])('%s is counted by %s (exactly: %s)', (model, encoding, exact) => {
  expect([encodingOf(model), isExact(model)]).toEqual([encoding, exact]);
});

describe('the pool', () => {
  const counter = new TokenCounter(new URL('../../../../dist/adapters/llm/tokens/task.js', import.meta.url));
  const broken = new TokenCounter(new URL('no-such-file.js', import.meta.url));
  afterAll(async () => {
    await counter.close();
    await broken.close();
  });

  it('counts in a thread of its own', async () => {
    expect(await counter.count(['Hello', ' world'], 'gpt-4o')).toEqual({ tokens: 2, exact: true });
    expect(await counter.count([], 'gpt-4o')).toEqual({ tokens: 0, exact: true });
  });

  it('estimates where it can not count', async () => {
    expect(await broken.count(['12345678'], 'gpt-4o')).toEqual({ tokens: 2, exact: false });
  });

  it('estimates what would have to wait too long', async () => {
    const counts = await Promise.all(Array.from({ length: 100 }, () => counter.count(['x '.repeat(4000)], 'gpt-4o')));
    expect(new Set(counts.map(({ exact }) => exact))).toEqual(new Set([true, false]));
    for (const { tokens } of counts) expect(tokens).toBeGreaterThan(1000);
  });
});
