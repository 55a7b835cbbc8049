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

describe('services and workloads of a file', () => {
  let gateway: Gateway | null = null;
  const servers = new Map<string, TestUpstream>();
  afterEach(async () => {
    await gateway?.stop();
    for (const server of servers.values()) server.close();
    servers.clear();
    gateway = null;
  });

  interface Told {
    mode?: string;
    /** YAML fields of a workload in each zone. */
    near?: string;
    far?: string;
    service?: string;
  }

  function configOf(
    own: OwnPorts,
    port: number,
    { mode = 'Failover', near = '', far = '', service = '' }: Told,
  ): string {
    const workload = (zone: string, fields: string) => `- uid: ${zone}
  name: ${zone}
  namespace: shop
  workloadIps: [127.0.0.1]
  locality: {region: r, zone: ${zone}}
  services: {shop/web.example: {"80": ${servers.get(zone)?.port}}}
${fields}`;
    return `${ownServers(own)}services:
- name: web
  namespace: shop
  hostname: web.example
  ports: {"80": 0}
  loadBalancer: {mode: ${mode}, routingPreferences: [Region, Zone]}
${service}workloads:
${workload('near', near)}${workload('far', far)}binds:
- port: ${port}
  listeners:
  - routes:
    - backends:
      - service: {name: shop/web.example, port: 80}
`;
  }

  async function start(env: NodeJS.ProcessEnv): Promise<(told: Told) => Promise<() => Promise<string>>> {
    for (const zone of ['near', 'far']) servers.set(zone, await upstream((_, response) => response.end(zone)));
    const [port = 0] = await freePorts(1);
    gateway = await Gateway.start((own) => configOf(own, port, {}), { ...process.env, ...env });
    const running = gateway;
    let edits = 1;
    return async (told) => {
      running.write(configOf(running.ports, port, told));
      edits++;
      // In force in both workers.
      await until(async () => (await running.metric('agentgateway_snapshot_version')) === 2 * edits);
      return async () => {
        const answers = new Set<string>();
        for (let i = 0; i < 12; i++) {
          const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
          const text = await response.text();
          answers.add(response.ok ? text : `${response.status} ${text}`);
        }
        return [...answers].sort().join(' & ');
      };
    };
  }

  it('serve from the nearest that are healthy', { timeout: 60_000 }, async () => {
    const tell = await start({ LOCALITY: 'r/near' });
    expect(await (await tell({ near: '  capacity: 2\n' }))()).toBe('near');
    expect(await (await tell({ near: '  status: Unhealthy\n' }))()).toBe('far');
    expect(await (await tell({ near: '  capacity: 0\n' }))()).toBe('far');
    expect(await (await tell({ mode: 'Strict' }))()).toBe('near');
    expect(await (await tell({ mode: 'Strict', near: '  status: Unhealthy\n' }))()).toMatch(/^503 /);
  });

  it('serve by the locality of the workload that the process itself is', { timeout: 60_000 }, async () => {
    const tell = await start({ POD_NAME: 'far', NAMESPACE: 'shop' });
    expect(await (await tell({ mode: 'Strict' }))()).toBe('far');
  });

  it('answer 503 and why, rather than in the clear', { timeout: 60_000 }, async () => {
    const tell = await start({ LOCALITY: 'r/near' });
    const hbone = '  protocol: HBONE\n';
    expect(await (await tell({ near: hbone }))()).toBe('far');
    expect(await (await tell({ near: hbone, far: hbone }))()).toMatch(/^503 .*HBONE/s);
    const gateway = '  network: other\n  networkGateway: {destination: other/192.0.2.1}\n';
    expect(await (await tell({ near: gateway, far: gateway }))()).toMatch(/^503 .*network "?other/s);
    const service = '  waypoint: {destination: shop/waypoint.example}\n  ingressUseWaypoint: true\n';
    expect(await (await tell({ service }))()).toMatch(/^503 .*waypoint shop\/waypoint\.example/s);
  });
});
