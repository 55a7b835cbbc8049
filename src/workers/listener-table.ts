import { HostTable } from './hostnames.ts';
import type { PlannedListener } from './planned.ts';

/** The listeners of one bind, by hostname. Where several have the same, the one that was there first serves it. */
export class ListenerTable {
  readonly #listeners = new Set<PlannedListener>();
  readonly #hosts = new HostTable<PlannedListener>();
  readonly #vacated = new Set<string>();

  get listeners(): Iterable<PlannedListener> {
    return this.#listeners;
  }

  get empty(): boolean {
    return this.#listeners.size === 0;
  }

  /** The listener that serves `host`. */
  first(host: string): PlannedListener | null {
    return this.#hosts.first(host)?.value ?? null;
  }

  add(listener: PlannedListener): void {
    this.#listeners.add(listener);
    this.#hosts.getOrAdd(listener.resource.hostname, () => listener);
  }

  /** Takes a listener out; its resource must be the one it was added with. */
  remove(listener: PlannedListener): void {
    const { hostname } = listener.resource;
    this.#listeners.delete(listener);
    if (this.#hosts.exactEntry(hostname) !== listener) return;
    this.#hosts.delete(hostname);
    this.#vacated.add(hostname);
  }

  /** To be called once everything has been taken out and added: a hostname given up goes to whoever else has it. */
  settle(): void {
    for (const hostname of this.#vacated) {
      if (this.#hosts.exactEntry(hostname) !== undefined) continue;
      for (const listener of this.#listeners) {
        if (listener.resource.hostname === hostname) this.#hosts.getOrAdd(hostname, () => listener);
      }
    }
    this.#vacated.clear();
  }
}
