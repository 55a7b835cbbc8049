import { fileURLToPath } from 'node:url';
import { freePort, start, stop, waitForPort } from '../lib/processes.mjs';
import { loadUws } from '../lib/uws.mjs';

/** The least forwarder on uWebSockets.js: floor of the `uws` driver. */
export const peers = [
  {
    name: 'uws-floor',
    unavailable: () => (loadUws() === null ? 'uWebSockets.js is not installed, or not for this platform' : null),
    async start({ upstream, outDir }) {
      const port = await freePort();
      const script = fileURLToPath(new URL('../floors/uws.mjs', import.meta.url));
      const child = start('uws-floor', process.execPath, [script, String(port), String(upstream)], { outDir });
      await waitForPort(port, child);
      return { port, pid: child.pid, stop: () => stop(child) };
    },
  },
];
