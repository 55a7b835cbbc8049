/** What models cost: the price file that Sluice comes with or was refreshed from, and what an operator states beside it. */

/** USD per million tokens. What isn't named costs as the plain input or output does. */
export interface Rates {
  readonly input?: number | undefined;
  readonly output?: number | undefined;
  readonly cacheRead?: number | undefined;
  readonly cacheWrite?: number | undefined;
  readonly reasoning?: number | undefined;
  readonly inputAudio?: number | undefined;
  readonly outputAudio?: number | undefined;
  /** Audio read from a prompt cache: as other cached tokens where it isn't named. */
  readonly cacheReadAudio?: number | undefined;
}

/** Prices of prompts longer than `contextOver` tokens; they hold for all tokens of such a request. */
export interface Tier {
  readonly contextOver: number;
  readonly rates: Rates;
}

export interface Tiers {
  readonly rates: Rates;
  /** By `contextOver`, ascending. */
  readonly tiers?: readonly Tier[] | undefined;
}

/** Prices with the time they hold: from a date on, or daily between two times of day (`00:30:00Z`); the last that holds counts. */
export interface Period extends Tiers {
  readonly from?: string | undefined;
  readonly daily?: readonly [string, string] | undefined;
}

/** Which names a price is for. */
export type Match =
  | { readonly equals: string }
  | { readonly starts_with: string }
  | { readonly ends_with: string }
  | { readonly contains: string }
  /** RE2 syntax. */
  | { readonly regex: string }
  | { readonly not: Match }
  | { readonly and: readonly Match[] }
  | { readonly or: readonly Match[] };

export interface PricedModel {
  readonly id: string;
  readonly match: Match;
  readonly prices: readonly Period[];
}

/** The shape of data/prices.json. Providers are named as in telemetry. */
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
        readonly fallbacks?: readonly string[] | undefined;
        readonly models: readonly PricedModel[];
      }
    >
  >;
}

/** Prices an operator states: provider → model → prices. They come before all others. */
export type StatedPrices = Readonly<Record<string, Readonly<Record<string, Tiers>>>>;
