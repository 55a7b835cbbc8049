import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { freePorts, Gateway, MAIN, ownServers, type TestUpstream, until, upstream } from '../support/gateway.ts';

/** A control process and two gateways that share a port, under load, each killed without a warning in turn. */

const CLIENTS = 6;

class Control {
  readonly #args: readonly string[];
  readonly #admin: number;
  #child: ChildProcess;
  output = '';

  constructor(directory: string, listen: number, admin: number) {
    this.#args = ['control', '-d', directory, '--listen', `127.0.0.1:${listen}`, '--admin', `127.0.0.1:${admin}`];
    this.#admin = admin;
    this.#child = this.#spawn();
  }

  /** Ids of the nodes that have all that they are to have. */
  async settled(): Promise<string[]> {
    const nodes = (await (await fetch(`http://127.0.0.1:${this.#admin}/nodes`)).json()) as {
      id: string;
      revision: string;
      acknowledged: string;
    }[];
    return nodes.filter(({ revision, acknowledged }) => revision === acknowledged).map(({ id }) => id);
  }

  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.on('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }

  restart(): void {
    this.#child = this.#spawn();
  }

  #spawn(): ChildProcess {
    const child = spawn(process.execPath, [MAIN, ...this.#args], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (this.output += String(chunk)));
    return child;
  }
}

/** Clients that ask one request after the other, each on a connection that it keeps. */
class Load {
  readonly #port: number;
  readonly #agents = Array.from({ length: CLIENTS }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  #stopped = false;
  readonly #done: Promise<unknown>;
  /** Since they were last looked at. */
  #failures: string[] = [];
  answers = 0;
  /** Values of the header that configuration sets, as they were last seen. */
  version = '';

  constructor(port: number) {
    this.#port = port;
    this.#done = Promise.all(this.#agents.map((agent) => this.#run(agent)));
  }

  takeFailures(): string[] {
    return this.#failures.splice(0);
  }

  /** Resolves when each client has had some more answers. */
  async more(): Promise<void> {
    const enough = this.answers + CLIENTS * 20;
    await until(() => this.answers >= enough);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    for (const agent of this.#agents) agent.destroy();
  }

  async #run(agent: Agent): Promise<void> {
    while (!this.#stopped) {
      try {
        const status = await this.#ask(agent);
        if (status === 200) this.answers++;
        else this.#failures.push(`status ${status}`);
      } catch (error) {
        this.#failures.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #ask(agent: Agent): Promise<number> {
    return new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: this.#port, path: '/x', agent }, (response) => {
        this.version = String(response.headers['x-version']);
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
        response.on('error', reject);
      });
      asked.on('error', reject);
      asked.end();
    });
  }
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it('loses nothing but what was under way in a process that is killed', { timeout: 120_000 }, async () => {
  const backend: TestUpstream = await upstream((_, response) => response.end('ok'));
  cleanups.push(() => backend.close());
  const [port = 0, listen = 0, admin = 0] = await freePorts(3);
  const directory = mkdtempSync(join(tmpdir(), 'fleet-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  const write = (version: string) =>
    writeFileSync(
      join(directory, 'main.yaml'),
      `
gateways: {default: {port: ${port}}}
routes:
- name: all
  gateways: default
  policies: {responseHeaderModifier: {set: {x-version: ${version}}}}
  backends: [{host: '127.0.0.1:${backend.port}'}]
`,
    );
  write('one');
  const control = new Control(directory, listen, admin);
  cleanups.push(() => control.kill());

  const start = async (name: string) => {
    const env = {
      ...process.env,
      XDS_ADDRESS: `http://127.0.0.1:${listen}`,
      NAMESPACE: 'default',
      GATEWAY: 'default',
      POD_NAME: name,
    };
    const gateway = await Gateway.start((ports) => `${ownServers(ports, 1)}  allowPortSharing: true\n`, env);
    cleanups.push(() => gateway.stop());
    return gateway;
  };
  const nodes = [await start('a'), await start('b')];
  const load = new Load(port);
  cleanups.push(() => load.stop());
  const allSettled = () => until(async () => (await control.settled().catch(() => [])).length === nodes.length);
  await load.more();

  await control.kill();
  await load.more();
  control.restart();
  await allSettled();
  expect(load.takeFailures()).toEqual([]);

  for (const [index, version] of ['two', 'three'].entries()) {
    const gateway = nodes[index];
    gateway?.signal('SIGKILL');
    await gateway?.exited;
    await load.more();
    // Each client has one request under way at most.
    expect(load.takeFailures().length).toBeLessThanOrEqual(CLIENTS);
    nodes[index] = await start(`${'ab'[index]}2`);
    write(version);
    await until(() => load.version === version);
    await allSettled();
    await load.more();
    expect(load.takeFailures()).toEqual([]);
  }

  // A change that comes while the control process is away arrives with the next one.
  await control.kill();
  write('four');
  await load.more();
  expect(load.version).toBe('three');
  control.restart();
  await until(() => load.version === 'four');
  await allSettled();
  await load.more();
  expect(load.takeFailures()).toEqual([]);
});
