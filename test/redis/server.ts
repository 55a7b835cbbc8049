import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';

/** A Redis to test with. */
export interface TestRedis {
  readonly url: string;
  /** Ends it and starts it anew on the same port, empty. Only for one that was started here. */
  restart(): Promise<void>;
  /** Stops it from answering, without closing a connection; `resume` goes on. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

const NAMES = ['redis-server', 'valkey-server'];

/** Why there is no Redis to test with; null where there is. */
export function missingRedis(): string | null {
  if (process.env.REDIS_URL !== undefined || binary() !== null) return null;
  return `neither REDIS_URL is set nor is any of ${NAMES.join(', ')} on the PATH`;
}

/** Whether tests can stop and start the server. */
export const ownServer = process.env.REDIS_URL === undefined;

function binary(): string | null {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of NAMES) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Not in this folder.
      }
    }
  }
  return null;
}

/** The Redis of REDIS_URL, or one started on a free port that keeps nothing; with that password where one is given. */
export async function startRedis(password?: string): Promise<TestRedis> {
  const given = process.env.REDIS_URL;
  const file = binary();
  if (given !== undefined || file === null) {
    const foreign = (): never => {
      throw new Error('the Redis of REDIS_URL is not the tests’ to stop');
    };
    return { url: given ?? '', restart: foreign, pause: foreign, resume: foreign, stop: async () => {} };
  }
  const port = await freePort();
  const url = `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`;
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no'];
  if (password !== undefined) args.push('--requirepass', password);
  let child = await launch(file, args, url);
  return {
    url,
    restart: async () => {
      await end(child);
      child = await launch(file, args, url);
    },
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    stop: () => end(child),
  };
}

async function launch(file: string, args: string[], url: string): Promise<ChildProcess> {
  const child = spawn(file, args, { stdio: 'ignore' });
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${file} left with ${code}`)));
  });
  failed.catch(() => {});
  const probe = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null, lazyConnect: true });
  probe.on('error', () => {});
  try {
    await Promise.race([probe.ping(), failed]);
  } finally {
    probe.disconnect();
  }
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const left = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGCONT');
  child.kill('SIGKILL');
  await left;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
