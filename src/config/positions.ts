import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Pair, type Scalar, type YAMLMap } from 'yaml';
import type { Path } from './fault.ts';
import type { Lines } from './lines.ts';
import type { Substituted } from './substitute.ts';

/** Above this many keys a mapping gets an index of its keys instead of a scan a look-up. */
const INDEX_FROM = 16;

export interface Position {
  line: number;
  column: number;
}

/**
 * Where a path stands in the file as the operator wrote it. A value that came in through an alias or a merge key stands where
 * it is written; a path that is not there stands where its nearest ancestor does.
 */
export class Positions {
  readonly #document: Document;
  readonly #substituted: Substituted;
  readonly #lines: Lines;
  readonly #indexes = new WeakMap<YAMLMap, Map<string, Pair>>();

  /** `lines` are those of the original text. */
  constructor(document: Document, substituted: Substituted, lines: Lines) {
    this.#document = document;
    this.#substituted = substituted;
    this.#lines = lines;
  }

  /** Position of the key where the path ends at one, of the item where it ends at an index. */
  at(path: Path): Position {
    return this.atOffset(this.#find(path).offset);
  }

  /**
   * Position of a character of the text at `path`, `offset` UTF-16 units from its beginning; null where the text isn't written as it
   * reads: folded, or over several lines other than as a literal block.
   */
  inText(path: Path, offset: number): Position | null {
    const { node } = this.#find(path);
    const scalar = isAlias(node) ? node.resolve(this.#document) : node;
    if (!isScalar(scalar) || !scalar.range) return null;
    const [start, end] = scalar.range;
    const inside = sourceOffset(this.#substituted.text.slice(start, end), scalar, offset);
    return inside === null ? null : this.atOffset(start + inside);
  }

  /** What stands at `path`, and the offset of its key or, in a list, its own. */
  #find(path: Path): { node: unknown; offset: number } {
    let node: unknown = this.#document.contents;
    let offset = 0;
    for (const part of path) {
      if (isAlias(node)) node = node.resolve(this.#document);
      if (isMap(node)) {
        const pair = this.#pair(node, String(part));
        if (pair === undefined) break;
        if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
        node = pair.value;
      } else if (isSeq(node) && typeof part === 'number') {
        const item = node.items[part];
        if (!isNode(item)) break;
        offset = item.range?.[0] ?? offset;
        node = item;
      } else break;
    }
    return { node, offset };
  }

  /** Position of an offset in the expanded text. */
  atOffset(offset: number): Position {
    return this.#lines.at(this.#substituted.origin(offset));
  }

  #pair(map: YAMLMap, key: string): Pair | undefined {
    if (map.items.length < INDEX_FROM) return map.items.find((pair) => keyText(pair) === key) ?? this.#merged(map, key);
    let index = this.#indexes.get(map);
    if (index === undefined) {
      index = new Map(map.items.map((pair) => [keyText(pair), pair]));
      this.#indexes.set(map, index);
    }
    return index.get(key) ?? this.#merged(map, key);
  }

  /** Looks where `<<` leads; the first mapping that has the key wins. */
  #merged(map: YAMLMap, key: string): Pair | undefined {
    for (const pair of map.items) {
      if (!isMergeKey(pair)) continue;
      const sources = isSeq(pair.value) ? pair.value.items : [pair.value];
      for (const source of sources) {
        const target = isAlias(source) ? source.resolve(this.#document) : source;
        const found = isMap(target) && target !== map ? this.#pair(target, key) : undefined;
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }
}

/** Where character `offset` of a scalar's value stands in its source; null where the two don't go side by side. */
function sourceOffset(source: string, { type, value }: Scalar, offset: number): number | null {
  if (typeof value !== 'string') return null;
  if (type === 'BLOCK_LITERAL') return literalOffset(source, value, offset);
  if (source.includes('\n')) return null;
  if (type === 'PLAIN') return source.startsWith(value) ? offset : null;
  if (type !== 'QUOTE_SINGLE' && type !== 'QUOTE_DOUBLE') return null;
  let at = 1;
  for (let read = 0; read < offset && at < source.length - 1; read++) {
    if (type === 'QUOTE_SINGLE') at += source[at] === "'" ? 2 : 1;
    else at += source[at] === '\\' ? 2 + (ESCAPE_DIGITS[source[at + 1] ?? ''] ?? 0) : 1;
  }
  return at;
}

/** Hexadecimal digits behind the letter of an escape in a double-quoted text. */
const ESCAPE_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** A literal block's lines are the value's, each behind the same indentation; the first line of the source is the block's mark. */
function literalOffset(source: string, value: string, offset: number): number | null {
  const before = value.slice(0, offset);
  const line = before.split('\n').length - 1;
  const column = offset - (before.lastIndexOf('\n') + 1);
  const lines = source.split('\n');
  const written = lines[line + 1];
  const read = value.split('\n')[line];
  if (written === undefined || read === undefined || !written.endsWith(read)) return null;
  const start = lines.slice(0, line + 1).reduce((sum, one) => sum + one.length + 1, 0);
  return start + written.length - read.length + column;
}

function keyText(pair: Pair): string {
  return isScalar(pair.key) ? (typeof pair.key.value === 'symbol' ? '' : String(pair.key.value)) : '';
}

function isMergeKey(pair: Pair): boolean {
  return isScalar(pair.key) && (pair.key.source === '<<' || pair.key.value === '<<');
}
