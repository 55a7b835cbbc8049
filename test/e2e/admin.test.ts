import { afterEach, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers, until } from '../support/gateway.ts';

describe('admin server', () => {
  let gateway: Gateway | null = null;
  afterEach(async () => {
    await gateway?.stop();
    gateway = null;
  });

  async function start(): Promise<Gateway> {
    const [port = 0, llm = 0] = await freePorts(2);
    gateway = await Gateway.start(
      (ports) => `${ownServers(ports)}binds:
- port: ${port}
  listeners:
  - routes:
    - name: keyed
      policies:
        apiKey:
          keys:
          - key: hush-client-key
            metadata: {name: someone}
        requestHeaderModifier: {set: {authorization: Bearer hush-header}}
      backends:
      - host: 127.0.0.1:1
        policies:
          backendAuth: {key: $HUSH}
llm:
  port: ${llm}
  models:
  - name: "*"
    provider: openAI
    params: {apiKey: hush-provider-key}
`,
      { ...process.env, HUSH: 'hush-from-the-environment' },
    );
    return gateway;
  }

  it('dumps the configuration in force, without its secrets', async () => {
    const running = await start();
    const response = await running.get('admin', '/config_dump');
    const text = await response.text();
    expect(text).not.toContain('hush');
    const dump = JSON.parse(text);
    expect(dump).toMatchObject({ snapshot: { version: 1 }, config: { workerThreads: 2 } });
    const route = dump.resources.find((resource: { name?: string }) => resource.name?.includes('keyed'));
    expect(route).toMatchObject({ kind: 'route', policies: { apiKey: expect.anything() } });
    expect(JSON.stringify(route)).toContain('<redacted>');
    expect(running.stdout + running.stderr).not.toContain('hush');
  });

  it('shows the workers and what is held in memory', async () => {
    const running = await start();
    expect(await (await running.get('admin', '/debug/workers')).json()).toMatchObject([
      { index: 0, state: 'serving', appliedVersion: 1, restarts: 0 },
      { index: 1, state: 'serving', appliedVersion: 1, restarts: 0 },
    ]);
    expect(await (await running.get('admin', '/memory')).json()).toMatchObject({
      process: { rss: expect.any(Number) },
      snapshot: { bytes: expect.any(Number), retiring: 0 },
      heldBodies: { bytes: 0 },
    });
  });

  it('sets the log level of all threads', async () => {
    const running = await start();
    const answer = await running.get('admin', '/logging?level=error', { method: 'POST' });
    expect(await answer.text()).toBe('log level: error\n');
    running.signal('SIGHUP');
    await running.get('admin', '/quitquitquit', { method: 'POST' });
    await running.exited;
    expect(running.stderr).not.toContain('shutting down');
  });

  it('ends the process on /quitquitquit', async () => {
    const running = await start();
    expect((await running.get('admin', '/quitquitquit')).status).toBe(405);
    expect(await (await running.get('admin', '/quitquitquit', { method: 'POST' })).text()).toBe('shutting down\n');
    expect(await running.exited).toBe(0);
  });

  it("shows the gateway's own process among the metrics", async () => {
    const running = await start();
    expect(await running.metric('process_resident_memory_bytes')).toBeGreaterThan(0);
    expect(await running.metric('process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(await running.metric('agentgateway_build_info')).toBe(1);
    expect(await running.metric('agentgateway_workers_serving')).toBe(2);
    await until(async () => (await running.metric('agentgateway_snapshot_version')) === 2);
    const text = await (await running.get('stats', '/stats/prometheus')).text();
    const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
