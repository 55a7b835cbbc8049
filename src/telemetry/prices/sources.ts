import { readFile } from 'node:fs/promises';
import type { PriceFile } from '../../resources/prices.ts';
import {
  type LocalModelCatalog,
  modelCatalogSchema,
  priceFileSchema,
  pricesOf,
} from '../../resources/schema/model-catalog.ts';
import { fromGenai, genaiSchema } from './genai.ts';

/** Published price lists have one or two megabytes. */
const MAX_BYTES = 32 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

/**
 * Prices from a URL or file: a price file of Sluice, a catalog of agentgateway, or the data.json of genai-prices. Throws where it can't be
 * had, or is none of them.
 */
export async function readPriceSource(from: string, timeoutMs = TIMEOUT_MS): Promise<PriceFile> {
  const text = /^https?:\/\//.test(from) ? await download(from, timeoutMs) : await readFile(from, 'utf8');
  const value: unknown = JSON.parse(text);
  const source = { package: from, version: '', license: '', date: new Date().toISOString().slice(0, 10) };
  if (Array.isArray(value)) return fromGenai(checked(genaiSchema.safeParse(value)), source);
  if (typeof value === 'object' && value !== null && 'source' in value)
    return checked<PriceFile>(priceFileSchema.safeParse(value));
  return fromCatalog(checked<LocalModelCatalog>(modelCatalogSchema.safeParse(value)), source);
}

async function download(url: string, timeoutMs: number): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`it is longer than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

type Parsed<T> =
  | { readonly success: true; readonly data: T }
  | {
      readonly success: false;
      readonly error: {
        readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
      };
    };

function checked<T>(parsed: Parsed<T>): T {
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  throw new Error(`${first?.path.map(String).join('.') || 'at its root'}: ${first?.message}`);
}

function fromCatalog({ providers = {} }: LocalModelCatalog, source: PriceFile['source']): PriceFile {
  const priced = Object.entries(providers).map(([name, { models = {} }]) => {
    const list = Object.entries(models).map(([id, model]) => ({
      id,
      match: { equals: id },
      prices: [pricesOf(model)],
    }));
    return [name, { models: list }] as const;
  });
  if (priced.length === 0) throw new Error('it has no providers');
  return { source, aliases: {}, providers: Object.fromEntries(priced) };
}
