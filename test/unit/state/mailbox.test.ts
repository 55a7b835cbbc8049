import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mailbox, type MailboxOptions } from '../../../src/state/mailbox.ts';
import { MailboxHub } from '../../../src/state/mailbox-hub.ts';
import { nextMessage, start } from './workers/run.ts';

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

/** Long enough for a busy machine; what is waited for comes in milliseconds. */
const SOON = { timeout: 10_000 };

let hub: MailboxHub;
const opened: Mailbox[] = [];
const workers: Worker[] = [];

beforeEach(() => {
  hub = new MailboxHub();
});

afterEach(async () => {
  for (const mailbox of opened.splice(0)) mailbox.close();
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
  hub.close();
});

/** A mailbox in this thread, under a thread number of its own. */
function open(thread: number, options: Partial<MailboxOptions> = {}): Mailbox {
  const mailbox = new Mailbox({ instance: 'here', thread, port: hub.connect(thread), ...options });
  opened.push(mailbox);
  return mailbox;
}

async function launch(options: Partial<MailboxOptions> = {}): Promise<{ worker: Worker; thread: number }> {
  const worker = start('mailbox.mjs', { options });
  workers.push(worker);
  const thread = worker.threadId;
  const port = hub.connect(thread);
  worker.postMessage({ type: 'mailbox', port }, [port]);
  await nextMessage(worker);
  return { worker, thread };
}

describe('Mailbox', () => {
  it('carries mail to the owner of an id and its answer back, within a thread and between two', async () => {
    const a = open(0);
    const b = open(1);
    const got: string[] = [];
    const forget = b.receive('stream-1', (bytes) => {
      got.push(Buffer.from(bytes).toString());
      return text('thanks');
    });
    await a.send(b.address('stream-1'), text('for one'));
    expect(Buffer.from(await b.request(b.address('stream-1'), text('to myself'), 1000)).toString()).toBe('thanks');
    expect(Buffer.from(await a.request(b.address('stream-1'), text('two'), 1000)).toString()).toBe('thanks');
    expect(got).toEqual(['for one', 'to myself', 'two']);
    expect(() => b.receive('stream-1', () => undefined)).toThrow(/taken/);
    forget();
    await expect(a.send(b.address('stream-1'), text('late'))).rejects.toMatchObject({ code: 'gone' });
  });

  it('transfers whole buffers and copies parts of larger ones', async () => {
    const a = open(0);
    const b = open(1);
    b.receive('echo', (bytes) => bytes);
    const whole = new Uint8Array([1, 2, 3]);
    expect([...(await a.request(b.address('echo'), whole, 1000))]).toEqual([1, 2, 3]);
    expect(whole.length).toBe(0);
    const large = new Uint8Array([1, 2, 3, 4]);
    expect([...(await a.request(b.address('echo'), large.subarray(1, 3), 1000))]).toEqual([2, 3]);
    expect([...large]).toEqual([1, 2, 3, 4]);
    expect((await a.request(b.address('echo'), new Uint8Array(0), 1000)).length).toBe(0);
  });

  it('says at once that an owner is gone: unknown thread, unknown id, closed mailbox', async () => {
    const a = open(0);
    const b = open(1);
    await expect(a.send({ instance: 'here', thread: 99, id: 'x' }, text('?'))).rejects.toMatchObject({ code: 'gone' });
    await expect(a.send(b.address('x'), text('?'))).rejects.toMatchObject({ code: 'gone' });
    await expect(a.send(a.address('x'), text('?'))).rejects.toMatchObject({ code: 'gone' });
    a.close();
    await expect(a.send(b.address('x'), text('?'))).rejects.toMatchObject({ code: 'gone' });
  });

  it('names an instance it cannot reach, and uses the way there is', async () => {
    const alone = open(0);
    const there = { instance: 'pod-b', thread: 3, id: 'x' };
    await expect(alone.send(there, text('?'))).rejects.toMatchObject({ code: 'unreachable', address: there });
    await expect(alone.send(there, text('?'))).rejects.toThrow(/pod-b/);
    const sent: unknown[] = [];
    const linked = open(1, {
      remote: async (address, bytes) => {
        sent.push([address, Buffer.from(bytes).toString()]);
        return text('from afar');
      },
    });
    expect(Buffer.from(await linked.request(there, text('hello'), 1000)).toString()).toBe('from afar');
    expect(sent).toEqual([[there, 'hello']]);
  });

  it('tells the owner, not the sender, why a handler failed', async () => {
    const told: unknown[] = [];
    const a = open(0);
    const b = open(1, { onHandlerError: (id, error) => told.push([id, (error as Error).message]) });
    b.receive('bad', () => {
      throw new Error('a secret');
    });
    const failure = await a.send(b.address('bad'), text('?')).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'failed' });
    expect(String(failure)).not.toContain('secret');
    expect(told).toEqual([['bad', 'a secret']]);
  });

  it('has at most its window under way to a thread, the rest waits in order, and past the queue it is full', async () => {
    const a = open(0, { window: 2, maxQueued: 3, maxQueuedBytes: 10 });
    const slow = open(1);
    const quick = open(2);
    const waiting: (() => void)[] = [];
    const got: string[] = [];
    slow.receive('x', (bytes) => {
      got.push(Buffer.from(bytes).toString());
      return new Promise((resolve) => waiting.push(() => resolve(undefined)));
    });
    quick.receive('x', () => undefined);
    const sent = ['1', '2', '3', '4', '5'].map((one) => a.send(slow.address('x'), text(one)));
    await expect(a.send(slow.address('x'), text('6'))).rejects.toMatchObject({ code: 'full' });
    // A slow thread holds up only what is for it.
    await a.send(quick.address('x'), text('past it'));
    await expect.poll(() => got, SOON).toEqual(['1', '2']);
    waiting.shift()?.();
    await sent[0];
    await expect.poll(() => got, SOON).toEqual(['1', '2', '3']);
    await expect(a.send(slow.address('x'), text('too many bytes'))).rejects.toMatchObject({ code: 'full' });
    const more = a.send(slow.address('x'), text('6'));
    for (let n = 0; n < 5; n++) {
      await expect.poll(() => waiting.length, SOON).toBeGreaterThan(0);
      waiting.shift()?.();
    }
    await Promise.all([...sent, more]);
    expect(got).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  it('stops waiting after the time-out, and what was queued is not sent any more', async () => {
    const a = open(0, { window: 1, sendTimeoutMs: 40 });
    const b = open(1);
    const got: string[] = [];
    let answer: () => void = () => {};
    b.receive('x', (bytes) => {
      got.push(Buffer.from(bytes).toString());
      return new Promise((resolve) => {
        answer = () => resolve(undefined);
      });
    });
    const outcomes = await Promise.allSettled(['1', '2'].map((one) => a.send(b.address('x'), text(one))));
    expect(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.code)).toEqual(['timeout', 'timeout']);
    const third = a.request(b.address('x'), text('3'), 5000);
    answer();
    await expect.poll(() => got, SOON).toEqual(['1', '3']);
    answer();
    await third;
  });

  it('answers for a thread that was detached, and the sender that left hears nothing', async () => {
    const a = open(0);
    const b = open(1);
    let answer: () => void = () => {};
    b.receive('x', () => new Promise((resolve) => (answer = () => resolve(undefined))));
    const pending = a.send(b.address('x'), text('?'));
    const fromGone = open(2);
    const lost = fromGone.send(b.address('x'), text('?'));
    fromGone.close();
    await expect(lost).rejects.toMatchObject({ code: 'gone' });
    answer();
    hub.detach(1);
    await expect(pending).rejects.toMatchObject({ code: 'gone' });
    await expect(a.send(b.address('x'), text('?'))).rejects.toMatchObject({ code: 'gone' });
  });
});

describe('Mailbox between threads', () => {
  it('loses, repeats and reorders nothing when all send to all', async () => {
    const count = 1500;
    const options = { window: 16, maxQueued: 1e9 };
    const peers = await Promise.all([launch(options), launch(options), launch(options)]);
    const threads = peers.map(({ thread }) => thread);
    const here = open(0, options);
    const received = new Map<number, number>();
    here.receive('inbox', (bytes) => {
      const [from = 0, number = 0] = new Uint32Array(bytes.slice().buffer);
      expect(number).toBe((received.get(from) ?? 0) + 1);
      received.set(from, number);
      return undefined;
    });
    const outcomes = await Promise.all(
      peers.map(({ worker }) => {
        const done = nextMessage<{ failed: string[] }>(worker);
        worker.postMessage({ type: 'send', to: [...threads, 0], count });
        return done;
      }),
    );
    for (const { failed } of outcomes) expect(failed).toEqual([]);
    expect([...received].sort()).toEqual(threads.map((thread) => [thread, count]).sort());
    for (const { worker } of peers) {
      const report = nextMessage<{ received: [number, number][]; disorder: string[] }>(worker);
      worker.postMessage({ type: 'received' });
      const { received: theirs, disorder } = await report;
      expect(disorder).toEqual([]);
      expect(theirs.sort()).toEqual(threads.map((thread) => [thread, count]).sort());
    }
  });

  it('answers everything under way to a worker that is terminated, and to its address ever after', async () => {
    const here = open(0, { window: 8 });
    const { worker, thread } = await launch();
    const other = await launch();
    const never = { instance: 'here', thread, id: 'never' };
    const sent = Promise.allSettled(Array.from({ length: 100 }, () => here.send(never, text('?'))));
    const fromOther = nextMessage<{ failed: string[] }>(other.worker);
    other.worker.postMessage({ type: 'send', to: [thread], count: 400 });
    worker.postMessage({ type: 'block' });
    await here.request({ instance: 'here', thread: other.thread, id: 'echo' }, text('round trip'), 5000);
    await worker.terminate();
    const outcomes = await sent;
    expect(new Set(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.code))).toEqual(
      new Set(['gone']),
    );
    expect((await fromOther).failed.every((code) => code === 'gone')).toBe(true);
    await expect(here.send(never, text('?'))).rejects.toMatchObject({ code: 'gone' });
  });

  it('keeps no thread alive by itself', async () => {
    const { worker, thread } = await launch();
    const here = open(0);
    await here.request({ instance: 'here', thread, id: 'echo' }, text('up'), 5000);
    const left = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage({ type: 'close' });
    expect(await left).toBe(0);
    await expect(here.send({ instance: 'here', thread, id: 'echo' }, text('?'))).rejects.toMatchObject({
      code: 'gone',
    });
  });
});
