import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePorts } from './gateway.ts';

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js');

/** A port nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** The real program as its users start it: `sluice -f config.yaml`, on ports of its own. */
export class Sluice {
  readonly dir: string;
  readonly file: string;
  readonly admin: number;
  readonly stats: number;
  readonly readiness: number;
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';

  private constructor(dir: string, ports: [number, number, number], child: ChildProcess) {
    this.dir = dir;
    this.file = join(dir, 'config.yaml');
    [this.admin, this.stats, this.readiness] = ports;
    this.child = child;
    child.stdout?.on('data', (chunk) => {
      this.stdout += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      this.stderr += chunk;
    });
  }

  /** Starts it and waits until it is ready; rejects with what it said where it ends before. */
  static async start(config: string, options: { env?: NodeJS.ProcessEnv; nodeArgs?: string[] } = {}): Promise<Sluice> {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-'));
    writeFileSync(join(dir, 'config.yaml'), config);
    const ports = [await freePort(), await freePort(), await freePort()] as [number, number, number];
    const [admin, stats, readiness] = ports.map((port) => `127.0.0.1:${port}`);
    const child = spawn(process.execPath, [...(options.nodeArgs ?? []), MAIN, '-f', join(dir, 'config.yaml')], {
      env: { ...process.env, ADMIN_ADDR: admin, STATS_ADDR: stats, READINESS_ADDR: readiness, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const sluice = new Sluice(dir, ports, child);
    await sluice.waitFor(async () => (await fetch(`http://${readiness}/healthz/ready`)).status === 200);
    return sluice;
  }

  /** Replaces the configuration file's text. */
  write(config: string): void {
    writeFileSync(this.file, config);
  }

  /** Asks again and again until `condition` holds; rejects with what the program said where it has ended. */
  async waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
    for (let tries = 0; tries < 600; tries++) {
      if (this.child.exitCode !== null)
        throw new Error(`sluice left with ${this.child.exitCode}\n${this.stdout}${this.stderr}`);
      if (
        await Promise.resolve()
          .then(condition)
          .catch(() => false)
      )
        return;
      await new Promise((wake) => setTimeout(wake, 50));
    }
    throw new Error(`the condition never held\n${this.stdout}${this.stderr}`);
  }

  /** The access log's lines so far. */
  lines(): string[] {
    return this.stdout.split('\n').filter((line) => line.includes('http.status'));
  }

  /** Sum of a metric's series whose labels contain all of `labels` (`name="value"`). */
  async metric(name: string, ...labels: string[]): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.stats}/metrics`)).text();
    const series = text.split('\n').filter((line) => line.startsWith(name) && /[{ ]/.test(line[name.length] ?? ''));
    return series
      .filter((line) => labels.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** SIGTERM, and waits for the end; returns the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode === null) {
      this.child.kill(signal);
      await once(this.child, 'exit');
    }
    rmSync(this.dir, { recursive: true, force: true });
    return this.child.exitCode;
  }
}
