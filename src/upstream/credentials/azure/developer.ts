import { execFile } from 'node:child_process';
import { isObject } from '../../../resources/json.ts';
import { headerText, textOf } from '../json.ts';
import { CredentialError, type Token } from '../source.ts';
import type { Surroundings } from '../surroundings.ts';

interface Tool {
  readonly name: string;
  readonly command: string;
  readonly arguments: (scope: string) => string[];
  readonly token: string;
  /** Member that says when it ends: Unix seconds, or a date with its zone. */
  readonly end: string;
}

const TOOLS: readonly Tool[] = [
  {
    name: 'Azure CLI',
    command: 'az',
    arguments: (scope) => ['account', 'get-access-token', '--output', 'json', '--scope', scope],
    token: 'accessToken',
    end: 'expires_on',
  },
  {
    name: 'Azure Developer CLI',
    command: 'azd',
    arguments: (scope) => ['auth', 'token', '--output', 'json', '--no-prompt', '--scope', scope],
    token: 'token',
    end: 'expiresOn',
  },
];

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 64 * 1024;
/** Older versions name the end only in local time: such a token is asked for again soon, ms. */
const SHORT_LIFE_MS = 300_000;

/** A token of the developer's own login, by the tool that holds it; null where none is installed. */
export async function developerToken(around: Surroundings, scope: string, now: number): Promise<Token | null> {
  let failure: CredentialError | null = null;
  for (const tool of TOOLS) {
    const output = await run(tool, around, scope).catch((error: CredentialError) => {
      failure ??= error;
      return null;
    });
    if (output !== null) return tokenFrom(output, tool, now);
  }
  if (failure !== null) throw failure;
  return null;
}

/** Its output; null where it isn't installed. What it prints on errors is not repeated. */
function run(tool: Tool, { env }: Surroundings, scope: string): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const options = { env: { ...env }, timeout: TIMEOUT_MS, maxBuffer: MAX_BYTES, killSignal: 'SIGKILL' as const };
    execFile(tool.command, tool.arguments(scope), options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else if (error.code === 'ENOENT') resolve(null);
      else reject(new CredentialError(`${tool.name} gave no token; is somebody logged in?`));
    });
  });
}

function tokenFrom(output: string, tool: Tool, now: number): Token {
  let value: unknown;
  try {
    value = JSON.parse(output);
  } catch {
    value = null;
  }
  if (!isObject(value)) throw new CredentialError(`${tool.name} printed no JSON object`);
  const end = value[tool.end];
  const expiresAt = typeof end === 'number' ? end * 1000 : Date.parse(String(end));
  return {
    value: headerText(textOf(value, tool.token, tool.name), tool.name),
    expiresAt: Number.isNaN(expiresAt) ? now + SHORT_LIFE_MS : expiresAt,
  };
}
