import { createServer } from 'node:net';
import autocannon from 'autocannon';
import { afterEach, describe, expect, it } from 'vitest';
import {
  freePorts,
  Gateway,
  type OwnPorts,
  ownServers,
  type TestUpstream,
  until,
  upstream,
} from '../support/gateway.ts';

describe('a change of the configuration', () => {
  let gateway: Gateway | null = null;
  let server: TestUpstream | null = null;
  afterEach(async () => {
    await gateway?.stop();
    server?.close();
    gateway = server = null;
  });

  /** A configuration whose answers carry `version` in a header. */
  function configOf(own: OwnPorts, port: number, version: string, more = ''): string {
    return `${ownServers(own)}${more}binds:
- port: ${port}
  listeners:
  - routes:
    - policies:
        responseHeaderModifier: {set: {x-version: "${version}"}}
      backends:
      - host: 127.0.0.1:${server?.port}
`;
  }

  async function start(): Promise<{ gateway: Gateway; port: number; url: string }> {
    server = await upstream((_, response) => response.end('ok'));
    const [port = 0] = await freePorts(1);
    gateway = await Gateway.start((own) => configOf(own, port, 'first'));
    return { gateway, port, url: `http://127.0.0.1:${port}/` };
  }

  async function versionServed(url: string): Promise<string | null> {
    const response = await fetch(url, { headers: { connection: 'close' } });
    await response.text();
    return response.headers.get('x-version');
  }

  it('drops none of 10,000 requests under way', { timeout: 120_000 }, async () => {
    const { gateway: running, port, url } = await start();
    let edits = 0;
    const load = autocannon({ url, connections: 16, amount: 12_000 });
    let ended = false;
    void load.then(() => {
      ended = true;
    });
    while (!ended) {
      edits++;
      running.write(configOf(running.ports, port, `edit ${edits}`));
      await until(async () => ended || (await versionServed(url)) === `edit ${edits}`);
    }
    const result = await load;
    expect(edits).toBeGreaterThan(3);
    expect(result).toMatchObject({ errors: 0, timeouts: 0, resets: 0, non2xx: 0 });
    expect(result['2xx']).toBe(12_000);
    await until(async () => (await running.metric('agentgateway_requests_total', 'status="200"')) >= 12_000);
    expect(running.stderr).not.toMatch(/ (?:error|warn) /);
  });

  it('keeps a connection open, and applies to its next request', async () => {
    const { gateway: running, port, url } = await start();
    await fetch(url).then((response) => response.text());
    let opened = 0;
    await until(async () => {
      opened = await running.metric('agentgateway_downstream_connections_total');
      return opened > 0;
    });
    running.write(configOf(running.ports, port, 'second'));
    await until(async () => {
      const response = await fetch(url);
      await response.text();
      return response.headers.get('x-version') === 'second';
    });
    expect(await running.metric('agentgateway_downstream_connections_total')).toBe(opened);
  });

  it('that is wrong is refused: said by line and column, shown by a metric, and the old one keeps serving', async () => {
    const { gateway: running, port, url } = await start();
    running.write(configOf(running.ports, port, 'second').replace('backends', 'backend'));
    await until(() => running.stderr.includes('refused'));
    expect(running.stderr).toMatch(
      /error .*config\.yaml:\d+:\d+: binds\[0\]\.listeners\[0\]\.routes\[0\]\.backend: .*backends/,
    );
    expect(await running.metric('agentgateway_config_synchronized')).toBe(0);
    expect(await versionServed(url)).toBe('first');
    expect((await running.get('readiness', '/healthz/ready')).status).toBe(200);
    running.write(configOf(running.ports, port, 'third'));
    await until(async () => (await versionServed(url)) === 'third');
    expect(await running.metric('agentgateway_config_synchronized')).toBe(1);
  });

  it('may add a port and take one away', async () => {
    const { gateway: running, port, url } = await start();
    const [added = 0] = await freePorts(1);
    running.write(configOf(running.ports, added, 'moved'));
    await until(async () => (await versionServed(`http://127.0.0.1:${added}/`).catch(() => null)) === 'moved');
    await until(() =>
      versionServed(url).then(
        () => false,
        () => true,
      ),
    );
    running.write(configOf(running.ports, port, 'back'));
    await until(async () => (await versionServed(url).catch(() => null)) === 'back');
    expect(running.stderr).not.toContain('refused');
  });

  it('is refused where it adds a port that is in use', async () => {
    const { gateway: running, url } = await start();
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen({ host: '127.0.0.1', port: 0 }, resolve));
    const { port: taken } = holder.address() as { port: number };
    running.write(configOf(running.ports, taken, 'second'));
    await until(() => running.stderr.includes('refused'));
    expect(running.stderr).toContain(`error port ${taken} is in use\n`);
    expect(await versionServed(url)).toBe('first');
    holder.close();
  });

  it('of the config: section is said, once, to need a restart', async () => {
    const { gateway: running, port, url } = await start();
    for (const version of ['second', 'third']) {
      running.write(configOf(running.ports, port, version, '  connectionTerminationDeadline: 7s\n'));
      await until(async () => (await versionServed(url)) === version);
    }
    await until(() => running.stderr.split('configuration applied').length === 3);
    expect(running.stderr.split('restart to apply its change settings=connectionTerminationDeadlineMs\n')).toHaveLength(
      2,
    );
  });

  it('is looked for on SIGHUP', async () => {
    const { gateway: running } = await start();
    running.signal('SIGHUP');
    await until(() => running.stderr.includes('configuration applied changed=0'));
  });
});
