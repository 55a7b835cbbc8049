import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Sluice as built in dist/; SLUICE_MAIN measures another build. */
export const main = process.env.SLUICE_MAIN ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** URL of a module of the build, by its path below dist/. */
export function built(path) {
  return pathToFileURL(join(dirname(dirname(main)), path));
}
