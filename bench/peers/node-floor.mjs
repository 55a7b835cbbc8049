import { fileURLToPath } from 'node:url';
import { freePort, start, stop, waitForPort } from '../lib/processes.mjs';

/** The least forwarder on node:http: floor of the `node` driver. */
export const peers = [
  {
    name: 'node-floor',
    async start({ upstream, outDir }) {
      const port = await freePort();
      const script = fileURLToPath(new URL('../floors/node.mjs', import.meta.url));
      const child = start('node-floor', process.execPath, [script, String(port), String(upstream)], { outDir });
      await waitForPort(port, child);
      return { port, pid: child.pid, stop: () => stop(child) };
    },
  },
];
