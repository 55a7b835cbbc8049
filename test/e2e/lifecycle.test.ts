import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { Agent, get } from 'node:http';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { freePorts, Gateway, MAIN, ownServers, type TestUpstream, until, upstream } from '../support/gateway.ts';

const hasCurl = spawnSync('curl', ['--version']).status === 0;

describe('life of a gateway', () => {
  const gateways: Gateway[] = [];
  const upstreams: TestUpstream[] = [];
  afterEach(async () => {
    await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
    for (const server of upstreams.splice(0)) server.close();
  });

  async function start(routes: string, port: number, more = ''): Promise<Gateway> {
    const gateway = await Gateway.start(
      (ports) => `${ownServers(ports)}${more}binds:\n- port: ${port}\n  listeners:\n  - routes:\n${routes}`,
    );
    gateways.push(gateway);
    return gateway;
  }

  async function serving(listener: Parameters<typeof upstream>[0], more = '') {
    const server = await upstream(listener);
    upstreams.push(server);
    const [port = 0] = await freePorts(1);
    const gateway = await start(`    - backends:\n      - host: 127.0.0.1:${server.port}\n`, port, more);
    return { gateway, url: `http://127.0.0.1:${port}` };
  }

  it('prints its addresses, and a curl line that works as printed', async () => {
    const { gateway, url } = await serving((_, response) => response.end('from the upstream'));
    await until(() => gateway.stdout.includes('Try it:'));
    expect(gateway.stdout).toMatch(/^Sluice \d+\.\d+\.\d+ serves .*config\.yaml with 2 workers\n/);
    expect(gateway.stdout).toContain(`http://localhost:${new URL(url).port}  1 route`);
    for (const [server, path] of [
      ['admin', ''],
      ['stats', '/metrics'],
      ['readiness', '/healthz/ready'],
    ] as const) {
      const address = `http://127.0.0.1:${gateway.ports[server]}${path}`;
      expect(gateway.stdout).toContain(address);
      expect((await fetch(address)).status).toBe(200);
    }
    const command = /Try it:\n {2}(curl .*)\n/.exec(gateway.stdout)?.[1];
    expect(command).toBeDefined();
    if (!hasCurl) return;
    const { stdout } = await promisify(execFile)('sh', ['-c', command!]);
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(stdout).toContain('from the upstream');
  });

  it('logs and counts each request once', async () => {
    const { gateway, url } = await serving((request, response) => {
      response.statusCode = request.url === '/missing' ? 404 : 200;
      response.end('x'.repeat(100));
    });
    await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}/here?key=hunter2`).then((r) => r.text())));
    await fetch(`${url}/missing`);
    await until(async () => (await gateway.metric('agentgateway_requests_total')) === 51);
    expect(await gateway.metric('agentgateway_requests_total', 'status="404"')).toBe(1);
    expect(await gateway.metric('agentgateway_response_bytes_total')).toBe(5100);
    expect(await gateway.metric('agentgateway_request_duration_seconds_count')).toBe(51);
    await until(() => gateway.lines.length === 51);
    for (const line of gateway.lines) {
      expect(line).toMatch(/ http\.path=\/(?:here|missing) .* duration=[\d.]+ms$/);
      expect(line).not.toContain('hunter2');
    }
  });

  it('writes nothing but JSON to stdout where the log is JSON', async () => {
    const { gateway, url } = await serving((_, response) => response.end(), '  logging:\n    format: json\n');
    await fetch(`${url}/a%0Ab`);
    await until(() => gateway.stdout.includes('\n'));
    for (const line of gateway.stdout.trimEnd().split('\n')) {
      expect(JSON.parse(line)).toMatchObject({ scope: 'request', 'http.path': '/a%0Ab', 'http.status': 200 });
    }
    await until(() => gateway.stderr.includes('Try it:'));
  });

  it('fails at once where its port is in use, and says which', async () => {
    const { gateway, url } = await serving((_, response) => response.end('first'));
    const port = new URL(url).port;
    const second = await Gateway.launch(
      (ports) => `${ownServers(ports)}binds:\n- port: ${port}\n  listeners:\n  - routes: []\n`,
    );
    gateways.push(second);
    expect(await second.exited).toBe(1);
    expect(second.stderr).toBe(
      `${second.file}: port ${port} is in use; stop what serves it, or set config.allowPortSharing for a hand-over\n`,
    );
    expect(await (await fetch(url)).text()).toBe('first');
    expect((await gateway.get('readiness', '/healthz/ready')).status).toBe(200);
  });

  it('shares its port where that is allowed, for a hand-over', async () => {
    const { gateway, url } = await serving((_, response) => response.end('first'), '  allowPortSharing: true\n');
    const successor = await start(
      "    - policies:\n        directResponse: {status: 200, body: 'second'}\n",
      Number(new URL(url).port),
      '  allowPortSharing: true\n',
    );
    await gateway.stop();
    expect(await (await fetch(url, { headers: { connection: 'close' } })).text()).toBe('second');
    expect(successor.stderr).not.toContain('error');
  });

  it.each(['admin', 'stats', 'readiness'] as const)('fails where the port of its %s server is in use', async (name) => {
    const { gateway } = await serving((_, response) => response.end());
    const second = await Gateway.launch((ports) => ownServers({ ...ports, [name]: gateway.ports[name] }));
    gateways.push(second);
    expect(await second.exited).toBe(1);
    expect(second.stderr).toContain(`port ${gateway.ports[name]} is in use; set config.${name}Addr, or "off"\n`);
  });

  it('says what is wrong with its configuration, by line and column, and does not start', async () => {
    const gateway = await Gateway.launch(() => 'binds:\n- port: 1\n  listener: []\n');
    gateways.push(gateway);
    expect(await gateway.exited).toBe(1);
    expect(gateway.stderr).toMatch(/config\.yaml:3:3: binds\[0\]\.listener: .*listeners/);
    expect(gateway.stdout).toBe('');
  });

  it('drains on SIGTERM: not ready at once, what is under way finishes, then it ends with 0', async () => {
    const replies: ServerResponse[] = [];
    const { gateway, url } = await serving((_, response) => {
      response.write('first half, ');
      replies.push(response);
    });
    const reading = fetch(url);
    const response = await reading;
    const body = response.text();
    gateway.signal('SIGTERM');
    await until(async () => (await gateway.get('readiness', '/healthz/ready')).status === 500);
    expect(await (await gateway.get('readiness', '/healthz/ready')).text()).toBe('not ready, pending: shutdown\n');
    await until(() =>
      fetch(url, { signal: AbortSignal.timeout(2000) }).then(
        () => false,
        (error: Error) => (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED',
      ),
    );
    replies[0]?.end('second half');
    expect(await body).toBe('first half, second half');
    for (const reply of replies) reply.end();
    expect(await gateway.exited).toBe(0);
    expect(gateway.lines.some((line) => line.includes('http.status=200'))).toBe(true);
    expect(gateway.stderr).toMatch(/info stopped\n$/);
  });

  it('closes idle keep-alive connections when it drains', async () => {
    const { gateway, url } = await serving((_, response) => response.end('x'));
    const agent = new Agent({ keepAlive: true });
    const { closed } = await new Promise<{ closed: Promise<unknown> }>((resolve, reject) => {
      get(url, { agent }, (response) => {
        const whenClosed = once(response.socket, 'close');
        response.resume().on('end', () => resolve({ closed: whenClosed }));
      }).on('error', reject);
    });
    gateway.signal('SIGTERM');
    await closed;
    expect(await gateway.exited).toBe(0);
    agent.destroy();
  });

  it('gives what is under way no more than its deadline', async () => {
    const { gateway, url } = await serving((_, response) => {
      response.write('never finished');
    }, '  connectionTerminationDeadline: 200ms\n');
    const response = await fetch(url);
    const body = response.text();
    gateway.signal('SIGTERM');
    await expect(body).rejects.toThrow();
    expect(await gateway.exited).toBe(0);
    expect(gateway.lines).toHaveLength(1);
  });

  it('ends at once on a second signal', async () => {
    const { gateway, url } = await serving((_, response) => {
      response.write('never finished');
    });
    const broken = expect((await fetch(url)).text()).rejects.toThrow();
    gateway.signal('SIGTERM');
    await until(() => gateway.stderr.includes('shutting down'));
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toBe('SIGTERM');
    await broken;
  });
});

describe('command line', () => {
  const sluice = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });

  it.each([
    [['--help'], 0, /^Sluice .*\n\n {2}sluice \[run\] -f <file>/],
    [['--version'], 0, /^sluice \d+\.\d+\.\d+\n$/],
    [['-c', 'binds: []', '--validate-only'], 0, /^-c: ok: 0 binds/],
    [['schema'], 0, /^\{/],
  ])('%j ends with %i and prints to stdout', (args, status, printed) => {
    const result = sluice(...args);
    expect(result).toMatchObject({ status, stderr: '' });
    expect(result.stdout).toMatch(printed);
  });

  it.each([
    [['--fast'], "Unknown option '--fast'; usage: sluice -f <file>, see sluice --help\n"],
    [['serve'], "Unknown command 'serve'; usage: sluice -f <file>, see sluice --help\n"],
    [[], 'no configuration given; usage: sluice -f <file>, see sluice --help\n'],
    [['-f'], /^Option '-f, --file <value>' argument missing; usage/],
    [['-f', 'a', '-c', 'b'], 'give -f or -c, not both; usage: sluice -f <file>, see sluice --help\n'],
  ])('%j is one clear line and exit code 2', (args, line) => {
    const result = sluice(...args);
    expect(result).toMatchObject({ status: 2, stdout: '' });
    if (typeof line === 'string') expect(result.stderr).toBe(line);
    else expect(result.stderr).toMatch(line);
    expect(result.stderr.trimEnd()).not.toContain('\n');
  });

  it('names a file that is not there', () => {
    const result = sluice('-f', '/nowhere/config.yaml');
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/^\/nowhere\/config\.yaml:1:1: cannot be read: .*\n$/);
  });
});
