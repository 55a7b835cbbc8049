import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, start, stop, waitForPort } from '../lib/processes.mjs';
import { gatewayConfig } from './config.mjs';

const binary = process.env.AGENTGATEWAY_BIN ?? '';

/** agentgateway with the same routes, where AGENTGATEWAY_BIN points to one. */
export const peers = [
  {
    name: 'agentgateway',
    unavailable: () => (binary !== '' && existsSync(binary) ? null : 'AGENTGATEWAY_BIN points to no file'),
    async start({ upstream, outDir }) {
      const port = await freePort();
      const file = join(outDir, 'agentgateway.yaml');
      writeFileSync(file, gatewayConfig({ port, upstream, workers: 1 }));
      const child = start('agentgateway', binary, ['-f', file], { outDir });
      await waitForPort(port, child);
      return { port, pid: child.pid, stop: () => stop(child) };
    },
  },
];
