import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flagsOf, readSettings } from '../../../src/control/settings-file.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-settings-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (text: string | null, flags: Record<string, string | boolean> = {}) => {
  const file = join(folder, 'control.yaml');
  if (text !== null) writeFileSync(file, text);
  return readSettings(text === null ? null : file, flagsOf(flags), folder);
};

describe('settings of control', () => {
  it('without any: on loopback, all nodes at once, state beside the directory', async () => {
    const settings = await read(null);
    expect(settings).toMatchObject({
      listen: { host: 'localhost', port: 9978 },
      admin: { host: 'localhost', port: 15010 },
      tls: null,
      tokens: null,
      redis: null,
      state: join(folder, '.state'),
      rollout: { share: 0, minTimeMs: 300_000, maxErrorRate: 0.01, maxNacks: 0 },
    });
  });

  it('of a file, with those of the command line above them; paths begin where each is written', async () => {
    const text =
      'listen: 0.0.0.0:9000\ntls: { cert: a.pem, key: a.key }\ntokens: tokens.yaml\nrollout: { canary: 10%, minTime: 1m }\n';
    const settings = await read(text, { 'tls-key': 'b.key', canary: '0.5', 'max-error-rate': 'off', 'max-nacks': '2' });
    expect(settings.tls).toEqual({ cert: join(folder, 'a.pem'), key: resolve('b.key'), clientCa: null });
    expect(settings.tokens).toBe(join(folder, 'tokens.yaml'));
    expect(settings.rollout).toMatchObject({ share: 0.5, minTimeMs: 60_000, maxErrorRate: null, maxNacks: 2 });
  });

  it.each([
    ['listen: 0.0.0.0:9000', 'whoever reaches 0.0.0.0:9000 would be given the configuration'],
    ['{ listen: "0.0.0.0:9000", tls: { cert: a, key: b } }', 'set tls.clientCa or tokens'],
    ['identities: ["{gateway}"]', 'set tls.clientCa'],
    ['listen: unix:/x', 'nodes are served over TCP'],
    ['listen: 9000', 'expected text'],
    ['rollout: { canary: 120% }', 'from 0% to 100%'],
    ['rollout: { canary: some }', 'is not a share'],
    ['rollout: { scrapeNetworks: [10.0.0.0/33] }', 'is not a network'],
    ['tls: { cert: a }', 'missing'],
    ['canary: 1', 'unknown field'],
  ])('refuses %s', async (text, reason) => {
    await expect(read(text)).rejects.toThrow(reason);
  });

  it('lets nobody in by mistake, and everybody where that is said', async () => {
    expect((await read(null, { listen: '0.0.0.0:9000', 'allow-anonymous': true })).allowAnonymous).toBe(true);
    await expect(read(null, { listen: '[::]:9000' })).rejects.toThrow('--allow-anonymous');
    await read(null, { listen: '127.0.0.1:9000' });
    await read(null, { listen: '0.0.0.0:9000', tokens: 't.yaml' });
  });
});
