import type { renderPrices } from '../src/telemetry/prices/files.ts';
import type { fromGenai } from '../src/telemetry/prices/genai.ts';

export function renderPackage(
  prices: { fromGenai: typeof fromGenai; renderPrices: typeof renderPrices },
  ids: readonly string[],
): string;
