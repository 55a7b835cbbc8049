import { GatewayError } from '../../errors/table.ts';
import { type Found, JsonScanner } from './json-scan.ts';
import type { Wanted } from './json-wanted.ts';

/** A change to one member of the top-level object. `json` is its new value, encoded; null removes the member. */
export interface MemberEdit {
  readonly name: string;
  /** The name's slot in the scan. */
  readonly slot: number;
  readonly json: string | null;
}

interface Splice {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/**
 * Throws `invalid_request_body` for what isn't one JSON object, and where a wanted member occurs twice, or again in other letters: who
 * reads the body next could take the other one.
 */
export function scanObject(bytes: Buffer, wanted: Wanted): JsonScanner {
  const scan = new JsonScanner(wanted, bytes.length);
  scan.write(bytes);
  if (!scan.complete) throw new GatewayError('invalid_request_body');
  if (scan.ambiguous !== null)
    throw new GatewayError('invalid_request_body', `A member differs from "${scan.ambiguous}" by case alone.`);
  for (const [slot, name] of wanted.paths.entries()) {
    if ((scan.found(slot)?.count ?? 0) > 1)
      throw new GatewayError('invalid_request_body', `The member "${name}" occurs more than once.`);
  }
  return scan;
}

/** Several changes to one JSON object, members and places within them, made in its own bytes at once. */
export class BodyEditor {
  readonly #bytes: Buffer;
  readonly #wanted: Wanted;
  readonly #scan: JsonScanner;
  readonly #edits: MemberEdit[] = [];
  readonly #splices: Splice[] = [];

  /** @param wanted the members that may be read or changed. Throws as `scanObject` does. */
  constructor(bytes: Buffer, wanted: Wanted) {
    this.#bytes = bytes;
    this.#wanted = wanted;
    this.#scan = scanObject(bytes, wanted);
  }

  /** Where a member is; null where it isn't there. */
  find(name: string): Found | null {
    return this.#scan.found(this.#wanted.slot(name));
  }

  /** Sets a member as a whole; `json` null removes it. One that is set is not spliced. */
  set(name: string, json: string | null): void {
    this.#edits.push({ name, slot: this.#wanted.slot(name), json });
  }

  /** Puts text in at an offset; of several at one offset the first stays first. */
  insert(at: number, text: string): void {
    if (text !== '') this.#splices.push({ from: at, to: at, text });
  }

  /** The changed body; the bytes given where nothing changed. */
  apply(): Buffer {
    if (this.#edits.length === 0 && this.#splices.length === 0) return this.#bytes;
    return editMembers(this.#bytes, this.#scan, this.#edits, this.#splices);
  }
}

/**
 * Changes members of a JSON object in its own bytes: everything else, known or not, stays as the client wrote it.
 * `scan` is a complete scan of `body` for at least the members edited, each of which occurs at most once. `inner`: changes within other
 * members.
 */
export function editMembers(
  body: Buffer,
  scan: JsonScanner,
  edits: readonly MemberEdit[],
  inner: readonly Splice[] = [],
): Buffer {
  const splices: Splice[] = [...inner];
  const added: string[] = [];
  const removed: MemberEdit[] = [];
  for (const edit of edits) {
    const found = scan.found(edit.slot);
    if (edit.json === null) {
      if (found !== null) removed.push(edit);
    } else if (found !== null) {
      splices.push({ from: found.start, to: found.end, text: edit.json });
    } else {
      added.push(`${JSON.stringify(edit.name)}:${edit.json}`);
    }
  }
  removeMembers(scan, removed, splices);
  if (added.length > 0) {
    const separator = scan.members > removed.length ? ',' : '';
    splices.push({ from: scan.closeOffset, to: scan.closeOffset, text: separator + added.join(',') });
  }
  return splices.length === 0 ? body : applySplices(body, splices);
}

/**
 * A member goes with the comma before it; those that open the object have none there and go with the comma behind them.
 */
function removeMembers(scan: JsonScanner, removed: readonly MemberEdit[], into: Splice[]): void {
  const members = removed
    .map(({ slot }) => scan.found(slot))
    .filter((found) => found !== null)
    .sort((a, b) => a.ordinal - b.ordinal);
  let opening = 0;
  for (const member of members) {
    if (member.ordinal === opening) {
      opening++;
      into.push({ from: member.nameStart, to: member.commaAfter < 0 ? member.end : member.commaAfter + 1, text: '' });
    } else {
      into.push({ from: member.commaBefore, to: member.end, text: '' });
    }
  }
}

function applySplices(body: Buffer, splices: Splice[]): Buffer {
  splices.sort((a, b) => a.from - b.from || a.to - b.to);
  let size = body.length;
  for (const { from, to, text } of splices) size += Buffer.byteLength(text) - (to - from);
  const edited = Buffer.allocUnsafe(size);
  let at = 0;
  let read = 0;
  for (const { from, to, text } of splices) {
    at += body.copy(edited, at, read, from);
    at += edited.write(text, at);
    read = to;
  }
  body.copy(edited, at, read);
  return edited;
}
