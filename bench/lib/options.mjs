import { mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Configurations and logs of this run; they stay where it failed. Two runs at one time don't meet. */
export const outDir = fileURLToPath(new URL(`../out/${process.pid}`, import.meta.url));
mkdirSync(outDir, { recursive: true });
process.on('exit', (code) => {
  if (code === 0) rmSync(outDir, { recursive: true, force: true });
});

/**
 * `npm run bench -- [scenario or group …] [--rounds N] [--seconds S] [--connections 32,256] [--peers a,b] [--smoke] [--write]`
 */
export function options(argv = process.argv.slice(2)) {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      connections: { type: 'string' },
      peers: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  const { smoke } = values;
  return {
    words: positionals,
    smoke,
    write: values.write,
    rounds: Number(values.rounds ?? (smoke ? 1 : 3)),
    seconds: Number(values.seconds ?? (smoke ? 1 : 3)),
    connections: (values.connections ?? (smoke ? '32' : '32,256')).split(',').map(Number),
    peers: values.peers?.split(',') ?? null,
  };
}
