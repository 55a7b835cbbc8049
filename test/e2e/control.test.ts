import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayView } from '../../src/control/gateways.ts';
import { placeOf } from '../../src/control/rollout/place.ts';
import { freePorts, MAIN, until } from '../support/gateway.ts';

const run = promisify(execFile);
let folder = '';
const children: Program[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-control-'));
  mkdirSync(join(folder, 'fleet'));
});

afterEach(async () => {
  for (const child of children.splice(0).reverse()) await child.stop();
  rmSync(folder, { recursive: true });
});

const write = (name: string, text: string) => writeFileSync(join(folder, 'fleet', name), text);

class Program {
  readonly child: ChildProcess;
  readonly exited: Promise<number | NodeJS.Signals | null>;
  output = '';

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += String(chunk);
      });
    }
    this.exited = new Promise((resolve) => this.child.on('close', (code, signal) => resolve(code ?? signal)));
    children.push(this);
  }

  async stop(): Promise<number | NodeJS.Signals | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM');
    return this.exited;
  }
}

const control = (...args: string[]) => new Program(process.execPath, [MAIN, 'control', ...args]);

/** A gateway that takes everything from a control plane. */
async function gateway(xds: string, name: string): Promise<Program> {
  const [admin, stats, readiness] = (await freePorts(3)).map((port) => `127.0.0.1:${port}`);
  const program = new Program(process.execPath, [MAIN], {
    XDS_ADDRESS: xds,
    NAMESPACE: 'prod',
    GATEWAY: 'edge',
    POD_NAME: name,
    SLUICE_LABELS: `machine=${name}`,
    WORKER_THREADS: '1',
    ADMIN_ADDR: admin,
    STATS_ADDR: stats,
    READINESS_ADDR: readiness,
  });
  await until(async () => (await fetch(`http://${readiness}/healthz/ready`).catch(() => null))?.status === 200);
  return program;
}

const answering = (port: number, body: string) =>
  `binds:\n- port: ${port}\n  listeners:\n  - routes:\n    - name: r\n      policies:\n        directResponse: { status: 200, body: ${body} }\n`;

describe('sluice control', () => {
  it.each([
    [[], 2, 'no directory given'],
    [['-d', 'fleet', '--nonsense'], 2, "Unknown option '--nonsense'"],
    [['-d', 'fleet', '--listen', '0.0.0.0:1'], 1, '--allow-anonymous'],
    [['-d', 'fleet', '--canary', 'some'], 1, 'rollout.canary: is not a share'],
    [['-d', 'fleet', '-c', 'missing.yaml'], 1, 'missing.yaml:1:1: cannot be read'],
    [['-d', 'fleet', '--listen', '127.0.0.1:0', '--tls-cert', 'a', '--tls-key', 'b'], 1, 'no such file'],
    [['-d', 'none', '--listen', '127.0.0.1:0', '--admin', 'off'], 1, "the directory can't be read"],
  ])('%j: exit %d', async (args, code, said) => {
    const program = control(...args);
    expect(await program.exited).toBe(code);
    expect(program.output).toContain(said);
  });

  it('checks a directory', async () => {
    write('a.yaml', `control: { gateways: prod/edge }\n${answering(3000, 'a')}`);
    const good = control('-d', 'fleet', '--check');
    expect(await good.exited).toBe(0);
    expect(good.output).toContain('a.yaml: 3 resources for prod/edge');
    write('b.yaml', 'bind: []');
    const bad = control('-d', 'fleet', '--check');
    expect(await bad.exited).toBe(1);
    expect(bad.output).toContain('b.yaml:1:1: bind: unknown field "bind"; did you mean "binds"?');
  });

  it('does not start with faults and nothing from before, nor a second time', async () => {
    write('a.yaml', 'bind: []');
    const faulty = control('-d', 'fleet', '--listen', '127.0.0.1:0', '--admin', 'off');
    expect(await faulty.exited).toBe(1);
    expect(faulty.output).toContain('a.yaml:1:1: bind: unknown field');
    write('a.yaml', `config: { adminAddr: "localhost:1" }\n${answering(3000, 'a')}`);
    const first = control('-d', 'fleet', '--listen', '127.0.0.1:0', '--admin', 'off');
    await until(() => first.output.includes('3 resources for every gateway'));
    expect(first.output).toContain(
      "Not served, as it is each process's own; set it in the nodes' files:\n  a.yaml: config.adminAddr",
    );
    const second = control('-d', 'fleet', '--listen', '127.0.0.1:0', '--admin', 'off');
    expect(await second.exited).toBe(1);
    expect(second.output).toContain('another sluice control has its state in');
    expect(await first.stop()).toBe(0);
  });

  it('rolls a change out over two gateways, and back where it fails', { timeout: 90_000 }, async () => {
    const [listen = 0, admin = 0, first = 0, second = 0] = await freePorts(4);
    const xds = `http://127.0.0.1:${listen}`;
    const broken: Server = createServer((_, response) => response.writeHead(500).end());
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const { port: broke } = broken.address() as AddressInfo;
    const names = Array.from({ length: 50 }, (_, at) => `edge-${at}`);
    const place = (name: string) => placeOf(`agentgateway~1.1.1.1~${name}.prod~prod.svc.cluster.local`);
    const canary = names.find((name) => place(name) < 0.5) ?? '';
    const rest = names.find((name) => place(name) > 0.5) ?? '';
    // On one machine each needs a port of its own.
    const serve = (configuration: (port: number) => string) => {
      for (const [name, port] of [
        [canary, first],
        [rest, second],
      ] as const) {
        write(`${name}.yaml`, `control: { labels: { machine: ${name} } }\n${configuration(port)}`);
      }
    };
    const ask = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`).catch(() => null))?.text() ?? '';
    const view = async () => {
      const { gateways } = (await (await fetch(`http://127.0.0.1:${admin}/rollout`)).json()) as {
        gateways: GatewayView[];
      };
      return gateways[0] as GatewayView;
    };

    serve((port) => answering(port, 'one'));
    write('control.yaml', 'rollout: { canary: 50%, minTime: 1s, minRequests: 20, scrapeInterval: 200ms }\n');
    control('-d', 'fleet', '--listen', `127.0.0.1:${listen}`, '--admin', `127.0.0.1:${admin}`);
    await Promise.all([gateway(xds, canary), gateway(xds, rest)]);
    await until(async () => (await ask(first)) === 'one' && (await ask(second)) === 'one');
    const { stable } = await view();

    serve((port) => answering(port, 'two'));
    await until(async () => (await ask(first)) === 'two');
    expect(await ask(second)).toBe('one');
    // Without data it pauses; with data it goes on.
    await until(async () => (await view()).state === 'paused');
    expect((await view()).reason).toContain('no data');
    for (let at = 0; at < 30; at++) await ask(first);
    await until(async () => (await ask(second)) === 'two');
    const done = await view();
    expect(done).toMatchObject({ state: 'idle', candidate: null });
    expect(done.history.map(({ revision }) => revision)).toContain(stable);

    serve((port) => answering(port, 'x').replace(/policies:[\s\S]*$/, `backends: [{ host: "127.0.0.1:${broke}" }]\n`));
    await until(async () => {
      await ask(first);
      expect(await ask(second)).toBe('two');
      return (await view()).rejected !== null;
    });
    expect(await view()).toMatchObject({
      stable: done.stable,
      rejected: { reason: expect.stringContaining('are 5xx') },
    });
    await until(async () => (await ask(first)) === 'two');
    broken.closeAllConnections();
    broken.close();
  });
});

describe('the guide', () => {
  const text = readFileSync(new URL('../../docs/guides/control.md', import.meta.url), 'utf8');
  const block = (mark: string) => new RegExp(`^\`\`\`\\w+ control=${mark}\n([^]*?)^\`\`\`$`, 'm').exec(text)?.[1] ?? '';

  it('has commands that run as printed', { timeout: 60_000 }, async () => {
    const [listen = 0, admin = 0, port = 0, ...own] = await freePorts(6);
    const here = (printed: string) =>
      printed.replaceAll('9978', String(listen)).replaceAll('15010', String(admin)).replaceAll('3000', String(port));
    // `sluice` on the PATH, as it is once it is installed.
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'sluice'), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
    chmodSync(join(bin, 'sluice'), 0o755);
    const env = {
      PATH: `${bin}:${process.env.PATH}`,
      WORKER_THREADS: '1',
      ADMIN_ADDR: `127.0.0.1:${own[0]}`,
      STATS_ADDR: `127.0.0.1:${own[1]}`,
      READINESS_ADDR: `127.0.0.1:${own[2]}`,
    };
    write('edge.yaml', here(block('edge.yaml')));
    const serving = new Program('bash', ['-c', `exec ${here(block('serve'))}`], env);
    await until(() => serving.output.includes('edge.yaml: 3 resources for prod/edge'));
    new Program('bash', ['-c', here(block('gateway')).replace(/ sluice$/m, ' exec sluice')], env);
    await until(
      async () => (await fetch(`http://127.0.0.1:${own[2]}/healthz/ready`).catch(() => null))?.status === 200,
    );
    const { stdout } = await run(
      'bash',
      ['-euc', here(block('ask')).replaceAll(/^curl /gm, 'curl -s --fail-with-body ')],
      {
        env: { ...process.env, ...env },
      },
    );
    expect(stdout).toContain('hello from the fleet');
    expect(stdout).toMatch(/edge-1\S*\s+prod\/edge/);
  });
});
