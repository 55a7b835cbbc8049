#!/usr/bin/env node
/**
 * Lint rule: who may import whom (docs/architecture.md, "Rooms"). A room is the first folder below src/, or one of the files
 * that stand beside the folders. Prints each import that breaks the table and exits 1.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const src = resolve(dirname(fileURLToPath(import.meta.url)), '../src');

const VOCABULARY = ['resources', 'errors', 'exchange.ts', 'headers.ts', 'facts'];
const BASE = [...VOCABULARY, 'cel', 'telemetry', 'state'];
const UPSTREAM = [...BASE, 'upstream'];
const EXT_PROC = [...UPSTREAM, 'ext-proc'];
const COMPOSED = [...EXT_PROC, 'policies', 'adapters', 'config', 'xds', 'controller', 'catalogue.ts'];

/** Room → rooms it may import, itself aside. Composers may import any room but each other. */
const ALLOWED = {
  resources: VOCABULARY,
  errors: VOCABULARY,
  'exchange.ts': VOCABULARY,
  'headers.ts': VOCABULARY,
  facts: VOCABULARY,
  cel: BASE,
  telemetry: BASE,
  state: BASE,
  upstream: BASE,
  'ext-proc': UPSTREAM,
  policies: EXT_PROC,
  adapters: EXT_PROC,
  config: VOCABULARY,
  xds: VOCABULARY,
  controller: VOCABULARY,
  servers: BASE,
  'catalogue.ts': [...EXT_PROC, 'policies', 'adapters'],
  primary: [...COMPOSED, 'servers'],
  control: [...BASE, 'config', 'xds', 'catalogue.ts', 'servers'],
  workers: COMPOSED,
  cli: [...COMPOSED, 'primary', 'workers', 'control', 'servers'],
};

const faults = [];
for (const file of readdirSync(src, { recursive: true })) {
  if (!file.endsWith('.ts')) continue;
  const room = file.split(sep)[0];
  const allowed = ALLOWED[room];
  if (allowed === undefined) {
    faults.push(`src/${file}: room "${room}" is not in the table of scripts/import-directions.mjs`);
    continue;
  }
  const path = join(src, file);
  for (const [, target] of readFileSync(path, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    const other = relative(src, resolve(dirname(path), target)).split(sep)[0];
    if (other !== room && !allowed.includes(other))
      faults.push(`src/${file}: ${room} may not import ${other} (${target})`);
  }
}
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
console.log('import directions: ok');
