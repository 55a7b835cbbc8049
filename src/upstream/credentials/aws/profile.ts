import { join } from 'node:path';
import { CredentialError } from '../source.ts';
import { readIfThere, type Surroundings, variable } from '../surroundings.ts';

/** One profile's settings, of both files. */
export type Profile = Readonly<Record<string, string>>;

/**
 * Profiles of the shared files (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html). Where both files have a setting, the
 * credentials file's stands.
 */
export async function readProfiles(around: Surroundings): Promise<ReadonlyMap<string, Profile>> {
  const credentials = variable(around, 'AWS_SHARED_CREDENTIALS_FILE') ?? join(around.home, '.aws', 'credentials');
  const config = variable(around, 'AWS_CONFIG_FILE') ?? join(around.home, '.aws', 'config');
  const profiles = new Map<string, Record<string, string>>();
  for (const [section, settings] of parseIni((await readIfThere(config)) ?? '')) {
    const name = section === 'default' ? section : /^profile\s+["']?([^"']+?)["']?$/.exec(section)?.[1];
    if (name !== undefined) profiles.set(name, { ...profiles.get(name), ...settings });
  }
  for (const [name, settings] of parseIni((await readIfThere(credentials)) ?? ''))
    profiles.set(name, { ...profiles.get(name), ...settings });
  return profiles;
}

/** The profile in use, and whether somebody asked for it by name. */
export function profileName(around: Surroundings): { name: string; asked: boolean } {
  const name = variable(around, 'AWS_PROFILE') ?? variable(around, 'AWS_DEFAULT_PROFILE');
  return { name: name ?? 'default', asked: name !== undefined };
}

export function profileNamed(profiles: ReadonlyMap<string, Profile>, name: string): Profile {
  const profile = profiles.get(name);
  if (profile === undefined) throw new CredentialError(`there is no profile "${name}"`);
  return profile;
}

/** Sections of `key = value` lines; indented lines belong to settings nobody here reads. */
function parseIni(text: string): [string, Record<string, string>][] {
  const sections: [string, Record<string, string>][] = [];
  let settings: Record<string, string> | null = null;
  for (const line of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith(';')) continue;
    if (trimmed.startsWith('[')) {
      const end = trimmed.indexOf(']');
      settings = Object.create(null) as Record<string, string>;
      sections.push([trimmed.slice(1, end < 0 ? undefined : end).trim(), settings]);
      continue;
    }
    const equals = trimmed.indexOf('=');
    if (settings === null || equals < 0 || /^\s/.test(line)) continue;
    settings[trimmed.slice(0, equals).trim().toLowerCase()] = withoutComment(trimmed.slice(equals + 1)).trim();
  }
  return sections;
}

/** A comment begins with white space and # or ;. */
function withoutComment(value: string): string {
  const at = value.search(/\s[#;]/);
  return at < 0 ? value : value.slice(0, at);
}
