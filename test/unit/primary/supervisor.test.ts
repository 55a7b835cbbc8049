import { afterEach, describe, expect, it } from 'vitest';
import { StartError, Supervisor, type WorkerStatus, workerHeapMiB } from '../../../src/primary/supervisor.ts';
import type { WorkerBoot } from '../../../src/state/messages.ts';
import { createLineRing, LineRingReader } from '../../../src/state/shared/line-ring.ts';
import { LevelLogger, type LogRecord } from '../../../src/telemetry/log.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { MetricTotals } from '../../../src/telemetry/totals.ts';

const ENTRY = new URL('./workers/scripted.mjs', import.meta.url);

/** A supervisor of scripted workers; `scripts` are handed out life after life, the last one for good. */
function supervise(workers: number, scripts: (index: number, life: number) => string) {
  const records: LogRecord[] = [];
  const metrics = new Metrics();
  const totals = new MetricTotals(metrics);
  const lives = new Map<number, number>();
  const rings = Array.from({ length: workers }, () => createLineRing(1024 * 1024));
  const readers = rings.map((ring) => new LineRingReader(ring));
  let text = '';
  let dropped = 0;
  let ended = 0;
  const take = (index: number) => {
    const reader = readers[index];
    for (let piece = reader?.peek(); piece; piece = reader?.peek()) {
      text += piece.toString();
      reader?.release(piece.length);
    }
    dropped += reader?.takeDropped() ?? 0;
  };
  const supervisor = new Supervisor({
    entry: ENTRY,
    workers,
    heapMiB: 128,
    log: new LevelLogger('debug', (record) => records.push(record)),
    boot: (index) => {
      const life = (lives.get(index) ?? 0) + 1;
      lives.set(index, life);
      return { index, script: scripts(index, life), lines: rings[index], store: null } as unknown as WorkerBoot;
    },
    live: (index) => {
      const life = totals.life();
      return {
        started: () => {},
        message: (message) => {
          if (message.type === 'metrics') life.apply(message.metrics);
          if (message.type === 'lines') take(index);
        },
        ended: () => {
          life.end();
          take(index);
          ended++;
        },
      };
    },
  });
  return {
    supervisor,
    records,
    metrics,
    read: () => ({ text, dropped, ended }),
    served: (index: number) => metrics.responseBytes.labels({ backend: String(index) }).total,
    open: (index: number) => metrics.downstreamOpen.labels({ bind: String(index) }).value,
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('supervisor', () => {
  const running: Supervisor[] = [];
  const start = (workers: number, scripts: (index: number, life: number) => string) => {
    const made = supervise(workers, scripts);
    running.push(made.supervisor);
    return made;
  };
  afterEach(async () => {
    for (const supervisor of running.splice(0)) await supervisor.drain(5000, 5000);
  });

  it('starts once every worker has applied the first version', async () => {
    const { supervisor } = start(2, () => 'serves');
    await supervisor.start();
    expect(supervisor.status().map(({ state, appliedVersion, ports }) => ({ state, appliedVersion, ports }))).toEqual([
      { state: 'serving', appliedVersion: 1, ports: [4000] },
      { state: 'serving', appliedVersion: 1, ports: [4000] },
    ]);
  });

  it('fails to start where every worker does, and says why', async () => {
    const { supervisor } = start(2, () => 'dead-on-arrival');
    await expect(supervisor.start()).rejects.toThrow(
      new StartError('no worker could start: an exception was not caught: no such luck'),
    );
  });

  it('fails to start where no worker can listen anywhere', async () => {
    const { supervisor } = start(2, () => 'no-port');
    await expect(supervisor.start()).rejects.toThrow('no worker could listen: port 4000: permission denied');
  });

  it('starts with the workers it has, and goes on trying for the others', async () => {
    const { supervisor } = start(2, (index, life) => (index === 1 && life < 3 ? 'dead-on-arrival' : 'serves'));
    await supervisor.start();
    expect(supervisor.status()[0]?.state).toBe('serving');
    await until(() => supervisor.status()[1]?.state === 'serving');
    expect(supervisor.status()[1]?.restarts).toBe(2);
  });

  it.each([
    ['throws', 'an exception was not caught: a fault of the program'],
    ['exhausts-heap', 'its heap was exhausted'],
  ])(
    'replaces a worker that %s; the other goes on, no counter falls, no line is torn or lost',
    async (script, reason) => {
      const { supervisor, records, read, served, open } = start(2, (index, life) =>
        index === 0 && life === 1 ? script : 'serves',
      );
      await supervisor.start();
      let highest = 0;
      const falls: number[] = [];
      const watch = setInterval(() => {
        if (served(0) < highest) falls.push(served(0));
        highest = served(0);
      }, 1);
      await until(() => supervisor.status()[0]?.restarts === 1);
      const atDeath = served(0);
      expect(atDeath).toBeGreaterThan(0);
      expect(open(0)).toBe(0);
      const other = served(1);
      await until(() => supervisor.status()[0]?.state === 'serving' && served(0) > atDeath && served(1) > other);
      clearInterval(watch);
      expect(falls).toEqual([]);
      expect(supervisor.status()[1]).toMatchObject({ state: 'serving', restarts: 0 });
      expect(supervisor.status()[0]?.lastDeath).toBe(reason);
      expect(records.find(({ level }) => level === 'error')?.message).toBe(
        `worker 0 died: ${reason}; it is replaced in 100 ms`,
      );
      expect(await supervisor.drain(5000, 5000)).toBe(true);
      const { text, dropped, ended } = read();
      expect([ended, dropped]).toEqual([3, 0]);
      const written = text.split('\n');
      expect(written.pop()).toBe('');
      const routes = written.map((line) => JSON.parse(line).route);
      expect(routes.filter((route) => route === 'worker-1')).toHaveLength(served(1));
      // The one that died may have counted more than it still said.
      expect(routes.filter((route) => route === 'worker-0').length).toBeGreaterThanOrEqual(served(0));
      expect(open(0) + open(1)).toBe(0);
    },
  );

  it('waits longer after each death in a row', async () => {
    const { supervisor, records } = start(2, (index, life) =>
      index === 0 && life <= 3 ? 'dead-on-arrival' : 'serves',
    );
    await supervisor.start();
    await until(() => supervisor.status()[0]?.state === 'serving');
    const waits = records.map(({ message }) => /in (\d+) ms/.exec(message)?.[1]).filter((wait) => wait !== undefined);
    expect(waits).toEqual(['100', '200', '400']);
  });

  it('has all workers leave when drained, with everything they counted and logged', async () => {
    const { supervisor, read, served } = start(2, () => 'serves');
    await supervisor.start();
    await until(() => served(0) > 100 && served(1) > 100);
    expect(await supervisor.drain(5000, 5000)).toBe(true);
    expect(supervisor.status().map(({ state }: WorkerStatus) => state)).toEqual(['left', 'left']);
    expect(read().text.split('\n')).toHaveLength(served(0) + served(1) + 1);
    expect(read().dropped).toBe(0);
  });

  it('says so where a worker does not leave in time', async () => {
    const made = supervise(2, (index) => (index === 0 ? 'deaf' : 'serves'));
    await made.supervisor.start();
    expect(await made.supervisor.drain(10, 50)).toBe(false);
    expect(made.supervisor.status().map(({ state }) => state)).toEqual(['draining', 'left']);
  });
});

describe('heap of a worker', () => {
  const GiB = 1024 ** 3;
  it.each([
    ['as V8 would have it where there is room', 2, 64, 4, 4096],
    ["each worker's share of a small container", 3, 1, 4, 192],
    ['never so little that a worker could not start', 8, 0.5, 4, 128],
  ])('is %s', (_, workers, memoryGiB, limitGiB, expected) => {
    expect(workerHeapMiB(workers, memoryGiB * GiB, limitGiB * GiB)).toBe(expected);
  });
});
