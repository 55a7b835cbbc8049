import type { PriceFile } from '../src/telemetry/prices/catalog.ts';

export function catalog(): PriceFile;
export function render(file: PriceFile): string;
