import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type StoreKey, storeKey } from '../../../../src/state/stores/key.ts';
import { type ChannelListener, type Store, StoreError, type StreamEvent } from '../../../../src/state/stores/store.ts';
import { tail } from '../../../../src/state/stores/tail.ts';

export const LIMITS = { timeoutMs: 5000, maxValueBytes: 4096 };

/** Long enough for a busy machine; what is waited for comes in milliseconds. */
export const SOON = { timeout: 10_000, interval: 5 };

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
export function text(value: Uint8Array | undefined): string {
  if (value !== undefined && !(value instanceof Uint8Array)) throw new TypeError('no bytes');
  return Buffer.from(value ?? []).toString();
}

/** Where a face of the store is tested. */
export interface StoreSite {
  /** Another store of the same records, limited to LIMITS. */
  open(): Promise<Store>;
  close(): Promise<void>;
}

let unique = 0;

/** A key no other test uses. */
export function freshKey(tenant = 'acme'): StoreKey {
  return storeKey(tenant, 'test', `${process.pid}-${unique++}`);
}

export function recorder(): ChannelListener & { heard: string[]; losses: number } {
  const heard: string[] = [];
  return {
    heard,
    losses: 0,
    message(message) {
      heard.push(text(message));
    },
    lost() {
      this.losses++;
    },
  };
}

/** What every face promises (store.ts). */
export function storeContract(name: string, site: () => Promise<StoreSite>): void {
  describe(name, () => {
    let here: StoreSite;
    let store: Store;
    const opened: Store[] = [];
    const open = async (): Promise<Store> => {
      const another = await here.open();
      opened.push(another);
      return another;
    };

    beforeAll(async () => {
      here = await site();
      store = await here.open();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((another) => another.close()));
    });
    afterAll(async () => {
      await store?.close();
      await here?.close();
    });

    describe('values', () => {
      it('gives back what was put, whatever bytes it has, with its version', async () => {
        const key = freshKey();
        expect(await store.get(key)).toBeNull();
        const all = Uint8Array.from({ length: 256 }, (_, at) => at);
        const first = await store.put(key, all);
        const held = await store.get(key);
        expect(Buffer.from(held?.value ?? [])).toEqual(Buffer.from(all));
        expect(held?.version).toBe(first);
        const second = await store.put(key, new Uint8Array(0));
        expect(second).not.toBe(first);
        expect(await store.get(key)).toMatchObject({ version: second });
        expect((await store.get(key))?.value.length).toBe(0);
      });

      it('keeps what it was given although the caller uses its bytes again', async () => {
        const key = freshKey();
        const large = bytes('--value--');
        await store.put(key, large.subarray(2, 7));
        large.fill(0);
        expect(text((await store.get(key))?.value)).toBe('value');
      });

      it('keeps tenants, kinds and ids apart', async () => {
        const keys = [
          storeKey('a', 'test', 'b:c'),
          storeKey('a}:test:b', 'test', 'c'),
          storeKey('a', 'test', 'b'),
          storeKey('b', 'test', 'b'),
          storeKey('a', 'other', 'b'),
        ];
        await Promise.all(keys.map((key, at) => store.put(key, bytes(String(at)), { ttlMs: 60_000 })));
        const held = await Promise.all(keys.map((key) => store.get(key)));
        expect(held.map((one) => text(one?.value))).toEqual(['0', '1', '2', '3', '4']);
      });

      it('deletes, and says whether there was anything', async () => {
        const key = freshKey();
        expect(await store.delete(key)).toBe(false);
        await store.put(key, bytes('x'));
        await store.append(key, bytes('event'), { maxLength: 10 });
        expect(await store.delete(key)).toBe(true);
        expect(await store.get(key)).toBeNull();
        expect((await store.read(key)).events).toEqual([]);
        expect(await store.delete(key)).toBe(false);
      });

      it('shows the same to every client', async () => {
        const key = freshKey();
        const other = await open();
        await store.put(key, bytes('from one'));
        expect(text((await other.get(key))?.value)).toBe('from one');
      });

      it('refuses what is too large, and takes what just fits', async () => {
        const key = freshKey();
        const most = new Uint8Array(LIMITS.maxValueBytes);
        const over = new Uint8Array(LIMITS.maxValueBytes + 1);
        await store.put(key, most);
        expect((await store.get(key))?.value.length).toBe(most.length);
        const refused = { name: 'StoreError', code: 'too_large' };
        await expect(store.put(key, over)).rejects.toMatchObject(refused);
        await expect(store.compareAndSet(key, null, over)).rejects.toMatchObject(refused);
        await expect(store.append(key, over, { maxLength: 1 })).rejects.toMatchObject(refused);
        await expect(store.publish(key, over)).rejects.toMatchObject(refused);
        expect((await store.get(key))?.value.length).toBe(most.length);
      });

      it('rejects calls that are wrong in themselves with a RangeError', async () => {
        const key = freshKey();
        for (const ttlMs of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
          await expect(store.put(key, bytes('x'), { ttlMs })).rejects.toThrow(RangeError);
        }
        await expect(store.append(key, bytes('x'), { maxLength: 0 })).rejects.toThrow(RangeError);
        await expect(store.trim(key, -1)).rejects.toThrow(RangeError);
        for (const after of ['', 'x', '1', '1-', '-1-1', '1-1-1', '01-1', '1-99999999999999999999', '1-1\n']) {
          await expect(store.read(key, { after })).rejects.toThrow(RangeError);
        }
        for (const limit of [0, 100_000]) await expect(store.read(key, { limit })).rejects.toThrow(RangeError);
      });
    });

    describe('compare and set', () => {
      it('writes only over the version it expects', async () => {
        const key = freshKey();
        const conflict = { name: 'StoreError', code: 'conflict' };
        await expect(store.compareAndSet(key, 'A'.repeat(16), bytes('x'))).rejects.toMatchObject(conflict);
        const first = await store.compareAndSet(key, null, bytes('1'));
        await expect(store.compareAndSet(key, null, bytes('x'))).rejects.toMatchObject(conflict);
        const second = await store.compareAndSet(key, first, bytes('2'));
        await expect(store.compareAndSet(key, first, bytes('x'))).rejects.toMatchObject(conflict);
        expect(await store.get(key)).toMatchObject({ version: second });
        expect(text((await store.get(key))?.value)).toBe('2');
      });

      it('takes no record for an earlier one of the same key', async () => {
        const key = freshKey();
        const first = await store.put(key, bytes('1'));
        await store.put(key, bytes('1'));
        await expect(store.compareAndSet(key, first, bytes('x'))).rejects.toMatchObject({ code: 'conflict' });
        await store.delete(key);
        await store.put(key, bytes('1'));
        await expect(store.compareAndSet(key, first, bytes('x'))).rejects.toMatchObject({ code: 'conflict' });
      });

      it('sets and takes away the end of a record', async () => {
        const key = freshKey();
        const first = await store.compareAndSet(key, null, bytes('1'), { ttlMs: 60_000 });
        const second = await store.compareAndSet(key, first, bytes('2'), { ttlMs: 40 });
        await expect.poll(() => store.get(key), SOON).toBeNull();
        await expect(store.compareAndSet(key, second, bytes('x'))).rejects.toMatchObject({ code: 'conflict' });
        await store.compareAndSet(key, null, bytes('3'));
        expect(text((await store.get(key))?.value)).toBe('3');
      });

      it('loses no update of a counter, however many clients count', async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 5 }),
            async (additions) => {
              const key = freshKey();
              const clients = await Promise.all(additions.map(() => here.open()));
              try {
                await Promise.all(clients.map((client, at) => count(client, key, additions[at]!)));
                const total = additions.reduce((sum, one) => sum + one, 0);
                expect(text((await store.get(key))?.value)).toBe(String(total));
              } finally {
                await Promise.all(clients.map((client) => client.close()));
              }
            },
          ),
          { numRuns: 6 },
        );
      });
    });

    describe('expiry', () => {
      it('forgets a record after its time, and keeps what was put again without one', async () => {
        const short = freshKey();
        const long = freshKey();
        const kept = freshKey();
        await store.put(short, bytes('x'), { ttlMs: 40 });
        await store.put(long, bytes('x'), { ttlMs: 60_000 });
        await store.put(kept, bytes('x'), { ttlMs: 40 });
        await store.put(kept, bytes('y'));
        await expect.poll(() => store.get(short), SOON).toBeNull();
        expect(await store.delete(short)).toBe(false);
        expect(text((await store.get(long))?.value)).toBe('x');
        expect(text((await store.get(kept))?.value)).toBe('y');
      });

      it('forgets a stream after the time of its last event', async () => {
        const key = freshKey();
        await store.append(key, bytes('x'), { maxLength: 10, ttlMs: 60_000 });
        const last = await store.append(key, bytes('y'), { maxLength: 10, ttlMs: 40 });
        await expect.poll(async () => (await store.read(key)).events, SOON).toEqual([]);
        const { missed } = await store.read(key, { after: last });
        expect(missed).toBe(true);
        const next = await store.append(key, bytes('z'), { maxLength: 10 });
        expect((await store.read(key)).events.map(({ id }) => id)).toEqual([next]);
      });
    });

    describe('streams', () => {
      const values = (events: readonly StreamEvent[]): string[] => events.map(({ value }) => text(value));

      it('gives events in the order they were added, from any place on', async () => {
        const key = freshKey();
        expect(await store.read(key)).toEqual({ events: [], missed: false });
        const ids: string[] = [];
        for (const value of ['a', 'b', 'c', 'd']) ids.push(await store.append(key, bytes(value), { maxLength: 10 }));
        const all = await store.read(key);
        expect(all.events.map(({ id }) => id)).toEqual(ids);
        expect(values(all.events)).toEqual(['a', 'b', 'c', 'd']);
        expect(values((await store.read(key, { limit: 2 })).events)).toEqual(['a', 'b']);
        const after = await store.read(key, { after: ids[1], limit: 1 });
        expect(values(after.events)).toEqual(['c']);
        expect(after.missed).toBe(false);
        expect(await store.read(key, { after: ids[3] })).toEqual({ events: [], missed: false });
      });

      it('keeps the newest events, and says where a reader may have missed some', async () => {
        const key = freshKey();
        const ids: string[] = [];
        for (let n = 0; n < 6; n++) ids.push(await store.append(key, bytes(String(n)), { maxLength: 3 }));
        expect(values((await store.read(key)).events)).toEqual(['3', '4', '5']);
        const behind = await store.read(key, { after: ids[0] });
        expect(behind.missed).toBe(true);
        expect(values(behind.events)).toEqual(['3', '4', '5']);
        expect((await store.read(key, { after: ids[3] })).missed).toBe(false);
        expect(await store.trim(key, 1)).toBe(2);
        expect(await store.trim(key, 1)).toBe(0);
        expect(values((await store.read(key)).events)).toEqual(['5']);
        expect(await store.trim(key, 0)).toBe(1);
        expect((await store.read(key)).events).toEqual([]);
        const next = await store.append(key, bytes('6'), { maxLength: 3 });
        expect((await store.read(key)).events.map(({ id }) => id)).toEqual([next]);
      });

      it('is apart from the value of the same key', async () => {
        const key = freshKey();
        await store.put(key, bytes('value'));
        await store.append(key, bytes('event'), { maxLength: 3 });
        expect(text((await store.get(key))?.value)).toBe('value');
        expect(values((await store.read(key)).events)).toEqual(['event']);
      });

      it('cuts a page that would be too large, and gives the rest with the next', async () => {
        const key = freshKey();
        const value = new Uint8Array(LIMITS.maxValueBytes).fill(7);
        await Promise.all(Array.from({ length: 600 }, () => store.append(key, value, { maxLength: 1000 })));
        let after: string | undefined;
        const lengths: number[] = [];
        do {
          const { events } = await store.read(key, { after, limit: 1000 });
          lengths.push(events.length);
          after = events.at(-1)?.id;
        } while (lengths.at(-1) !== 0);
        expect(lengths.reduce((sum, one) => sum + one)).toBe(600);
        expect(Math.max(...lengths)).toBeLessThan(300);
      });

      it('shows every reader every event once and in order, while several append', async () => {
        const key = freshKey();
        const each = 40;
        const writers = await Promise.all([open(), open(), open()]);
        const readers = await Promise.all([open(), open()]);
        const stop = new AbortController();
        const follow = async (reader: Store): Promise<StreamEvent[]> => {
          const got: StreamEvent[] = [];
          for await (const page of tail(reader, key, { signal: stop.signal })) {
            expect(page.missed).toBe(false);
            got.push(...page.events);
            if (got.length >= each * writers.length) break;
          }
          return got;
        };
        const following = readers.map(follow);
        await Promise.all(
          writers.map(async (writer, at) => {
            for (let n = 0; n < each; n++) await writer.append(key, bytes(`${at}:${n}`), { maxLength: 1000 });
          }),
        );
        const [one, two] = await Promise.all(following);
        stop.abort();
        expect(one).toEqual(two);
        const got = values(one!);
        expect(new Set(got).size).toBe(each * writers.length);
        for (const at of writers.keys()) {
          const own = got.filter((value) => value.startsWith(`${at}:`));
          expect(own).toEqual(Array.from({ length: each }, (_, n) => `${at}:${n}`));
        }
      });

      it('wakes a tail that waits, and ends it when it is aborted', async () => {
        const key = freshKey();
        const stop = new AbortController();
        const pages = tail(store, key, { signal: stop.signal, pollMs: 60_000 });
        const next = pages.next();
        const other = await open();
        await other.append(key, bytes('late'), { maxLength: 10 });
        expect(values((await next).value?.events ?? [])).toEqual(['late']);
        const end = pages.next();
        stop.abort();
        expect(await end).toEqual({ done: true, value: undefined });
      });
    });

    describe('channels', () => {
      it('carries messages to all who listen, in order, until they stop', async () => {
        const key = freshKey();
        const other = await open();
        const [a, b, elsewhere] = [recorder(), recorder(), recorder()];
        const stop = await store.subscribe(key, a);
        await other.subscribe(key, b);
        await other.subscribe(freshKey(), elsewhere);
        for (const message of ['1', '2', '3']) await store.publish(key, bytes(message));
        await expect
          .poll(() => [a.heard, b.heard], SOON)
          .toEqual([
            ['1', '2', '3'],
            ['1', '2', '3'],
          ]);
        stop();
        await other.publish(key, bytes('4'));
        await expect.poll(() => b.heard, SOON).toEqual(['1', '2', '3', '4']);
        expect(a.heard).toEqual(['1', '2', '3']);
        expect(elsewhere.heard).toEqual([]);
        expect(a.losses + b.losses).toBe(0);
      });

      it('tells a stream’s channel the id of each event', async () => {
        const key = freshKey();
        const heard = recorder();
        const other = await open();
        await other.subscribe(key, heard);
        const id = await store.append(key, bytes('x'), { maxLength: 10 });
        await expect.poll(() => heard.heard, SOON).toEqual([id]);
      });

      it('has the same channel again after its last listener left, and goes on past one that throws', async () => {
        const key = freshKey();
        (await store.subscribe(key, recorder()))();
        const heard = recorder();
        await store.subscribe(key, {
          message() {
            throw new Error('a listener fails');
          },
          lost() {},
        });
        await store.subscribe(key, heard);
        await store.publish(key, bytes('1'));
        await expect.poll(() => heard.heard, SOON).toEqual(['1']);
      });
    });

    it('rejects everything once it is closed', async () => {
      const closed = await open();
      await closed.close();
      await closed.close();
      const gone = { name: 'StoreError', code: 'unavailable' };
      await expect(closed.get(freshKey())).rejects.toMatchObject(gone);
      await expect(closed.put(freshKey(), bytes('x'))).rejects.toMatchObject(gone);
      await expect(closed.subscribe(freshKey(), recorder())).rejects.toMatchObject(gone);
    });
  });
}

/** Adds `times` to a counter, one by one, again after each conflict. */
async function count(client: Store, key: StoreKey, times: number): Promise<void> {
  for (let done = 0; done < times; ) {
    const held = await client.get(key);
    const next = bytes(String(Number(text(held?.value)) + 1));
    try {
      await client.compareAndSet(key, held?.version ?? null, next);
      done++;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'conflict')) throw error;
    }
  }
}
