import { join } from 'node:path';
import { HeaderList } from '../../headers.ts';
import { isObject } from '../../resources/json.ts';
import type { UpstreamCall } from '../call.ts';
import { askJson } from './http.ts';
import { headerText, optionalText, textOf } from './json.ts';
import { CredentialError, firstOf, type Token } from './source.ts';
import { configHome, readIfThere, type Surroundings, variable } from './surroundings.ts';

const WHAT = "GitHub's Copilot token endpoint";
const VARIABLES = ['GH_COPILOT_TOKEN', 'COPILOT_GITHUB_TOKEN'];
const FILES = ['apps.json', 'hosts.json'];
const HOST = 'github.com';

/** Copilot serves editors, and wants to know which. */
const EDITOR_FIELDS: Readonly<Record<string, string>> = {
  'editor-version': 'sluice/1.0',
  'editor-plugin-version': 'sluice/1.0',
  'copilot-integration-id': 'vscode-chat',
  'x-github-api-version': '2025-04-01',
};

/** Names the editor where the client, being one, didn't; and lets messages hold images. */
export function addEditorFields(call: UpstreamCall): void {
  const headers = new HeaderList(call.headers);
  for (const [name, value] of Object.entries(EDITOR_FIELDS)) if (!headers.has(name)) headers.add(name, value);
  if (!headers.has('copilot-vision-request')) headers.add('copilot-vision-request', 'true');
}

/**
 * A token for Copilot's API, in exchange for a GitHub user's: from the environment, else where GitHub's editor plug-ins keep theirs. Both
 * are read each time, since the plug-ins exchange them as they see fit.
 */
export async function copilotToken(around: Surroundings): Promise<Token> {
  const github = await firstOf<string>('GitHub token', [
    { name: VARIABLES.join(', '), load: async () => fromEnvironment(around) },
    { name: 'github-copilot/{apps,hosts}.json', load: () => fromPlugins(around) },
  ]);
  const answer = await askJson({
    what: WHAT,
    url: `${around.endpoints.github}/copilot_internal/v2/token`,
    headers: {
      authorization: `token ${headerText(github, 'the source of the GitHub token')}`,
      accept: 'application/json',
      'user-agent': 'sluice',
      ...EDITOR_FIELDS,
    },
  });
  const { expires_at: end } = answer;
  if (typeof end !== 'number') throw new CredentialError(`the answer of ${WHAT} has no "expires_at"`);
  return { value: headerText(textOf(answer, 'token', WHAT), WHAT), expiresAt: end * 1000 };
}

function fromEnvironment(around: Surroundings): string | null {
  for (const name of VARIABLES) {
    const token = variable(around, name);
    if (token !== undefined) return token;
  }
  return null;
}

async function fromPlugins(around: Surroundings): Promise<string | null> {
  for (const name of FILES) {
    const text = await readIfThere(join(configHome(around), 'github-copilot', name));
    const token = text === null ? undefined : oauthToken(text);
    if (token !== undefined) return token;
  }
  return null;
}

/** `{"github.com:<app>": {"oauth_token": …}}`; a file that makes no sense counts as absent. */
function oauthToken(text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  for (const [key, entry] of Object.entries(value)) {
    if (key !== HOST && !key.startsWith(`${HOST}:`)) continue;
    const token = isObject(entry) ? optionalText(entry, 'oauth_token') : undefined;
    if (token !== undefined) return token.trim();
  }
  return undefined;
}
