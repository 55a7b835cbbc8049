import type { Metrics } from '../../telemetry/metrics.ts';
import type { CallArgs, CallName, CallResult } from './protocol.ts';
import { type Store, StoreError, type Unsubscribe } from './store.ts';

/** A store whose calls are counted, by what became of them. */
export class CountedStore implements Store {
  readonly #store: Store;
  readonly #metrics: Metrics;

  constructor(store: Store, metrics: Metrics) {
    this.#store = store;
    this.#metrics = metrics;
  }

  get(...args: CallArgs<'get'>): Promise<CallResult<'get'>> {
    return this.#count('get', this.#store.get(...args));
  }

  put(...args: CallArgs<'put'>): Promise<CallResult<'put'>> {
    return this.#count('put', this.#store.put(...args));
  }

  compareAndSet(...args: CallArgs<'compareAndSet'>): Promise<CallResult<'compareAndSet'>> {
    return this.#count('compareAndSet', this.#store.compareAndSet(...args));
  }

  delete(...args: CallArgs<'delete'>): Promise<CallResult<'delete'>> {
    return this.#count('delete', this.#store.delete(...args));
  }

  append(...args: CallArgs<'append'>): Promise<CallResult<'append'>> {
    return this.#count('append', this.#store.append(...args));
  }

  read(...args: CallArgs<'read'>): Promise<CallResult<'read'>> {
    return this.#count('read', this.#store.read(...args));
  }

  trim(...args: CallArgs<'trim'>): Promise<CallResult<'trim'>> {
    return this.#count('trim', this.#store.trim(...args));
  }

  publish(...args: CallArgs<'publish'>): Promise<CallResult<'publish'>> {
    return this.#count('publish', this.#store.publish(...args));
  }

  subscribe(...args: Parameters<Store['subscribe']>): Promise<Unsubscribe> {
    return this.#count('subscribe', this.#store.subscribe(...args));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #count<T>(call: CallName | 'subscribe', result: Promise<T>): Promise<T> {
    let outcome = 'ok';
    try {
      return await result;
    } catch (error) {
      outcome = error instanceof StoreError ? error.code : 'invalid';
      throw error;
    } finally {
      this.#metrics.storeCalls.labels({ call, outcome }).inc();
    }
  }
}
