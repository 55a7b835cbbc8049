/** Names of JSON members to look for, prepared for comparing them with bytes. */

/** Names to find; `true` = the value itself, an object = members of that member. */
export interface WantedTree {
  readonly [name: string]: true | WantedTree;
}

export interface WantedName {
  readonly bytes: Buffer;
  readonly text: string;
  /** -1 where only members of it are wanted. */
  readonly slot: number;
  readonly below: WantedLevel | null;
}

/** Wanted names of one object. */
export interface WantedLevel {
  /** By length in bytes. */
  readonly byLength: readonly (readonly WantedName[] | undefined)[];
  readonly all: readonly WantedName[];
}

/** A tree of names, prepared once and shared by all scans for it. */
export class Wanted {
  readonly root: WantedLevel;
  /** Dotted path of each slot. */
  readonly paths: readonly string[];
  readonly longestName: number;

  constructor(tree: WantedTree) {
    const paths: string[] = [];
    let longest = 0;
    const level = (names: WantedTree, prefix: string): WantedLevel => {
      const all = Object.entries(names).map(([text, below]): WantedName => {
        const bytes = Buffer.from(text);
        longest = Math.max(longest, bytes.length);
        if (below === true) return { bytes, text, slot: paths.push(prefix + text) - 1, below: null };
        return { bytes, text, slot: -1, below: level(below, `${prefix}${text}.`) };
      });
      const byLength: (WantedName[] | undefined)[] = [];
      for (const name of all) {
        const same = byLength[name.bytes.length];
        if (same === undefined) byLength[name.bytes.length] = [name];
        else same.push(name);
      }
      return { byLength, all };
    };
    this.root = level(tree, '');
    this.paths = paths;
    this.longestName = longest;
  }

  /** The slot of a dotted path; throws a RangeError for one that isn't in the tree. */
  slot(path: string): number {
    const slot = this.paths.indexOf(path);
    if (slot < 0) throw new RangeError(`"${path}" is not looked for`);
    return slot;
  }
}

/** True where `name` stands at `start`. */
export function sameBytes(bytes: Buffer, start: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}

/** Equal but for the case of ASCII letters. */
export function sameLetters(bytes: Buffer, start: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++)
    if (lowered(bytes[start + i] as number) !== lowered(name[i] as number)) return false;
  return true;
}

function lowered(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
