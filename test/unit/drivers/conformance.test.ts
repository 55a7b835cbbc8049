import * as net from 'node:net';
import { describe, expect, test } from 'vitest';
import { chooseDriver } from '../../../src/workers/drivers/select.ts';
import { cases } from '../../conformance/http1/cases.mjs';
import { listenOptions, runCases } from '../../conformance/http1/runner.mjs';
import { hasUws, uwsTitle } from './support.ts';

test('the table has each id once', () => {
  expect(new Set(cases.map((probe) => probe.id)).size).toBe(cases.length);
  expect(cases.length).toBeGreaterThanOrEqual(60);
});

test('node passes every case', { timeout: 60_000 }, async () => {
  const results = await runCases(chooseDriver('node'), cases);
  expect(results.filter((result) => !result.passed)).toEqual([]);
});

// Both wait for time-outs that the binding has fixed at 10 to 12 s.
describe.runIf(hasUws).concurrent(uwsTitle, () => {
  test('passes every case that is no known fault', { timeout: 90_000 }, async ({ expect }) => {
    const results = await runCases(chooseDriver('uws'), cases);
    expect(results.filter((result) => !result.passed && !result.known)).toEqual([]);
  });

  test('what it can not see times out', { timeout: 60_000 }, async ({ expect }) => {
    const listening = await chooseDriver('uws').listen(listenOptions(() => {}));
    const head = 'GET / HTTP/1.1\r\nHost: localhost\r\n';
    const stalls = [
      '',
      'GET',
      `${head}x`,
      `${head}X-A : v\r\n\r\n`,
      `${head}X-A: a\0b\r\n\r\n`,
      'GET / HTTP/1.0\r\n\r\n',
      `${head}${'x: y\r\n'.repeat(80)}\r\n`,
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello',
      'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel',
    ];
    await Promise.all(
      stalls.map(
        (bytes) =>
          new Promise<void>((resolve) => {
            const socket = net.connect(listening.port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
            socket.on('error', () => {});
            socket.on('close', () => resolve());
            socket.resume();
          }),
      ),
    );
    expect(listening.openConnections).toBe(0);
    expect(listening.pendingBytes).toBe(0);
    listening.close();
  });
});
