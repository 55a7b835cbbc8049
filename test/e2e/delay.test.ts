import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers, type TestUpstream, until, upstream } from '../support/gateway.ts';
import { hasUws, uwsTitle } from '../unit/drivers/support.ts';

/** A policy that takes time, seen from outside: what happens to the request meanwhile. */
describe('a request that is delayed', () => {
  let gateway: Gateway | null = null;
  let server: TestUpstream | null = null;
  afterEach(async () => {
    await gateway?.stop();
    server?.close();
    gateway = server = null;
  });

  async function start(driver: 'node' | 'uws', delay: string) {
    const received: string[] = [];
    const target = await upstream((incoming, response) => {
      received.push(incoming.url ?? '');
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      incoming.on('end', () => response.end(String(bytes)));
    });
    server = target;
    const [port = 0] = await freePorts(1);
    const started = await Gateway.start(
      (ports) => `${ownServers(ports)}binds:
- port: ${port}
  driver: ${driver}
  listeners:
  - routes:
    - policies:
        delay: {duration: ${delay}}
        responseHeaderModifier: {set: {x-late: 'yes'}}
      backends:
      - host: 127.0.0.1:${target.port}
`,
    );
    gateway = started;
    return { gateway: started, received, port };
  }

  const drivers = [
    { title: 'node', driver: 'node', runs: true },
    { title: uwsTitle, driver: 'uws', runs: hasUws },
  ] as const;
  for (const { title, driver, runs } of drivers) {
    describe.runIf(runs)(title, () => {
      it('goes on whole, its body included', async () => {
        const { port } = await start(driver, '100ms');
        const body = 'x'.repeat(300_000);
        const response = await fetch(`http://127.0.0.1:${port}/upload`, { method: 'POST', body });
        expect(response.headers.get('x-late')).toBe('yes');
        expect(await response.text()).toBe(String(body.length));
      });

      it('goes nowhere once its client has left, and is accounted for once', async () => {
        const { gateway: running, received, port } = await start(driver, '500ms');
        const staying = request({ host: '127.0.0.1', port, path: '/stayed', agent: false }).end();
        const leaving = connect(port, '127.0.0.1');
        // Gone as soon as the kernel has the request: long before the wait is over.
        leaving.write('GET /left HTTP/1.1\r\nhost: a\r\n\r\n', () => leaving.destroy());
        const left = () => running.lines.find((line) => line.includes(' http.path=/left '));
        await until(() => left() !== undefined);
        expect(left()).toMatch(/ http\.status=0 .*reason=client_gone/);
        const [response] = (await once(staying, 'response')) as [IncomingMessage];
        response.resume();
        // A third one begins when the wait of the first, had it gone on, would be long over.
        await fetch(`http://127.0.0.1:${port}/third`);
        await until(() => running.lines.length === 3);
        expect(received).toEqual(['/stayed', '/third']);
        await until(async () => (await running.metric('agentgateway_requests_total')) === 3);
        expect(running.lines).toHaveLength(3);
      });
    });
  }
});
