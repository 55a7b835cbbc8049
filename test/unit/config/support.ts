import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';
import { z } from 'zod';
import { ConfigError, ConfigSource, formatFault, type Loaded } from '../../../src/config/index.ts';
import type { Catalogue, CatalogueEntry, ProviderEntry } from '../../../src/resources/catalogue.ts';
import { celExpression, durationMs, fileOrInline } from '../../../src/resources/schema/common.ts';

/** A small catalogue of its own: these tests say what configuration does, whatever policies do. */

const rules = z.strictObject({ rules: z.array(z.string()) });
const headers = z.strictObject({
  add: z.record(z.string(), z.string()).optional(),
  set: z.record(z.string(), z.string()).optional(),
  remove: z.array(z.string()).optional(),
});
const tls = z.strictObject({
  cert: z.string().nullish(),
  key: z.string().nullish(),
  root: z.string().nullish(),
  hostname: z.string().nullish(),
  insecure: z.boolean().default(false),
});

function policy(entry: Partial<CatalogueEntry> & Pick<CatalogueEntry, 'name' | 'schema' | 'levels'>): CatalogueEntry {
  return { summary: `The ${entry.name} policy.`, protects: false, active: true, ...entry };
}

const POLICIES: CatalogueEntry[] = [
  policy({
    name: 'cors',
    levels: ['gateway', 'route'],
    schema: z.strictObject({
      allowOrigins: z.array(z.string()).default([]),
      allowMethods: z.array(z.string()).default([]),
      maxAge: z.string().nullish(),
    }),
    faults: (value) =>
      (value as { allowOrigins: string[] }).allowOrigins.flatMap((origin, index) =>
        origin === '' ? [{ path: ['allowOrigins', index], message: 'an origin is not empty' }] : [],
      ),
  }),
  policy({
    name: 'authorization',
    levels: ['gateway', 'route', 'backend'],
    protects: true,
    active: false,
    schema: rules,
  }),
  policy({
    name: 'apiKey',
    levels: ['gateway', 'route'],
    protects: true,
    schema: z.strictObject({
      keys: z.array(z.strictObject({ key: z.string().optional(), metadata: z.unknown().optional() })),
      mode: z.enum(['strict', 'optional', 'permissive']).default('optional'),
    }),
  }),
  policy({
    name: 'jwtAuth',
    levels: ['gateway', 'route'],
    protects: true,
    active: false,
    schema: z.strictObject({ issuer: z.string(), jwks: fileOrInline() }),
  }),
  policy({
    name: 'timeout',
    levels: ['route'],
    schema: z.strictObject({
      requestTimeout: durationMs().nullish(),
      backendRequestTimeout: durationMs().nullish(),
    }),
  }),
  policy({ name: 'requestHeaderModifier', levels: ['route', 'backend'], schema: headers }),
  policy({ name: 'responseHeaderModifier', levels: ['route', 'backend'], schema: headers }),
  policy({
    name: 'localRateLimit',
    levels: ['route'],
    protects: true,
    schema: z.array(
      z.strictObject({
        maxTokens: z.int().min(1).max(1_000_000),
        fillInterval: durationMs(),
        type: z.enum(['requests', 'tokens']).default('requests'),
      }),
    ),
  }),
  policy({ name: 'backendTLS', levels: ['route', 'backend'], schema: tls }),
  policy({
    name: 'backendAuth',
    levels: ['route', 'backend'],
    schema: z.union([
      z.strictObject({ key: fileOrInline() }),
      z.strictObject({ passthrough: z.strictObject({}) }),
      z.literal('copilot'),
    ]),
  }),
  policy({
    name: 'health',
    levels: ['backend'],
    active: false,
    schema: z.strictObject({ unhealthyExpression: celExpression() }),
  }),
  policy({ name: 'a2a', levels: ['route', 'backend'], active: false, schema: z.strictObject({}) }),
  policy({
    name: 'ai',
    levels: ['route', 'backend'],
    schema: z.strictObject({
      promptGuard: z.looseObject({ request: z.array(z.unknown()).optional() }).nullish(),
      defaults: z.record(z.string(), z.json()).nullish(),
      overrides: z.record(z.string(), z.json()).nullish(),
      promptCaching: z.strictObject({ cacheSystem: z.boolean().optional(), minTokens: z.int().optional() }).nullish(),
    }),
    inactiveParts: (value) =>
      (['promptGuard', 'promptCaching'] as const)
        .filter((name) => (value as Record<string, unknown>)[name] != null)
        .map((name) => ({ path: [name], protects: name === 'promptGuard' })),
  }),
  policy({ name: 'onClientAbort', levels: ['route', 'backend'], own: true, schema: z.enum(['drain', 'cancel']) }),
  policy({
    name: 'frontend.tls',
    yamlName: 'tls',
    levels: ['frontend'],
    schema: z.strictObject({ alpn: z.array(z.string()).nullish(), minVersion: z.string().nullish() }),
  }),
  policy({
    name: 'proxyProtocol',
    aliases: ['proxy'],
    levels: ['frontend'],
    active: false,
    schema: z.strictObject({ mode: z.enum(['strict', 'optional']).default('strict') }),
  }),
  policy({
    name: 'networkAuthorization',
    levels: ['frontend'],
    protects: true,
    active: false,
    schema: rules,
  }),
];

const model = z.string().nullish();
const PROVIDERS: ProviderEntry[] = [
  { name: 'openAI', summary: 'OpenAI.', active: true, schema: z.strictObject({ model }) },
  { name: 'anthropic', summary: 'Anthropic.', active: true, schema: z.strictObject({ model }) },
  {
    name: 'custom',
    summary: 'Any.',
    active: true,
    schema: z.strictObject({ model, formats: z.array(z.strictObject({ type: z.enum(['completions', 'messages']) })) }),
  },
  {
    name: 'groq',
    summary: 'Groq.',
    active: true,
    schema: z.strictObject({ model }),
    baseUrl: 'https://api.groq.com/openai/v1',
  },
  { name: 'bedrock', summary: 'Bedrock.', active: false, schema: z.strictObject({ model, region: z.string() }) },
];

export const CATALOGUE: Catalogue = {
  policies: new Map(POLICIES.map((entry) => [entry.name, entry])),
  providers: new Map(PROVIDERS.map((entry) => [entry.name, entry])),
};

const directories: string[] = [];
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

/** A directory of its own with these files; removed after the test. */
export async function directoryWith(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-config-'));
  directories.push(directory);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), text);
  }
  return directory;
}

export interface LoadOptions {
  env?: Record<string, string>;
  files?: Readonly<Record<string, string>>;
  catalogue?: Catalogue;
}

/** Loads `text` as a configuration file. */
export async function load(text: string, options: LoadOptions = {}): Promise<Loaded> {
  const directory = await directoryWith({ ...options.files, 'config.yaml': text });
  return new ConfigSource(join(directory, 'config.yaml'), options.catalogue ?? CATALOGUE, {
    env: options.env ?? {},
  }).load();
}

/** The faults of `text`, one line each as the operator sees them, without the directory. */
export async function faultsOf(text: string, options: LoadOptions = {}): Promise<string[]> {
  try {
    await load(text, options);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map((fault) => formatFault({ ...fault, file: '' }).slice(1));
    throw error;
  }
  return [];
}
