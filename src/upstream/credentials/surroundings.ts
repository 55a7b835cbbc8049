import { open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CredentialError } from './source.ts';

/** What the process finds around itself: the environment's variables, its home, files; and services that no variable moves. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Base URLs without a slash at the end. */
  readonly endpoints: ServiceEndpoints;
}

export interface ServiceEndpoints {
  /** Credentials of ECS tasks, for AWS_CONTAINER_CREDENTIALS_RELATIVE_URI. */
  readonly ecs: string;
  readonly azureImds: string;
  readonly github: string;
}

const ENDPOINTS: ServiceEndpoints = {
  ecs: 'http://169.254.170.2',
  azureImds: 'http://169.254.169.254',
  github: 'https://api.github.com',
};

/** The process's own; what is given takes its place. */
export function surroundings(
  given: { env?: Surroundings['env']; home?: string; endpoints?: Partial<ServiceEndpoints> } = {},
): Surroundings {
  return {
    env: given.env ?? process.env,
    home: given.home ?? homeOfProcess(),
    endpoints: { ...ENDPOINTS, ...given.endpoints },
  };
}

/** A user without a name, as containers have, may be without a home too. */
function homeOfProcess(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

/** A variable with something in it. */
export function variable({ env }: Surroundings, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
}

/** ~/.config, wherever it is. */
export function configHome(around: Surroundings): string {
  return variable(around, 'XDG_CONFIG_HOME') ?? join(around.home, '.config');
}

/** Credential files are a few KiB. */
const MAX_FILE_BYTES = 256 * 1024;

/**
 * The text of a small file at a usual place; null where there is none, or none for this user: containers often run as somebody who has no
 * home. Throws `CredentialError` where it is too long or can't be read.
 */
export async function readIfThere(path: string): Promise<string | null> {
  const read = await tryRead(path);
  if ('text' in read) return read.text;
  if (['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes(read.code)) return null;
  throw new CredentialError(`${path} can't be read (${read.code})`);
}

/** As `readIfThere`, for a file that was named and must be there. */
export async function readText(path: string): Promise<string> {
  const read = await tryRead(path);
  if ('text' in read) return read.text;
  throw new CredentialError(read.code === 'ENOENT' ? `${path} does not exist` : `${path} can't be read (${read.code})`);
}

/** The text, or the system's word for why there is none. */
async function tryRead(path: string): Promise<{ text: string } | { code: string }> {
  try {
    const file = await open(path, 'r');
    try {
      const buffer = Buffer.allocUnsafe(MAX_FILE_BYTES + 1);
      let size = 0;
      for (let read = -1; read !== 0 && size < buffer.length; size += read)
        read = (await file.read(buffer, size, buffer.length - size)).bytesRead;
      if (size > MAX_FILE_BYTES) throw new CredentialError(`${path} is longer than ${MAX_FILE_BYTES} bytes`);
      return { text: buffer.toString('utf8', 0, size) };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof CredentialError) throw error;
    return { code: error instanceof Error && 'code' in error ? String(error.code) : 'unknown error' };
  }
}
