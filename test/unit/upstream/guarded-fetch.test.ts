import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { addressGuard } from '../../../src/upstream/address-guard.ts';
import { type FetchLimits, GuardedFetcher, TooManyFetchesError } from '../../../src/upstream/guarded-fetch.ts';
import { type NameLookup, Names } from '../../../src/upstream/resolve.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(handle: RequestListener): Promise<number> {
  const server = createServer(handle);
  servers.push(server);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Answers each question for a name with the next of its answers, the last one over and over. */
function fetcher(names: Record<string, string[][]> = {}): GuardedFetcher {
  const answer = async (name: string) => {
    const answers = names[name];
    if (answers === undefined) throw new Error('unknown');
    const addresses = answers.length > 1 ? answers.shift()! : answers[0]!;
    return addresses.map((address) => ({ address, ttlMs: 60_000 }));
  };
  const lookup: NameLookup = { v4: answer, v6: async () => [], system: answer, local: () => true };
  return new GuardedFetcher(new Names(lookup, 'All', () => {}));
}

/** Of the machine's own addresses this one passes for a public one. */
const guard = addressGuard(['127.0.0.1']);

function limits(more: Partial<FetchLimits> & { maxBytes?: number } = {}): FetchLimits {
  let left = more.maxBytes ?? 1000;
  return {
    allows: () => true,
    guard,
    signal: new AbortController().signal,
    take: (bytes) => {
      left -= bytes;
      return left >= 0;
    },
    ...more,
  };
}

describe('a guarded fetch', () => {
  it('gets what is there, and shows nothing of the client', async () => {
    let seen: unknown;
    const port = await listen((request, response) => {
      seen = { url: request.url, headers: request.headers };
      response.writeHead(200, { 'content-type': 'image/png' }).end('png');
    });
    const fetched = await fetcher({ 'media.test': [['127.0.0.1']] }).get(`http://media.test:${port}/a?b=c#d`, limits());
    expect(fetched).toEqual({ bytes: Buffer.from('png'), contentType: 'image/png' });
    expect(seen).toEqual({
      url: '/a?b=c',
      headers: {
        host: `media.test:${port}`,
        accept: '*/*',
        'accept-encoding': 'identity',
        'user-agent': 'sluice',
        connection: 'close',
      },
    });
  });

  it('follows redirects', async () => {
    const port = await listen((request, response) => {
      if (request.url === '/end') response.end('here');
      else response.writeHead(302, { location: '/end' }).end();
    });
    const fetched = await fetcher().get(`http://127.0.0.1:${port}/start`, limits());
    expect(fetched.bytes.toString()).toBe('here');
  });

  it.each([
    ['http://127.0.0.2/', 'address that may not'],
    ['http://169.254.169.254/latest/meta-data', 'address that may not'],
    ['http://[::1]/', 'address that may not'],
    ['http://[::ffff:127.0.0.2]/', 'address that may not'],
    ['http://[::ffff:169.254.169.254]/', 'address that may not'],
    ['http://2130706434/', 'address that may not'],
    ['http://0x7f.0.0.2/', 'address that may not'],
    ['http://private.test/', 'address that may not'],
    ['http://nowhere.test/', 'has no address'],
    ['http://user:secret@private.test/', 'credential'],
    ['ftp://private.test/', 'http'],
    ['file:///etc/passwd', 'http'],
    ['nonsense', 'URL'],
  ])('refuses %s', async (url, reason) => {
    const names = { 'private.test': [['127.0.0.2']] };
    await expect(fetcher(names).get(url, limits())).rejects.toThrow(reason);
  });

  it('refuses hosts that are not allowed, by name and port', async () => {
    const allows = (host: string, port: number) => host === 'a.test' && port === 443;
    await expect(fetcher().get('https://b.test/', limits({ allows }))).rejects.toThrow('not a host');
    await expect(fetcher().get('http://a.test/', limits({ allows }))).rejects.toThrow('not a host');
  });

  it.each([
    ['http://169.254.169.254/latest', 'address that may not'],
    ['http://localhost:1/', 'address that may not'],
    ['file:///etc/passwd', 'http'],
  ])('looks at a redirect to %s like at the first URL', async (location, reason) => {
    const port = await listen((_, response) => response.writeHead(302, { location }).end());
    const names = { localhost: [['127.0.0.2']] };
    await expect(fetcher(names).get(`http://127.0.0.1:${port}/`, limits())).rejects.toThrow(reason);
  });

  it('is not led elsewhere by a name that resolves anew', async () => {
    let reached = 0;
    const port = await listen((_, response) => {
      reached++;
      response.writeHead(302, { location: '/again' }).end();
    });
    const names = { 'rebound.test': [['127.0.0.1'], ['127.0.0.2']] };
    await expect(fetcher(names).get(`http://rebound.test:${port}/`, limits())).rejects.toThrow('address that may not');
    expect(reached).toBe(1);
  });

  it('goes to those of several addresses that are allowed', async () => {
    const port = await listen((_, response) => response.end('ok'));
    const names = { 'several.test': [['127.0.0.2', '127.0.0.1']] };
    expect((await fetcher(names).get(`http://several.test:${port}/`, limits())).bytes.toString()).toBe('ok');
  });

  it.each<[string, RequestListener, string]>([
    ['an error', (_, response) => response.writeHead(404).end('no'), 'answered 404'],
    ['a redirect to nowhere', (_, response) => response.writeHead(302).end(), 'answered 302'],
    ['redirects for ever', (_, response) => response.writeHead(307, { location: '/' }).end(), 'more than 3'],
    ['a coding', (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'), 'coding'],
    ['too much', (_, response) => response.end('x'.repeat(1001)), 'more than may'],
    [
      'a broken answer',
      (_, response) => response.writeHead(200, { 'content-length': '9' }).write('x', () => response.destroy()),
      'could not be read',
    ],
  ])('fails for %s', async (_, handle, reason) => {
    const port = await listen(handle);
    await expect(fetcher().get(`http://127.0.0.1:${port}/`, limits())).rejects.toThrow(reason);
  });

  it.each<[string, RequestListener]>([
    ['never answers', () => {}],
    ['stops in the middle', (_, response) => response.writeHead(200).write('x')],
  ])('ends in time where the server %s', async (_, handle) => {
    const abort = new AbortController();
    const port = await listen((request, response) => {
      handle(request, response);
      setImmediate(() => abort.abort());
    });
    const pending = fetcher().get(`http://127.0.0.1:${port}/`, limits({ signal: abort.signal }));
    await expect(pending).rejects.toThrow('did not answer in time');
  });

  it('is one of sixty-four at a time', async () => {
    const never = () => new Promise<never>(() => {});
    const lookup: NameLookup = { v4: never, v6: never, system: never, local: () => true };
    const busy = new GuardedFetcher(new Names(lookup, 'All', () => {}));
    const aborts = Array.from({ length: 64 }, () => new AbortController());
    const running = aborts.map(({ signal }, i) => busy.get(`http://h${i}.test/`, limits({ signal })));
    const settled = Promise.allSettled(running);
    await expect(busy.get('http://one.test/', limits())).rejects.toThrow(TooManyFetchesError);
    for (const abort of aborts) abort.abort();
    await settled;
    await expect(busy.get('ftp://one.test/', limits())).rejects.toThrow('http');
  });

  it('ends in time where the name does not resolve', async () => {
    const abort = new AbortController();
    const never = () => new Promise<never>(() => setImmediate(() => abort.abort()));
    const lookup: NameLookup = { v4: never, v6: never, system: never, local: () => true };
    const slow = new GuardedFetcher(new Names(lookup, 'All', () => {}));
    await expect(slow.get('http://slow.test/', limits({ signal: abort.signal }))).rejects.toThrow('in time');
  });
});
