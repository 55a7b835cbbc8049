#!/usr/bin/env node
/**
 * Writes data/prices.json, the prices that Sluice comes with, from the package @pydantic/genai-prices (MIT).
 * `npm run prices` after an update of that package; a test compares the file with what this would write.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { findProvider } from '@pydantic/genai-prices';

const FILE = new URL('../data/prices.json', import.meta.url);

/** @param ids of the package's providers that are wanted */
export function renderPackage({ fromGenai, renderPrices }, ids) {
  const require = createRequire(import.meta.url);
  const { name, version } = JSON.parse(
    readFileSync(new URL('../package.json', `file://${require.resolve('@pydantic/genai-prices')}`), 'utf8'),
  );
  // The day the version was taken: it stays as long as the version does.
  const { source: before } = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {};
  const date = (before?.version === version && before.date) || new Date().toISOString().slice(0, 10);
  const providers = ids.map((providerId) => {
    const provider = findProvider({ providerId });
    if (provider === undefined) throw new Error(`${name} knows no provider "${providerId}"`);
    return provider;
  });
  return renderPrices(fromGenai(providers, { package: name, version, license: 'MIT', date }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { fromGenai, GENAI_IDS } = await import('../dist/telemetry/prices/genai.js');
  const { renderPrices } = await import('../dist/telemetry/prices/files.js');
  writeFileSync(FILE, renderPackage({ fromGenai, renderPrices }, GENAI_IDS));
  console.log(`wrote ${fileURLToPath(FILE)}`);
}
