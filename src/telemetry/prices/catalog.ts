import { type Cost, inputTokens, type LlmFacts, type Usage, type UsageDetails } from '../../facts/llm.ts';
import type { Period, PriceFile, StatedPrices, Tiers } from '../../resources/prices.ts';
import { compileMatch } from './match.ts';

/** Models looked up that are remembered; past it all are forgotten. */
const MAX_REMEMBERED = 4096;
const PER_MILLION = 1e-6;

/** What of a request its cost is reckoned from. */
type Priced = Pick<LlmFacts, 'provider' | 'requestModel' | 'responseModel' | 'usage' | 'usageDetails'>;

interface Entry {
  readonly matches: (name: string) => boolean;
  readonly prices: readonly Period[];
}

/** What models cost. One a thread; the file is read with the first question. */
export class PriceCatalog {
  readonly #read: () => PriceFile;
  #stated: StatedPrices = {};
  #file: PriceFile | null = null;
  readonly #entries = new Map<string, readonly Entry[]>();
  readonly #remembered = new Map<string, readonly Period[] | null>();

  /** @param read gives the price file where no other was stated */
  constructor(read: () => PriceFile) {
    this.#read = read;
  }

  /** Takes the configuration's prices in place of those it gave before. `file` null: the one that `read` gives. */
  state(stated: StatedPrices, file: PriceFile | null): void {
    this.#stated = stated;
    this.#file = file;
    this.#entries.clear();
    this.#remembered.clear();
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
   * What a request cost in USD, at the price of the model that answered, else of the one asked for; null where the usage or both prices
   * are unknown.
   *
   * @param at Unix milliseconds: prices change with dates and times of day
   */
  costOf({ provider, requestModel, responseModel, usage, usageDetails }: Priced, at: number): Cost | null {
    if (usage === null) return null;
    for (const model of [responseModel, requestModel]) {
      const period = model === '' ? undefined : this.find(provider, model)?.findLast((one) => holds(one, at));
      const cost = period === undefined ? null : costAt(period, usage, usageDetails ?? {});
      if (cost !== null) return cost;
    }
    return null;
  }

  /** What the operator states is completed by what else is known of the model. */
  #look(provider: string, model: string): readonly Period[] | null {
    const known = this.#lookInFile(provider, model);
    const ofProvider = own(this.#stated, provider);
    const stated = ofProvider === undefined ? undefined : own(ofProvider, model);
    if (stated === undefined) return known;
    return [{ ...stated, rates: { ...known?.at(-1)?.rates, ...stated.rates } }];
  }

  #lookInFile(provider: string, model: string): readonly Period[] | null {
    this.#file ??= this.#read();
    const { aliases, providers } = this.#file;
    const id = own(aliases, provider) ?? provider;
    const name = model.toLowerCase();
    for (const seller of [id, ...(own(providers, id)?.fallbacks ?? [])]) {
      const entry = this.#entriesOf(this.#file, seller).find(({ matches }) => matches(name));
      if (entry !== undefined) return entry.prices;
    }
    return null;
  }

  #entriesOf(file: PriceFile, provider: string): readonly Entry[] {
    let entries = this.#entries.get(provider);
    if (entries === undefined) {
      const models = own(file.providers, provider)?.models ?? [];
      entries = models.map(({ match, prices }) => ({ matches: compileMatch(match), prices }));
      this.#entries.set(provider, entries);
    }
    return entries;
  }
}

function own<V>(record: Readonly<Record<string, V>>, name: string): V | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
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
function costAt({ rates: base, tiers }: Tiers, usage: Usage, details: UsageDetails): Cost | null {
  const prompt = inputTokens(usage);
  const tier = tiers?.findLast(({ contextOver }) => prompt > contextOver);
  const rates = tier === undefined ? base : { ...base, ...tier.rates };
  const cachedAudio = Math.min(details.cachedAudioTokens ?? 0, usage.cachedInput);
  const inputAudio = Math.min(Math.max((details.inputAudioTokens ?? 0) - cachedAudio, 0), usage.input);
  const outputAudio = Math.min(details.outputAudioTokens ?? 0, usage.output);
  const cacheRead = rates.cacheRead ?? rates.input;
  const cost = {
    input: charge(usage.input - inputAudio, rates.input),
    cacheRead:
      charge(usage.cachedInput - cachedAudio, cacheRead) + charge(cachedAudio, rates.cacheReadAudio ?? cacheRead),
    cacheWrite: charge(usage.cacheWrite, rates.cacheWrite ?? rates.input),
    output: charge(usage.output - outputAudio, rates.output),
    reasoning: charge(usage.reasoning, rates.reasoning ?? rates.output),
    inputAudio: charge(inputAudio, rates.inputAudio ?? rates.input),
    outputAudio: charge(outputAudio, rates.outputAudio ?? rates.output),
  };
  const total = Object.values(cost).reduce((sum, part) => sum + part, 0);
  return Number.isNaN(total) ? null : { total, ...cost, rates };
}

function charge(tokens: number, rate: number | undefined): number {
  return tokens === 0 ? 0 : tokens * (rate ?? Number.NaN) * PER_MILLION;
}
