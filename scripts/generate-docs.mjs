#!/usr/bin/env node
/**
 * Writes docs/reference/ from the code in dist/: configuration, policies, providers, metrics, errors, CEL's conformance, and the JSON
 * schema.
 * `--check` writes nothing, and exits 1 where a committed page differs, with the first line that does.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENGINE, runAll } from '../test/conformance/cel/runner.mjs';
import { celConformancePage } from './docs/cel-conformance-page.mjs';
import { celPage } from './docs/cel-page.mjs';
import { configurationPage } from './docs/configuration-page.mjs';
import { conversionsPage } from './docs/conversions-page.mjs';
import { makeLinks } from './docs/links.mjs';
import { errorsPage, metricsPage, providersPage } from './docs/other-pages.mjs';
import { policiesPage } from './docs/policies-page.mjs';

const CEL_LIBRARIES = [
  'standard',
  'conversions',
  'strings',
  'math',
  'lists',
  'regex',
  'encoders',
  'network',
  'headers',
  'gateway',
];
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'docs/reference');
const dist = join(root, 'dist');

if (!existsSync(dist)) {
  console.error('dist/ is missing: run `npm run build` first');
  process.exit(1);
}
const load = (path) => import(join(dist, path));
const [
  { buildCatalogue },
  { jsonSchema },
  { buildConfigSchema },
  { normalize },
  { PHASES },
  { Metrics },
  { ERRORS },
  { ANSWER_FEATURES, FEATURES },
  { CODECS },
  { EMBEDDING_FEATURES },
  { EMBEDDINGS },
  { RERANK_FEATURES },
  { RERANKING },
  { MEDIA_TABLES },
  { convertedFor },
  { KNOWN_KINDS, LABELS, supportOf },
] = await Promise.all([
  load('catalogue.js'),
  load('resources/schema/json-schema.js'),
  load('resources/schema/index.js'),
  load('config/normalize/index.js'),
  load('policies/definition.js'),
  load('telemetry/metrics.js'),
  load('errors/table.js'),
  load('adapters/llm/formats/features.js'),
  load('adapters/llm/formats/codecs.js'),
  load('adapters/llm/formats/embedding-features.js'),
  load('adapters/llm/formats/embeddings.js'),
  load('adapters/llm/formats/rerank-features.js'),
  load('adapters/llm/formats/reranking.js'),
  load('adapters/llm/endpoints/media-features.js'),
  load('adapters/llm/endpoints/conversions.js'),
  load('adapters/llm/endpoints/support.js'),
]);

const catalogue = buildCatalogue();
const schema = jsonSchema(catalogue);
const links = makeLinks(schema, catalogue);
const configSchema = buildConfigSchema(catalogue);

/** Whether the loader says of a document's field at `path`, or of its first item, that it is not executed yet. */
function isInactive(document, path) {
  const parsed = configSchema.safeParse(document);
  if (!parsed.success) return false;
  const { notes } = normalize(parsed.data, catalogue, {}, () => true);
  const texts = notes.map((note) => note.path.join('.'));
  return texts.includes(path.join('.')) || texts.includes([...path, 0].join('.'));
}

const engine = Object.assign({}, ...(await Promise.all(ENGINE.map((path) => load(`cel/${path}.js`)))));
const outcomes = runAll(engine);
const [{ gatewayEnvironment }, { GLOBAL_MACROS, MEMBER_MACROS }, ...libraries] = await Promise.all(
  ['environment', 'compile/macros', ...CEL_LIBRARIES.map((name) => `functions/${name}`)].map((path) =>
    load(`cel/${path}.js`),
  ),
);
const celLibraries = Object.fromEntries(
  CEL_LIBRARIES.map((name, i) => [name, Object.values(libraries[i]).find(Array.isArray)]),
);

const SUPPORT = { yes: 'as it is', no: 'refused', maybe: '' };
const endpoints = {
  labels: LABELS,
  kinds: KNOWN_KINDS,
  takes: (kind, name) => (convertedFor(kind).includes(name) ? 'converted' : SUPPORT[supportOf(kind, name)]),
};

const pages = {
  'configuration.md': configurationPage(schema, links, isInactive),
  'policies.md': policiesPage(catalogue, PHASES, links),
  'providers.md': providersPage(catalogue, links),
  'conversions.md': conversionsPage(
    { features: FEATURES, codecs: [...CODECS.values()] },
    ANSWER_FEATURES,
    { features: EMBEDDING_FEATURES, codecs: EMBEDDINGS.codecs },
    { features: RERANK_FEATURES, codecs: RERANKING.codecs },
    MEDIA_TABLES,
    endpoints,
  ),
  'metrics.md': metricsPage(new Metrics()),
  'errors.md': errorsPage(ERRORS),
  'cel.md': celPage(
    gatewayEnvironment(),
    { global: GLOBAL_MACROS.keys(), member: MEMBER_MACROS.keys() },
    celLibraries,
    outcomes,
  ),
  'cel-conformance.md': celConformancePage(outcomes),
  'config.schema.json': `${JSON.stringify(schema, null, 1)}\n`,
};

if (process.argv.includes('--check')) {
  const stale = Object.entries(pages).filter(([name, text]) => !upToDate(name, text));
  if (stale.length > 0) {
    console.error('docs/reference is out of date: run `npm run docs` and commit the result');
    process.exit(1);
  }
  console.log('reference pages: up to date');
} else {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(pages)) writeFileSync(join(folder, name), text);
  console.log(`wrote ${Object.keys(pages).length} files to docs/reference`);
}

/** Compares a committed page with what it should be, and says where they part. */
function upToDate(name, text) {
  const path = join(folder, name);
  const committed = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (committed === text) return true;
  const before = committed.split('\n');
  const after = text.split('\n');
  const line = after.findIndex((content, index) => content !== before[index]);
  const at = line === -1 ? after.length : line;
  console.error(`docs/reference/${name}:${at + 1}`);
  console.error(`  - ${before[at] ?? '(end of file)'}`);
  console.error(`  + ${after[at] ?? '(end of file)'}`);
  return false;
}
