import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Measurement } from '../../../src/control/rollout/measurement.ts';
import { RequestCounter, scrape, scrapeTarget } from '../../../src/control/rollout/scrape.ts';

describe('scrapeTarget', () => {
  const networks = [
    { address: '10.1.0.0', bits: 16 },
    { address: 'fd00::', bits: 8 },
  ];

  it.each([
    ['10.0.0.5:15020', { host: '10.0.0.5', port: 15020 }],
    [':15020', { host: '10.0.0.5', port: 15020 }],
    ['0.0.0.0:15020', { host: '10.0.0.5', port: 15020 }],
    ['[::]:15020', { host: '10.0.0.5', port: 15020 }],
    ['10.1.2.3:80', { host: '10.1.2.3', port: 80 }],
    ['[fd00::1]:80', { host: 'fd00::1', port: 80 }],
  ])('%s of a node at 10.0.0.5', (address, target) => {
    expect(scrapeTarget(address, '10.0.0.5', networks)).toEqual(target);
  });

  it.each([
    ['', 'does not say'],
    ['169.254.169.254:80', 'neither the node'],
    ['127.0.0.1:15010', 'neither the node'],
    ['[::1]:15010', 'neither the node'],
    ['metadata.internal:80', 'no IP address'],
    ['10.0.0.5', 'not host:port'],
    ['10.0.0.5:0', 'not host:port'],
    ['10.0.0.5:99999', 'not host:port'],
    ['10.0.0.5:80/path', 'not host:port'],
    ['http://10.0.0.5:80', 'not host:port'],
  ])('refuses %s', (address, reason) => {
    expect(() => scrapeTarget(address, '10.0.0.5', networks)).toThrow(reason);
  });
});

describe('RequestCounter', () => {
  const METRICS = `# HELP agentgateway_requests_total Requests.
# TYPE agentgateway_requests_total counter
agentgateway_requests_total{backend="a",status="200",reason="x"} 90
agentgateway_requests_total{backend="b",status="503",reason="status=\\"200\\""} 7
agentgateway_requests_total{status="500"} 2.5e1 1700000000000
agentgateway_requests_total{status="404"} 3
agentgateway_request_duration_seconds_count{status="500"} 1000
`;

  it.each([1, 7, 100_000])('adds up text that comes in pieces of %d', (size) => {
    const counter = new RequestCounter();
    for (let at = 0; at < METRICS.length; at += size) counter.push(METRICS.slice(at, at + size));
    expect(counter.end()).toEqual({ requests: 125, errors: 32 });
  });

  it('tells none yet from no such metric', () => {
    const none = new RequestCounter();
    none.push('# TYPE agentgateway_requests_total counter\n');
    expect(none.end()).toEqual({ requests: 0, errors: 0 });
    const other = new RequestCounter();
    other.push('up 1\n');
    expect(other.end()).toBe(null);
  });
});

describe('Measurement', () => {
  it('counts from the first reading, over restarts', () => {
    const measurement = new Measurement();
    measurement.take({ requests: 1000, errors: 10 });
    expect(measurement.measured).toBe(false);
    measurement.take({ requests: 1100, errors: 12 });
    measurement.take({ requests: 30, errors: 5 });
    measurement.take({ requests: 40, errors: 5 });
    expect(measurement.measured).toBe(true);
    expect(measurement.since).toEqual({ requests: 140, errors: 7 });
    expect(measurement.before).toEqual({ requests: 1000, errors: 10 });
  });
});

describe('scrape', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  const serve = (handler: Parameters<typeof createServer>[1]) => {
    const server = createServer(handler as never);
    servers.push(server);
    return new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  };

  it('reads a node', async () => {
    const port = await serve((request, response) => {
      response.end(request.url === '/metrics' ? 'agentgateway_requests_total{status="500"} 3\n' : '');
    });
    expect(await scrape({ host: '127.0.0.1', port })).toEqual({ requests: 3, errors: 3 });
  });

  it.each([
    ['a redirect, which is not followed', 302, { location: 'http://127.0.0.1:1/' }, '', 'answers 302'],
    ['an error', 500, {}, '', 'answers 500'],
    ['something else', 200, {}, 'hello', 'has no agentgateway_requests_total'],
    ['too much', 200, {}, 'x\n'.repeat(9e6), 'more than'],
  ])('says so where the answer is %s', async (_, status, headers, body, reason) => {
    const port = await serve((_request, response) => {
      response.writeHead(status, headers as Record<string, string>);
      response.end(body);
    });
    await expect(scrape({ host: '127.0.0.1', port })).rejects.toThrow(reason);
  });

  it('gives up on one that hangs', async () => {
    const port = await serve(() => {});
    await expect(scrape({ host: '127.0.0.1', port })).rejects.toThrow('does not answer within');
  });
});
