import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Pair, type YAMLMap } from 'yaml';
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
    return this.atOffset(offset);
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

function keyText(pair: Pair): string {
  return isScalar(pair.key) ? (typeof pair.key.value === 'symbol' ? '' : String(pair.key.value)) : '';
}

function isMergeKey(pair: Pair): boolean {
  return isScalar(pair.key) && (pair.key.source === '<<' || pair.key.value === '<<');
}
