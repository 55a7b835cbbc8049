import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import type { AddressGuard } from './address-guard.ts';
import type { Names } from './resolve.ts';

/** Fetches of a worker at one time. */
const MAX_RUNNING = 64;
/** Redirects followed; each is looked at like the first URL. */
const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** What a fetch may do. */
export interface FetchLimits {
  /** Hosts it may go to, with a port where it is not the scheme's own. */
  allows(host: string, port: number): boolean;
  readonly guard: AddressGuard;
  /** Ends it, with whatever time it had. */
  readonly signal: AbortSignal;
  /** Asked for each piece of the body, in bytes; false: no more. */
  take(bytes: number): boolean;
}

export interface Fetched {
  readonly bytes: Buffer;
  /** `content-type` as the server says it; '' where it doesn't. */
  readonly contentType: string;
}

/** Why a URL was not fetched. The message names no more of it than its host. */
export class FetchError extends Error {
  readonly host: string;

  constructor(host: string, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.host = host;
  }
}

/** Thrown where as many fetches as there may be are under way. */
export class TooManyFetchesError extends Error {}

/**
 * GETs what a client's URL names. The name is resolved once for each connection and the connection goes to an address that the guard
 * has seen: a name can't resolve to one address when it is checked and to another when it is connected to. Nothing of the client's
 * request goes along.
 */
export class GuardedFetcher {
  readonly #names: Names;
  #running = 0;

  constructor(names: Names) {
    this.#names = names;
  }

  /** Throws FetchError and TooManyFetchesError. */
  async get(text: string, limits: FetchLimits): Promise<Fetched> {
    if (this.#running >= MAX_RUNNING) throw new TooManyFetchesError();
    this.#running++;
    try {
      return await this.#follow(text, limits);
    } finally {
      this.#running--;
    }
  }

  async #follow(text: string, limits: FetchLimits): Promise<Fetched> {
    let url = parse(text, '');
    for (let hop = 0; ; hop++) {
      const response = await this.#open(url, limits);
      const location = REDIRECTS.has(response.statusCode ?? 0) ? response.headers.location : undefined;
      if (location === undefined) return await read(url, response, limits);
      response.destroy();
      if (hop === MAX_REDIRECTS) throw new FetchError(url.hostname, `redirects more than ${MAX_REDIRECTS} times`);
      url = parse(location, url.href);
    }
  }

  async #open(url: URL, limits: FetchLimits): Promise<IncomingMessage> {
    const port = url.port === '' ? (PORTS[url.protocol] as number) : Number(url.port);
    if (!limits.allows(url.hostname, port))
      throw new FetchError(url.hostname, 'is not a host that may be fetched from');
    const host = await this.#address(url.hostname, limits);
    const secure = url.protocol === 'https:';
    const name = bare(url.hostname);
    return new Promise((resolve, reject) => {
      const options = {
        host,
        port,
        path: url.pathname + url.search,
        // A connection of its own: none is kept that the next request's guard has not seen.
        agent: false as const,
        signal: limits.signal,
        headers: { host: url.host, accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'sluice' },
      };
      const request = secure
        ? requestHttps({ ...options, servername: isIP(name) === 0 ? name : '' })
        : requestHttp(options);
      request.once('response', resolve);
      request.on('error', (error) => reject(failure(url, error, limits)));
      request.end();
    });
  }

  /** The address to connect to. */
  async #address(hostname: string, { guard, signal }: FetchLimits): Promise<string> {
    const held = this.#names.acquire(bare(hostname));
    try {
      if (!this.#names.ready(held, performance.now())) await untilAborted(this.#names.settled(held), hostname, signal);
      if (held.addresses.length === 0) throw new FetchError(hostname, 'has no address');
      const allowed = held.addresses.find(guard);
      if (allowed === undefined) throw new FetchError(hostname, 'is at an address that may not be fetched from');
      return allowed;
    } finally {
      this.#names.release(held);
    }
  }
}

async function read(url: URL, response: IncomingMessage, limits: FetchLimits): Promise<Fetched> {
  const { statusCode = 0, headers } = response;
  const coding = headers['content-encoding'];
  try {
    if (statusCode !== 200) throw new FetchError(url.hostname, `answered ${statusCode}`);
    if (coding !== undefined && coding !== 'identity')
      throw new FetchError(url.hostname, 'answered in a coding that it was not asked for');
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) {
      if (!limits.take(chunk.length)) throw new FetchError(url.hostname, 'holds more than may be fetched');
      chunks.push(chunk);
    }
    return { bytes: Buffer.concat(chunks), contentType: headers['content-type'] ?? '' };
  } catch (error) {
    throw error instanceof FetchError ? error : failure(url, error, limits);
  } finally {
    response.destroy();
  }
}

/** Throws FetchError for what can't be fetched at all. */
function parse(text: string, base: string): URL {
  if (!URL.canParse(text, base === '' ? undefined : base)) throw new FetchError('', 'is not a URL');
  const url = new URL(text, base === '' ? undefined : base);
  if (PORTS[url.protocol] === undefined) throw new FetchError(url.hostname, 'is not an http or https URL');
  if (url.username !== '' || url.password !== '') throw new FetchError(url.hostname, 'holds a credential');
  if (base.startsWith('https:') && url.protocol !== 'https:')
    throw new FetchError(url.hostname, 'is not encrypted, though what leads there is');
  return url;
}

function failure(url: URL, error: unknown, { signal }: FetchLimits): FetchError {
  const reason = signal.aborted ? 'did not answer in time' : 'could not be read';
  return new FetchError(url.hostname, reason, { cause: error });
}

/** IPv6 addresses stand in brackets in a URL. */
function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function untilAborted(pending: Promise<void>, hostname: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new FetchError(hostname, 'did not answer in time'));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    pending.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
