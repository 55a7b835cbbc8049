import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Starts the built gateway as its own process, as a user does, and takes it down again. */

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Below the range that systems take ports of outgoing connections from: one that is free now is not taken so a moment later. */
const FIRST_PORT = 20_000;
const PORTS = 12_000;
/** Test processes begin at places of their own and go on from there. */
let nextPort = Math.floor(Math.random() * PORTS);

/** Loopback ports nobody listens on at the moment. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST_PORT + (nextPort++ % PORTS);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createTcpServer();
    server.on('error', () => resolve(false));
    server.listen({ host: '0.0.0.0', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

export interface OwnPorts {
  admin: number;
  stats: number;
  readiness: number;
}

/** The lines of a `config:` section that keep the gateway's own servers on free ports; more lines may follow below. */
export function ownServers({ admin, stats, readiness }: OwnPorts, workers = 2): string {
  return `config:
  workerThreads: ${workers}
  adminAddr: 127.0.0.1:${admin}
  statsAddr: 127.0.0.1:${stats}
  readinessAddr: 127.0.0.1:${readiness}
`;
}

export class Gateway {
  readonly directory: string;
  readonly file: string;
  readonly ports: OwnPorts;
  stdout = '';
  stderr = '';
  /** Resolves to the exit code, or to the signal that ended the process. */
  readonly exited: Promise<number | NodeJS.Signals | null>;
  readonly #child: ChildProcess;

  private constructor(directory: string, file: string, ports: OwnPorts, env: NodeJS.ProcessEnv) {
    this.directory = directory;
    this.file = file;
    this.ports = ports;
    this.#child = spawn(process.execPath, [MAIN, '-f', file], { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.#child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      this.stdout += chunk;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.stderr += chunk;
    });
    this.exited = new Promise((resolve) => this.#child.on('close', (code, signal) => resolve(code ?? signal)));
  }

  /** Starts without waiting for anything. `yaml` gets the ports of the gateway's own servers. */
  static async launch(yaml: (ports: OwnPorts) => string, env: NodeJS.ProcessEnv = process.env): Promise<Gateway> {
    const [admin = 0, stats = 0, readiness = 0] = await freePorts(3);
    const ports = { admin, stats, readiness };
    const directory = mkdtempSync(join(tmpdir(), 'sluice-'));
    const file = join(directory, 'config.yaml');
    writeFileSync(file, yaml(ports));
    return new Gateway(directory, file, ports, env);
  }

  /** Starts and resolves once the gateway says it is ready. */
  static async start(yaml: (ports: OwnPorts) => string, env?: NodeJS.ProcessEnv): Promise<Gateway> {
    const gateway = await Gateway.launch(yaml, env);
    await gateway.ready();
    return gateway;
  }

  async ready(): Promise<void> {
    let ended = false;
    void this.exited.then(() => {
      ended = true;
    });
    await until(async () => {
      if (ended) throw new Error(`the gateway ended before it was ready:\n${this.stderr}`);
      return (await this.get('readiness', '/healthz/ready').catch(() => null))?.status === 200;
    });
  }

  /** Asks one of the gateway's own servers. */
  get(server: keyof OwnPorts, path: string, init?: RequestInit): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.ports[server]}${path}`, init);
  }

  /** The sum over all series of a metric whose labels contain `labels`. */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await this.get('stats', '/metrics')).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      const matched = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (matched?.[1] === name && (matched[2] ?? '').includes(labels)) sum += Number(matched[3]);
    }
    return sum;
  }

  /** Replaces the configuration in one step, as editors and rollouts do. */
  write(yaml: string): void {
    writeFileSync(`${this.file}.next`, yaml);
    renameSync(`${this.file}.next`, this.file);
  }

  /** Access-log lines written so far. */
  get lines(): string[] {
    return this.stdout.split('\n').filter((line) => line.includes(' request ') || line.startsWith('{'));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends the gateway, if it has not ended, and removes its files. */
  async stop(): Promise<number | NodeJS.Signals | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      const hard = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
      await this.exited;
      clearTimeout(hard);
    }
    rmSync(this.directory, { recursive: true, force: true });
    return this.exited;
  }
}

/** Waits for a condition; the test's own time-out is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

export interface TestUpstream {
  readonly port: number;
  close(): void;
}

/** An HTTP server on a free loopback port. */
export async function upstream(listener: RequestListener): Promise<TestUpstream> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  return {
    port: (server.address() as { port: number }).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
