import { describe, expect, test } from 'vitest';
import type { ModelPrices } from '../../../src/resources/types.ts';
import { faultsOf, load } from './support.ts';

const SOURCE = { package: 'p', version: '1', license: 'MIT', date: '2026-01-01' };
const PRICE_FILE = JSON.stringify({
  source: SOURCE,
  aliases: {},
  providers: { openai: { models: [{ id: 'm', match: { equals: 'm' }, prices: [{ rates: { input: 1 } }] }] } },
});

function config(...sources: unknown[]): string {
  return JSON.stringify({ config: { modelCatalog: sources } });
}

async function pricesOf(text: string, files: Record<string, string> = {}) {
  const { resources, notices } = await load(text, { files });
  const found = resources.find((resource): resource is ModelPrices => resource.kind === 'modelPrices');
  return { ...found, notices: notices.map(({ message }) => message) };
}

const catalog = (models: object) => ({ providers: { openai: { models } } });

describe('modelCatalog', () => {
  test('is merged price by price, later sources first; without it there is no resource', async () => {
    const tiers = [{ contextOver: 200, rates: { input: '2.5' } }];
    const { stated, file, notices } = await pricesOf(
      config(
        { inline: catalog({ a: { rates: { input: '1', output: '2' }, tiers }, b: { rates: { input: '0.000001' } } }) },
        { inline: JSON.stringify(catalog({ a: { rates: { output: '3', cacheRead: '0.1' } } })) },
      ),
    );
    expect(stated).toEqual({
      openai: {
        a: {
          rates: { input: 1, output: 3, cacheRead: 0.1 },
          tiers: [{ contextOver: 200, rates: { input: 2.5 } }],
        },
        b: { rates: { input: 0.000001 } },
      },
    });
    expect([file, notices]).toEqual([null, []]);
    expect((await pricesOf('{}')).stated).toBeUndefined();
  });

  test('reads files: catalogs, and price files of Sluice', async () => {
    const files = {
      'c.json': JSON.stringify(catalog({ a: { rates: { input: '1' } } })),
      'c.yaml': 'providers: {openai: {models: {y: {rates: {input: "2"}}}}}',
      'prices.json': PRICE_FILE,
    };
    const { stated, file } = await pricesOf(
      config({ file: 'c.json' }, { file: 'c.yaml' }, { file: 'prices.json' }),
      files,
    );
    expect(stated).toEqual({ openai: { a: { rates: { input: 1 } }, y: { rates: { input: 2 } } } });
    expect(file).toEqual(JSON.parse(PRICE_FILE));
  });

  test('says what of a catalog it does not use', async () => {
    const { notices, stated } = await pricesOf(
      config({ inline: catalog({ a: { tags: ['x'] }, b: { rates: { input: '1', inputAudio: '2' } } }) }),
    );
    expect(notices).toEqual(['tags of models: accepted, not yet active']);
    expect(stated).toEqual({ openai: { b: { rates: { input: 1, inputAudio: 2 } } } });
  });

  test.each([
    ['a number for a price', { inline: '{"providers":{"p":{"models":{"m":{"rates":{"input":1}}}}}}' }, /quotes|text/],
    ['a negative price', { inline: catalog({ m: { rates: { input: '-1' } } }) }, /not a price/],
    ['an unknown field', { inline: '{"provider": {}}' }, /in the catalog, provider: unknown field/],
    ['what is no document', { inline: '{"a": ' }, /can't be read/],
    [
      'tiers out of order',
      {
        inline: catalog({
          m: {
            tiers: [
              { contextOver: 2, rates: {} },
              { contextOver: 2, rates: {} },
            ],
          },
        }),
      },
      /must be above/,
    ],
    ['a broken price file', { inline: '{"source": {}}' }, /in the catalog, source\.package/],
  ])('refuses %s', async (_, source, message) => {
    const faults = await faultsOf(config(source));
    expect(faults.join('\n')).toMatch(message);
    expect(faults[0]).toMatch(/^\d+:\d+: config\.modelCatalog\[0\]/);
  });
});
