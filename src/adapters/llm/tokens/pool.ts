import { Piscina } from 'piscina';
import type { TokenCount } from '../../../facts/llm.ts';
import { estimateTokens } from '../usage.ts';
import { encodingOf, isExact } from './encodings.ts';
import type { CountTask } from './task.ts';

/** Counts that may wait for the pool's thread; past it they are estimated at once. */
const MAX_WAITING = 64;
/** A count that takes longer is estimated, ms. */
const TIMEOUT_MS = 2000;
/** Tokens that take longer to decode are given up, ms: the first have to wait for the tables. */
const DECODE_TIMEOUT_MS = 10_000;
/** The thread, and the 60 MB its tables take, goes after so long without work, ms. */
const IDLE_MS = 60_000;

/** Counts and decodes tokens off the event loop, in one thread a worker that exists only while there is work. */
export class TokenCounter {
  readonly #entry: URL;
  #pool: Piscina | null = null;
  #waiting = 0;

  /** @param entry the file of `task.ts` as it is run */
  constructor(entry: URL) {
    this.#entry = entry;
  }

  /** Tokens of `texts` for `model`. Never rejects: where counting fails or would take too long, the count is estimated from the length. */
  async count(texts: readonly string[], model: string): Promise<TokenCount> {
    if (this.#waiting >= MAX_WAITING) return estimate(texts);
    this.#pool ??= this.#open();
    this.#waiting++;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const task: CountTask = { texts, encoding: encodingOf(model) };
      const tokens: number = await this.#pool.run(task, { name: 'countAll', signal });
      return { tokens, exact: isExact(model) };
    } catch {
      return estimate(texts);
    } finally {
      this.#waiting--;
    }
  }

  /** The texts of lists of cl100k_base tokens, null for what is none. Never rejects: null where there is no time for it. */
  async decode(lists: readonly (readonly number[])[]): Promise<readonly (string | null)[] | null> {
    if (this.#waiting >= MAX_WAITING) return null;
    this.#pool ??= this.#open();
    this.#waiting++;
    try {
      return await this.#pool.run(lists, { name: 'decodeTokens', signal: AbortSignal.timeout(DECODE_TIMEOUT_MS) });
    } catch {
      return null;
    } finally {
      this.#waiting--;
    }
  }

  #open(): Piscina {
    const pool = new Piscina({
      filename: this.#entry.href,
      minThreads: 0,
      maxThreads: 1,
      idleTimeout: IDLE_MS,
    });
    // A thread that dies fails its task, which is estimated then; without a listener it would take this thread along.
    pool.on('error', () => {});
    return pool;
  }

  async close(): Promise<void> {
    await this.#pool?.destroy();
    this.#pool = null;
  }
}

function estimate(texts: readonly string[]): TokenCount {
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return { tokens: estimateTokens(bytes), exact: false };
}
