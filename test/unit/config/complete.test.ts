import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { buildCatalogue } from '../../../src/catalogue.ts';
import { formatPath } from '../../../src/config/fault.ts';
import { ConfigError, ConfigSource, formatFault } from '../../../src/config/index.ts';
import type { Catalogue } from '../../../src/resources/catalogue.ts';
import { buildConfigSchema } from '../../../src/resources/schema/index.ts';
import { literalsOf, schemasAt } from '../../../src/resources/schema/walk.ts';
import { CATALOGUE, directoryWith } from './support.ts';

/**
 * Nothing that is accepted is silently ignored: every value of a configuration either shows in resources or settings (another
 * value there gives another result) or is covered by a notice.
 */

const OWN = fileURLToPath(new URL('../../fixtures/config/', import.meta.url));
const AGENTGATEWAY = fileURLToPath(new URL('../../../../shared/fixtures/agentgateway/configs/', import.meta.url));

type Path = (string | number)[];

/** Files that agentgateway's examples refer to, with stand-ins. */
const FILES = {
  'key.txt': 'sk-from-file\n',
  'manifests/jwt/pub-key': '{"keys":[]}',
  'examples/mcp-openapi/openapi.json': '{"openapi":"3.1.0","paths":{}}',
};
const CERT_FILES = [
  'examples/mcp-tls/certs/cert.pem',
  'examples/mcp-tls/certs/key.pem',
  'examples/mcp-tls/certs/ca-cert.pem',
  'examples/mcp-tls/certs/ca-key.pem',
];

function tlsFiles(): Record<string, string> {
  const cert = readFileSync(new URL('../../fixtures/config/tls/cert.pem', import.meta.url), 'utf8');
  const key = readFileSync(new URL('../../fixtures/config/tls/key.pem', import.meta.url), 'utf8');
  return Object.fromEntries(CERT_FILES.map((name) => [name, name.endsWith('key.pem') ? key : cert]));
}

/** What a model that refers to the provider says itself, so that the provider's word for it counts nowhere. */
const OVERRIDDEN = new Set([
  'llm.providers[0].params.model',
  'llm.providers[0].defaults.health.eviction.duration',
  'llm.providers[0].defaults.promptCaching.cacheSystem',
  'llm.providers[0].defaults.promptCaching.minTokens',
]);

/** Every variable is set, to its own name in lower case. */
const ENV = new Proxy<Record<string, string | undefined>>(
  {},
  {
    get: (_, name) =>
      /^(XAA|OKTA|AUTH0|KC|OPENAI|ANTHROPIC|SCOPE|RESOURCE)/.test(String(name))
        ? String(name).toLowerCase()
        : undefined,
  },
);

class Subject {
  readonly #source: ConfigSource;
  readonly #path: string;
  readonly schema: ReturnType<typeof buildConfigSchema>;

  constructor(directory: string, catalogue: Catalogue) {
    this.#path = join(directory, 'config.yaml');
    this.schema = buildConfigSchema(catalogue);
    this.#source = new ConfigSource(this.#path, catalogue, { env: ENV });
  }

  async load(text: string) {
    await writeFile(this.#path, text);
    return this.#source.load();
  }

  /** Resources and settings as text; null where the value is refused. */
  async result(value: unknown): Promise<string | null> {
    try {
      const { resources, settings } = await this.load(JSON.stringify(value));
      return JSON.stringify({ resources, settings });
    } catch (error) {
      if (error instanceof ConfigError) return null;
      throw error;
    }
  }

  /** Is `value` told from what gives `base`? To be refused by the schema proves nothing; by what comes after it, it does. */
  async tells(value: unknown, base: string | null): Promise<boolean> {
    if (!this.schema.safeParse(value).success) return false;
    return (await this.result(value)) !== base;
  }
}

function* leaves(value: unknown, path: Path = []): Generator<Path> {
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
    for (const [key, item] of Object.entries(value))
      yield* leaves(item, [...path, Array.isArray(value) ? Number(key) : key]);
  } else if (value !== null) yield path;
}

/** A copy of `root` with `path` replaced; removed for undefined. */
function changed(root: unknown, path: Path, value: unknown): unknown {
  const copy = structuredClone(root);
  let holder = copy as Record<string | number, unknown>;
  for (const part of path.slice(0, -1)) holder = holder[part] as Record<string | number, unknown>;
  const last = path.at(-1) as string | number;
  if (value !== undefined) holder[last] = value;
  else if (Array.isArray(holder)) holder.splice(Number(last), 1);
  else delete holder[last];
  return copy;
}

function others(value: unknown, literals: readonly string[]): unknown[] {
  if (typeof value === 'number') return [value + 1, value - 1, value / 2];
  if (typeof value === 'boolean') return [!value];
  if (typeof value !== 'string') return [];
  return [`${value}x`, `x${value}`, value.replace(/\d+/, (digits) => String(Number(digits) + 1)), ...literals].filter(
    (one) => one !== value,
  );
}

async function ignoredIn(text: string, directory: string, catalogue: Catalogue): Promise<string[]> {
  const subject = new Subject(directory, catalogue);
  const root: unknown = parse(
    text.replaceAll(/\$\{?([A-Z0-9_]+)\}?/g, (_, name: string) => name.toLowerCase()),
    { merge: true },
  );
  const { notices } = await subject.load(JSON.stringify(root));
  const base = await subject.result(root);
  const ignored: string[] = [];
  for (const path of leaves(root)) {
    const prefixes = path.map((_, end) => formatPath(path.slice(0, end + 1)));
    if (notices.some((notice) => prefixes.includes(notice.path))) continue;
    // An empty section at the top says nothing that could be ignored.
    if (path.length === 1) continue;
    const value = path.reduce<unknown>((at, part) => (at as Record<string | number, unknown>)[part], root);
    const candidates = [undefined, ...others(value, literalsOf(schemasAt(subject.schema, path)))].map((other) =>
      changed(root, path, other),
    );
    // What is empty says something by being there: it goes with what holds it.
    if (typeof value === 'object')
      for (let end = path.length - 1; end > 0; end--) candidates.push(changed(root, path.slice(0, end), undefined));
    let seen = false;
    for (const candidate of candidates) {
      if (await subject.tells(candidate, base)) {
        seen = true;
        break;
      }
    }
    if (!seen && !OVERRIDDEN.has(formatPath(path))) ignored.push(formatPath(path));
  }
  return ignored;
}

describe('nothing accepted is silently ignored', () => {
  const own = readdirSync(OWN).filter((name) => name.endsWith('.yaml'));
  it.each(own)('in %s', async (name) => {
    const directory = await directoryWith(FILES);
    expect(await ignoredIn(readFileSync(join(OWN, name), 'utf8'), directory, CATALOGUE)).toEqual([]);
  });
});

describe.runIf(existsSync(AGENTGATEWAY))("agentgateway's examples", () => {
  const catalogue = buildCatalogue();
  const names = existsSync(AGENTGATEWAY) ? readdirSync(AGENTGATEWAY).filter((name) => name.endsWith('.yaml')) : [];

  it.each(names)('%s loads', async (name) => {
    const directory = await directoryWith({ ...FILES, ...tlsFiles() });
    const subject = new Subject(directory, catalogue);
    try {
      const { resources } = await subject.load(readFileSync(join(AGENTGATEWAY, name), 'utf8'));
      expect(resources.length).toBeGreaterThan(0);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      expect(error.faults.map(formatFault)).toEqual([]);
    }
  });

  it.each(names)('%s has nothing silently ignored', async (name) => {
    const directory = await directoryWith({ ...FILES, ...tlsFiles() });
    expect(await ignoredIn(readFileSync(join(AGENTGATEWAY, name), 'utf8'), directory, catalogue)).toEqual([]);
  });
});
