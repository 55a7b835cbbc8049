import type { Catalogue } from '../../resources/catalogue.ts';
import { getOrAdd } from '../../resources/maps.ts';
import type { Resource } from '../../resources/types.ts';
import { WireError } from '../../resources/wire.ts';
import type { ResourceChanges, WireResource } from '../delta.ts';
import { Pieces } from './assemble.ts';
import { Notes } from './notes.ts';
import type { Piece } from './pieces.ts';
import { PolicySpecs } from './policies.ts';
import { Reader } from './reader.ts';

/** What a name on the wire stands for. */
interface Held {
  readonly name: string;
  readonly piece: Piece;
  /** It was refused, and this is what stands in for it. */
  readonly standsIn: boolean;
}

/** What taking a wire resource changes, and what there is to say of it; `refusal`: why something else stands in for it. */
export type Translated = ResourceChanges & { warnings: string[]; refusal?: string };

/**
 * Turns a control plane's resources into Sluice's, one at a time, in whatever order they come; what refers to something that isn't there yet
 * takes effect when it comes. Some of Sluice's resources are made of several of the wire's (see Pieces): they are given out anew with each.
 *
 * Of one response, what is removed must be told before what is put: a thing may have got another name on the wire.
 */
export class Translator {
  readonly #reader: Reader;
  readonly #pieces: Pieces;
  /** By type, by name. */
  readonly #byName = new Map<string, Map<string, Held>>();
  /** By the key of the piece. */
  readonly #byKey = new Map<string, Held>();
  /** Keys of the resources that were given out, but for those that are pieces by themselves. */
  readonly #given = new Set<string>();

  /** `customFunctions`: the process's setting, for expressions that call them. */
  constructor(catalogue: Catalogue, customFunctions = '') {
    this.#reader = new Reader(new PolicySpecs(catalogue, customFunctions));
    this.#pieces = new Pieces(catalogue);
  }

  /**
   * Throws WireError with what is wrong: the resource is refused, and what it said before stays. Where it said nothing before, what is left
   * of it takes its place, if it protects something or claims requests: they must not be served as though it weren't there.
   */
  put(typeUrl: string, { name, bytes }: Pick<WireResource, 'name' | 'bytes'>): Translated {
    const notes = new Notes();
    const piece = this.#reader.read(typeUrl, bytes, notes);
    const refusal = notes.refusals.join('; ');
    const names = getOrAdd(this.#byName, typeUrl, () => new Map<string, Held>());
    const before = names.get(name);
    if (refusal !== '' && before?.standsIn === false) throw new WireError(refusal);
    const owner = this.#byKey.get(piece.key);
    if (owner !== before && owner !== undefined) {
      throw new WireError(`is what "${owner.name}" is already: ${piece.key}`);
    }
    const held = { name, piece: keptOf(piece), standsIn: refusal !== '' };
    names.set(name, held);
    const changes = this.#replace(before, held, piece.kind === 'resource' ? piece.resource : null);
    if (refusal === '') return { ...changes, warnings: notes.warnings };
    return { ...changes, warnings: [`${refusal}; what is left of it is in force`, ...notes.warnings], refusal };
  }

  /** Of what was never there, nothing. */
  remove(typeUrl: string, name: string): ResourceChanges {
    const names = this.#byName.get(typeUrl);
    const before = names?.get(name);
    names?.delete(name);
    return this.#replace(before, null, null);
  }

  /** `own`: what `after` is by itself. */
  #replace(before: Held | undefined, after: Held | null, own: Resource | null): ResourceChanges {
    const touched = new Set<string>();
    if (before !== undefined) {
      for (const key of this.#pieces.touchedBy(before.piece)) touched.add(key);
      this.#pieces.remove(before.piece);
      this.#byKey.delete(before.piece.key);
    }
    if (after !== null) {
      this.#byKey.set(after.piece.key, after);
      this.#pieces.add(after.piece);
      for (const key of this.#pieces.touchedBy(after.piece)) touched.add(key);
    }
    const changed: Resource[] = [];
    const removed: string[] = [];
    for (const key of touched) {
      const resource = own?.key === key ? own : this.#pieces.resource(key);
      if (resource === undefined) continue;
      if (resource === null) {
        const given = this.#given.delete(key);
        if (given || (before?.piece.kind === 'resource' && before.piece.key === key)) removed.push(key);
        continue;
      }
      if (resource === own) this.#given.delete(key);
      else this.#given.add(key);
      changed.push(resource);
    }
    return { changed, removed };
  }
}

/** What of a piece is remembered: of a resource that no other is made from, that it is there. */
function keptOf(piece: Piece): Piece {
  return piece.kind === 'resource' && piece.resource?.kind !== 'frontend' ? { ...piece, resource: null } : piece;
}
