import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import type { CompiledPolicy } from '../../../src/policies/definition.ts';
import { timeout } from '../../../src/policies/timeout.ts';
import type { Dispatch, ResponseSink, UpstreamCall } from '../../../src/upstream/call.ts';
import { Collector, callTo } from '../upstream/helpers.ts';

function compile(value: unknown): CompiledPolicy {
  return timeout.compile!(timeout.schema.parse(value), { key: 'r', level: 'route' }, {} as never);
}

/** A dispatch that the test plays the upstream of. */
function manual() {
  const state = { call: null as UpstreamCall | null, sink: null as ResponseSink | null, aborted: 0, resumed: 0 };
  const dispatch: Dispatch = (call, sink) => {
    state.call = call;
    state.sink = sink;
    return { resume: () => void state.resumed++, abort: () => void state.aborted++ };
  };
  return { state, dispatch };
}

const call = () => callTo({} as never);

describe('timeout', () => {
  it('breaks off a request that gets no response', async () => {
    const { state, dispatch } = manual();
    const sink = new Collector();
    compile({ requestTimeout: '10ms' }).wrapDispatch!(dispatch)(call(), sink);
    expect((await sink.done).error?.code).toBe('gateway_timeout');
    expect(sink.error?.status).toBe(504);
    expect(state.aborted).toBe(1);
  });

  it('breaks off a response that does not end in time', async () => {
    const { state, dispatch } = manual();
    const sink = new Collector();
    compile({ requestTimeout: '30ms' }).wrapDispatch!(dispatch)(call(), sink);
    state.sink!.onHead(200, []);
    state.sink!.onData(Buffer.from('a'));
    const got = await sink.done;
    expect(got.status).toBe(200);
    expect(got.error?.code).toBe('gateway_timeout');
    expect(state.aborted).toBe(1);
  });

  it('counts from the arrival of the request', async () => {
    const { dispatch } = manual();
    const late = call();
    Object.assign(late.exchange, { startedAt: performance.now() - 3_600_000 });
    const sink = new Collector();
    compile({ requestTimeout: '1h' }).wrapDispatch!(dispatch)(late, sink);
    expect(sink.error).toBeNull();
    expect((await sink.done).error?.code).toBe('gateway_timeout');
    expect(late.deadline).toBe(late.exchange.startedAt + 3_600_000);
  });

  it('hands everything through in time, and is over with the response', async () => {
    const { state, dispatch } = manual();
    const sink = new Collector();
    const flight = compile({ requestTimeout: '40ms' }).wrapDispatch!(dispatch)(call(), sink);
    sink.accept = false;
    state.sink!.onHead(201, ['a', 'b']);
    expect(state.sink!.onData(Buffer.from('x'))).toBe(false);
    flight.resume();
    state.sink!.onEnd(['t', '1']);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(sink).toMatchObject({ status: 201, headers: ['a', 'b'], body: 'x', trailers: ['t', '1'], error: null });
    expect(state).toMatchObject({ resumed: 1, aborted: 0 });
  });

  it.each([
    ['an error', (sink: ResponseSink) => sink.onError(new GatewayError('upstream_closed')), 'upstream_closed'],
    ['an abort', null, undefined],
  ])('is over with %s', async (_name, end, code) => {
    const { state, dispatch } = manual();
    const sink = new Collector();
    const flight = compile({ requestTimeout: '20ms' }).wrapDispatch!(dispatch)(call(), sink);
    if (end === null) flight.abort();
    else end(state.sink!);
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(sink.error?.code).toBe(code);
  });

  it('gives each attempt its limit, the shorter one winning', () => {
    const { state, dispatch } = manual();
    const wrapped = compile({ backendRequestTimeout: '1.5s' }).wrapDispatch!(dispatch);
    const flight = wrapped(call(), new Collector());
    expect(state.call!.headTimeoutMs).toBe(1_500);
    flight.abort();
    wrapped({ ...call(), headTimeoutMs: 200 }, new Collector()).abort();
    expect(state.call!.headTimeoutMs).toBe(200);
  });

  it('is nothing where all limits are zero, and refuses what no timer holds', () => {
    expect(compile({ requestTimeout: '0s', backendRequestTimeout: null })).toEqual({});
    expect(timeout.faults!(timeout.schema.parse({ requestTimeout: '600h' }))).toHaveLength(1);
    expect(timeout.faults!(timeout.schema.parse({ requestTimeout: '500h' }))).toEqual([]);
    expect(timeout.schema.safeParse({ requestTimeout: '10 apples' }).success).toBe(false);
  });
});
