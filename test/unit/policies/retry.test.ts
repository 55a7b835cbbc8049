import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ErrorCode, GatewayError } from '../../../src/errors/table.ts';
import { retry } from '../../../src/policies/retry.ts';
import { timeout } from '../../../src/policies/timeout.ts';
import type { Dispatch, ResponseSink, UpstreamCall } from '../../../src/upstream/call.ts';
import { expressions } from '../../support/policy.ts';
import {
  Collector,
  callTo,
  cluster,
  hostSpec,
  onRequests,
  type RawServer,
  type Rig,
  rawServer,
  rig,
  send,
  until,
} from '../upstream/helpers.ts';

const compile = (value: unknown) =>
  retry.compile!(retry.schema.parse(value), { key: 'r', level: 'route' }, { cel: expressions() } as never);
const wrap = (value: unknown, next: Dispatch) => compile({ backoff: '1ms', ...(value as object) }).wrapDispatch!(next);

type Answer = number | ErrorCode | ((sink: ResponseSink, call: UpstreamCall) => void);

/** Plays one answer an attempt, each after the dispatch has returned. */
function scripted(...answers: Answer[]) {
  const calls: { headers: string[]; path: string }[] = [];
  const aborted: number[] = [];
  const dispatch: Dispatch = (call, sink) => {
    const attempt = calls.length;
    void call.prepare?.(call, call.exchange);
    calls.push({ headers: call.headers.slice(), path: call.path });
    const answer = answers[attempt] ?? 200;
    setImmediate(() => {
      if (aborted.includes(attempt)) return;
      if (typeof answer === 'function') answer(sink, call);
      else if (typeof answer === 'string') sink.onError(new GatewayError(answer));
      else {
        sink.onHead(answer, []);
        sink.onData(Buffer.from(`attempt ${attempt + 1}`));
        sink.onEnd([]);
      }
    });
    return { resume() {}, abort: () => void aborted.push(attempt) };
  };
  return { dispatch, calls, aborted };
}

const call = (more: Partial<UpstreamCall> = {}) => callTo({} as never, more);

describe('retry', () => {
  it.each([
    ['a listed status', [503, 200], 2, 200],
    ['several', [503, 502, 200], 3, 200],
    ['a failed connection', ['upstream_connect', 200], 2, 200],
    ['a closed connection', ['upstream_closed', 200], 2, 200],
    ['a time-out', ['upstream_timeout', 200], 2, 200],
    ['no endpoint', ['no_healthy_endpoint', 200], 2, 200],
    ['nothing after the last attempt', [503, 503, 503, 200], 3, 503],
    ['no other status', [500, 200], 1, 500],
    ['no success', [200], 1, 200],
  ] as const)('tries again after %s', async (_name, answers, attempts, status) => {
    const { dispatch, calls } = scripted(...answers);
    const got = await send(wrap({ attempts: 3, codes: [502, 503] }, dispatch), call());
    expect(calls).toHaveLength(attempts);
    expect(got.status).toBe(status);
    expect(got.heads).toBe(1);
    expect(got.body).toBe(`attempt ${attempts}`);
  });

  it.each(['bad_request', 'internal', 'not_active', 'request_body_too_large'] as const)(
    'does not try again after %s',
    async (code) => {
      const { dispatch, calls } = scripted(code, 200);
      expect((await send(wrap({ attempts: 3, codes: [503] }, dispatch), call())).error?.code).toBe(code);
      expect(calls).toHaveLength(1);
    },
  );

  it('does not try again once the response has begun', async () => {
    const { dispatch, calls } = scripted((sink) => {
      sink.onHead(200, []);
      sink.onError(new GatewayError('upstream_closed'));
    }, 200);
    const got = await send(wrap({ attempts: 3, codes: [503] }, dispatch), call());
    expect(got.error?.code).toBe('upstream_closed');
    expect(calls).toHaveLength(1);
  });

  it('gives the last error where every attempt failed', async () => {
    const { dispatch, calls } = scripted(503, 'upstream_connect', 'upstream_closed');
    const got = await send(wrap({ attempts: 3, codes: [503] }, dispatch), call());
    expect(got.error?.code).toBe('upstream_closed');
    expect(calls).toHaveLength(3);
  });

  it('prepares each attempt from the call as it came', async () => {
    const { dispatch, calls } = scripted(503, 503, 200);
    const prepare = (of: UpstreamCall): void => {
      of.headers.push('x-signed', 'yes');
      of.path += '?signed';
    };
    await send(wrap({ attempts: 3, codes: [503] }, dispatch), call({ headers: ['a', 'b'], prepare }));
    for (const attempt of calls) expect(attempt).toEqual({ headers: ['a', 'b', 'x-signed', 'yes'], path: '/?signed' });
  });

  it('sends a body once where it is a stream', async () => {
    const { dispatch, calls } = scripted(503, 200);
    const got = await send(
      wrap({ attempts: 3, codes: [503] }, dispatch),
      call({ method: 'POST', body: Readable.from([]) }),
    );
    expect(got.status).toBe(503);
    expect(calls).toHaveLength(1);
  });

  it('does not wait for the end of a refused response, and reads little of it', async () => {
    let more = true;
    const { dispatch, calls, aborted } = scripted((sink) => {
      sink.onHead(503, []);
      for (let i = 0; i < 100 && !aborted.includes(0); i++) more = sink.onData(Buffer.alloc(1024));
    }, 200);
    const got = await send(wrap({ attempts: 2, codes: [503] }, dispatch), call());
    expect(got.body).toBe('attempt 2');
    expect(calls).toHaveLength(2);
    expect(aborted).toContain(0);
    expect(more).toBe(true);
  });

  it('waits as long as Retry-After says, unless that is the caller’s business', async () => {
    const asking =
      (seconds: string): Answer =>
      (sink) => {
        sink.onHead(503, ['retry-after', seconds]);
        sink.onEnd([]);
      };
    const patient = scripted(asking('0'), 200);
    expect((await send(wrap({ attempts: 2, codes: [503] }, patient.dispatch), call())).status).toBe(200);
    const long = scripted(asking('3600'), 200);
    const got = await send(wrap({ attempts: 2, codes: [503] }, long.dispatch), call());
    expect(got.status).toBe(503);
    expect(got.header('retry-after')).toBe('3600');
    expect(long.calls).toHaveLength(1);
  });

  it('makes no attempt that the deadline would cut off', async () => {
    const { dispatch, calls } = scripted(503, 200);
    const limited = timeout.compile!({ requestTimeout: '1h' }, { key: 'r', level: 'route' }, {} as never).wrapDispatch!(
      wrap({ attempts: 2, codes: [503], backoff: '4h' }, dispatch),
    );
    expect((await send(limited, call())).status).toBe(503);
    expect(calls).toHaveLength(1);
  });

  it('is over with an abort, during an attempt and between two', async () => {
    for (const when of ['during', 'between'] as const) {
      let answered = false;
      const { dispatch, calls, aborted } = scripted((sink) => {
        sink.onHead(503, []);
        sink.onEnd([]);
        answered = true;
      }, 200);
      const sink = new Collector();
      const backoff = when === 'during' ? '1ms' : '1h';
      const flight = wrap({ attempts: 2, codes: [503], backoff }, dispatch)(call(), sink);
      if (when === 'between') await until(() => answered);
      flight.abort();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(calls).toHaveLength(1);
      expect(aborted).toEqual([0]);
      expect(sink.heads).toBe(0);
    }
  });

  it.each([
    ['a precondition that holds', { precondition: 'request.method == "GET"' }, 2],
    ['not one that does not', { precondition: 'request.method == "POST"' }, 1],
    ['not one that fails', { precondition: 'jwt.sub == "a"' }, 1],
    ['a condition on a response of another status', { codes: [], condition: 'response.code == 503' }, 2],
    ['not one that fails', { codes: [], condition: 'response.headers["x-again"] == "1"' }, 1],
  ])('tries again with %s', async (_, value, attempts) => {
    const { dispatch, calls } = scripted(503, 200);
    await send(wrap({ attempts: 3, codes: [503], ...value }, dispatch), call());
    expect(calls).toHaveLength(attempts);
  });

  it('holds the body only where it can try again', () => {
    expect(compile({ attempts: 2, codes: [] }).holdBody).toBe(true);
    expect(compile({ codes: [503] })).toEqual({});
    expect(retry.schema.safeParse({ attempts: 0, codes: [] }).success).toBe(false);
  });
});

describe('retry on the wire', () => {
  let from: Rig;
  const servers: RawServer[] = [];
  beforeEach(() => {
    from = rig();
  });
  afterEach(async () => {
    from.clusters.close();
    for (const server of servers.splice(0)) await server.close();
  });

  it('sends the whole body again, on a connection that was kept', async () => {
    const bodies: string[] = [];
    const server = await rawServer((socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (!text.endsWith('payload')) return;
        bodies.push(text.slice(-7));
        text = '';
        socket.write(`HTTP/1.1 ${bodies.length < 3 ? '503 Busy' : '200 OK'}\r\ncontent-length: 2\r\n\r\nok`);
      });
    });
    servers.push(server);
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const of = callTo(to, { method: 'POST', body: Buffer.from('payload') });
    const got = await send(wrap({ attempts: 4, codes: [503] }, from.dispatch), of);
    expect(got.status).toBe(200);
    expect(bodies).toEqual(['payload', 'payload', 'payload']);
    expect(of.exchange.attempts).toBe(3);
    expect(server.accepted()).toBe(1);
    expect(of.tried).toHaveLength(3);
  });

  it('goes to another endpoint', async () => {
    const seen: string[] = [];
    const listen = (host: string, status: string) => (port: number) =>
      rawServer(
        (socket) =>
          onRequests(socket, () => {
            seen.push(host);
            socket.write(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`);
          }),
        { host, port },
      );
    const bad = await listen('127.0.0.1', '503 Busy')(0);
    servers.push(bad);
    servers.push(await listen('127.0.0.2', '200 OK')(bad.port));
    from.clusters.close();
    from = rig(
      {},
      {
        lookup: {
          v4: async () => ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, ttlMs: 60_000 })),
          v6: async () => [],
          system: async () => [],
          local: () => false,
        },
      },
    );
    const to = cluster(from, hostSpec('api.example', bad.port));
    for (let i = 0; i < 20; i++) {
      const got = await send(wrap({ attempts: 2, codes: [503] }, from.dispatch), callTo(to));
      expect(got.status).toBe(200);
      await until(() => to.endpoints.every((endpoint) => endpoint.active === 0));
    }
    expect(seen.filter((host) => host === '127.0.0.2')).toHaveLength(20);
  });
});
