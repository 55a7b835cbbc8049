import { createRequire } from 'node:module';

/** What Node leaves out of the C library that the process is linked with. */
export interface LibC {
  /** A function by its C declaration. Throws where the library has none of the name. */
  func(declaration: string): (...values: unknown[]) => number;
  /** The calling thread's errno. */
  errno(): number;
}

interface Koffi {
  load(path: string | null): Pick<LibC, 'func'>;
  errno(): number;
}

let libC: LibC | null | undefined;

/** null: not on this platform. Its first call in a thread takes some milliseconds. */
export function loadLibC(): LibC | null {
  if (libC !== undefined) return libC;
  libC = null;
  if (process.platform !== 'linux' || process.arch.startsWith('mips')) return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    // The process itself: whichever C library it is linked with is already there.
    const library = koffi.load(null);
    libC = { func: (declaration) => library.func(declaration), errno: () => koffi.errno() };
  } catch {
    // No build of koffi for this platform.
  }
  return libC;
}
