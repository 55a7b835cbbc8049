import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { controlAdmin } from '../../../src/control/admin.ts';
import { type LocalServer, serveLocal } from '../../../src/servers/local-server.ts';
import { LevelLogger } from '../../../src/telemetry/log.ts';
import { answering, FakeNode, memoryStore, Replica } from './fleet.ts';

let replica: Replica;
let node: FakeNode;
let server: LocalServer;

beforeEach(async () => {
  replica = new Replica();
  replica.write('a.yaml', answering('one', 1000, 'control: { gateways: "prod/*" }\n'));
  const settings = { rollout: { canary: '100%', maxErrorRate: 'off' } };
  await replica.start({ store: memoryStore(), shared: false }, settings);
  node = await FakeNode.connect(replica.url, 'node~1/x');
  await expect.poll(() => node.has.size).toBe(3);
  server = await serveLocal(
    { host: '127.0.0.1', port: 0 },
    controlAdmin(replica.control, new LevelLogger('error', () => {})),
  );
});

afterEach(async () => {
  server.close();
  node.close();
  await replica.stop();
});

const ask = async (path: string, init?: RequestInit) => {
  const response = await fetch(`${server.url}${path}`, init);
  return { status: response.status, body: await response.text() };
};

describe('the admin API of control', () => {
  it('lists its paths, each of which answers', async () => {
    const { body } = await ask('/');
    const paths = [...body.matchAll(/^GET {2}(\/[a-z/]*) /gm)].map(([, path = '']) => path);
    expect(paths).toEqual(['/nodes', '/revisions', '/rollout', '/directory', '/metrics', '/healthz/ready']);
    for (const path of paths) expect((await ask(path)).status).toBe(200);
    expect((await ask('/nothing')).status).toBe(404);
  });

  it('shows nodes as JSON and as a table', async () => {
    await expect.poll(async () => JSON.parse((await ask('/nodes')).body)[0].acknowledged).toBe(node.revision);
    expect(JSON.parse((await ask('/nodes?gateway=prod/edge')).body)).toHaveLength(1);
    expect(JSON.parse((await ask('/nodes?gateway=prod/other')).body)).toEqual([]);
    expect(JSON.parse((await ask(`/nodes/${encodeURIComponent('node~1/x')}`)).body)).toMatchObject({ id: 'node~1/x' });
    expect((await ask('/nodes/unknown')).status).toBe(404);
    expect((await ask('/nodes/%')).status).toBe(404);
    const table = (await ask('/nodes?format=text')).body;
    expect(table).toMatch(/^NODE +GATEWAY/);
    expect(table).toContain(`node~1/x  prod/edge  127.0.0.1`);
    expect((await ask('/nodes', { headers: { accept: 'text/plain' } })).body).toBe(table);
  });

  it('shows revisions, roll-outs and the directory', async () => {
    expect(JSON.parse((await ask('/rollout')).body)).toMatchObject({
      leading: true,
      gateways: [{ gateway: 'prod/edge', state: 'idle', stable: node.revision }],
    });
    expect((await ask('/rollout?format=text')).body).toMatch(/prod\/edge +idle/);
    expect(JSON.parse((await ask('/revisions')).body)).toMatchObject([
      { gateway: 'prod/edge', stable: { id: node.revision, parts: [{ file: 'a.yaml' }] } },
    ]);
    expect(JSON.parse((await ask('/directory')).body)).toMatchObject({
      configurations: [{ name: 'a.yaml', selector: { gateways: ['prod/*'] }, resources: 3 }],
      faults: [],
    });
  });

  it('steers roll-outs by POST alone', async () => {
    expect((await ask('/rollout/pause')).status).toBe(405);
    expect((await ask('/nodes', { method: 'POST' })).status).toBe(405);
    expect(await ask('/rollout/pause', { method: 'POST' })).toEqual({
      status: 409,
      body: 'prod/edge: no roll-out is under way\n',
    });
    const first = node.revision;
    replica.write('a.yaml', answering('two'));
    await expect.poll(() => node.revision).not.toBe(first);
    expect(await ask('/rollout/rollback?gateway=prod/edge', { method: 'POST' })).toEqual({
      status: 200,
      body: 'prod/edge: done\n',
    });
    await expect.poll(() => node.revision).toBe(first);
    expect((await ask('/rollout/rollback?gateway=prod/none', { method: 'POST' })).status).toBe(409);
  });

  it('takes nothing from web pages of others', async () => {
    const elsewhere = await ask('/rollout/promote', { method: 'POST', headers: { origin: 'https://evil.test' } });
    expect(elsewhere.status).toBe(403);
    const rebound = await new Promise<number | undefined>((resolve) => {
      request(server.url, { headers: { host: 'evil.test' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).end();
    });
    expect(rebound).toBe(403);
  });
});
