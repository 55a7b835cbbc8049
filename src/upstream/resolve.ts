import { Resolver } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Settings } from '../resources/settings.ts';
import { SystemNames } from './system-names.ts';

export type LookupFamily = Settings['dnsLookupFamily'];

/** One address record. `ttlMs`: how long the answer may be used, ms. */
export interface AddressRecord {
  readonly address: string;
  readonly ttlMs: number;
}

/** How names become addresses; each rejects where the name has none. */
export interface NameLookup {
  /** A records by DNS. */
  v4(name: string): Promise<AddressRecord[]>;
  /** AAAA records by DNS. */
  v6(name: string): Promise<AddressRecord[]>;
  /** Both, by everything the system knows (hosts file, search domains, mDNS). */
  system(name: string): Promise<AddressRecord[]>;
  /** True where the name is one that only `system` knows. */
  local(name: string): boolean;
}

/** The system's answers carry no TTL; they are used this long. */
const SYSTEM_TTL_MS = 10_000;
const MIN_TTL_MS = 1_000;
const MAX_TTL_MS = 300_000;
/** How long after a failure the name is not asked again. */
const RETRY_AFTER_MS = 1_000;
/** An answer is renewed in the background in the last fifth of its life. */
const RENEW_AT = 0.8;
/** Past its life an answer is still served while it is renewed; longer than this and the request waits for the new one. */
const STALE_MS = 60_000;
/** The longest one resolution may take. */
const DEADLINE_MS = 6_000;
/** Addresses a name may have; more are left out. */
const MAX_ADDRESSES = 256;

/** The system's resolver, with TTLs where DNS gives the answer. */
export class SystemLookup implements NameLookup {
  readonly #resolver = new Resolver({ timeout: 2_000, tries: 2 });
  readonly #names = new SystemNames();

  local(name: string): boolean {
    return this.#names.isLocal(name);
  }

  v4(name: string): Promise<AddressRecord[]> {
    return new Promise((resolve, reject) => {
      this.#resolver.resolve4(name, { ttl: true }, (error, records) => {
        if (error === null) resolve(records.map((record) => ({ address: record.address, ttlMs: record.ttl * 1000 })));
        else reject(error);
      });
    });
  }

  v6(name: string): Promise<AddressRecord[]> {
    return new Promise((resolve, reject) => {
      this.#resolver.resolve6(name, { ttl: true }, (error, records) => {
        if (error === null) resolve(records.map((record) => ({ address: record.address, ttlMs: record.ttl * 1000 })));
        else reject(error);
      });
    });
  }

  async system(name: string): Promise<AddressRecord[]> {
    const found = await systemLookup(name, { all: true, verbatim: true });
    return found.map(({ address }) => ({ address, ttlMs: SYSTEM_TTL_MS }));
  }
}

/** A name and its present addresses; held by every cluster that connects to it. */
export class ResolvedName {
  readonly name: string;
  /** Never changed in place: a new answer is a new array, so that holders see by identity that it changed. */
  addresses: readonly string[] = [];
  /** performance.now() times. */
  renewAt = 0;
  staleUntil = 0;
  /** The resolution under way. */
  pending: Promise<void> | null = null;
  holders = 0;
  /** Resolutions that failed since the last that did not. */
  failures = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * DNS for upstreams. Answers live as long as their TTL says (1 s to 5 min), both families are asked at once, one question a name is
 * under way at a time, and the last good answer is served while the resolver fails. Only names in use are kept, and only names that
 * are asked for are renewed: an idle backend costs no traffic.
 */
export class Names {
  readonly #lookup: NameLookup;
  readonly #family: LookupFamily;
  readonly #names = new Map<string, ResolvedName>();
  readonly #onFailure: (name: string, error: unknown) => void;
  readonly #now: () => number;

  constructor(
    lookup: NameLookup,
    family: LookupFamily,
    onFailure: (name: string, error: unknown) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#lookup = lookup;
    this.#family = family;
    this.#onFailure = onFailure;
    this.#now = now;
  }

  /** Takes hold of a name; an IP literal is its own answer for ever. */
  acquire(name: string): ResolvedName {
    const key = name.toLowerCase();
    let entry = this.#names.get(key);
    if (entry === undefined) {
      entry = new ResolvedName(key);
      if (isIP(key) !== 0) {
        entry.addresses = [key];
        entry.renewAt = Number.POSITIVE_INFINITY;
        entry.staleUntil = Number.POSITIVE_INFINITY;
      }
      this.#names.set(key, entry);
    }
    entry.holders++;
    return entry;
  }

  release(entry: ResolvedName): void {
    if (--entry.holders === 0 && this.#names.get(entry.name) === entry) this.#names.delete(entry.name);
  }

  /**
   * True where the name's addresses may be used now; starts a renewal in the background where they are due. False: wait for
   * `settled` first.
   */
  ready(entry: ResolvedName, now: number): boolean {
    if (now < entry.renewAt) return entry.addresses.length > 0 || entry.failures > 0;
    this.#renew(entry);
    return now < entry.staleUntil && entry.addresses.length > 0;
  }

  /** Resolves once the question under way has been answered, one way or the other; at once where there is none. */
  settled(entry: ResolvedName): Promise<void> {
    return entry.pending ?? Promise.resolve();
  }

  get size(): number {
    return this.#names.size;
  }

  #renew(entry: ResolvedName): void {
    if (entry.pending !== null) return;
    entry.pending = this.#resolve(entry.name).then(
      (records) => this.#answered(entry, records),
      (error: unknown) => this.#failed(entry, error),
    );
  }

  #answered(entry: ResolvedName, records: AddressRecord[]): void {
    entry.pending = null;
    entry.failures = 0;
    let ttl = MAX_TTL_MS;
    for (const record of records) ttl = Math.min(ttl, record.ttlMs);
    ttl = Math.max(ttl, MIN_TTL_MS);
    const now = this.#now();
    entry.renewAt = now + ttl * RENEW_AT;
    entry.staleUntil = now + ttl + STALE_MS;
    const addresses = [...new Set(records.map((record) => record.address))].sort().slice(0, MAX_ADDRESSES);
    if (!same(addresses, entry.addresses)) entry.addresses = addresses;
  }

  #failed(entry: ResolvedName, error: unknown): void {
    entry.pending = null;
    entry.failures++;
    const now = this.#now();
    entry.renewAt = now + RETRY_AFTER_MS;
    // What was true is a better guess than nothing, for as long as the resolver fails.
    if (entry.addresses.length > 0) entry.staleUntil = now + STALE_MS;
    this.#onFailure(entry.name, error);
  }

  async #resolve(name: string): Promise<AddressRecord[]> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${DEADLINE_MS} ms`)), DEADLINE_MS);
      timer.unref();
    });
    try {
      return await Promise.race([this.#ask(name), deadline]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(name: string): Promise<AddressRecord[]> {
    const family = effectiveFamily(this.#family);
    if (!this.#lookup.local(name)) {
      const records = await this.#askDns(name, family);
      if (records.length > 0) return records;
    }
    const records = select(await this.#lookup.system(name), family);
    if (records.length === 0) throw new Error('the name has no address of the configured family');
    return records;
  }

  /** Both families at once; one that fails does not spoil the other. Empty where DNS knows neither. */
  async #askDns(name: string, family: LookupFamily): Promise<AddressRecord[]> {
    const [v4, v6] = await Promise.allSettled([
      family === 'V6Only' ? [] : this.#lookup.v4(name),
      family === 'V4Only' ? [] : this.#lookup.v6(name),
    ]);
    const found: AddressRecord[] = [];
    if (v4.status === 'fulfilled') found.push(...v4.value);
    if (v6.status === 'fulfilled') found.push(...v6.value);
    return select(found, family);
  }
}

/** `Auto` is both families where the machine has an IPv6 address of its own, else IPv4. */
function effectiveFamily(family: LookupFamily): LookupFamily {
  if (family !== 'Auto') return family;
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (address.family === 'IPv6' && !address.internal && address.scopeid === 0) return 'All';
    }
  }
  return 'V4Preferred';
}

function select(records: AddressRecord[], family: LookupFamily): AddressRecord[] {
  if (family === 'All' || family === 'Auto') return records;
  const v4 = records.filter((record) => isIP(record.address) === 4);
  if (family === 'V4Only') return v4;
  const v6 = records.filter((record) => isIP(record.address) === 6);
  if (family === 'V6Only') return v6;
  return v4.length > 0 ? v4 : v6;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
