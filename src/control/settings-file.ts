import { resolve } from 'node:path';
import { validate } from '../resources/schema/validate.ts';
import { baseOf, type ControlSettings, resolveSettings, SettingsError, settingsSchema } from './settings.ts';
import { readYaml } from './yaml-file.ts';

/** Options of the command line: where each stands in the settings, what it takes ('' = nothing), and what it is about. */
export const OPTIONS: Readonly<
  Record<string, { readonly path: readonly string[]; readonly value: string; readonly about: string }>
> = {
  listen: { path: ['listen'], value: 'host:port', about: 'where nodes connect; default: localhost:9978' },
  admin: {
    path: ['admin'],
    value: 'host:port',
    about: 'where the admin API is; default: localhost:15010; "off" = none',
  },
  'tls-cert': { path: ['tls', 'cert'], value: 'file', about: 'certificate towards nodes' },
  'tls-key': { path: ['tls', 'key'], value: 'file', about: 'its private key' },
  'client-ca': { path: ['tls', 'clientCa'], value: 'file', about: 'authorities that nodes must have a certificate of' },
  tokens: { path: ['tokens'], value: 'file', about: 'bearer tokens that nodes must have one of' },
  'allow-anonymous': { path: ['allowAnonymous'], value: '', about: 'serve whoever connects, wherever from' },
  redis: { path: ['redis', 'url'], value: 'url', about: 'share the state with other replicas' },
  state: { path: ['state'], value: 'dir', about: 'keep the state there without Redis; default: <dir>/.state' },
  canary: {
    path: ['rollout', 'canary'],
    value: 'share',
    about: 'nodes that take a change first, e.g. 10%; default: all at once',
  },
  'min-time': {
    path: ['rollout', 'minTime'],
    value: 'time',
    about: 'how long at least before the others do; default: 5m',
  },
  'max-error-rate': {
    path: ['rollout', 'maxErrorRate'],
    value: 'share',
    about: 'how far their 5xx may be above the others\'; default: 1%; "off" = do not count',
  },
  'max-nacks': { path: ['rollout', 'maxNacks'], value: 'number', about: 'nodes that may refuse it; default: 0' },
};

/** The settings that options say. */
export function flagsOf(values: Readonly<Record<string, string | boolean | undefined>>): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [name, { path }] of Object.entries(OPTIONS)) {
    const value = values[name];
    if (value === undefined) continue;
    let at = settings;
    for (const part of path.slice(0, -1)) {
      const below = at[part] ?? {};
      at[part] = below;
      at = below as Record<string, unknown>;
    }
    at[path.at(-1) ?? ''] = read(name, value);
  }
  return settings;
}

/** Paths of the command line begin in the working directory. */
function read(name: string, value: string | boolean): unknown {
  const kind = OPTIONS[name]?.value;
  if (kind === 'number') return Number(value);
  return kind === 'file' || kind === 'dir' ? resolve(String(value)) : value;
}

/**
 * The settings of a file (null = none) with those of the command line above them. Throws
 * ConfigError and SettingsError.
 */
export async function readSettings(
  file: string | null,
  flags: Readonly<Record<string, unknown>>,
  directory: string,
): Promise<ControlSettings> {
  if (file !== null) {
    const { data } = await readYaml(file, settingsSchema, flags);
    return resolveSettings(data, baseOf(file), directory);
  }
  const { data, faults } = validate(settingsSchema, flags);
  if (data === null)
    throw new SettingsError(faults.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
  return resolveSettings(data, process.cwd(), directory);
}
