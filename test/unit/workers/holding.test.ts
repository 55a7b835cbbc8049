import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/table.ts';
import type { Exchange } from '../../../src/exchange.ts';
import { BUDGET, MemoryBudget } from '../../../src/state/shared/memory-budget.ts';
import type { Recorder } from '../../../src/telemetry/record.ts';
import { holdingTo } from '../../../src/workers/holding.ts';
import { PipelineReplier } from '../../../src/workers/pipeline.ts';
import { type FakeRequest, fakeExchange } from '../../support/exchange.ts';

/** Bodies that policies have held: within bounds, given back, and never a reason to say nothing. */
const SILENT = { error() {}, warn() {}, info() {}, debug() {} };

function house(limit: number, budget = 1 << 20) {
  const bodies = MemoryBudget.open(MemoryBudget.create({ bodies: budget, drains: 1 }), BUDGET.bodies);
  const ended: Exchange[] = [];
  const recorder = { end: (exchange: Exchange) => ended.push(exchange) } as unknown as Recorder;
  const reply = new PipelineReplier(recorder, SILENT, { serverTiming: false, bodies });
  const holding = holdingTo(limit, bodies);
  /** An exchange whose response is held, and turned around. */
  const held = (request: FakeRequest = {}, body: 'read' | 'replaced' = 'read') => {
    const exchange = fakeExchange(request);
    holding.response(body)(exchange);
    exchange.onResponse((head) => {
      const { heldResponse } = exchange;
      if (heldResponse?.body) heldResponse.body = Buffer.from([...heldResponse.body.toString()].reverse().join(''));
      head.headers.set('x-seen', String(heldResponse?.body));
    });
    return exchange;
  };
  return { bodies, ended, reply, holding, held };
}

describe('a request body', () => {
  it('is held once, and given back at the end', async () => {
    const { bodies, holding } = house(100);
    const exchange = fakeExchange({ body: 'hello' });
    await holding.request(exchange);
    expect(exchange.heldBody?.toString()).toBe('hello');
    exchange.downstream.readBody = () => {
      throw new Error('read twice');
    };
    expect(holding.request(exchange)).toBeUndefined();
    expect(bodies.used).toBe(5);
    exchange.runOnEnd('complete');
    expect(bodies.used).toBe(0);
  });

  it('is empty where there is none', async () => {
    const exchange = fakeExchange();
    await house(100).holding.request(exchange);
    expect(exchange.heldBody).toHaveLength(0);
  });

  it.each([
    ['past the limit', 4, 1 << 20, 'request_body_too_large'],
    ['past the budget', 100, 4, 'overloaded'],
  ])('is refused %s', async (_, limit, budget, code) => {
    const { bodies, holding } = house(limit, budget);
    await expect(holding.request(fakeExchange({ body: 'hello' }))).rejects.toMatchObject({ code });
    expect(bodies.used).toBe(0);
  });
});

describe('a response', () => {
  it('is sent whole, as policies leave it, once it has come', () => {
    const { bodies, ended, reply, held } = house(100);
    const exchange = held({ headers: ['accept-encoding', 'gzip, br'] });
    expect(exchange.headers.raw).toEqual(['accept-encoding', 'identity']);
    reply.head(exchange, 200, ['content-length', '6']);
    expect(reply.data(exchange, Buffer.from('abc'))).toBe(true);
    reply.data(exchange, Buffer.from('def'));
    expect(exchange.downstream.status).toBe(0);
    expect(bodies.used).toBe(6);
    reply.end(exchange, ['x-trailer', '1']);
    expect(exchange.downstream).toMatchObject({ status: 200, text: 'fedcba', trailers: ['x-trailer', '1'] });
    expect(exchange.downstream.header('content-length')).toBe('6');
    expect(exchange.downstream.header('x-seen')).toBe('fedcba');
    expect([ended.length, exchange.endCause, exchange.bytesSent, bodies.used]).toEqual([1, 'complete', 6, 0]);
  });

  it('of the gateway itself is one too', () => {
    const { reply, held } = house(100);
    const exchange = held();
    reply.local(exchange, 202, [], 'abc');
    expect(exchange.downstream).toMatchObject({ status: 202, text: 'cba' });
  });

  it('is not kept where nobody reads it', () => {
    const { bodies, reply, held } = house(4);
    const exchange = held({}, 'replaced');
    reply.head(exchange, 200, []);
    for (let i = 0; i < 10; i++) reply.data(exchange, Buffer.alloc(1000));
    expect(bodies.used).toBe(0);
    reply.end(exchange);
    expect(exchange.downstream.status).toBe(200);
  });

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('to %s with %i has no body', (method, status) => {
    const { reply, held } = house(100);
    const exchange = held({ method });
    reply.head(exchange, status, ['content-length', '3']);
    reply.end(exchange);
    expect(exchange.downstream).toMatchObject({ status, text: '', ended: true });
    expect(exchange.downstream.header('content-length')).toBeUndefined();
  });

  it.each([
    ['the limit', 4, 1 << 20, 'response_too_large', 502],
    ['the budget', 100, 4, 'overloaded', 503],
  ])('past %s is an error, said once', (_, limit, budget, code, status) => {
    const { bodies, ended, reply, held } = house(limit, budget);
    const exchange = held();
    reply.head(exchange, 200, []);
    expect(() => reply.data(exchange, Buffer.from('hello'))).toThrow(expect.objectContaining({ code }));
    // Who reads the upstream stops there, and says that it failed; what still comes does no harm.
    expect(reply.data(exchange, Buffer.from('more'))).toBe(true);
    reply.error(exchange, new GatewayError('internal'));
    expect(exchange.downstream.status).toBe(status);
    expect(exchange.error?.code).toBe(code);
    reply.end(exchange);
    expect([ended.length, bodies.used]).toEqual([1, 0]);
  });

  it('past the limit is an error too where its reader goes on to the end', () => {
    const { reply, held } = house(4);
    const exchange = held();
    reply.head(exchange, 200, []);
    expect(() => reply.data(exchange, Buffer.from('hello'))).toThrow();
    reply.end(exchange);
    expect(exchange.downstream.status).toBe(502);
  });

  it('that breaks off, or whose policy fails, is an error and nothing of it is sent', () => {
    const { reply, held } = house(100);
    const broken = held();
    reply.head(broken, 200, []);
    reply.data(broken, Buffer.from('half'));
    reply.error(broken, new GatewayError('upstream_closed'));
    expect(broken.downstream.status).toBe(503);
    const failed = held();
    failed.onResponse(() => {
      throw new Error('no');
    });
    reply.head(failed, 200, []);
    reply.data(failed, Buffer.from('secret'));
    reply.end(failed);
    expect(failed.downstream.status).toBe(500);
    expect(failed.downstream.text).not.toContain('terces');
  });

  it('is given back where the client goes away', () => {
    const { bodies, reply, held } = house(100);
    const exchange = held();
    reply.head(exchange, 200, []);
    reply.data(exchange, Buffer.from('abc'));
    reply.finish(exchange, 'client_gone');
    reply.end(exchange);
    expect([exchange.downstream.status, bodies.used]).toEqual([0, 0]);
  });
});

describe('a response kept for the log', () => {
  const captured = (limit: number, budget: number, ...chunks: string[]) => {
    const { bodies, reply } = house(100, budget);
    const exchange = fakeExchange();
    exchange.responseCapture = { limit, chunks: [], bytes: 0, complete: true };
    reply.head(exchange, 200, []);
    for (const chunk of chunks) reply.data(exchange, Buffer.from(chunk));
    const kept = { text: Buffer.concat(exchange.responseCapture.chunks).toString(), used: bodies.used };
    reply.end(exchange);
    expect(exchange.downstream.text).toBe(chunks.join(''));
    expect(bodies.used).toBe(0);
    return { ...kept, complete: exchange.responseCapture.complete };
  };

  it.each<[string, number, number, string[], object]>([
    ['whole', 100, 100, ['abc', 'def'], { text: 'abcdef', used: 6, complete: true }],
    ['to the limit', 4, 100, ['abc', 'def', 'ghi'], { text: 'abcd', used: 4, complete: false }],
    ['as far as the budget goes', 100, 4, ['abc', 'def'], { text: 'abc', used: 3, complete: false }],
  ])('%s, and passes as it comes', (_, limit, budget, chunks, kept) => {
    expect(captured(limit, budget, ...chunks)).toEqual(kept);
  });
});
