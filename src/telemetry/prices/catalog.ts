import { readFileSync } from 'node:fs';
import { type Cost, inputTokens, type Usage } from '../../facts/llm.ts';
import { compileMatch, type Match } from './match.ts';

/** USD per million tokens. What isn't named costs as the plain input or output does. */
export interface Rates {
  readonly input?: number;
  readonly output?: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  readonly reasoning?: number;
}

export interface Tiers {
  readonly rates: Rates;
  /** Prices of prompts longer than `contextOver` tokens, ascending; a tier holds for all tokens of such a request. */
  readonly tiers?: readonly { readonly contextOver: number; readonly rates: Rates }[];
}

/** Prices with the time they hold: from a date on, or daily between two times of day (`00:30:00Z`); the last that holds counts. */
export interface Period extends Tiers {
  readonly from?: string;
  readonly daily?: readonly [string, string];
}

/** The shape of data/prices.json. */
export interface PriceFile {
  readonly source: {
    readonly package: string;
    readonly version: string;
    readonly license: string;
    readonly date: string;
  };
  /** Provider → the one whose prices it has. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly providers: Readonly<
    Record<
      string,
      {
        /** Providers whose models it sells at their prices, where it has none of its own. */
        readonly fallbacks?: readonly string[];
        readonly models: readonly { readonly id: string; readonly match: Match; readonly prices: readonly Period[] }[];
      }
    >
  >;
}

/** Prices an operator states: provider → model → prices. They come before all others. */
export type StatedPrices = Readonly<Record<string, Readonly<Record<string, Tiers>>>>;

/** Models looked up that are remembered; past it all are forgotten. */
const MAX_REMEMBERED = 4096;
const PER_MILLION = 1e-6;

interface Entry {
  readonly matches: (name: string) => boolean;
  readonly prices: readonly Period[];
}

/** What models cost. One a thread; the file is read with the first question. */
export class PriceCatalog {
  readonly #read: () => PriceFile;
  readonly #stated: StatedPrices;
  #file: PriceFile | null = null;
  readonly #entries = new Map<string, readonly Entry[]>();
  readonly #remembered = new Map<string, readonly Period[] | null>();

  /** @param read gives the catalog; Sluice's own by default */
  constructor(stated: StatedPrices = {}, read: () => PriceFile = readBuiltIn) {
    this.#stated = stated;
    this.#read = read;
  }

  /** Prices of `model` at a provider (telemetry name), or null where nobody states any: unknown, which is not free. */
  find(provider: string, model: string): readonly Period[] | null {
    const key = `${provider}\n${model}`;
    let found = this.#remembered.get(key);
    if (found === undefined) {
      found = this.#look(provider, model);
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(key, found);
    }
    return found;
  }

  /**
   * What `usage` cost in USD; null where the price is unknown.
   *
   * @param at Unix milliseconds: prices change with dates and times of day
   */
  cost(provider: string, model: string, usage: Usage, at: number): Cost | null {
    const period = this.find(provider, model)?.findLast((one) => holds(one, at));
    return period === undefined ? null : costAt(period, usage);
  }

  #look(provider: string, model: string): readonly Period[] | null {
    const stated = this.#stated[provider]?.[model];
    if (stated !== undefined) return [stated];
    this.#file ??= this.#read();
    const { aliases, providers } = this.#file;
    const id = aliases[provider] ?? provider;
    const name = model.toLowerCase();
    for (const seller of [id, ...(providers[id]?.fallbacks ?? [])]) {
      const entry = this.#entriesOf(this.#file, seller).find(({ matches }) => matches(name));
      if (entry !== undefined) return entry.prices;
    }
    return null;
  }

  #entriesOf(file: PriceFile, provider: string): readonly Entry[] {
    let entries = this.#entries.get(provider);
    if (entries === undefined) {
      const models = Object.hasOwn(file.providers, provider) ? (file.providers[provider]?.models ?? []) : [];
      entries = models.map(({ match, prices }) => ({ matches: compileMatch(match), prices }));
      this.#entries.set(provider, entries);
    }
    return entries;
  }
}

function readBuiltIn(): PriceFile {
  return JSON.parse(readFileSync(new URL('../../../data/prices.json', import.meta.url), 'utf8')) as PriceFile;
}

function holds({ from, daily }: Period, at: number): boolean {
  if (from !== undefined && at < Date.parse(from)) return false;
  if (daily === undefined) return true;
  const [start, end] = daily;
  const time = new Date(at).toISOString().slice(11, 19);
  const [first, last] = [start.slice(0, 8), end.slice(0, 8)];
  return first <= last ? time >= first && time < last : time >= first || time < last;
}

/** null where tokens were used that have no price. */
function costAt({ rates: base, tiers }: Tiers, usage: Usage): Cost | null {
  const prompt = inputTokens(usage);
  const rates = tiers?.findLast(({ contextOver }) => prompt > contextOver)?.rates ?? base;
  const input =
    charge(usage.input, rates.input) +
    charge(usage.cachedInput, rates.cacheRead ?? rates.input) +
    charge(usage.cacheWrite, rates.cacheWrite ?? rates.input);
  const output = charge(usage.output, rates.output) + charge(usage.reasoning, rates.reasoning ?? rates.output);
  return Number.isNaN(input + output) ? null : { total: input + output, input, output };
}

function charge(tokens: number, rate: number | undefined): number {
  return tokens === 0 ? 0 : tokens * (rate ?? Number.NaN) * PER_MILLION;
}
