import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { formatNotice, type Loaded, type LoadFailure, LocalSource } from '../../../src/config/index.ts';
import { CATALOGUE, directoryWith } from './support.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

const bind = (port: number) => `binds:\n- port: ${port}\n  listeners:\n  - routes: []\n`;
const portsOf = (loaded: Loaded) => loaded.resources.flatMap((one) => (one.kind === 'bind' ? [one.port] : []));

test('without localXdsPath, all is of the one file', async () => {
  const source = new LocalSource('c', CATALOGUE, { text: bind(1), env: {} });
  expect(portsOf(await source.load())).toEqual([1]);
});

test.each(['config.localXdsPath', 'LOCAL_XDS_PATH'])(
  'what %s names gives the resources; the settings are those of the first file',
  async (by) => {
    const directory = await directoryWith({ 'local.yaml': `config: {workerThreads: 3}\n${bind(2)}` });
    const path = join(directory, 'local.yaml');
    const localXdsPath = by === 'LOCAL_XDS_PATH' ? '/nowhere' : path;
    const text = `config: {workerThreads: 7, localXdsPath: ${localXdsPath}}\n${bind(1)}`;
    const env = by === 'LOCAL_XDS_PATH' ? { LOCAL_XDS_PATH: path } : {};
    const loaded = await new LocalSource('c', CATALOGUE, { text, env }).load();
    expect(portsOf(loaded)).toEqual([2]);
    expect(loaded.settings.workerThreads).toBe(7);
    expect(loaded.files).toEqual([path]);
    expect(loaded.notices.map((notice) => formatNotice('c', notice))).toEqual([
      `c:1:1: config.localXdsPath: the resources of this file are not used, but those of ${path}`,
    ]);
  },
);

test('notices of the other file are told by its name, and none of the first that are about resources', async () => {
  const inactive = (port: number) => `${bind(port)}    policies: {jwtAuth: {issuer: a, jwks: b}}\n`;
  const directory = await directoryWith({ 'local.yaml': inactive(2) });
  const path = join(directory, 'local.yaml');
  const env = { LOCAL_XDS_PATH: path };
  const { notices } = await new LocalSource('c', CATALOGUE, { text: `config: {serviceAccount: a}\n`, env }).load();
  expect(notices.map((notice) => formatNotice('c', notice))).toEqual([
    'c:1:10: config.serviceAccount: accepted, not yet active',
    `${path}:5:16: binds[0].listeners[0].policies.jwtAuth: accepted, not yet active; what it protects answers 503`,
  ]);
});

test('an edit of either is delivered; what is wrong with one is, too, until it is mended', async () => {
  const directory = await directoryWith({ 'local.yaml': bind(2), 'config.yaml': '{}' });
  const path = (name: string) => join(directory, name);
  const source = new LocalSource(path('config.yaml'), CATALOGUE, { env: { LOCAL_XDS_PATH: path('local.yaml') } });
  await source.load();
  const results: (Loaded | LoadFailure)[] = [];
  stops.push(source.watch((result) => results.push(result)));
  const next = async () => {
    await expect.poll(() => results.length, { timeout: 10_000 }).toBe(1);
    return results.shift() as Loaded | LoadFailure;
  };
  await writeFile(path('local.yaml'), bind(3));
  expect(portsOf((await next()) as Loaded)).toEqual([3]);
  await writeFile(path('config.yaml'), 'config: {workerThreads: 5}');
  expect(((await next()) as Loaded).settings.workerThreads).toBe(5);
  await writeFile(path('local.yaml'), 'binds: 7');
  expect(await next()).toHaveProperty('error');
  await writeFile(path('config.yaml'), 'config: {workerThreads: 6}');
  expect(await next()).toHaveProperty('error');
  await writeFile(path('local.yaml'), bind(4));
  const mended = (await next()) as Loaded;
  expect([...portsOf(mended), mended.settings.workerThreads]).toEqual([4, 6]);
});
