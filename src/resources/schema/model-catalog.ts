import { z } from 'zod';
import type { Match, Rates, Tiers } from '../prices.ts';
import { own, uint } from './common.ts';

/** `config.modelCatalog`: what models cost, in agentgateway's notation or as a price file of Sluice's own. */

const money = () =>
  z
    .string()
    .regex(/^\d+(?:\.\d{1,6})?$/, 'not a price; write it like "0.25", with at most 6 decimals')
    .nullish();

function rates() {
  return z.strictObject({
    input: money().describe('USD for a million input tokens.'),
    output: money().describe('USD for a million output tokens.'),
    cacheRead: money().describe('USD for a million input tokens read from a prompt cache. Default: as input.'),
    cacheWrite: money().describe('USD for a million input tokens written to a prompt cache. Default: as input.'),
    reasoning: money().describe('USD for a million reasoning tokens. Default: as output.'),
    inputAudio: money().describe('USD for a million audio input tokens. Default: as input.'),
    outputAudio: money().describe('USD for a million audio output tokens. Default: as output.'),
  });
}

const model = z.strictObject({
  rates: rates().optional().describe('Prices of the model.'),
  tiers: z
    .array(
      z.strictObject({
        contextOver: uint().describe('The tier holds for prompts of more tokens than this.'),
        rates: rates().describe('Prices of the tier; what it leaves out is as without it.'),
      }),
    )
    .optional()
    .describe('Prices for long contexts.'),
  limits: own(
    z
      .strictObject({
        contextWindow: uint().nullish().describe('Most tokens of a prompt.'),
        maxOutputTokens: uint().nullish().describe('Most tokens of an answer.'),
      })
      .nullish()
      .describe('Limits of the model.'),
  ),
  tags: z.array(z.string()).optional().describe('Free tags of the model.'),
});

/** agentgateway's catalog. */
export const modelCatalogSchema = z.strictObject({
  providers: z
    .record(z.string(), z.strictObject({ models: z.record(z.string(), model).optional().describe('Models by name.') }))
    .optional()
    .describe('Providers by telemetry name.'),
});

export type LocalModelCatalog = z.output<typeof modelCatalogSchema>;

const RATES = [
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'reasoning',
  'inputAudio',
  'outputAudio',
] as const satisfies readonly (keyof Rates)[];

type LocalRates = z.output<ReturnType<typeof rates>>;

function numbersOf(rates: LocalRates | undefined): Rates {
  const given = RATES.filter((name) => rates?.[name] != null);
  return Object.fromEntries(given.map((name) => [name, Number(rates?.[name])]));
}

/** A catalog's model in the numbers that costs are reckoned with. */
export function pricesOf({ rates, tiers = [] }: z.output<typeof model>): Tiers {
  if (tiers.length === 0) return { rates: numbersOf(rates) };
  return {
    rates: numbersOf(rates),
    tiers: tiers.map((tier) => ({ contextOver: tier.contextOver, rates: numbersOf(tier.rates) })),
  };
}

const match: z.ZodType<Match> = z.lazy(() =>
  z.union([
    z.strictObject({ equals: z.string() }),
    z.strictObject({ starts_with: z.string() }),
    z.strictObject({ ends_with: z.string() }),
    z.strictObject({ contains: z.string() }),
    z.strictObject({ regex: z.string() }),
    z.strictObject({ not: match }),
    z.strictObject({ and: z.array(match) }),
    z.strictObject({ or: z.array(match) }),
  ]),
);

const price = z.number().min(0).optional();
const plainRates = z.strictObject({
  input: price,
  output: price,
  cacheRead: price,
  cacheWrite: price,
  reasoning: price,
  inputAudio: price,
  outputAudio: price,
  cacheReadAudio: price,
});

/** Sluice's own price file, as data/prices.json is one. */
export const priceFileSchema = z.strictObject({
  source: z.strictObject({ package: z.string(), version: z.string(), license: z.string(), date: z.string() }),
  aliases: z.record(z.string(), z.string()),
  providers: z.record(
    z.string(),
    z.strictObject({
      fallbacks: z.array(z.string()).optional(),
      models: z.array(
        z.strictObject({
          id: z.string(),
          match,
          prices: z.array(
            z.strictObject({
              from: z.string().optional(),
              daily: z.tuple([z.string(), z.string()]).optional(),
              rates: plainRates,
              tiers: z.array(z.strictObject({ contextOver: z.number().min(0), rates: plainRates })).optional(),
            }),
          ),
        }),
      ),
    }),
  ),
});

/** One source of prices. A file's text takes the place of `{file}` when it is read. */
export function modelCatalogSource() {
  return z.union([
    own(z.string().describe('The catalog itself, as text.')),
    z.strictObject({ file: z.string().describe('Path of a catalog file, or of a price file of Sluice.') }),
    z.strictObject({
      inline: z.union([z.string(), modelCatalogSchema]).describe('The catalog itself, as text or as an object.'),
    }),
  ]);
}
