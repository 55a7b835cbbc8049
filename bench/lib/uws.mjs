import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/** The native binding of uWebSockets.js itself, or null where none is installed or it doesn't load on this platform. */
export function loadUws() {
  try {
    const root = dirname(require.resolve('uWebSockets.js/package.json'));
    const name = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
    for (const folder of ['binaries', 'dist', '.']) {
      const path = join(root, folder, name);
      if (existsSync(path)) return require(path);
    }
  } catch {
    // Not installed: the caller does without.
  }
  return null;
}
