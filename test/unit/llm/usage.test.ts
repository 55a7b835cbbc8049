import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeMessagesUsage, messagesUsage } from '../../../src/adapters/llm/formats/anthropic-messages/native.ts';
import { detect } from '../../../src/adapters/llm/formats/detect.ts';
import { chatUsage } from '../../../src/adapters/llm/formats/openai-chat/native.ts';
import { responsesUsage } from '../../../src/adapters/llm/formats/openai-responses/native.ts';
import { totalTokens, type Usage } from '../../../src/facts/llm.ts';

const tokens = fc.nat(1_000_000);
/** What a provider might send in place of a count. */
const nonsense = fc.constantFrom(undefined, null, -1, -5.5, Number.NaN, 'many', {}, []);
const anyCount = fc.oneof({ weight: 4, arbitrary: tokens }, nonsense);

function isDisjoint(usage: Usage): boolean {
  return Object.values(usage).every((bucket) => Number.isSafeInteger(bucket) && bucket >= 0);
}

describe('chat usage', () => {
  it("adds up to the provider's total, whatever the parts say", () => {
    fc.assert(
      fc.property(
        anyCount,
        anyCount,
        fc.integer({ min: 1, max: 3_000_000 }),
        anyCount,
        anyCount,
        (p, c, total, r, k) => {
          const usage = chatUsage({
            prompt_tokens: p,
            completion_tokens: c,
            total_tokens: total,
            prompt_tokens_details: { cached_tokens: k, cache_write_tokens: k },
            completion_tokens_details: { reasoning_tokens: r },
          });
          expect(isDisjoint(usage)).toBe(true);
          expect(totalTokens(usage)).toBe(total);
        },
      ),
    );
  });

  it('adds up to the parts where no total is reported', () => {
    fc.assert(
      fc.property(tokens, tokens, nonsense, (p, c, total) => {
        const usage = chatUsage({ prompt_tokens: p, completion_tokens: c, total_tokens: total });
        expect(totalTokens(usage)).toBe(p + c);
        expect(usage).toMatchObject({ input: p, output: c });
      }),
    );
  });

  it.each<[string, Record<string, unknown>, Usage]>([
    [
      'OpenAI: cached in the prompt, reasoning in the completion',
      {
        prompt_tokens: 100,
        completion_tokens: 50,
        total_tokens: 150,
        prompt_tokens_details: { cached_tokens: 60, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 30 },
      },
      { input: 40, cachedInput: 60, cacheWrite: 0, output: 20, reasoning: 30 },
    ],
    [
      'OpenAI: written to the cache',
      {
        prompt_tokens: 100,
        completion_tokens: 1,
        total_tokens: 101,
        prompt_tokens_details: { cached_tokens: 10, cache_write_tokens: 80 },
      },
      { input: 10, cachedInput: 10, cacheWrite: 80, output: 1, reasoning: 0 },
    ],
    [
      'xAI: reasoning outside of the completion',
      {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 35,
        completion_tokens_details: { reasoning_tokens: 20 },
      },
      { input: 10, cachedInput: 0, cacheWrite: 0, output: 5, reasoning: 20 },
    ],
    [
      'thoughts in the total only',
      { prompt_tokens: 10, completion_tokens: 5, total_tokens: 35 },
      { input: 10, cachedInput: 0, cacheWrite: 0, output: 25, reasoning: 0 },
    ],
    [
      'DeepSeek: cache hits at the top',
      { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, prompt_cache_hit_tokens: 8 },
      { input: 2, cachedInput: 8, cacheWrite: 0, output: 5, reasoning: 0 },
    ],
    ['a total only', { total_tokens: 7 }, { input: 7, cachedInput: 0, cacheWrite: 0, output: 0, reasoning: 0 }],
    [
      'embeddings',
      { prompt_tokens: 7, total_tokens: 7 },
      { input: 7, cachedInput: 0, cacheWrite: 0, output: 0, reasoning: 0 },
    ],
    [
      'more cached than there was',
      { prompt_tokens: 5, completion_tokens: 1, total_tokens: 6, prompt_tokens_details: { cached_tokens: 9 } },
      { input: 0, cachedInput: 5, cacheWrite: 0, output: 1, reasoning: 0 },
    ],
    [
      'a total of 0 beside real parts',
      { prompt_tokens: 5, completion_tokens: 1, total_tokens: 0 },
      { input: 5, cachedInput: 0, cacheWrite: 0, output: 1, reasoning: 0 },
    ],
    ['nothing', {}, { input: 0, cachedInput: 0, cacheWrite: 0, output: 0, reasoning: 0 }],
  ])('%s', (_, report, usage) => {
    expect(chatUsage(report)).toEqual(usage);
  });
});

describe('responses usage', () => {
  it("adds up to the provider's total", () => {
    fc.assert(
      fc.property(tokens, tokens, fc.nat(), fc.nat(), (input, output, cached, reasoning) => {
        fc.pre(input + output > 0);
        const usage = responsesUsage({
          input_tokens: input,
          output_tokens: output,
          total_tokens: input + output,
          input_tokens_details: { cached_tokens: cached },
          output_tokens_details: { reasoning_tokens: reasoning },
        });
        expect(isDisjoint(usage)).toBe(true);
        expect(totalTokens(usage)).toBe(input + output);
        expect(usage.cachedInput).toBe(Math.min(cached, input));
        expect(usage.reasoning).toBe(Math.min(reasoning, output));
      }),
    );
  });
});

describe('messages usage', () => {
  it('adds up to the sum of the four counts, thinking within the output', () => {
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, fc.nat(), (input, read, write, output, thinking) => {
        const usage = messagesUsage({
          input_tokens: input,
          cache_read_input_tokens: read,
          cache_creation_input_tokens: write,
          output_tokens: output,
          output_tokens_details: { thinking_tokens: thinking },
        });
        expect(isDisjoint(usage)).toBe(true);
        expect(totalTokens(usage)).toBe(input + read + write + output);
        expect(usage).toMatchObject({ input, cachedInput: read, cacheWrite: write });
      }),
    );
  });

  it.each([
    [{ input_tokens: 25, cache_read_input_tokens: 5, output_tokens: 1 }, { output_tokens: 40 }],
    [
      { input_tokens: 0, output_tokens: 0 },
      { input_tokens: 25, cache_read_input_tokens: 5, output_tokens: 40 },
    ],
    [
      { input_tokens: 25, cache_read_input_tokens: 5, output_tokens: 1 },
      { input_tokens: 0, output_tokens: 40 },
    ],
    [
      { input_tokens: 25, output_tokens: 1 },
      { input_tokens: null, cache_read_input_tokens: 5, output_tokens: 40 },
    ],
  ])('merges the start of a stream with its end: %j %j', (start, end) => {
    const usage = messagesUsage(mergeMessagesUsage(mergeMessagesUsage(null, start), end));
    expect(usage).toEqual({ input: 25, cachedInput: 5, cacheWrite: 0, output: 40, reasoning: 0 });
  });

  it('does not add cumulative reports up', () => {
    const reports = [{ output_tokens: 1 }, { output_tokens: 10 }, { output_tokens: 25 }];
    const merged = reports.reduce<Readonly<Record<string, unknown>> | null>(mergeMessagesUsage, null);
    expect(messagesUsage(merged ?? {}).output).toBe(25);
  });
});

describe('usage of an unknown API', () => {
  it('is read by the names it has', () => {
    expect(totalTokens(detect.toUsage({ input_tokens: 3, output_tokens: 4, total_tokens: 7 }))).toBe(7);
    expect(totalTokens(detect.toUsage({ prompt_tokens: 3, completion_tokens: 4 }))).toBe(7);
    expect(detect.toUsage({ input_tokens: 3, cache_read_input_tokens: 2, output_tokens: 4 })).toMatchObject({
      input: 3,
      cachedInput: 2,
    });
  });
});
