import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { nodeOf } from '../../../src/xds/client/node.ts';
import { type RecordEntry, Recorder, readRecord } from '../../../src/xds/client/record.ts';
import { replay } from '../../../src/xds/client/replay.ts';
import { Session } from '../../../src/xds/client/session.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../../../src/xds/wire/discovery.ts';
import { AdsServer } from '../../support/ads-server.ts';
import { adsClient, KeptLog, noting, opening, resource, response, xdsSettings } from '../../support/xds-client.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function recordPath(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'xds-'));
  cleanups.push(() => rm(path, { recursive: true }));
  return join(path, 'record.jsonl');
}

async function entriesOf(path: string): Promise<RecordEntry[]> {
  const entries: RecordEntry[] = [];
  for await (const entry of readRecord(path)) entries.push(entry);
  return entries;
}

const refusing = () => noting((_, content) => (content === 'b@2' ? { error: 'bad' } : null));

test('what passed on two streams is recorded, and replayed it comes to the same', async () => {
  const recordFile = await recordPath();
  await writeFile(recordFile, 'of the last run', { mode: 0o644 });
  const server = new AdsServer();
  await server.listen();
  cleanups.push(() => server.close());
  const settings = xdsSettings(server.address, { recordFile });
  const { seen, handle } = refusing();
  const { client } = adsClient(settings, handle);
  await client.start();
  const first = await server.nextStream();
  await opening(first);
  first.send({ type_url: ADDRESS_TYPE, nonce: 'w' });
  first.send(response('n1', [resource('a', '1'), resource('b', '1')]));
  first.send(response('n2', [resource('b', '2')], ['a']));
  for (let answers = 0; answers < 3; answers++) await first.nextRequest();
  first.reset();
  const second = await server.nextStream();
  await opening(second);
  second.send(response('n3', [resource('b', '3')]));
  await second.nextRequest();
  await client.close();

  expect((await stat(recordFile)).mode & 0o777).toBe(0o600);
  const kinds = (await entriesOf(recordFile)).map(({ kind }) => kind);
  const exchange = ['response', 'request'];
  const opened = ['stream', 'request', 'request'];
  expect(kinds).toEqual([...opened, ...exchange, ...exchange, ...exchange, ...opened, ...exchange]);

  const again = refusing();
  const node = nodeOf({ settings, version: '1.2.3', statsAddress: { host: '::', port: 15020 } });
  const session = new Session(node, [ADDRESS_TYPE, RESOURCE_TYPE], again.handle);
  expect(await replay(readRecord(recordFile), session)).toEqual([]);
  expect(again.seen).toEqual(seen);
  // One that refuses nothing says something else.
  const lenient = new Session(node, [ADDRESS_TYPE, RESOURCE_TYPE], noting().handle);
  expect((await replay(readRecord(recordFile), lenient)).map(({ entry }) => entry)).toEqual([8, 11]);
});

test('a record ends where it is full', async () => {
  const path = await recordPath();
  const log = new KeptLog();
  const recorder = await Recorder.open(path, log, 1000);
  for (let count = 0; count < 10; count++) await recorder.write('response', Buffer.alloc(150));
  await recorder.close();
  const entries = await entriesOf(path);
  expect(entries.map(({ kind }) => kind)).toEqual(['response', 'response', 'response', 'full']);
  expect((await readFile(path)).length).toBeLessThan(1000);
  expect(log.lines).toHaveLength(1);
});

test('a line that was cut off at the end is left out; one in the middle is a fault', async () => {
  const path = await recordPath();
  const recorder = await Recorder.open(path, new KeptLog());
  await recorder.write('response', Buffer.from('abc'));
  await recorder.close();
  await appendFile(path, '{"at":1,"kind":"resp');
  expect((await entriesOf(path)).map(({ bytes }) => bytes.toString())).toEqual(['abc']);
  await appendFile(path, '\n{"at":1,"kind":"stream","bytes":""}\n');
  await expect(entriesOf(path)).rejects.toThrow('line 2 is no entry of a record');
});

test('a record that can not be written is said at the start', async () => {
  const { client } = adsClient(xdsSettings('http://localhost:1', { recordFile: '/nowhere/at/all' }));
  await expect(client.start()).rejects.toThrow('SLUICE_XDS_RECORD');
});
