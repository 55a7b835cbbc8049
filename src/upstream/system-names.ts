import { readFileSync } from 'node:fs';

/** How long what the files say is remembered, ms. */
const REREAD_MS = 5_000;

/**
 * Tells which names DNS must not be asked for directly, because the system has its own answer: `localhost` (RFC 6761 §6.3),
 * `.local` (RFC 6762), names of the hosts file, and, as resolv.conf's `search` and `ndots` have it, names with few dots, whose
 * meaning depends on the search domains (Kubernetes services by short name).
 */
export class SystemNames {
  readonly #hostsPath: string;
  readonly #resolvPath: string;
  #readAt = Number.NEGATIVE_INFINITY;
  #hosts: ReadonlySet<string> = new Set();
  #search = false;
  #ndots = 1;

  constructor(hostsPath = '/etc/hosts', resolvPath = '/etc/resolv.conf') {
    this.#hostsPath = hostsPath;
    this.#resolvPath = resolvPath;
  }

  /** @param name lower-case */
  isLocal(name: string): boolean {
    if (name === 'localhost' || name.endsWith('.localhost') || name.endsWith('.local')) return true;
    const now = performance.now();
    if (now - this.#readAt > REREAD_MS) {
      this.#readAt = now;
      this.#read();
    }
    if (this.#hosts.has(name)) return true;
    if (name.endsWith('.')) return false;
    const dots = name.split('.').length - 1;
    return dots === 0 || (this.#search && dots < this.#ndots);
  }

  #read(): void {
    const hosts = new Set<string>();
    for (const line of lines(this.#hostsPath)) {
      for (const name of line.split(/\s+/).slice(1)) if (name !== '') hosts.add(name.toLowerCase());
    }
    this.#hosts = hosts;
    this.#search = false;
    this.#ndots = 1;
    for (const line of lines(this.#resolvPath)) {
      const [keyword, ...values] = line.split(/\s+/);
      if (keyword === 'search' || keyword === 'domain')
        this.#search = values.some((value) => value !== '' && value !== '.');
      if (keyword !== 'options') continue;
      for (const value of values) {
        const ndots = /^ndots:(\d{1,2})$/.exec(value)?.[1];
        if (ndots !== undefined) this.#ndots = Number(ndots);
      }
    }
  }
}

/** Lines without comments; none where the file can't be read (the system may have no such file). */
function lines(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').map((line) => line.replace(/[#;].*$/, '').trim());
}
