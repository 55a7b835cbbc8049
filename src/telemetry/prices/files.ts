import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { PricedModel, PriceFile } from '../../resources/prices.ts';
import { priceFileSchema } from '../../resources/schema/model-catalog.ts';

const BUILT_IN = new URL('../../../data/prices.json', import.meta.url);

type Environment = Readonly<Record<string, string | undefined>>;

/** Where refreshed prices are kept unless somebody says otherwise: `$SLUICE_PRICES`, or `sluice/prices.json` in the user's data directory. */
export function refreshedPrices(env: Environment = process.env): string {
  if (env.SLUICE_PRICES) return env.SLUICE_PRICES;
  return join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'sluice', 'prices.json');
}

/** The refreshed price file, with the providers it leaves out from the one that Sluice comes with; the latter alone where there is none, it is older, or it can't be read, which `warn` is told. */
export function readPrices(warn: (message: string) => void, path: string = refreshedPrices()): PriceFile {
  const builtIn = JSON.parse(readFileSync(BUILT_IN, 'utf8')) as PriceFile;
  try {
    const refreshed: PriceFile = priceFileSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    if (refreshed.source.date < builtIn.source.date) return builtIn;
    return {
      source: refreshed.source,
      aliases: { ...builtIn.aliases, ...refreshed.aliases },
      providers: { ...builtIn.providers, ...refreshed.providers },
    };
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
    if (!absent) warn(`the prices in ${path} can't be read, those of the package hold; sluice prices refresh mends it`);
    return builtIn;
  }
}

/** A model a line, so that an update can be read as a difference. */
export function renderPrices({ source, aliases, providers }: PriceFile): string {
  const line = (model: PricedModel) => `      ${JSON.stringify(model)}`;
  const blocks = Object.entries(providers).map(([name, { fallbacks, models }]) => {
    const head = fallbacks === undefined ? '' : `"fallbacks": ${JSON.stringify(fallbacks)}, `;
    return `    ${JSON.stringify(name)}: {${head}"models": [\n${models.map(line).join(',\n')}\n    ]}`;
  });
  return `{\n  "source": ${JSON.stringify(source)},\n  "aliases": ${JSON.stringify(aliases)},\n  "providers": {\n${blocks.join(',\n')}\n  }\n}\n`;
}
