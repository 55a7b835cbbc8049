import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Editors and rollouts touch a file several times in a row; one reload follows when they have been quiet for this long. */
const DEBOUNCE_MS = 50;
/** Under an unceasing stream of notifications, looks are put off no longer than this. */
const MAX_DEBOUNCE_MS = 500;
/** Changes that the platform does not report (network file systems, a directory that is replaced) are seen this late. */
const POLL_MS = 2_000;

/**
 * Watches files that may be written in place, renamed over, replaced through a symbolic link (as Kubernetes does with mounted
 * ConfigMaps), removed and created again. It watches the directories, not the files, and looks at the files' identity,
 * size and time: a notification is only a reason to look, and a slow poll looks without one.
 */
export class FileWatch {
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  /** File → what it was when last read. */
  #seen = new Map<string, string>();
  /** A state that differs from what was seen; it counts once two looks in a row find it, so that no half-written file is read. */
  #candidate: Map<string, string> | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** When the pending look was first asked for, ms. */
  #asked = 0;
  readonly #poll: NodeJS.Timeout;
  #looking = false;
  #closed = false;

  /** `onChange` is called once for each burst of changes; `set` tells the watch what was read then. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
    this.#poll = setInterval(() => this.#schedule(), POLL_MS);
    this.#poll.unref();
  }

  /** Replaces what is watched: each file with its fingerprint from before it was read. */
  set(files: ReadonlyMap<string, string>): void {
    if (this.#closed) return;
    this.#seen = new Map(files);
    this.#rewatch();
    // Something may have changed between reading the files and watching their directories.
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#stopWatching();
  }

  #watchDirectory(directory: string): void {
    if (this.#watchers.has(directory)) return;
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#schedule());
      watcher.on('error', () => this.#drop(directory, watcher));
      this.#watchers.set(directory, watcher);
    } catch {
      // The directory is not there (yet), or may not be watched: the poll finds the file when it appears.
    }
  }

  #drop(directory: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watchers.get(directory) === watcher) this.#watchers.delete(directory);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#closed || this.#seen.size === 0) return;
    const now = performance.now();
    if (this.#timer === null) this.#asked = now;
    else if (now - this.#asked >= MAX_DEBOUNCE_MS) return;
    else clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#look();
    }, DEBOUNCE_MS);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    if (this.#looking) {
      this.#schedule();
      return;
    }
    this.#looking = true;
    const before = this.#seen;
    const now = await fingerprints(before.keys());
    this.#looking = false;
    if (this.#closed || this.#seen !== before) return;
    if (same(now, before)) {
      this.#candidate = null;
    } else if (this.#candidate !== null && same(now, this.#candidate)) {
      this.#candidate = null;
      this.#seen = now;
      this.#rewatch();
      this.#onChange();
    } else {
      this.#candidate = now;
      this.#schedule();
    }
  }

  /** By name anew: a watch on a directory that was replaced keeps reporting on the old one. */
  #rewatch(): void {
    this.#stopWatching();
    for (const directory of new Set([...this.#seen.keys()].map((file) => dirname(file))))
      this.#watchDirectory(directory);
  }

  #stopWatching(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }
}

function same(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false;
  for (const [file, fingerprint] of a) if (b.get(file) !== fingerprint) return false;
  return true;
}

async function fingerprints(files: Iterable<string>): Promise<Map<string, string>> {
  return new Map(await Promise.all([...files].map(async (file) => [file, await fingerprint(file)] as const)));
}

/** What tells one state of a file from another; '' where there is none. Follows symbolic links. */
export async function fingerprint(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch {
    return '';
  }
}
