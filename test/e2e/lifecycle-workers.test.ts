import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { BroadcastChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { buildCatalogue } from '../../src/catalogue.ts';
import { ConfigSource } from '../../src/config/source-file.ts';
import { Primary } from '../../src/primary/primary.ts';
import type { Resource } from '../../src/resources/types.ts';
import { freePorts, ownServers, type TestUpstream, until, upstream } from '../support/gateway.ts';

/** A gateway inside this process, with workers that can be told to die. */
class Mortal {
  stdout = '';
  stderr = '';
  readonly #primary: Primary;
  readonly #stats: string;
  readonly #admin: string;
  readonly #exited: Promise<void>;
  readonly #channel = new BroadcastChannel('sluice-test');

  private constructor(primary: (sinks: Mortal, exit: () => void) => Primary, ports: { stats: number; admin: number }) {
    let exit = () => {};
    this.#exited = new Promise((resolve) => {
      exit = resolve;
    });
    this.#primary = primary(this, () => exit());
    this.#stats = `http://127.0.0.1:${ports.stats}`;
    this.#admin = `http://127.0.0.1:${ports.admin}`;
  }

  /** `edit` gets the resources before they are published. */
  static async start(
    port: number,
    upstreamPort: number,
    edit: (resources: Resource[]) => Resource[] = (resources) => resources,
  ): Promise<Mortal> {
    const [admin = 0, stats = 0, readiness = 0] = await freePorts(3);
    const yaml = `${ownServers({ admin, stats, readiness })}  logging:
    format: json
binds:
- port: ${port}
  listeners:
  - routes:
    - backends:
      - host: 127.0.0.1:${upstreamPort}
`;
    const catalogue = buildCatalogue();
    const config = new ConfigSource('test', catalogue, { text: yaml });
    const loaded = await config.load();
    loaded.resources = edit(loaded.resources);
    const mortal = new Mortal(
      (sinks, exit) =>
        new Primary({
          source: { name: 'test', load: () => config.load(), watch: () => () => {} },
          catalogue,
          loaded,
          version: '0',
          workerEntry: new URL('./workers/dying.mjs', import.meta.url),
          storeEntry: new URL('../../dist/state/stores/thread-main.js', import.meta.url),
          stdout: sink((text) => {
            sinks.stdout += text;
          }),
          stderr: sink((text) => {
            sinks.stderr += text;
          }),
          heapMiB: 96,
          exit,
          abandon: exit,
        }),
      { stats, admin },
    );
    await mortal.#primary.start().catch((error) => {
      mortal.#channel.close();
      throw error;
    });
    return mortal;
  }

  tell(index: number, way: string, more: object = {}): void {
    this.#channel.postMessage({ index, way, ...more });
  }

  async workers(): Promise<{ state: string; restarts: number; lastDeath: string | null }[]> {
    return (await (await fetch(`${this.#admin}/debug/workers`)).json()) as never;
  }

  async requestsCounted(): Promise<number> {
    const text = await (await fetch(`${this.#stats}/metrics`)).text();
    let sum = 0;
    for (const [, value] of text.matchAll(/^agentgateway_requests_total\{.*\} (\d+)$/gm)) sum += Number(value);
    return sum;
  }

  async stop(): Promise<void> {
    this.#channel.close();
    this.#primary.shutdown();
    await this.#exited;
  }
}

/** A log stream whose reader always keeps up. */
function sink(take: (text: string) => void) {
  return {
    write: (text: string | Uint8Array, written: () => void) => {
      take(Buffer.from(text).toString());
      setImmediate(written);
    },
  };
}

interface Stream {
  response: IncomingMessage;
  ended: Promise<'complete' | 'broken'>;
}

/** A streamed reply over a connection of its own, begun and not finished. */
async function openStream(port: number): Promise<Stream> {
  const asked = request({ host: '127.0.0.1', port, path: '/stream', agent: false }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  const ended = new Promise<'complete' | 'broken'>((resolve) => {
    response.on('error', () => {});
    response.on('close', () => resolve(response.complete ? 'complete' : 'broken'));
  });
  return { response, ended };
}

describe('a worker under load', { timeout: 120_000 }, () => {
  let mortal: Mortal | null = null;
  let server: TestUpstream | null = null;
  let replies: ServerResponse[] = [];
  afterEach(async () => {
    for (const reply of replies) reply.end();
    await mortal?.stop();
    server?.close();
    mortal = server = null;
    replies = [];
  });

  async function start(): Promise<{ mortal: Mortal; port: number }> {
    server = await upstream((incoming, response) => {
      if (incoming.url !== '/stream') {
        response.end('ok');
        return;
      }
      response.write('begun');
      replies.push(response);
    });
    const [port = 0] = await freePorts(1);
    mortal = await Mortal.start(port, server.port);
    return { mortal, port };
  }

  it.each([
    ['exit', 'it left with code 7'],
    ['throw', 'an exception was not caught: a fault of the program'],
    ['exhaust its heap', 'its heap was exhausted'],
  ])(
    'may %s: only its own connections break, no counter falls, no line is torn, and it is replaced',
    async (way, death) => {
      const { mortal: gateway, port } = await start();
      const streams = await Promise.all(Array.from({ length: 24 }, () => openStream(port)));
      const falls: number[] = [];
      let counted = 0;
      let load = true;
      let answered = 0;
      // Short requests on connections of their own; those that meet the dying worker may fail, and only those.
      const clients = Array.from({ length: 4 }, async () => {
        while (load) {
          const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } }).catch(
            () => null,
          );
          if ((await answer?.text().catch(() => null)) === 'ok') answered++;
        }
      });
      const watch = (async () => {
        while (load) {
          const now = await gateway.requestsCounted();
          if (now < counted) falls.push(now);
          counted = now;
        }
      })();
      await until(() => counted > 50);
      gateway.tell(0, way);
      await until(async () => (await gateway.workers())[0]?.restarts === 1);
      await until(async () => (await gateway.workers())[0]?.state === 'serving');
      const after = answered;
      await until(() => answered > after + 50);
      for (const reply of replies) reply.end();
      const ends = await Promise.all(streams.map(({ ended }) => ended));
      load = false;
      await Promise.all([...clients, watch]);

      expect(falls).toEqual([]);
      expect((await gateway.workers()).map(({ restarts, lastDeath }) => ({ restarts, lastDeath }))).toEqual([
        { restarts: 1, lastDeath: death },
        { restarts: 0, lastDeath: null },
      ]);
      // The kernel spread the streams over both workers; those of the one are lost, those of the other complete.
      expect(ends).toContain('complete');
      expect(ends).toContain('broken');
      await gateway.stop();
      mortal = null;
      const lines = gateway.stdout.split('\n');
      expect(lines.pop()).toBe('');
      const complete = lines
        .map((line) => JSON.parse(line))
        .filter((line) => line['http.path'] === '/stream' && !line.reason);
      expect(complete).toHaveLength(ends.filter((end) => end === 'complete').length);
    },
  );

  it.each(['exit', 'throw', 'exhaust its heap'])('may %s: what it has logged until then is written', async (way) => {
    const { mortal: gateway, port } = await start();
    const paths: string[] = [];
    for (let round = 0; round < 10; round++) {
      const group = Array.from({ length: 20 }, (_, n) => `/${round}/${n}`);
      // On connections of their own, so that both workers get some.
      const answers = group.map((path) =>
        fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } }).then((answer) => answer.text()),
      );
      expect(new Set(await Promise.all(answers))).toEqual(new Set(['ok']));
      paths.push(...group);
    }
    // The last requests have only just been answered: nobody has been told of their lines yet.
    for (const index of [0, 1]) gateway.tell(index, way);
    await until(async () => (await gateway.workers()).every(({ restarts }) => restarts === 1));
    await gateway.stop();
    mortal = null;
    const lines = gateway.stdout.split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => JSON.parse(line)['http.path']).sort()).toEqual(paths.sort());
  });

  it('may hang: metrics, admin and the other worker go on answering', async () => {
    const { mortal: gateway, port } = await start();
    const gate = new SharedArrayBuffer(4);
    await fetch(`http://127.0.0.1:${port}/`);
    await until(async () => (await gateway.requestsCounted()) === 1);
    gateway.tell(0, 'hang', { gate });
    expect(await gateway.requestsCounted()).toBe(1);
    expect(await gateway.workers()).toHaveLength(2);
    Atomics.store(new Int32Array(gate), 0, 1);
    Atomics.notify(new Int32Array(gate), 0);
    await until(async () => {
      await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
      return (await gateway.requestsCounted()) > 2;
    });
  });
});

it('a start fails, and says why, where no worker can apply what was published', async () => {
  const [port = 0] = await freePorts(1);
  const unreadable = (resource: Resource): Resource =>
    resource.kind === 'route' ? { ...resource, matches: null as never } : resource;
  await expect(Mortal.start(port, 1, (resources) => resources.map(unreadable))).rejects.toThrow(
    /^no worker could start: an exception was not caught: .*matches is not iterable$/,
  );
});
