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
    const before = this.held(typeUrl, name);
    if (refusal !== '' && before?.standsIn === false) throw new WireError(refusal);
    const held = { piece: keptOf(piece), standsIn: refusal !== '' };
    const own = piece.kind === 'resource' ? piece.resource : null;
    const { changed, removed } = this.#replace(typeUrl, name, held, own);
    if (refusal === '') return { changed, removed, warnings: notes.warnings };
    const warnings = [`${refusal}; what is left of it is in force`, ...notes.warnings];
    return { changed, removed, warnings, refusal };
  }

  /** Of what was never there, nothing. */
  remove(typeUrl: string, name: string): ResourceChanges {
    return this.#replace(typeUrl, name, null, null);
  }

  /** What a name stands for now, for `restore`; null = nothing. */
  held(typeUrl: string, name: string): Held | null {
    return this.#byName.get(typeUrl)?.get(name) ?? null;
  }

  /**
   * Makes a name stand for what it did when that was `held`. `asItWas`: keys of resources of which only that they were there is remembered.
   * Throws WireError where another name has come to stand for the same.
   */
  restore(typeUrl: string, name: string, held: Held | null): ResourceChanges & { readonly asItWas: readonly string[] } {
    return this.#replace(typeUrl, name, held, null);
  }

  /** `own`: what `held` is by itself, where that is known. */
  #replace(typeUrl: string, name: string, held: Held | null, own: Resource | null) {
    const touched = new Set<string>();
    const names = getOrAdd(this.#byName, typeUrl, () => new Map<string, Held>());
    const [before, after] = [names.get(name)?.piece, held?.piece];
    const owner = after && this.#pieces.at(after.key);
    if (owner !== undefined && owner !== before) {
      throw new WireError(`is what "${this.#nameOf(owner)}" is already: ${owner.key}`);
    }
    if (held === null) names.delete(name);
    else names.set(name, held);
    if (before !== undefined) {
      for (const key of this.#pieces.touchedBy(before)) touched.add(key);
      this.#pieces.remove(before);
    }
    if (after !== undefined) {
      this.#pieces.add(after);
      for (const key of this.#pieces.touchedBy(after)) touched.add(key);
    }
    const changed: Resource[] = [];
    const removed: string[] = [];
    const asItWas: string[] = [];
    for (const key of touched) {
      const resource = own?.key === key ? own : this.#pieces.resource(key);
      if (resource === undefined) asItWas.push(key);
      else if (resource === null) {
        const given = this.#given.delete(key);
        if (given || (before?.kind === 'resource' && before.key === key)) removed.push(key);
      } else {
        if (resource === own) this.#given.delete(key);
        else this.#given.add(key);
        changed.push(resource);
      }
    }
    if (after?.kind === 'route') after.route.pack();
    return { changed, removed, asItWas };
  }

  /** The name of what a piece is from. */
  #nameOf(piece: Piece): string {
    for (const names of this.#byName.values()) for (const [name, held] of names) if (held.piece === piece) return name;
    return '';
  }
}

/** What of a piece is remembered: of a resource that no other is made from, that it is there. */
function keptOf(piece: Piece): Piece {
  if (piece.kind !== 'resource' || piece.resource?.kind === 'frontend') return piece;
  return { kind: 'resource', key: piece.key, resource: null };
}
