import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildCatalogue } from '../../src/catalogue.ts';
import { ConfigSource } from '../../src/config/source-file.ts';
import type { Resource } from '../../src/resources/types.ts';
import { fromResources } from '../../src/xds/translate/index.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../../src/xds/wire/discovery.ts';
import {
  freePorts,
  Gateway,
  ownServers,
  upstream as startUpstream,
  type TestUpstream,
  until,
} from '../support/gateway.ts';

/** The gateway driven by a control plane that shares no code with it: envoyproxy/go-control-plane, built here with Go. */

const SOURCE = fileURLToPath(new URL('./ads', import.meta.url));
const hasGo = spawnSync('go', ['version']).status === 0;
if (!hasGo)
  console.warn('skipped: no Go toolchain (https://go.dev), the control plane of these tests can not be built');

type State = Record<string, Record<string, string>>;

interface Answer {
  listening?: string;
  type?: string;
  nonce?: string;
  error?: string;
  node?: string;
  initial?: Record<string, string>;
}

class GoControlPlane {
  readonly answers: Answer[] = [];
  readonly #child: ChildProcess;

  constructor(binary: string) {
    this.#child = spawn(binary, ['-types', `${ADDRESS_TYPE},${RESOURCE_TYPE}`], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('no output');
    createInterface(this.#child.stdout).on('line', (line) => this.answers.push(JSON.parse(line) as Answer));
  }

  async address(): Promise<string> {
    return `http://${(await this.until((answer) => answer.listening !== undefined)).listening}`;
  }

  serve(state: State): void {
    this.#child.stdin?.write(`${JSON.stringify(state)}\n`);
  }

  async until(matches: (answer: Answer) => boolean, from = 0): Promise<Answer> {
    for (;;) {
      const found = this.answers.slice(from).find(matches);
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** It ends with its input. */
  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.on('exit', resolve));
    this.#child.stdin?.end();
    await gone;
  }
}

describe.runIf(hasGo)('a control plane made with go-control-plane', () => {
  const catalogue = buildCatalogue();
  let directory: string;
  let binary: string;
  let upstream: TestUpstream;
  let port: number;
  let gateway: Gateway | null = null;
  let control: GoControlPlane | null = null;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-go-'));
    binary = join(directory, 'ads');
    const built = spawnSync('go', ['build', '-o', binary, '.'], { cwd: SOURCE, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(built.stderr);
    upstream = await startUpstream((_, response) => response.end('hello'));
    [port = 0] = await freePorts(1);
  }, 600_000);

  afterEach(async () => {
    await gateway?.stop();
    await control?.close();
    gateway = null;
    control = null;
  });

  afterAll(async () => {
    upstream?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function resourcesOf(yaml: string): Promise<Resource[]> {
    return (await new ConfigSource('test.yaml', catalogue, { text: yaml }).load()).resources;
  }

  function stateOf(resources: readonly Resource[]): State {
    const state: State = {};
    for (const { typeUrl, resource } of fromResources(resources, catalogue)) {
      state[typeUrl] ??= {};
      (state[typeUrl] as Record<string, string>)[resource.name] = Buffer.from(resource.bytes).toString('base64');
    }
    return state;
  }

  const yamlOf = (answer: string, workloads = '') => `
gateways: {default: {port: ${port}}}
routes:
  - name: hello
    gateways: default
    matches: [{path: {pathPrefix: /hello}}]
    policies:
      responseHeaderModifier: {set: {x-answer: ${answer}}}
    backends: [{host: '127.0.0.1:${upstream.port}'}]
  - name: pool
    gateways: default
    matches: [{path: {pathPrefix: /pool}}]
    backends: [{service: {name: default/pool.default, port: 80}}]
services: [{name: pool, namespace: default, hostname: pool.default, ports: {'80': ${upstream.port}}}]
workloads: [${workloads}]
`;
  const workload = (name: string, status: string) =>
    `{uid: ${name}, name: ${name}, namespace: default, workloadIps: [127.0.0.1], status: ${status}, services: {default/pool.default: {'80': ${upstream.port}}}}`;

  async function launch(address: string): Promise<Gateway> {
    const env = { ...process.env, XDS_ADDRESS: address, NAMESPACE: 'default', GATEWAY: 'default' };
    return Gateway.launch((ports) => ownServers(ports), env);
  }

  /** Asked again and again; what fails meanwhile counts as no. */
  const eventually = (holds: () => Promise<boolean>) => until(() => holds().catch(() => false));

  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);

  it('drives the gateway: the first set, changes, removals, endpoints', async () => {
    control = new GoControlPlane(binary);
    control.serve(stateOf(await resourcesOf(yamlOf('one', workload('a', 'Healthy')))));
    gateway = await launch(await control.address());
    await eventually(async () => (await gateway?.get('readiness', '/healthz/ready'))?.status === 200);
    const first = await get('/hello');
    expect([first.status, first.headers.get('x-answer')]).toEqual([200, 'one']);
    expect((await get('/pool')).status).toBe(200);

    control.serve(stateOf(await resourcesOf(yamlOf('two', workload('a', 'Unhealthy')))));
    await eventually(async () => (await get('/hello')).headers.get('x-answer') === 'two');
    await eventually(async () => (await get('/pool')).status === 503);

    const without = (await resourcesOf(yamlOf('two', workload('b', 'Healthy')))).filter(
      ({ key }) => !key.includes('hello'),
    );
    control.serve(stateOf(without));
    await eventually(async () => (await get('/hello')).status === 404);
    await eventually(async () => (await get('/pool')).status === 200);
    expect(control.answers.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(control.answers.find(({ node }) => node !== undefined)?.node).toMatch(/^agentgateway~/);
  });

  it('is told of a refused resource, which keeps what it was, and serves on without the control plane', async () => {
    control = new GoControlPlane(binary);
    const good = stateOf(await resourcesOf(yamlOf('one', workload('a', 'Healthy'))));
    control.serve(good);
    const address = await control.address();
    gateway = await launch(address);
    await eventually(async () => (await get('/hello')).headers.get('x-answer') === 'one');

    const changed = stateOf(await resourcesOf(yamlOf('two', workload('a', 'Healthy'))));
    const resources = changed[RESOURCE_TYPE] as Record<string, string>;
    const hello = Object.keys(resources).find((name) => name.includes('hello')) ?? '';
    control.serve({
      ...changed,
      [RESOURCE_TYPE]: { ...resources, [hello]: Buffer.from([0xff, 0xff]).toString('base64') },
    });
    const refusal = await control.until(({ error }) => error !== undefined);
    expect(JSON.parse(refusal.error ?? '')).toMatchObject([{ key: hello, error: expect.any(String) }]);
    expect((await get('/hello')).headers.get('x-answer')).toBe('one');

    await control.close();
    control = null;
    for (let n = 0; n < 5; n++) expect((await get('/hello')).status).toBe(200);
    expect((await gateway.get('readiness', '/healthz/ready')).status).toBe(200);
  });

  it('tells a control plane that it meets again what it has', async () => {
    control = new GoControlPlane(binary);
    const state = stateOf(await resourcesOf(yamlOf('one', workload('a', 'Healthy'))));
    control.serve(state);
    gateway = await launch(await control.address());
    await eventually(async () => (await get('/hello')).headers.get('x-answer') === 'one');
    const said = await control.until(({ initial, type }) => initial === undefined && type === RESOURCE_TYPE);
    expect(said.error).toBeUndefined();
    const count = Object.keys(state[RESOURCE_TYPE] ?? {}).length;
    const metrics = await (await gateway.get('stats', '/metrics')).text();
    expect(metrics).toMatch(new RegExp(`xds_resources\\{[^}]*Resource"[^}]*state="in_force"[^}]*\\} ${count}\\b`));
  });
});
