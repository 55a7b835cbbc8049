import { afterEach, describe, expect, test } from 'vitest';
import type { Resource } from '../../../src/resources/types.ts';
import { WireError } from '../../../src/resources/wire.ts';
import { Changes } from '../../../src/xds/changes.ts';
import type {
  EncodedChanges,
  EncodedResource,
  ResourceChanges,
  ResourceFaults,
  WireResource,
} from '../../../src/xds/delta.ts';
import { type WireTranslator, XdsSource } from '../../../src/xds/source.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../../../src/xds/wire/discovery.ts';
import { AdsServer, type AdsStream } from '../../support/ads-server.ts';
import { KeptLog, KeptMetrics, opening, resource, response, xdsSettings } from '../../support/xds-client.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const made = (key: string, says: string): Resource => ({ kind: key.split('/')[0], key, says }) as unknown as Resource;

const saidBy = ({ json }: EncodedResource): string => JSON.parse(Buffer.from(json).toString()).says;

/** Content `key=says,key=says` means resources of these keys; `wrong` none; `odd` is warned of; workloads are not remembered. */
class Translator implements WireTranslator<readonly Resource[]> {
  readonly #made = new Map<string, readonly Resource[]>();

  put(_: string, { name, bytes }: Pick<WireResource, 'name' | 'bytes'>) {
    const content = Buffer.from(bytes).toString();
    if (content === 'wrong') throw new WireError('is out of range', ['spec', 'port']);
    const changed = content.split(',').map((pair) => made(pair.split('=')[0] ?? '', pair));
    return { ...this.#replace(name, changed), warnings: content.includes('odd') ? ['odd is not executed'] : [] };
  }

  remove(_: string, name: string): ResourceChanges {
    return this.#replace(name, []);
  }

  held(_: string, name: string): readonly Resource[] {
    return this.#made.get(name) ?? [];
  }

  restore(_: string, name: string, held: readonly Resource[]) {
    const { changed, removed } = this.#replace(name, held);
    const remembered = changed.filter(({ kind }) => kind !== 'workload');
    const asItWas = changed.filter(({ kind }) => kind === 'workload').map(({ key }) => key);
    return { changed: remembered, removed, asItWas };
  }

  #replace(name: string, changed: readonly Resource[]): ResourceChanges {
    const keys = changed.map(({ key }) => key);
    const removed = this.held('', name).filter(({ key }) => !keys.includes(key));
    this.#made.set(name, changed);
    return { changed, removed: removed.map(({ key }) => key) };
  }
}

/** A source on an open stream, and what is in force: a resource whose content says `clash` can not be. */
async function opened() {
  const server = new AdsServer();
  await server.listen();
  cleanups.push(() => server.close());
  const inForce = new Map<string, string>();
  const steps: EncodedChanges[] = [];
  const apply = async (changes: EncodedChanges): Promise<ResourceFaults> => {
    steps.push(changes);
    if (changes.changed.some((changed) => saidBy(changed).includes('crash'))) throw new Error('no room');
    const faults = new Map<string, string>();
    for (const changed of changes.changed) {
      if (saidBy(changed).includes('clash')) faults.set(changed.key, 'port 80 is in use');
      else inForce.set(changed.key, saidBy(changed));
    }
    for (const key of changes.removed) inForce.delete(key);
    return faults;
  };
  const log = new KeptLog();
  const source = new XdsSource({
    settings: xdsSettings(server.address),
    translator: new Translator(),
    apply,
    current: (key) => {
      const says = inForce.get(key);
      return says === undefined ? null : Buffer.from(JSON.stringify(made(key, says)));
    },
    begin: () => () => null,
    version: '1.2.3',
    statsAddress: null,
    log,
    metrics: new KeptMetrics(),
  });
  cleanups.push(() => source.close());
  await source.start();
  const stream = await server.nextStream();
  await opening(stream);
  return { source, stream, inForce, steps, log };
}

async function send(stream: AdsStream, message: Parameters<AdsStream['send']>[0]): Promise<unknown> {
  stream.send(message);
  const { error_detail: detail } = await stream.nextRequest();
  return detail === undefined ? 'ack' : JSON.parse(detail.message ?? '');
}

describe('a delta', () => {
  test('is one step, in the order in which things stand on each other', async () => {
    const { stream, steps, source } = await opened();
    const all = ['route/r=1', 'bind/80=1', 'policy/p=1', 'backend/b=1', 'listener/l=1'];
    expect(
      await send(
        stream,
        response(
          'n1',
          all.map((content, index) => resource(`w${index}`, '1', content)),
        ),
      ),
    ).toBe('ack');
    expect(steps.map(({ changed }) => changed.map(({ kind }) => kind))).toEqual([
      ['backend', 'policy', 'listener', 'route', 'bind'],
    ]);
    expect(await send(stream, response('n2', [], ['w3', 'w1', 'w0', 'w4']))).toBe('ack');
    expect(steps[1]?.removed).toEqual(['bind/80', 'route/r', 'listener/l', 'backend/b']);
    await send(stream, { type_url: ADDRESS_TYPE, nonce: 'w' });
    await source.synced;
    expect(source.status()).toEqual({
      address: expect.stringContaining('http://localhost:'),
      connected: true,
      synced: true,
      types: [
        { typeUrl: ADDRESS_TYPE, version: '', inForce: 0, refused: 0, reasons: [] },
        { typeUrl: RESOURCE_TYPE, version: '', inForce: 1, refused: 0, reasons: [] },
      ],
    });
  });

  test('a resource that means nothing is refused with the field at fault, and what it was stays', async () => {
    const { stream, inForce, source } = await opened();
    await send(stream, response('n1', [resource('a', '1', 'backend/a=1')]));
    const answer = await send(stream, response('n2', [resource('a', '2', 'wrong'), resource('b', '1', 'backend/b=1')]));
    expect(answer).toEqual([{ key: 'a', error: 'spec.port: is out of range' }]);
    expect([...inForce]).toEqual([
      ['backend/a', 'backend/a=1'],
      ['backend/b', 'backend/b=1'],
    ]);
    expect(source.status().types[1]).toEqual({
      typeUrl: RESOURCE_TYPE,
      version: '',
      inForce: 2,
      refused: 1,
      reasons: [{ name: 'a', version: '2', reason: 'spec.port: is out of range' }],
    });
  });

  test('what can not be put into force is refused whole and means again what it did', async () => {
    const { stream, inForce } = await opened();
    await send(stream, response('n1', [resource('a', '1', 'bind/80=1,listener/x=1')]));
    // The bind clashes: the listener that comes with it goes back to what it was, and the new route goes.
    const answer = await send(
      stream,
      response('n2', [resource('a', '2', 'bind/80=clash,listener/x=2,route/new=2'), resource('b', '1', 'bind/90=1')]),
    );
    expect(answer).toEqual([{ key: 'a', error: 'port 80 is in use' }]);
    expect(Object.fromEntries(inForce)).toEqual({
      'bind/80': 'bind/80=1',
      'listener/x': 'listener/x=1',
      'bind/90': 'bind/90=1',
    });
    // Its removal takes what is in force of it.
    expect(await send(stream, response('n3', [], ['a']))).toBe('ack');
    expect([...inForce.keys()]).toEqual(['bind/90']);
  });

  test('what has another key now, and can not, is put back under the key it had', async () => {
    const { stream, inForce, log } = await opened();
    await send(stream, response('n1', [resource('a', '1', 'workload/a=1')]));
    expect(await send(stream, response('n2', [resource('a', '2', 'workload/b=clash')]))).toEqual([
      { key: 'a', error: 'port 80 is in use' },
    ]);
    expect(Object.fromEntries(inForce)).toEqual({ 'workload/a': 'workload/a=1' });
    // Where it only says something else it has not gone.
    await send(stream, response('n3', [resource('a', '2', 'workload/a=clash')]));
    expect(Object.fromEntries(inForce)).toEqual({ 'workload/a': 'workload/a=1' });
    expect(log.lines.filter((line) => line.includes('put back'))).toEqual([]);
  });

  test('of what never was in force nothing stays', async () => {
    const { stream, inForce } = await opened();
    const content = 'bind/80=clash,listener/x=1';
    expect(await send(stream, response('n1', [resource('a', '1', content)]))).toEqual([
      { key: 'a', error: 'port 80 is in use' },
    ]);
    expect(inForce.size).toBe(0);
  });

  test('where nothing can be put into force, all is refused and means again what it did', async () => {
    const { stream, inForce } = await opened();
    await send(stream, response('n1', [resource('a', '1', 'route/a=1'), resource('b', '1', 'route/b=1')]));
    const changes = response(
      'n2',
      [resource('a', '2', 'route/a=2,route/x=2'), resource('c', '1', 'route/c=crash')],
      ['b'],
    );
    const answer = (await send(stream, changes)) as { key: string; error: string }[];
    expect(answer.map(({ key }) => key).sort()).toEqual(['a', 'b', 'c']);
    expect(answer[0]?.error).toContain('no room');
    expect(Object.fromEntries(inForce)).toEqual({ 'route/a': 'route/a=1', 'route/b': 'route/b=1' });
    // What is removed now is all that there is of it.
    expect(await send(stream, response('n3', [], ['a', 'b', 'c']))).toBe('ack');
    expect(inForce.size).toBe(0);
  });

  test('a warning is told of what is in force, once it is', async () => {
    const { stream, inForce } = await opened();
    expect(await send(stream, response('n1', [resource('a', '1', 'route/a=odd')]))).toEqual([
      { key: 'a', warn: 'odd is not executed' },
    ]);
    expect([...inForce.keys()]).toEqual(['route/a']);
    expect(await send(stream, response('n2', [resource('b', '1', 'route/b=odd clash')]))).toEqual([
      { key: 'b', error: 'port 80 is in use' },
    ]);
  });

  test('what goes under one name and comes under another stays', async () => {
    const { stream, inForce } = await opened();
    await send(stream, response('n1', [resource('old', '1', 'route/a=1')]));
    expect(await send(stream, response('n2', [resource('new', '1', 'route/a=2')], ['old']))).toBe('ack');
    expect([...inForce]).toEqual([['route/a', 'route/a=2']]);
  });
});

test('changes of several resources to one key are one, and a fault of it is theirs', () => {
  const changes = new Changes();
  changes.add('m1', { changed: [made('llmRouter/r', '1')], removed: [] });
  changes.add('m2', { changed: [made('llmRouter/r', '2')], removed: [] });
  expect(changes.inOrder().changed.map(saidBy)).toEqual(['2']);
  expect(changes.namesOf('llmRouter/r')).toEqual(['m1', 'm2']);
  changes.add('m3', { changed: [], removed: ['llmRouter/r'] });
  expect(changes.inOrder()).toEqual({ changed: [], removed: ['llmRouter/r'] });
  expect(changes.namesOf('else')).toEqual([]);
});
