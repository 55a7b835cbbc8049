import type { Catalogue } from '../../resources/catalogue.ts';
import type { Resource } from '../../resources/types.ts';
import { WireError } from '../../resources/wire.ts';
import type { ResourceChanges, WireResource } from '../delta.ts';
import { Pieces } from './assemble.ts';
import { Notes } from './notes.ts';
import type { Piece } from './pieces.ts';
import { PolicySpecs } from './policies.ts';
import { Reader } from './reader.ts';

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
  /** By type and name on the wire. */
  readonly #byName = new Map<string, Piece>();
  /** Key of a piece → whose it is. */
  readonly #owners = new Map<string, string>();
  /** Of `#byName`, those that something stands in for. */
  readonly #standIns = new Set<string>();
  /** Keys of the resources that were given out. */
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
  put(typeUrl: string, { name, bytes }: WireResource): Translated {
    const id = `${typeUrl} ${name}`;
    const notes = new Notes();
    const piece = this.#reader.read(typeUrl, bytes, notes);
    const refusal = notes.refusals.join('; ');
    if (refusal !== '' && this.#byName.has(id) && !this.#standIns.has(id)) throw new WireError(refusal);
    const owner = this.#owners.get(piece.key);
    if (owner !== undefined && owner !== id) {
      throw new WireError(`is what "${owner.slice(owner.indexOf(' ') + 1)}" is already: ${piece.key}`);
    }
    const changes = this.#replace(id, piece);
    if (refusal === '') return { ...changes, warnings: notes.warnings };
    this.#standIns.add(id);
    return { ...changes, warnings: [`${refusal}; what is left of it is in force`, ...notes.warnings], refusal };
  }

  /** Of what was never there, nothing. */
  remove(typeUrl: string, name: string): ResourceChanges {
    return this.#replace(`${typeUrl} ${name}`, null);
  }

  #replace(id: string, after: Piece | null): ResourceChanges {
    const before = this.#byName.get(id);
    const touched = new Set<string>();
    this.#standIns.delete(id);
    if (before !== undefined) {
      for (const key of this.#pieces.touchedBy(before)) touched.add(key);
      this.#pieces.remove(before);
      this.#owners.delete(before.key);
      this.#byName.delete(id);
    }
    let own: Resource | null = null;
    if (after !== null) {
      const kept = keptOf(after);
      if (after.kind === 'resource') own = after.resource;
      this.#byName.set(id, kept);
      this.#owners.set(after.key, id);
      this.#pieces.add(kept);
      for (const key of this.#pieces.touchedBy(after)) touched.add(key);
    }
    const changed: Resource[] = [];
    const removed: string[] = [];
    for (const key of touched) {
      const resource = own?.key === key ? own : this.#pieces.resource(key);
      if (resource === undefined) continue;
      if (resource !== null) {
        this.#given.add(key);
        changed.push(resource);
      } else if (this.#given.delete(key)) removed.push(key);
    }
    return { changed, removed };
  }
}

/** What of a piece is remembered: of a resource that no other is made from, that it is there. */
function keptOf(piece: Piece): Piece {
  return piece.kind === 'resource' && piece.resource?.kind !== 'frontend' ? { ...piece, resource: null } : piece;
}
