import type { Exchange } from '../../../exchange.ts';
import type { Flight, ResponseSink } from '../../../upstream/call.ts';
import type { RouteContext } from '../../adapter.ts';
import type { Destination, ProviderTarget } from '../target.ts';
import type { ModelInfo } from './model-info.ts';
import { parseModels } from './parse.ts';

/** How long a list is good for, and how long it is not asked for again after a failure, milliseconds. */
const KEPT_MS = 5 * 60_000;
const FAILED_MS = 30_000;
/** A provider that doesn't answer by then is done without, milliseconds. */
const TIMEOUT_MS = 3000;
const MAX_BYTES = 4 * 1024 * 1024;

/** Where providers list their models, below the base path; absent = `/models`. */
const PATHS: Readonly<Record<string, string>> = { gemini: '/v1beta/models', cohere: '/v1/models' };
/** So that there is one page. */
const QUERIES: Readonly<Record<string, string>> = {
  gemini: '?pageSize=1000',
  anthropic: '?limit=1000',
  cohere: '?page_size=1000',
};
/**
 * Those whose lists don't say what can be asked for here: Azure's names are those of deployments, Bedrock and Vertex AI list at other
 * hosts, the demo is no provider.
 */
const UNLISTED: ReadonlySet<string> = new Set(['azure', 'bedrock', 'vertex', 'demo']);

interface Entry {
  /** The latest list there was. */
  models: readonly ModelInfo[] | null;
  /** performance.now() until which it isn't asked for again. */
  until: number;
  pending: Promise<readonly ModelInfo[] | null> | null;
}

/**
 * What models providers have, as they say themselves: asked for with the operator's credential when a client wants a list, kept for
 * five minutes. There is one entry for each account that the configuration has.
 */
export class ModelDirectory {
  readonly #entries = new WeakMap<RouteContext, Map<string, Entry>>();

  /** null where it can't be told: the provider has no list, doesn't answer in time, or is asked with each client's own credential. */
  async modelsOf(
    target: ProviderTarget,
    exchange: Exchange,
    context: RouteContext,
  ): Promise<readonly ModelInfo[] | null> {
    if (!target.active || UNLISTED.has(target.kind) || !target.listsForAll(context)) return null;
    let accounts = this.#entries.get(context);
    if (accounts === undefined) {
      accounts = new Map();
      this.#entries.set(context, accounts);
    }
    let entry = accounts.get(target.accountName);
    if (entry === undefined) {
      entry = { models: null, until: 0, pending: null };
      accounts.set(target.accountName, entry);
    }
    if (performance.now() < entry.until) return entry.models;
    entry.pending ??= this.#refresh(entry, target, exchange, context);
    return entry.pending;
  }

  async #refresh(
    entry: Entry,
    target: ProviderTarget,
    exchange: Exchange,
    context: RouteContext,
  ): Promise<readonly ModelInfo[] | null> {
    const models = await fetchModels(target, exchange, context);
    // An old list is better than none.
    if (models !== null) entry.models = models;
    entry.until = performance.now() + (models === null ? FAILED_MS : KEPT_MS);
    entry.pending = null;
    return entry.models;
  }
}

/** Never rejects; null where the provider gave no list. */
function fetchModels(
  target: ProviderTarget,
  exchange: Exchange,
  context: RouteContext,
): Promise<readonly ModelInfo[] | null> {
  const path = PATHS[target.kind] ?? '/models';
  const to: Destination = {
    route: 'models',
    // Nothing of the client's goes along.
    converted: true,
    throughHub: false,
    model: '',
    streaming: false,
    endpoint: { path, asksModel: false },
  };
  return new Promise((resolve) => {
    try {
      const call = target.call(exchange, context, to, true);
      // A path that the operator gave for everything leads elsewhere.
      if (!call.path.split('?', 1)[0]?.endsWith('/models')) return resolve(null);
      call.method = 'GET';
      call.path += QUERIES[target.kind] ?? '';
      call.headers = ['accept', 'application/json', 'accept-encoding', 'identity'];
      call.auxiliary = true;
      call.headTimeoutMs = TIMEOUT_MS;
      const list = new ListSink((text) =>
        resolve(text === null ? null : parseModels(text, target.provider.telemetryName)),
      );
      list.follow((target.dispatch ?? context.dispatch)(call, list));
    } catch {
      resolve(null);
    }
  });
}

/** Collects an answer, within limits of size and time. */
class ListSink implements ResponseSink {
  readonly #done: (text: string | null) => void;
  readonly #timer: NodeJS.Timeout;
  #flight: Flight | null = null;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(done: (text: string | null) => void) {
    this.#done = done;
    this.#timer = setTimeout(() => this.#giveUp(), TIMEOUT_MS);
  }

  follow(flight: Flight): void {
    this.#flight = flight;
  }

  onHead(status: number): void {
    if (status !== 200) this.#giveUp();
  }

  onData(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_BYTES) this.#giveUp();
    else this.#chunks.push(chunk);
    return true;
  }

  onEnd(): void {
    this.#end(Buffer.concat(this.#chunks).toString('utf8'));
  }

  onError(): void {
    this.#end(null);
  }

  #giveUp(): void {
    this.#flight?.abort();
    this.#end(null);
  }

  #end(text: string | null): void {
    clearTimeout(this.#timer);
    this.#chunks.length = 0;
    this.#done(text);
  }
}
