import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import type { CompiledPolicy } from '../../../src/policies/definition.ts';
import { requestMirror } from '../../../src/policies/request-mirror.ts';
import type { PolicyServices } from '../../../src/policies/services.ts';
import type { UpstreamCall } from '../../../src/upstream/call.ts';
import {
  callTo,
  cluster,
  hostSpec,
  metric,
  onRequests,
  quiet,
  type RawServer,
  type Rig,
  rawServer,
  rig,
  send,
  until,
} from '../upstream/helpers.ts';

let from: Rig;
const servers: RawServer[] = [];
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

beforeEach(() => {
  from = rig();
});
afterEach(async () => {
  from.clusters.close();
  for (const server of servers.splice(0)) await server.close();
});

async function serve(answer: (head: string) => string | null): Promise<RawServer> {
  const server = await rawServer((socket) =>
    onRequests(socket, (head) => {
      const bytes = answer(head);
      if (bytes !== null) socket.write(bytes);
    }),
  );
  servers.push(server);
  return server;
}

function compile(port: number, percentage = 1, more: Partial<PolicyServices> = {}): CompiledPolicy {
  const services = {
    metrics: from.metrics,
    log: quiet,
    dispatch: from.dispatch,
    cluster: () => cluster(from, { ...hostSpec('127.0.0.1', port), key: 'mirror' }),
    ...more,
  } as unknown as PolicyServices;
  const value = requestMirror.schema.parse({ backend: { host: `127.0.0.1:${port}` }, percentage });
  return requestMirror.compile!(value, { key: 'r', level: 'route' }, services);
}

const mirrored = (outcome: string) => metric(from.metrics, 'mirrored_requests_total', { outcome });
const settled = async (outcome: string, count: number): Promise<void> => {
  while ((await mirrored(outcome)) < count) await new Promise((resolve) => setImmediate(resolve));
};

describe('requestMirror', () => {
  it('sends a copy with its body, before credentials are put on the request', async () => {
    const heads: string[] = [];
    const main = await serve(() => OK);
    const shadow = await serve((head) => {
      heads.push(head);
      return OK;
    });
    const policy = compile(shadow.port);
    expect(policy.holdBody).toBe(true);
    const call: UpstreamCall = callTo(cluster(from, hostSpec('127.0.0.1', main.port)), {
      method: 'POST',
      path: '/p?q',
      authority: 'api.example',
      headers: ['x-a', '1'],
      body: Buffer.from('body'),
      prepare: (of) => void of.headers.push('authorization', 'Bearer secret'),
    });
    const got = await send(policy.wrapDispatch!(from.dispatch), call);
    expect(got.body).toBe('ok');
    await settled('sent', 1);
    expect(heads).toHaveLength(1);
    expect(heads[0]).toMatch(/^POST \/p\?q HTTP\/1\.1\r\nhost: api\.example\r\n/);
    expect(heads[0]).toContain('x-a: 1\r\n');
    expect(heads[0]).toContain('content-length: 4\r\n');
    expect(heads[0]).not.toContain('secret');
    expect(call.exchange.attempts).toBe(1);
    expect(call.exchange.routed.endpoint).toBe(`127.0.0.1:${main.port}`);
  });

  it('sends a copy to each of several backends', async () => {
    const paths: string[] = [];
    const main = await serve(() => OK);
    const shadows = [1, 2].map((number) =>
      serve((head) => {
        paths.push(`${number} ${head.split(' ')[1]}`);
        return OK;
      }),
    );
    const ports = (await Promise.all(shadows)).map((server) => server.port);
    const [first, second] = ports;
    const policy = requestMirror.compile!(
      requestMirror.schema.parse([
        { backend: { host: `127.0.0.1:${first}` }, percentage: 1 },
        { backend: { host: `127.0.0.1:${second}` }, percentage: 1 },
        { backend: { host: '127.0.0.1:1' }, percentage: 0 },
      ]),
      { key: 'r', level: 'route' },
      {
        metrics: from.metrics,
        log: quiet,
        dispatch: from.dispatch,
        cluster: ({ host = '' }) => {
          const port = Number(host.split(':')[1]);
          return cluster(from, { ...hostSpec('127.0.0.1', port), key: `mirror ${port}` });
        },
      } as unknown as PolicyServices,
    );
    const call = callTo(cluster(from, hostSpec('127.0.0.1', main.port)), { path: '/p' });
    expect((await send(policy.wrapDispatch!(from.dispatch), call)).body).toBe('ok');
    await settled('sent', 2);
    expect(paths.sort()).toEqual(['1 /p', '2 /p']);
  });

  it('neither delays nor fails the request where the mirror hangs or is down', async () => {
    const main = await serve(() => OK);
    const hanging = await serve(() => null);
    const down = await serve(() => OK);
    const closed = down.port;
    await down.close();
    const to = cluster(from, hostSpec('127.0.0.1', main.port));
    expect((await send(compile(hanging.port).wrapDispatch!(from.dispatch), callTo(to))).body).toBe('ok');
    from.clusters.close();
    expect((await send(compile(closed).wrapDispatch!(from.dispatch), callTo(to))).body).toBe('ok');
    await settled('failed', 1);
  });

  it('drops copies past its limit, and of bodies that are streams', async () => {
    const main = await serve(() => OK);
    const hanging = await serve(() => null);
    const dispatch = compile(hanging.port).wrapDispatch!(from.dispatch);
    const to = cluster(from, hostSpec('127.0.0.1', main.port));
    for (let i = 0; i < 105; i++) expect((await send(dispatch, callTo(to))).body).toBe('ok');
    expect(await mirrored('dropped')).toBe(5);
    await send(
      dispatch,
      callTo(to, { method: 'POST', body: Readable.from([Buffer.from('x')], { objectMode: false }) }),
    );
    expect(await mirrored('dropped')).toBe(6);
  });

  it('gives up a response without end', async () => {
    const main = await serve(() => OK);
    const endless = await serve(() => `HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n${'x'.repeat(200_000)}`);
    await send(
      compile(endless.port).wrapDispatch!(from.dispatch),
      callTo(cluster(from, hostSpec('127.0.0.1', main.port))),
    );
    await settled('sent', 1);
    await until(() => endless.sockets.size === 0);
  });

  it('copies the configured share', async () => {
    let copies = 0;
    const main = await serve(() => OK);
    const to = cluster(from, hostSpec('127.0.0.1', main.port));
    const dispatch: PolicyServices['dispatch'] = (_call, sink) => {
      copies++;
      queueMicrotask(() => sink.onEnd([]));
      return { resume() {}, abort() {} };
    };
    const wrapped = compile(1, 0.25, { dispatch }).wrapDispatch!(from.dispatch);
    for (let i = 0; i < 400; i++) await send(wrapped, callTo(to));
    // 400 draws at 0.25: 100 ± 5 standard deviations.
    expect(copies).toBeGreaterThan(55);
    expect(copies).toBeLessThan(145);
    expect(compile(1, 0)).toEqual({});
  });

  it('leaves the route alone where its backend does not exist', () => {
    const said: string[] = [];
    const policy = compile(1, 1, {
      cluster: () => {
        throw new GatewayError('invalid_backend');
      },
      log: { ...quiet, warn: (message) => said.push(message) },
    });
    expect(policy).toEqual({});
    expect(said).toHaveLength(1);
  });
});
