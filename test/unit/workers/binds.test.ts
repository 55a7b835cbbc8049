import { expect, it } from 'vitest';
import type { Bind, Listener } from '../../../src/resources/types.ts';
import { LevelLogger } from '../../../src/telemetry/log.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { Binds } from '../../../src/workers/binds.ts';
import type { Listening } from '../../../src/workers/drivers/driver.ts';
import type { Plan } from '../../../src/workers/plan.ts';

const bind = (key: string, port: number) => ({ key, port, address: '', driver: 'auto' }) as Bind;

it('leaves a bind with TLS to drivers that have it', async () => {
  const secured = { tls: { certificates: [] } } as unknown as Listener;
  const plain = { tls: null } as Listener;
  const plan = {
    binds: () => [bind('plain', 1), bind('secured', 2), bind('both', 3)],
    listenersOf: (key: string) => ({ plain: [plain], secured: [secured], both: [plain, secured] })[key] ?? [],
    resource: () => undefined,
  } as unknown as Plan;
  const chosen: [number, boolean][] = [];
  const binds = new Binds({
    plan,
    metrics: new Metrics(),
    log: new LevelLogger('error', () => {}),
    ipv6: false,
    workers: 1,
    index: 0,
    serve: () => {},
    chooseDriver: (_, cleartext) => ({
      name: 'node',
      listen: async ({ port, tls }) => {
        chosen.push([port, cleartext]);
        expect(tls === null).toBe(cleartext);
        return { port } as Listening;
      },
    }),
  });
  expect(await binds.reconcile()).toEqual([]);
  expect(chosen).toEqual([
    [1, true],
    [2, false],
    [3, false],
  ]);
});

it('offers no certificate for the names of a listener that has none', async () => {
  const own = { certificates: ['own'] };
  const listeners = [
    { hostname: 'shop.example.com', protocol: 'HTTPS', tls: null },
    { hostname: '*.example.com', protocol: 'HTTPS', tls: own },
    { hostname: '', protocol: 'HTTP', tls: null },
  ] as unknown as Listener[];
  const plan = {
    binds: () => [bind('mixed', 1), bind('none', 2)],
    listenersOf: (key: string) => (key === 'none' ? listeners.slice(0, 1) : listeners),
    resource: () => undefined,
  } as unknown as Plan;
  const offered = new Map<number, unknown[]>();
  const binds = new Binds({
    plan,
    metrics: new Metrics(),
    log: new LevelLogger('error', () => {}),
    ipv6: false,
    workers: 1,
    index: 0,
    serve: () => {},
    chooseDriver: () => ({
      name: 'node',
      listen: async ({ port, tls }) => {
        offered.set(
          port,
          ['shop.example.com', 'other.example.com', 'example.net'].map((sni) => tls?.(sni)),
        );
        return { port } as Listening;
      },
    }),
  });
  expect(await binds.reconcile()).toEqual([]);
  expect([...offered]).toEqual([
    [1, [null, own, null]],
    [2, [null, null, null]],
  ]);
});
