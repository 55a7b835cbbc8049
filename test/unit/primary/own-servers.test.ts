import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type AdminOperations, adminHandler } from '../../../src/primary/admin/server.ts';
import { Readiness, readinessHandler } from '../../../src/primary/readiness.ts';
import type { LogLevel } from '../../../src/resources/settings.ts';
import { type LocalHandler, type LocalServer, serveLocal } from '../../../src/servers/local-server.ts';
import { metricsHandler } from '../../../src/servers/metrics.ts';
import { LevelLogger } from '../../../src/telemetry/log.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

describe("the gateway's own servers", () => {
  const servers: LocalServer[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function serve(handler: LocalHandler): Promise<string> {
    const server = await serveLocal({ host: '127.0.0.1', port: 0 }, handler);
    servers.push(server);
    return server.url;
  }

  function ask(url: string, options: { method?: string; headers?: Record<string, string>; socketPath?: string } = {}) {
    return new Promise<Answer>((resolve, reject) => {
      const asked = request(url, { agent: false, ...options }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      });
      asked.on('error', reject).end();
    });
  }

  describe('readiness', () => {
    it('names what is pending, then says ready', async () => {
      const readiness = new Readiness();
      const url = await serve(readinessHandler(readiness));
      readiness.await('config');
      readiness.await('workers');
      expect(await ask(`${url}/healthz/ready`)).toMatchObject({
        status: 500,
        body: 'not ready, pending: config, workers\n',
      });
      readiness.done('config');
      readiness.done('workers');
      expect(await ask(`${url}/healthz/ready?x=1`)).toMatchObject({ status: 200, body: 'ready\n' });
      expect(await ask(`${url}/healthz/ready`, { method: 'POST' })).toMatchObject({
        status: 405,
        headers: { allow: 'GET' },
      });
      expect((await ask(`${url}/`)).status).toBe(404);
    });
  });

  describe('stats', () => {
    it('gives the Prometheus text format at both paths', async () => {
      const metrics = new Metrics();
      metrics.buildInfo.set({ tag: '1.2.3' }, 1);
      const url = await serve(metricsHandler([metrics.registry], new LevelLogger('error', () => {})));
      for (const path of ['/metrics', '/stats/prometheus']) {
        const answer = await ask(url + path);
        expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
        expect(answer.body).toContain('agentgateway_build_info{tag="1.2.3"} 1\n');
      }
      expect((await ask(`${url}/metrics`, { method: 'HEAD' })).body).toBe('');
      expect((await ask(`${url}/metrics`, { method: 'DELETE' })).status).toBe(405);
      expect((await ask(`${url}/metric`)).status).toBe(404);
    });
  });

  describe('admin', () => {
    let level: LogLevel = 'info';
    let quits = 0;
    const operations: AdminOperations = {
      configDump: () => ({ resources: [] }),
      memory: () => ({ snapshot: { bytes: 1 } }),
      workers: () => [],
      logLevel: () => level,
      setLogLevel: (to) => {
        level = to ?? 'info';
      },
      quit: () => quits++,
    };

    it('shows configuration, memory and workers as JSON', async () => {
      const url = await serve(adminHandler(operations));
      const dump = await ask(`${url}/config_dump`);
      expect(dump).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } });
      expect(JSON.parse(dump.body)).toEqual({ resources: [] });
      expect(JSON.parse((await ask(`${url}/memory`)).body)).toEqual({ snapshot: { bytes: 1 } });
      expect(JSON.parse((await ask(`${url}/debug/workers`)).body)).toEqual([]);
      expect((await ask(`${url}/`)).body).toContain('GET  /config_dump');
      expect((await ask(`${url}/config_dum`)).status).toBe(404);
      expect(await ask(`${url}/config_dump`, { method: 'POST' })).toMatchObject({
        status: 405,
        headers: { allow: 'GET' },
      });
    });

    it('sets and resets the log level', async () => {
      const url = await serve(adminHandler(operations));
      expect((await ask(`${url}/logging?level=debug`, { method: 'POST' })).body).toBe('log level: debug\n');
      expect(level).toBe('debug');
      expect(await ask(`${url}/logging?level=loud`, { method: 'POST' })).toMatchObject({
        status: 400,
        body: 'unknown level; use one of error, warn, info, debug\n',
      });
      expect((await ask(`${url}/logging`, { method: 'POST' })).body).toBe('log level: debug\n');
      expect((await ask(`${url}/logging?reset`, { method: 'POST' })).body).toBe('log level: info\n');
      expect((await ask(`${url}/logging?level=debug`)).status).toBe(405);
    });

    it('quits when asked with POST', async () => {
      const url = await serve(adminHandler(operations));
      expect((await ask(`${url}/quitquitquit`)).status).toBe(405);
      expect(quits).toBe(0);
      expect((await ask(`${url}/quitquitquit`, { method: 'POST' })).status).toBe(200);
      expect(quits).toBe(1);
    });

    it.each([
      ['a name that was made to resolve here', { host: 'attacker.example:15000' }],
      ['a name that only begins like one of ours', { host: 'localhost.attacker.example' }],
      ['a page of another site', { origin: 'https://attacker.example' }],
      ['a page without an origin to show', { origin: 'null' }],
      ['a form or image of another site', { 'sec-fetch-site': 'cross-site' }],
    ])('refuses %s, and allows no other origin', async (_, headers) => {
      const url = await serve(adminHandler(operations));
      const before = quits;
      const answer = await ask(`${url}/quitquitquit`, { method: 'POST', headers });
      expect(answer.status).toBe(403);
      expect(quits).toBe(before);
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    });

    it.each([
      'localhost',
      'localhost:15000',
      'LOCALHOST:1',
      'app.localhost',
      '127.0.0.1',
      '[::1]:15000',
      '[::1]',
      '10.0.0.7:80',
    ])('takes %s for a host of its own', async (host) => {
      const url = await serve(adminHandler(operations));
      expect((await ask(`${url}/memory`, { headers: { host } })).status).toBe(200);
    });
  });

  it('listen on a Unix socket, also where a dead one was left behind', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-'));
    try {
      const path = join(directory, 'admin.sock');
      const readiness = new Readiness();
      const first = await serveLocal({ path }, readinessHandler(readiness));
      servers.push(first);
      expect(first.url).toBe(`unix:${path}`);
      expect((await ask('http://localhost/healthz/ready', { socketPath: path })).status).toBe(200);
      await expect(serveLocal({ path }, readinessHandler(readiness))).rejects.toMatchObject({ code: 'EADDRINUSE' });
      expect(statSync(path).isSocket()).toBe(true);
      const dead = join(directory, 'dead.sock');
      await leaveBehind(dead);
      servers.push(await serveLocal({ path: dead }, readinessHandler(readiness)));
      expect((await ask('http://localhost/healthz/ready', { socketPath: dead })).status).toBe(200);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('say which port is in use', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen({ host: '127.0.0.1', port: 0 }, resolve));
    const { port } = holder.address() as { port: number };
    await expect(serveLocal({ host: '127.0.0.1', port }, () => {})).rejects.toThrow(`port ${port} is in use`);
    holder.close();
  });
});

/** A socket file that nobody listens on, as a killed process leaves it. */
async function leaveBehind(path: string): Promise<void> {
  const { spawn } = await import('node:child_process');
  const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await new Promise((resolve) => spawn(process.execPath, ['-e', code]).on('exit', resolve));
}
