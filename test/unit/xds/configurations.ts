import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigSource } from '../../../src/config/index.ts';
import type { Catalogue } from '../../../src/resources/catalogue.ts';
import type { Resource } from '../../../src/resources/types.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const FIXTURES = at('../../fixtures/config/');
/** Made for these tests. */
const COMPLETE = at('../../fixtures/xds/complete.yaml');
const QUICKSTART = at('../../../examples/quickstart/config.yaml');
/** agentgateway's own examples, where they are at hand. */
const AGENTGATEWAY = at('../../../../shared/fixtures/agentgateway/configs/');

/** Files that configurations refer to, with stand-ins. */
function standIns(): Record<string, string> {
  const cert = readFileSync(join(FIXTURES, 'tls/cert.pem'), 'utf8');
  const key = readFileSync(join(FIXTURES, 'tls/key.pem'), 'utf8');
  const certs = ['cert.pem', 'key.pem', 'ca-cert.pem', 'ca-key.pem'];
  return {
    'key.txt': 'sk-from-file\n',
    'manifests/jwt/pub-key': '{"keys":[]}',
    'examples/mcp-openapi/openapi.json': '{"openapi":"3.1.0","paths":{}}',
    'tls/cert.pem': cert,
    'tls/key.pem': key,
    ...Object.fromEntries(
      certs.map((name) => [`examples/mcp-tls/certs/${name}`, name.endsWith('key.pem') ? key : cert]),
    ),
  };
}

/** Variables that agentgateway's examples expect are set, to their own names in lower case. */
const ENV = new Proxy<Record<string, string | undefined>>(
  {},
  {
    get: (_, name) =>
      /^(XAA|OKTA|AUTH0|KC|OPENAI|ANTHROPIC|SCOPE|RESOURCE)/.test(String(name))
        ? String(name).toLowerCase()
        : undefined,
  },
);

/** Names of all configurations there are to try. */
export function configurations(): { own: string[]; agentgateway: string[] } {
  const yaml = (directory: string) =>
    readdirSync(directory)
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => join(directory, name));
  return {
    own: [COMPLETE, QUICKSTART, ...yaml(FIXTURES)],
    agentgateway: existsSync(AGENTGATEWAY) ? yaml(AGENTGATEWAY) : [],
  };
}

/** The resources of a configuration file; null where Sluice refuses it for what it refers to. */
export async function resourcesOf(path: string, catalogue: Catalogue): Promise<Resource[]> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-equality-'));
  try {
    for (const [name, content] of Object.entries(standIns())) {
      await mkdir(dirname(join(directory, name)), { recursive: true });
      await writeFile(join(directory, name), content);
    }
    const copy = join(directory, basename(path));
    await writeFile(copy, readFileSync(path));
    return (await new ConfigSource(copy, catalogue, { env: ENV }).load()).resources;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
