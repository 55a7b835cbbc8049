import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copilotToken } from '../../../../src/upstream/credentials/copilot.ts';
import { around, type Said, START, type TokenServer, tokenServer } from './helpers.ts';

let folder: string;
let github: TokenServer;
let said: Said;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-copilot-'));
  await mkdir(join(folder, '.config/github-copilot'), { recursive: true });
  said = { token: 'tid=1;exp=2', expires_at: START / 1000 + 1500, refresh_in: 1200 };
  github = await tokenServer(() => said);
});
afterEach(async () => {
  await github.close();
  await rm(folder, { recursive: true });
});

const token = (env: Record<string, string> = {}) => copilotToken(around(env, folder, { github: github.url }));
const write = (name: string, value: unknown) =>
  writeFile(join(folder, '.config/github-copilot', name), JSON.stringify(value));

describe('copilotToken', () => {
  it("is given in exchange for the environment's GitHub token", async () => {
    expect(await token({ GH_COPILOT_TOKEN: 'ghu_1\n' })).toEqual({
      value: 'tid=1;exp=2',
      expiresAt: START + 1_500_000,
    });
    const { path, headers } = github.asked[0]!;
    expect(path).toBe('/copilot_internal/v2/token');
    expect(headers.authorization).toBe('token ghu_1');
    expect(headers['editor-version']).toMatch(/^sluice\//);
    expect(headers['copilot-integration-id']).toBe('vscode-chat');
  });

  it("is given for the editor plug-ins', as they stand", async () => {
    await write('hosts.json', { 'github.com': { user: 'a', oauth_token: 'ghu_hosts' } });
    await token();
    await write('apps.json', {
      'github.com.evil': { oauth_token: 'no' },
      'github.com:Iv1': { oauth_token: 'ghu_apps' },
    });
    await token();
    expect(github.asked.map(({ headers }) => headers.authorization)).toEqual(['token ghu_hosts', 'token ghu_apps']);
  });

  it('needs one of them', async () => {
    await writeFile(join(folder, '.config/github-copilot/apps.json'), 'garbage');
    await write('hosts.json', { 'enterprise.example': { oauth_token: 'x' } });
    await expect(token()).rejects.toThrow(
      'no GitHub token; tried: GH_COPILOT_TOKEN, COPILOT_GITHUB_TOKEN, github-copilot',
    );
    expect(github.asked).toHaveLength(0);
  });

  it.each([
    ['refuses', { status: 403, body: { message: 'ghu_secret' } }, 'answered 403'],
    ['lies', 'garbage', 'is no JSON object'],
    ['names no end', { token: 'x' }, 'has no "expires_at"'],
    ['gives no token', { expires_at: 1 }, 'has no "token"'],
  ] as [string, Said, string][])('is an error where GitHub %s', async (_name, answer, message) => {
    said = answer;
    const asked = token({ COPILOT_GITHUB_TOKEN: 'ghu_secret' });
    await expect(asked).rejects.toThrow(message);
    await expect(asked).rejects.not.toThrow('ghu_secret');
  });
});
