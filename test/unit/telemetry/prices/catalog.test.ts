import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calcPrice } from '@pydantic/genai-prices';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { renderPackage } from '../../../../scripts/generate-prices.mjs';
import type { Usage, UsageDetails } from '../../../../src/facts/llm.ts';
import type { PriceFile, StatedPrices } from '../../../../src/resources/prices.ts';
import { PriceCatalog } from '../../../../src/telemetry/prices/catalog.ts';
import { readPrices, refreshedPrices, renderPrices } from '../../../../src/telemetry/prices/files.ts';
import { fromGenai, GENAI_IDS } from '../../../../src/telemetry/prices/genai.ts';

const FILE = new URL('../../../../data/prices.json', import.meta.url);
const file = JSON.parse(readFileSync(FILE, 'utf8')) as PriceFile;
const prices = new PriceCatalog(() => file);

/** What tokens cost at a provider and model at a time. */
function costOf(
  catalog: PriceCatalog,
  provider: string,
  model: string,
  usage: Partial<Usage>,
  at = NOON,
  usageDetails?: UsageDetails,
) {
  const details = usageDetails === undefined ? {} : { usageDetails };
  return catalog.costOf({ provider, requestModel: model, responseModel: '', usage: usageOf(usage), ...details }, at);
}

function stating(stated: StatedPrices): PriceCatalog {
  const catalog = new PriceCatalog(() => file);
  catalog.state(stated, null);
  return catalog;
}

const NOON = Date.parse('2026-11-20T12:00:00Z');

const usageOf = (given: Partial<Usage>): Usage => ({
  input: 0,
  cachedInput: 0,
  cacheWrite: 0,
  output: 0,
  reasoning: 0,
  ...given,
});

it('is what the package says', () => {
  expect(readFileSync(FILE, 'utf8')).toBe(renderPackage({ fromGenai, renderPrices }, GENAI_IDS));
});

describe('the cost of a request', () => {
  const tokens = fc.integer({ min: 0, max: 400_000 });
  const models: [string, string, string][] = [
    ['openai', 'openai', 'gpt-4o-2024-08-06'],
    ['anthropic', 'anthropic', 'claude-sonnet-4-5-20250929'],
    ['gcp.gemini', 'google', 'gemini-2.5-pro'],
    ['gcp.vertex_ai', 'google', 'gemini-2.5-flash'],
    ['deepseek', 'deepseek', 'deepseek-chat'],
    ['azure', 'azure', 'gpt-4o'],
  ];

  it.each(models)('at %s is what its source calculates (%s, %s)', (provider, theirs, model) => {
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, (input, cachedInput, output, reasoning) => {
        const usage = {
          input_tokens: input + cachedInput,
          cache_read_tokens: cachedInput,
          output_tokens: output + reasoning,
        };
        const expected = calcPrice(usage, model, { providerId: theirs, timestamp: new Date(NOON) });
        const cost = costOf(prices, provider, model, { input, cachedInput, output, reasoning });
        expect(cost?.total).toBeCloseTo(expected!.total_price, 9);
        expect(cost!.input + cost!.cacheRead + cost!.cacheWrite).toBeCloseTo(expected!.input_price, 9);
        expect(cost!.output + cost!.reasoning).toBeCloseTo(expected!.output_price, 9);
      }),
    );
  });

  it('is unknown for a model or provider nobody has a price of', () => {
    expect(costOf(prices, 'openai', 'my-own-model', { input: 1 })).toBeNull();
    expect(costOf(prices, 'demo', 'gpt-4o', { input: 1 })).toBeNull();
    expect(costOf(prices, '__proto__', 'gpt-4o', { input: 1 })).toBeNull();
  });

  it('is unknown where tokens were used that have no price', () => {
    const stated = stating({ custom: { m: { rates: { input: 1 } } } });
    expect(costOf(stated, 'custom', 'm', { input: 1_000_000 })?.total).toBe(1);
    expect(costOf(stated, 'custom', 'm', { input: 1, output: 1 })).toBeNull();
  });

  it('goes by what the operator states before all else', () => {
    const stated = stating({ openai: { 'gpt-4o': { rates: { input: 7, output: 8 } } } });
    expect(costOf(stated, 'openai', 'gpt-4o', { input: 1e6, output: 1e6 })).toMatchObject({
      total: 15,
      input: 7,
      output: 8,
    });
    // What is not stated is as the file has it.
    const cached = costOf(prices, 'openai', 'gpt-4o', { cachedInput: 1e6 });
    expect(costOf(stated, 'openai', 'gpt-4o', { cachedInput: 1e6 })?.total).toBe(cached?.total);
  });

  it('of audio is at its own price, cached or not; at that of text where it has none', () => {
    const catalog = stating({
      p: { m: { rates: { input: 1, output: 2, cacheRead: 0.5, inputAudio: 10, outputAudio: 20, cacheReadAudio: 5 } } },
      q: { m: { rates: { input: 1, output: 2 } } },
    });
    const usage = { input: 2e6, cachedInput: 1e6, output: 1e6 };
    const details = { inputAudioTokens: 1.25e6, cachedAudioTokens: 250_000, outputAudioTokens: 400_000 };
    expect(costOf(catalog, 'p', 'm', usage, NOON, details)).toMatchObject({
      input: 1,
      inputAudio: 10,
      cacheRead: 0.375 + 1.25,
      output: 1.2,
      outputAudio: 8,
      total: 21.825,
    });
    expect(costOf(catalog, 'q', 'm', usage, NOON, details)?.total).toBe(3 + 2);
  });

  it.each([
    [0, 1],
    [200, 1],
    [201, 2],
    [500, 2],
    [501, 3],
  ])('of %i tokens is at the price of their tier', (input, price) => {
    const tiers = [
      { contextOver: 200, rates: { input: 2 } },
      { contextOver: 500, rates: { input: 3 } },
    ];
    const stated = stating({ p: { m: { rates: { input: 1 }, tiers } } });
    expect(costOf(stated, 'p', 'm', { input })?.total).toBeCloseTo((input * price) / 1e6, 12);
  });

  it.each([
    ['2025-01-01T12:00:00Z', 1],
    ['2026-01-01T00:00:00Z', 2],
    ['2026-06-01T15:59:59Z', 2],
    ['2026-06-01T16:00:00Z', 3],
    ['2026-06-01T00:29:59Z', 3],
    ['2026-06-01T00:30:00Z', 2],
  ])('at %s is at the price of that time', (time, price) => {
    const made: PriceFile = {
      source: file.source,
      aliases: {},
      providers: {
        p: {
          models: [
            {
              id: 'm',
              match: { equals: 'm' },
              prices: [
                { rates: { input: 1 } },
                { from: '2026-01-01', rates: { input: 2 } },
                ...(time.startsWith('2026-06')
                  ? [{ daily: ['16:00:00Z', '00:30:00Z'] as const, rates: { input: 3 } }]
                  : []),
              ],
            },
          ],
        },
      },
    };
    const cost = costOf(new PriceCatalog(() => made), 'p', 'm', { input: 1e6 }, Date.parse(time));
    expect(cost?.total).toBe(price);
  });
});

it('knows every expression it comes with', () => {
  for (const provider of Object.keys(file.providers)) expect(prices.find(provider, 'no such model')).toBeNull();
});

describe('the file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-prices-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'prices.json');
  const written = (content: string) => {
    writeFileSync(path, content);
    const warnings: string[] = [];
    const { date } = readPrices((message) => warnings.push(message), path).source;
    return { date, warnings };
  };

  it('is the refreshed one, where that is not older', () => {
    const dated = (date: string) => renderPrices({ ...file, source: { ...file.source, date } });
    expect(written(dated('2999-01-01'))).toEqual({ date: '2999-01-01', warnings: [] });
    expect(written(dated('2001-01-01'))).toEqual({ date: file.source.date, warnings: [] });
  });

  it('is the one that came with the package where the other is absent or broken, which is told', () => {
    expect(written('{"source":').warnings).toHaveLength(1);
    expect(written('{"source": {}}')).toEqual({ date: file.source.date, warnings: [expect.stringContaining(path)] });
    rmSync(path);
    const warnings: string[] = [];
    expect(readPrices((message) => warnings.push(message), path).source).toEqual(file.source);
    expect(warnings).toEqual([]);
  });

  it('is kept where the environment says', () => {
    expect(refreshedPrices({ SLUICE_PRICES: '/p.json' })).toBe('/p.json');
    expect(refreshedPrices({ XDG_DATA_HOME: '/data' })).toBe('/data/sluice/prices.json');
    expect(refreshedPrices({})).toMatch(/\.local\/share\/sluice\/prices\.json$/);
  });
});
