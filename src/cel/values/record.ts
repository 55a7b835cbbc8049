import type { Definition } from '../definitions.ts';
import { CelMap, type CelValue } from './value.ts';

/** Declared fields as a map over what they read from: those that are set. */
export class RecordMap extends CelMap {
  readonly #fields: ReadonlyMap<string, Definition<unknown>>;
  readonly #activation: unknown;

  constructor(fields: ReadonlyMap<string, Definition<unknown>>, activation: unknown) {
    super();
    this.#fields = fields;
    this.#activation = activation;
  }

  get size(): number {
    return [...this.keys()].length;
  }

  get(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string') return undefined;
    return this.#fields.get(key)?.read(this.#activation) ?? undefined;
  }

  *keys(): Iterable<string> {
    for (const key of this.#fields.keys()) if (this.get(key) !== undefined) yield key;
  }
}
