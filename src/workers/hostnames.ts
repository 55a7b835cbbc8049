/**
 * Values by hostname, looked up from the most specific to the least: the exact name, then `*.suffix` with the longest suffix,
 * then any. A wildcard stands for one or more labels (Gateway API, Listener.hostname).
 */
export interface HostEntry<Value> {
  readonly hostname: string;
  readonly value: Value;
}

export class HostTable<Value> {
  readonly #exact = new Map<string, HostEntry<Value>>();
  /** By suffix with its leading dot. */
  readonly #wildcard = new Map<string, HostEntry<Value>>();
  #any: HostEntry<Value> | undefined;

  get size(): number {
    return this.#exact.size + this.#wildcard.size + (this.#any === undefined ? 0 : 1);
  }

  /** `hostname`: exact, `*.suffix`, or '' or `*` for any. Lower-case. */
  getOrAdd(hostname: string, make: () => Value): Value {
    const found = this.exactEntry(hostname);
    if (found !== undefined) return found;
    const value = make();
    const entry = { hostname, value };
    if (isAny(hostname)) this.#any = entry;
    else if (hostname.startsWith('*.')) this.#wildcard.set(hostname.slice(1), entry);
    else this.#exact.set(hostname, entry);
    return value;
  }

  /** The value stored under exactly this pattern. */
  exactEntry(hostname: string): Value | undefined {
    if (isAny(hostname)) return this.#any?.value;
    if (hostname.startsWith('*.')) return this.#wildcard.get(hostname.slice(1))?.value;
    return this.#exact.get(hostname)?.value;
  }

  delete(hostname: string): void {
    if (isAny(hostname)) this.#any = undefined;
    else if (hostname.startsWith('*.')) this.#wildcard.delete(hostname.slice(1));
    else this.#exact.delete(hostname);
  }

  /** The most specific entry for `host`. */
  first(host: string): HostEntry<Value> | undefined {
    if (this.#exact.size > 0) {
      const exact = this.#exact.get(host);
      if (exact !== undefined) return exact;
    }
    return this.#wildcardAfter(host, 0) ?? this.#any;
  }

  /** The next less specific entry for `host` behind `entry`. */
  next(host: string, entry: HostEntry<Value>): HostEntry<Value> | undefined {
    if (entry === this.#any) return undefined;
    // Behind a wildcard come those with a shorter suffix.
    const start = entry.hostname.startsWith('*.') ? host.length - (entry.hostname.length - 1) + 1 : 0;
    return this.#wildcardAfter(host, start) ?? this.#any;
  }

  *values(): Iterable<Value> {
    for (const entry of this.#exact.values()) yield entry.value;
    for (const entry of this.#wildcard.values()) yield entry.value;
    if (this.#any !== undefined) yield this.#any.value;
  }

  #wildcardAfter(host: string, start: number): HostEntry<Value> | undefined {
    if (this.#wildcard.size === 0) return undefined;
    // A wildcard needs at least one label before its suffix.
    for (let dot = host.indexOf('.', Math.max(start, 1)); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const entry = this.#wildcard.get(host.slice(dot));
      if (entry !== undefined) return entry;
    }
    return undefined;
  }
}

function isAny(hostname: string): boolean {
  return hostname === '' || hostname === '*';
}

export function compareRanks(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
