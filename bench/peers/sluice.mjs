import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '../lib/build.mjs';
import { freePort, start, stop, waitForPort } from '../lib/processes.mjs';
import { loadUws } from '../lib/uws.mjs';
import { gatewayConfig } from './config.mjs';

/** Sluice as built in dist/, with one driver and a number of workers. */
function sluice(driver, workers) {
  const name = `sluice-${driver}-${workers}`;
  return {
    name,
    driver,
    workers,
    unavailable() {
      if (!existsSync(main)) return `${main} is not built`;
      return driver === 'uws' && loadUws() === null
        ? 'uWebSockets.js is not installed, or not for this platform'
        : null;
    },
    async start({ upstream, outDir }) {
      const port = await freePort();
      const statsPort = await freePort();
      const file = join(outDir, `${name}.yaml`);
      const extra = `  driver: ${driver}\n`;
      writeFileSync(file, gatewayConfig({ port, upstream, workers, statsPort, extra }));
      const child = start(name, process.execPath, [main, '-f', file], { outDir });
      await waitForPort(port, child);
      return { port, statsPort, pid: child.pid, stop: () => stop(child) };
    },
  };
}

/** Four workers take part in the constant-rate runs alone, where CPU per request is compared at the same rate. */
export const peers = [
  sluice('node', 1),
  sluice('node', 2),
  { ...sluice('node', 4), rateOnly: true },
  sluice('uws', 1),
  sluice('uws', 2),
  { ...sluice('uws', 4), rateOnly: true },
];
