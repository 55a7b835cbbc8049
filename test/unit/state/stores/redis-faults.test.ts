import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { type ConnectionOptions, createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { openStore } from '../../../../src/state/stores/open.ts';
import { parseRedisUrl } from '../../../../src/state/stores/redis-connection.ts';
import type { Store } from '../../../../src/state/stores/store.ts';
import { bytes, freshKey, recorder, SOON } from './contract.ts';
import { testLog } from './support.ts';

const PASSWORD = 'hunter2/äß';
const LIMITS = { timeoutMs: 150, maxValueBytes: 4096 };

const servers: Server[] = [];
const sockets = new Set<Socket>();
const stores: Store[] = [];

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

/** A server that does this with each connection; its port. */
async function serve(accept: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    accept(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Answers each command (RESP arrays of bulk strings) with what `reply` says. */
function commands(reply: (command: string[]) => string | null): (socket: Socket) => void {
  return (socket) => {
    let held = '';
    socket.on('data', (chunk) => {
      held += chunk.toString('latin1');
      for (;;) {
        const parts = held.split('\r\n');
        const count = Number(/^\*(\d+)$/.exec(parts[0] ?? '')?.[1] ?? 0);
        if (count === 0 || parts.length < 2 + count * 2) return;
        held = parts.slice(1 + count * 2).join('\r\n');
        const answer = reply(Array.from({ length: count }, (_, at) => parts[2 + at * 2] ?? ''));
        if (answer !== null) socket.write(answer, 'latin1');
      }
    });
  };
}

async function open(port: number, credentials = '') {
  const { log, records } = testLog();
  const store = await openStore({
    kind: 'redis',
    url: `redis://${credentials}127.0.0.1:${port}`,
    limits: LIMITS,
    log,
  });
  stores.push(store);
  return { store, records };
}

describe('Redis that fails', () => {
  it('never answers: every call is rejected in time, whatever it asks', async () => {
    const port = await serve(() => {});
    const { store } = await open(port);
    const key = freshKey();
    const calls = [
      store.get(key),
      store.put(key, bytes('x')),
      store.compareAndSet(key, null, bytes('x')),
      store.delete(key),
      store.append(key, bytes('x'), { maxLength: 1 }),
      store.read(key),
      store.trim(key, 1),
      store.publish(key, bytes('x')),
      store.subscribe(key, recorder()),
    ];
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map((one) => (one as PromiseRejectedResult).reason.code)).toEqual(calls.map(() => 'timeout'));
  });

  it('never answers the password either', async () => {
    const port = await serve(() => {});
    const { store } = await open(port, `:${encodeURIComponent(PASSWORD)}@`);
    await expect(store.get(freshKey())).rejects.toMatchObject({ code: 'timeout' });
  });

  it('falls silent: the connection is given up, and the next one is used', async () => {
    let connections = 0;
    const port = await serve((socket) => {
      const silent = connections++ === 0;
      commands(() => (silent ? null : '$-1\r\n'))(socket);
    });
    const { store } = await open(port);
    await expect(store.get(freshKey())).rejects.toMatchObject({ code: 'timeout' });
    await expect.poll(() => store.get(freshKey()).catch(() => 'not yet'), SOON).toBeNull();
    expect(connections).toBe(2);
  });

  it('is not there: calls are rejected at once, and answered once it is', async () => {
    const port = await serve(() => {});
    const [server] = servers.splice(0);
    await new Promise((resolve) => server?.close(resolve));
    const { store, records } = await open(port);
    await expect(store.get(freshKey())).rejects.toMatchObject({ code: 'unavailable', message: /ECONNREFUSED/ });
    await expect(store.get(freshKey())).rejects.toMatchObject({ code: 'unavailable' });
    const server2 = createServer(commands(() => '$-1\r\n'));
    servers.push(server2);
    server2.on('connection', (socket) => sockets.add(socket));
    await new Promise<void>((resolve) => server2.listen(port, '127.0.0.1', resolve));
    await expect.poll(() => store.get(freshKey()).catch(() => 'not yet'), SOON).toBeNull();
    // Said once, however often it was tried.
    expect(records.filter(({ message }) => message.includes('ECONNREFUSED'))).toHaveLength(1);
  });

  it('ends the connection in the middle of calls: they are rejected, and none is sent again', async () => {
    const asked: string[] = [];
    const port = await serve((socket) =>
      commands((command) => {
        asked.push(command[0] ?? '');
        if (command[0] === 'set') socket.destroy();
        return '$-1\r\n';
      })(socket),
    );
    const { store } = await open(port);
    await store.get(freshKey());
    await expect(store.put(freshKey(), bytes('x'))).rejects.toMatchObject({ code: 'unavailable' });
    await expect.poll(() => store.get(freshKey()).catch(() => 'not yet'), SOON).toBeNull();
    expect(asked.filter((name) => name === 'set')).toHaveLength(1);
  });

  it('speaks nonsense: calls are rejected, and it is asked anew with pauses', async () => {
    let connections = 0;
    const port = await serve((socket) => {
      connections++;
      socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\nServer: "not redis"\r\n\r\n'));
    });
    const { store } = await open(port);
    for (let n = 0; n < 20; n++) {
      const error = await store.get(freshKey()).catch((reason: unknown) => reason);
      expect(['unavailable', 'timeout']).toContain((error as { code: string }).code);
    }
    expect(connections).toBeLessThan(20);
  });

  it.each([
    ['an answer of another kind', '*2\r\n$1\r\na\r\n$1\r\nb\r\n'],
    ['a number', ':7\r\n'],
    ['a record without a version', '$5\r\nshort\r\n'],
    ['an error', '-ERR something\r\n'],
  ])('lies: %s to a get is a StoreError', async (_, answer) => {
    const port = await serve(commands(() => answer));
    const { store } = await open(port);
    await expect(store.get(freshKey())).rejects.toMatchObject({ name: 'StoreError', code: 'unavailable' });
  });

  it.each([
    ['a word', '$4\r\nword\r\n'],
    ['nothing', '$-1\r\n'],
    ['numbers', '*2\r\n:1\r\n:2\r\n'],
    ['ids that are none', '*2\r\n$3\r\nabc\r\n$1\r\nb\r\n'],
    ['half an event', '*1\r\n$3\r\n1-1\r\n'],
  ])('lies: %s to a read is a StoreError', async (_, answer) => {
    const port = await serve(commands(() => answer));
    const { store } = await open(port);
    await expect(store.read(freshKey())).rejects.toMatchObject({ name: 'StoreError', code: 'unavailable' });
  });

  it('quotes what it was sent: neither credentials nor keys nor values are in an error or a log line', async () => {
    const port = await serve(
      commands((command) => {
        if (command[0] === 'auth') return `-WRONGPASS invalid ${command.at(-1)}\r\n`;
        return `-ERR unknown command, with args beginning with: '${command.join("' '")}'\r\n`;
      }),
    );
    const refused = await open(port, `user:${encodeURIComponent(PASSWORD)}@`);
    const plain = await open(port);
    const errors: unknown[] = [];
    for (const { store } of [refused, plain]) {
      const key = freshKey('tenant-secret');
      errors.push(await store.put(key, bytes('value-secret')).catch((error: unknown) => error));
      errors.push(await store.compareAndSet(key, null, bytes('value-secret')).catch((error: unknown) => error));
    }
    const said = [
      ...errors.map((error) => describeFully(error)),
      JSON.stringify([...refused.records, ...plain.records]),
    ];
    expect(errors.every((error) => (error as { code: string }).code === 'unavailable')).toBe(true);
    for (const one of said) {
      expect(one).not.toMatch(/hunter2/);
      expect(one).not.toMatch(/secret/);
    }
    expect(said[0]).toMatch(/WRONGPASS/);
  });

  it('is reached over TLS only with a certificate that is known', async () => {
    const file = (name: string) => readFileSync(new URL(`../../../fixtures/upstream-tls/${name}`, import.meta.url));
    const server = createTlsServer(
      { cert: file('server.pem'), key: file('server.key') },
      commands(() => '$-1\r\n'),
    );
    server.on('tlsClientError', () => {});
    servers.push(server);
    server.on('connection', (socket) => sockets.add(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const attempt = async (tls: ConnectionOptions, host = '127.0.0.1'): Promise<unknown> => {
      const url = `rediss://${host}:${port}`;
      const store = await openStore({
        kind: 'redis',
        url,
        tls,
        limits: { ...LIMITS, timeoutMs: 5000 },
        log: testLog().log,
      });
      stores.push(store);
      return store.get(freshKey());
    };
    expect(await attempt({ ca: file('ca.pem') })).toBeNull();
    const refused = { name: 'StoreError', code: 'unavailable', message: /certificate/ };
    await expect(attempt({})).rejects.toMatchObject(refused);
    await expect(attempt({ ca: file('ca.pem') }, 'localhost')).rejects.toMatchObject(refused);
    await expect(attempt({ ca: file('other-ca.pem') })).rejects.toMatchObject(refused);
  });

  it('bounds how many calls wait', async () => {
    const port = await serve(() => {});
    const { store } = await open(port);
    const outcomes = await Promise.allSettled(Array.from({ length: 5000 }, () => store.get(freshKey())));
    const codes = outcomes.map((one) => (one as PromiseRejectedResult).reason.code);
    expect(codes.filter((code) => code === 'unavailable').length).toBe(5000 - 4096);
  });
});

function describeFully(error: unknown): string {
  const { message, stack, cause } = error as Error;
  return JSON.stringify([message, stack, cause === undefined ? null : describeFully(cause), { ...(error as object) }]);
}

describe('parseRedisUrl', () => {
  it('reads host, port, credentials, database and TLS', () => {
    expect(parseRedisUrl('redis://cache')).toEqual({ host: 'cache', port: 6379, db: 0, tls: false });
    expect(parseRedisUrl('rediss://me:p%40ss@[::1]:7000/3')).toEqual({
      host: '::1',
      port: 7000,
      username: 'me',
      password: 'p@ss',
      db: 3,
      tls: true,
    });
  });

  it.each([
    'not a url hunter2',
    'http://x:hunter2@cache',
    'redis://x:hunter2@cache/name',
    'redis://x:hunter2@cache?tls=true',
    'redis://x:hunter2%@cache',
    'redis:hunter2',
  ])('refuses %s without repeating it', (url) => {
    let error: unknown;
    try {
      parseRedisUrl(url);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TypeError);
    expect(describeFully(error)).not.toMatch(/hunter2/);
  });
});
