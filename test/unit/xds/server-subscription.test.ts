import { describe, expect, it } from 'vitest';
import type { WireResource } from '../../../src/xds/delta.ts';
import { parseNack } from '../../../src/xds/server/nack.ts';
import { type ResourceSet, TypeSet } from '../../../src/xds/server/resource-set.ts';
import { Subscription } from '../../../src/xds/server/subscription.ts';
import { deltaResponseType, RESOURCE_TYPE } from '../../../src/xds/wire/discovery.ts';

const resource = (name: string, version: string, size = 4): WireResource => {
  return { name, version, bytes: new Uint8Array(size).fill(7) };
};

function setOf(revision: string, ...resources: WireResource[]): ResourceSet {
  return { revision, types: new Map([[RESOURCE_TYPE, new TypeSet(RESOURCE_TYPE, resources)]]) };
}

/** A node that answers what it gets, and remembers it. */
class Node {
  readonly subscription = new Subscription(RESOURCE_TYPE);
  readonly has = new Map<string, string>();
  #nonce = 0;
  #set: ResourceSet;

  constructor(set: ResourceSet) {
    this.#set = set;
  }

  /** The names that the next response brings and takes away; null where there is none. */
  next(): { changed: string[]; removed: string[]; nonce: string } | null {
    const nonce = String(++this.#nonce);
    const bytes = this.subscription.next(this.#set, nonce, 0);
    if (bytes === null) return null;
    const { resources = [], removed_resources: removed = [] } = deltaResponseType().decode(bytes);
    for (const { name = '', version = '' } of resources) this.has.set(name, version);
    for (const name of removed) this.has.delete(name);
    return { changed: resources.map(({ name = '' }) => name), removed, nonce };
  }

  request(request: Parameters<Subscription['request']>[0]) {
    return this.subscription.request(request, 0);
  }

  /** Takes responses until there are none. */
  drain(): void {
    for (let got = this.next(); got !== null; got = this.next()) this.request({ response_nonce: got.nonce });
  }

  serve(set: ResourceSet): void {
    this.#set = set;
  }
}

describe('Subscription', () => {
  it('answers the first request of a type of which there is nothing, once', () => {
    const node = new Node(setOf('r0'));
    expect(node.next()).toBe(null);
    node.request({});
    expect(node.next()).toEqual({ changed: [], removed: [], nonce: '2' });
    expect(node.next()).toBe(null);
    expect(node.subscription.acknowledged).toBe(null);
    node.request({ response_nonce: '2' });
    expect(node.subscription.acknowledged).toBe('r0');
    expect(node.next()).toBe(null);
  });

  it('sends what differs from the versions a node comes with, and names what is gone', () => {
    const node = new Node(setOf('r1', resource('a', '1'), resource('b', '2'), resource('c', '1')));
    node.request({ initial_resource_versions: { a: '1', b: '1', gone: '9' } });
    expect(node.next()).toMatchObject({ changed: ['b', 'c'], removed: ['gone'] });
  });

  it('answers a node that has everything with nothing', () => {
    const node = new Node(setOf('r1', resource('a', '1')));
    node.request({ initial_resource_versions: { a: '1' } });
    expect(node.next()).toMatchObject({ changed: [], removed: [] });
  });

  it('has one response under way at a time and sends the newest state after it', () => {
    const node = new Node(setOf('r1', resource('a', '1')));
    node.request({});
    const sent = node.next();
    node.serve(setOf('r2', resource('a', '2')));
    expect(node.next()).toBe(null);
    node.serve(setOf('r3', resource('b', '1')));
    expect(node.next()).toBe(null);
    node.request({ response_nonce: sent!.nonce });
    expect(node.subscription.acknowledged).toBe('r1');
    expect(node.next()).toMatchObject({ changed: ['b'], removed: ['a'] });
  });

  it('takes no answer to a response that was answered, or never sent', () => {
    const node = new Node(setOf('r1', resource('a', '1')));
    node.request({});
    const sent = node.next();
    expect(node.request({ response_nonce: 'never' })).toBe(null);
    expect(node.request({ response_nonce: sent!.nonce })).toEqual({ kind: 'ack', ms: 0 });
    expect(node.request({ response_nonce: sent!.nonce })).toBe(null);
    node.serve(setOf('r2', resource('a', '2')));
    expect(node.next()).toMatchObject({ changed: ['a'] });
    expect(node.request({ response_nonce: sent!.nonce })).toBe(null);
    expect(node.subscription.acknowledged).toBe('r1');
  });

  it('takes subscriptions of requests with a stale nonce', () => {
    const node = new Node(setOf('r1', resource('a', '1'), resource('b', '1')));
    node.request({ resource_names_subscribe: ['a'] });
    expect(node.next()).toMatchObject({ changed: ['a'] });
    node.request({ response_nonce: 'stale', resource_names_subscribe: ['b'] });
    expect(node.next()).toBe(null);
    node.request({ response_nonce: '1' });
    expect(node.next()).toMatchObject({ changed: ['b'] });
  });

  it('sends a refused resource again only once it has changed', () => {
    const node = new Node(setOf('r1', resource('a', '1'), resource('b', '1')));
    node.request({});
    const sent = node.next();
    const message = '[{"key":"a","error":"no such thing"}]';
    const answer = node.request({ response_nonce: sent!.nonce, error_detail: { message } });
    expect(answer).toMatchObject({ kind: 'nack', issues: [{ key: 'a', error: 'no such thing' }] });
    expect([...node.subscription.refused]).toEqual([['a', 'no such thing']]);
    expect(node.next()).toBe(null);
    node.serve(setOf('r2', resource('a', '1'), resource('b', '2')));
    const second = node.next();
    expect(second).toMatchObject({ changed: ['b'] });
    node.request({ response_nonce: second!.nonce });
    expect(node.subscription.refused.size).toBe(1);
    node.serve(setOf('r3', resource('a', '2'), resource('b', '2')));
    const third = node.next();
    expect(third).toMatchObject({ changed: ['a'] });
    node.request({ response_nonce: third!.nonce });
    expect(node.subscription.refused.size).toBe(0);
  });

  describe('names', () => {
    const set = setOf('r1', resource('a', '1'), resource('b', '1'), resource('c', '1'));

    it('brings those subscribed to, and says which there are not', () => {
      const node = new Node(set);
      node.request({ resource_names_subscribe: ['a', 'x'] });
      expect(node.next()).toMatchObject({ changed: ['a'], removed: ['x'] });
    });

    it('brings one asked for again again', () => {
      const node = new Node(set);
      node.request({ resource_names_subscribe: ['a', 'b'] });
      node.drain();
      node.request({ resource_names_subscribe: ['a'] });
      expect(node.next()).toMatchObject({ changed: ['a'], removed: [] });
    });

    it('brings nothing of those unsubscribed from, and all of it once they are subscribed to again', () => {
      const node = new Node(set);
      node.request({ resource_names_subscribe: ['a', 'b'] });
      node.drain();
      node.request({ resource_names_unsubscribe: ['a'] });
      expect(node.next()).toBe(null);
      node.serve(setOf('r2', resource('a', '2'), resource('b', '2')));
      expect(node.next()).toMatchObject({ changed: ['b'] });
      node.request({ response_nonce: '4', resource_names_subscribe: ['a'] });
      expect(node.next()).toMatchObject({ changed: ['a'] });
    });

    it('goes from names to all and back', () => {
      const node = new Node(set);
      node.request({ resource_names_subscribe: ['a'] });
      node.drain();
      node.request({ resource_names_subscribe: ['*'] });
      expect(node.next()).toMatchObject({ changed: ['b', 'c'] });
      node.request({ response_nonce: '3', resource_names_unsubscribe: ['*'] });
      expect(node.next()).toBe(null);
      node.serve(setOf('r2', resource('a', '2'), resource('b', '2')));
      expect(node.next()).toMatchObject({ changed: ['a'], removed: [] });
    });
  });

  describe('sets larger than a response', () => {
    const MiB = 1024 * 1024;
    const big = (version: string) => ['a', 'b', 'c', 'd', 'e'].map((name) => resource(name, version, MiB));

    it('come in parts, each after the one before was answered', () => {
      const node = new Node(setOf('r1', ...big('1')));
      node.request({});
      const parts: string[][] = [];
      for (let got = node.next(); got !== null; got = node.next()) {
        parts.push(got.changed);
        expect(node.next()).toBe(null);
        expect(node.subscription.acknowledged).toBe(null);
        node.request({ response_nonce: got.nonce });
      }
      expect(parts).toEqual([['a'], ['b'], ['c'], ['d'], ['e']]);
      expect(node.subscription.acknowledged).toBe('r1');
    });

    it('are gone on from where another comes between', () => {
      const node = new Node(setOf('r1', ...big('1')));
      node.request({ initial_resource_versions: { old: '1' } });
      const sent = node.next();
      expect(sent?.changed).toEqual(['a']);
      node.serve(setOf('r2', ...big('1').slice(1), resource('f', '1')));
      node.request({ response_nonce: sent!.nonce });
      node.drain();
      expect([...node.has.keys()].sort()).toEqual(['b', 'c', 'd', 'e', 'f']);
      expect(node.subscription.acknowledged).toBe('r2');
      node.serve(setOf('r3', resource('f', '1')));
      expect(node.next()).toEqual({ changed: [], removed: ['b', 'c', 'd', 'e'], nonce: expect.any(String) });
    });
  });

  it('brings any node from anything to any set, whatever comes between', () => {
    let seed = 42;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    const some = (revision: number) => {
      const chosen = names.filter(() => random(2) === 0);
      return setOf(`r${revision}`, ...chosen.map((name) => resource(name, String(random(3)), random(2) * 1.5e6)));
    };
    for (let round = 0; round < 40; round++) {
      let set = some(0);
      const node = new Node(set);
      for (const name of names) if (random(3) === 0) node.has.set(name, String(random(3)));
      node.request({ initial_resource_versions: Object.fromEntries(node.has) });
      for (let step = 1; step < 12; step++) {
        const got = node.next();
        if (random(2) === 0) {
          set = some(step);
          node.serve(set);
        }
        if (got !== null && random(4) > 0) node.request({ response_nonce: got.nonce });
        else if (got !== null) {
          node.request({ response_nonce: 'stale' });
          node.request({ response_nonce: got.nonce });
        }
      }
      node.drain();
      const wanted = set.types.get(RESOURCE_TYPE)!;
      expect(Object.fromEntries([...node.has].sort())).toEqual(
        Object.fromEntries([...wanted.names()].sort().map((name) => [name, wanted.get(name)?.version])),
      );
      expect(node.subscription.acknowledged).toBe(set.revision);
    }
  });
});

describe('parseNack', () => {
  it('reads the list of keys that Sluices and agentgateways send', () => {
    expect(parseNack('[{"key":"a","error":"x"},{"key":"b","warn":"y"}]')).toEqual([
      { key: 'a', error: 'x' },
      { key: 'b', warn: 'y' },
    ]);
  });

  it.each(['plain text', '{"key":"a"}', '[]', '[{"key":1,"error":"x"}]', '[null]', '[{"key":"a"}]'])(
    'takes %s as one error',
    (text) => expect(parseNack(text)).toEqual([{ key: '', error: text }]),
  );

  it('keeps errors before warnings where there are very many', () => {
    const list = Array.from({ length: 500 }, (_, index) =>
      index < 490 ? { key: `k${index}`, warn: 'w' } : { key: `k${index}`, error: 'e' },
    );
    const issues = parseNack(JSON.stringify(list));
    expect(issues).toHaveLength(101);
    expect(issues.filter(({ error }) => error !== undefined)).toHaveLength(10);
    expect(issues.at(-1)).toEqual({ key: '', warn: '400 more are not kept' });
  });
});
