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
