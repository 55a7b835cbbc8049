import type { Logger } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** Something that is good until a moment. */
export interface Expiring {
  /** Unix ms; `Infinity` = for good. */
  readonly expiresAt: number;
}

/** A token to be shown as it is. */
export interface Token extends Expiring {
  readonly value: string;
}

/**
 * Where a credential comes from. What is at hand is given at once; only the first to ask, and whoever asks after it ran out, waits.
 * Whoever holds the credential (this worker, another thread) is the source's own affair.
 */
export interface Source<Credential extends Expiring> {
  /** Throws or rejects with a `CredentialError` where there is none to be had. */
  get(): Credential | Promise<Credential>;
}

export type TokenSource = Source<Token>;

/** Why a credential could not be had: which sources were tried and what each said, never a secret. */
export class CredentialError extends Error {
  override readonly name = 'CredentialError';
}

/** What sources are watched by. */
export interface SourceServices {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Unix ms. */
  now(): number;
}

/** A credential is renewed this long before it expires, or at three quarters of its life where that is later, ms. */
const RENEW_BEFORE_MS = 300_000;
/** Nothing leaves with a credential that may expire on its way, ms. */
const USELESS_BEFORE_MS = 5_000;
/** After a failure nothing is tried for this long; it doubles with each further one, ms. */
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
/** A whole load, with every source it tries, ms. */
const LOAD_TIMEOUT_MS = 30_000;

/**
 * Keeps what `load` gave: one load at a time however many ask, renewed in the background before it expires; while that fails, the old one
 * serves until its end.
 */
export class CachedSource<Credential extends Expiring> implements Source<Credential> {
  readonly #kind: string;
  readonly #load: () => Promise<Credential>;
  readonly #services: SourceServices;
  #current: Credential | null = null;
  #renewAt = 0;
  #loading: Promise<Credential> | null = null;
  #failures = 0;
  #error: CredentialError | null = null;
  #pausedUntil = 0;

  /** @param kind aws, gcp …: in log and metrics */
  constructor(kind: string, load: () => Promise<Credential>, services: SourceServices) {
    this.#kind = kind;
    this.#load = load;
    this.#services = services;
  }

  get(): Credential | Promise<Credential> {
    const now = this.#services.now();
    const current = this.#current;
    if (current !== null && now < current.expiresAt - USELESS_BEFORE_MS) {
      // A failure to renew is logged and counted where it happens; the caller has what it came for.
      if (now >= this.#renewAt && now >= this.#pausedUntil) this.#renew().catch(() => {});
      return current;
    }
    if (this.#loading === null && this.#error !== null && now < this.#pausedUntil) throw this.#error;
    return this.#renew();
  }

  #renew(): Promise<Credential> {
    this.#loading ??= this.#loadOnce();
    return this.#loading;
  }

  async #loadOnce(): Promise<Credential> {
    const { log, metrics, now } = this.#services;
    try {
      const credential = await withTimeout(this.#load());
      const loadedAt = now();
      if (credential.expiresAt <= loadedAt) throw new CredentialError('the credential had expired when it came');
      this.#current = credential;
      const life = credential.expiresAt - loadedAt;
      this.#renewAt = credential.expiresAt - Math.min(RENEW_BEFORE_MS, life / 4);
      this.#failures = 0;
      this.#error = null;
      this.#pausedUntil = 0;
      metrics.credentialLoads.inc({ kind: this.#kind, outcome: 'ok' });
      return credential;
    } catch (error) {
      const failure = asCredentialError(error);
      this.#error = failure;
      this.#pausedUntil = now() + Math.min(MIN_PAUSE_MS * 2 ** Math.min(this.#failures++, 16), MAX_PAUSE_MS);
      metrics.credentialLoads.inc({ kind: this.#kind, outcome: 'failed' });
      log.warn('credentials for backends could not be obtained', { kind: this.#kind, reason: failure.message });
      throw failure;
    } finally {
      this.#loading = null;
    }
  }
}

/** An error of unknown origin may quote what it was given: only its class is told. */
export function asCredentialError(error: unknown): CredentialError {
  if (error instanceof CredentialError) return error;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const name = error instanceof Error ? error.name : 'unknown error';
  return new CredentialError(code === '' ? name : `${name} (${code})`, { cause: error });
}

function withTimeout<Result>(load: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new CredentialError(`nothing came within ${LOAD_TIMEOUT_MS} ms`)),
      LOAD_TIMEOUT_MS,
    );
    load.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** One of the places a credential may come from. */
export interface Link<Result> {
  readonly name: string;
  /** null: nothing is set up here. Throws where something is, and failed. */
  load(): Promise<Result | null>;
}

/**
 * The first that is set up. One that is set up and fails ends the search: whoever comes behind it is somebody else, with other rights.
 *
 * @param what of which credentials, for the error
 */
export async function firstOf<Result>(what: string, links: readonly Link<Result>[]): Promise<Result> {
  const absent: string[] = [];
  for (const link of links) {
    let found: Result | null;
    try {
      found = await link.load();
    } catch (error) {
      const before = absent.length === 0 ? '' : ` (not set up: ${absent.join(', ')})`;
      throw new CredentialError(`${what} from ${link.name}: ${asCredentialError(error).message}${before}`);
    }
    if (found !== null) return found;
    absent.push(link.name);
  }
  throw new CredentialError(`no ${what}; tried: ${absent.join(', ')}`);
}
