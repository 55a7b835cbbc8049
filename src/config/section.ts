import type { Path } from './fault.ts';

/**
 * A mapping of the configuration while it is read. Each field that is read is marked, so that after normalisation whatever
 * was written and never read is known, and can be reported instead of being silently ignored.
 */
export class Section<Shape extends object = Record<string, unknown>> {
  readonly value: Readonly<Shape>;
  readonly path: Path;
  readonly #opened: Section[];
  readonly #read = new Set<string>();

  /** `opened` collects this section and every one below it. */
  constructor(value: Shape, path: Path, opened: Section[]) {
    this.value = value;
    this.path = path;
    this.#opened = opened;
    opened.push(this as unknown as Section);
  }

  /** The field's value, whole. Whoever reads it answers for all that is in it. */
  get<Key extends keyof Shape & string>(key: Key): Shape[Key] {
    this.#read.add(key);
    return this.value[key];
  }

  /** Like `get` for fields whose names are not known to the compiler (policies). */
  take(key: string): unknown {
    this.#read.add(key);
    return (this.value as Readonly<Record<string, unknown>>)[key];
  }

  /** The mapping in field `key`, field by field; undefined where there is none. */
  section<Key extends keyof Shape & string>(key: Key): Section<NonNullable<Shape[Key]> & object> | undefined {
    const value = this.get(key);
    if (typeof value !== 'object' || value === null) return undefined;
    return new Section(value as NonNullable<Shape[Key]> & object, this.at(key), this.#opened);
  }

  /** The mappings in list `key`. */
  list<Key extends keyof Shape & string>(key: Key): Section<ItemOf<Shape[Key]>>[] {
    const value = this.get(key);
    if (!Array.isArray(value)) return [];
    return value.map((item: ItemOf<Shape[Key]>, index) => new Section(item, this.at(key, index), this.#opened));
  }

  /** The mappings in map `key`, by name. */
  entries<Key extends keyof Shape & string>(key: Key): [string, Section<EntryOf<Shape[Key]>>][] {
    const value = this.get(key);
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value as Record<string, EntryOf<Shape[Key]>>).map(([name, entry]) => [
      name,
      new Section(entry, this.at(key, name), this.#opened),
    ]);
  }

  /** Path of something below this section. */
  at(...parts: (string | number)[]): Path {
    return [...this.path, ...parts];
  }

  /** Fields that hold something and were not read. */
  unread(): string[] {
    const unread: string[] = [];
    for (const [key, value] of Object.entries(this.value)) {
      if (value !== undefined && value !== null && !this.#read.has(key)) unread.push(key);
    }
    return unread;
  }
}

type ItemOf<List> = NonNullable<List> extends readonly (infer Item)[] ? (Item extends object ? Item : never) : never;
type EntryOf<Map> =
  NonNullable<Map> extends Readonly<Record<string, infer Entry>> ? (Entry extends object ? Entry : never) : never;
