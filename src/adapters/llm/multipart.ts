/**
 * Multipart/form-data bodies (RFC 7578), read and changed without taking the rest apart: audio and image uploads name their model in
 * a text field.
 */
const MAX_PARTS = 256;
export const MAX_HEADER_BYTES = 4096;
export const MAX_VALUE_BYTES = 1024;
export const HEAD_END = Buffer.from('\r\n\r\n');
const DASH = 0x2d;
const CR = 0x0d;

interface Part {
  /** null: the part says none. */
  readonly name: string | null;
  readonly isFile: boolean;
  /** Where its delimiter begins, its value, and the next delimiter. */
  readonly from: number;
  readonly start: number;
  readonly end: number;
}

/** A file of a form. */
export interface FormFile {
  readonly name: string;
  /** ''. */
  readonly filename: string;
  /** As its part says it; ''. */
  readonly contentType: string;
  readonly bytes: Buffer;
}

/** A text field of a form. */
export interface FormText {
  readonly name: string;
  readonly text: string;
}

/** A new value of a text field; null takes the field out. */
export interface FieldEdit {
  readonly name: string;
  readonly value: string | null;
}

/** A form in its own bytes. */
export class MultipartForm {
  readonly bytes: Buffer;
  readonly #delimiter: Buffer;
  readonly #parts: readonly Part[];
  /** Where the closing delimiter begins. */
  readonly #close: number;

  private constructor(bytes: Buffer, delimiter: Buffer, parts: readonly Part[], close: number) {
    this.bytes = bytes;
    this.#delimiter = delimiter;
    this.#parts = parts;
    this.#close = close;
  }

  /** The form in `body`; null where it isn't well formed, is empty, or has too many parts. */
  static read(body: Buffer, contentType: string): MultipartForm | null {
    const delimiter = delimiterOf(contentType);
    if (delimiter === null) return null;
    const first = delimiter.subarray(2);
    // What stands before the first delimiter is nobody's; usually there is nothing.
    const atOnce = body.subarray(0, first.length).equals(first);
    let from = atOnce ? 0 : body.indexOf(delimiter);
    if (from < 0) return null;
    let at = from + (atOnce ? first.length : delimiter.length);
    const parts: Part[] = [];
    while (parts.length <= MAX_PARTS) {
      if (body[at] === DASH && body[at + 1] === DASH)
        return parts.length === 0 ? null : new MultipartForm(body, delimiter, parts, from);
      const headEnd = body.indexOf(HEAD_END, at);
      if (headEnd < 0 || headEnd - at > MAX_HEADER_BYTES) return null;
      const start = headEnd + HEAD_END.length;
      const end = body.indexOf(delimiter, start);
      if (end < 0) return null;
      const disposition = dispositionOf(body.toString('utf8', at, headEnd));
      parts.push({ ...disposition, from, start, end });
      from = end;
      at = end + delimiter.length;
    }
    return null;
  }

  has(name: string): boolean {
    return this.#parts.some((part) => part.name === name);
  }

  /** A text field's value; null where there is none, several, or one that is too long to be a name. */
  value(name: string): string | null {
    return this.text(name, MAX_VALUE_BYTES);
  }

  /** The same of a field of up to `maxBytes`. */
  text(name: string, maxBytes: number): string | null {
    const [part, second] = this.#parts.filter((one) => one.name === name);
    return part === undefined || second !== undefined ? null : this.#text(part, maxBytes);
  }

  /** All text fields that occur once and aren't long. */
  texts(): Record<string, string> {
    const texts = new Map<string, string>();
    const seen = new Set<string>();
    for (const part of this.#parts) {
      if (part.name === null) continue;
      const text = seen.has(part.name) ? null : this.#text(part);
      if (text === null) texts.delete(part.name);
      else texts.set(part.name, text);
      seen.add(part.name);
    }
    return Object.fromEntries(texts);
  }

  /** The files, in their order; their bytes are views of the form's. */
  get files(): FormFile[] {
    const found: FormFile[] = [];
    for (const { name, isFile, from, start, end } of this.#parts) {
      if (!isFile || name === null) continue;
      const head = this.bytes.toString('utf8', from, start);
      found.push({
        name,
        filename: FILENAME.exec(head)?.[1] ?? '',
        contentType: CONTENT_TYPE.exec(head)?.[1]?.trim() ?? '',
        bytes: this.bytes.subarray(start, end),
      });
    }
    return found;
  }

  /** The text fields, of whatever length, in their order. */
  get fields(): FormText[] {
    const found: FormText[] = [];
    for (const { name, isFile, start, end } of this.#parts)
      if (!isFile && name !== null) found.push({ name, text: this.bytes.toString('utf8', start, end) });
    return found;
  }

  /** The body with fields set: in the place of those that stand there, else behind all others. A name occurs once in `edits`. */
  encode(edits: readonly FieldEdit[]): Buffer {
    if (edits.length === 0) return this.bytes;
    const byName = new Map(edits.map(({ name, value }) => [name, value]));
    const pieces: Buffer[] = [];
    let read = 0;
    for (const part of this.#parts) {
      const value = part.name === null ? undefined : byName.get(part.name);
      if (value === undefined) continue;
      if (value === null) {
        pieces.push(this.bytes.subarray(read, part.from));
        read = part.end;
      } else {
        pieces.push(this.bytes.subarray(read, part.start), Buffer.from(value));
        read = part.end;
      }
    }
    pieces.push(this.bytes.subarray(read, this.#close));
    for (const [name, value] of byName) {
      if (value === null || this.has(name)) continue;
      const head = `\r\nContent-Disposition: form-data; name="${escaped(name)}"\r\n\r\n`;
      pieces.push(this.#delimiter, Buffer.from(head + value));
    }
    pieces.push(this.bytes.subarray(this.#close));
    const encoded = Buffer.concat(pieces);
    // Without its first part a form would begin with the line's end in front of the second.
    return this.bytes[0] === DASH && encoded[0] === CR ? encoded.subarray(2) : encoded;
  }

  #text({ isFile, start, end }: Part, maxBytes = MAX_VALUE_BYTES): string | null {
    return isFile || end - start > maxBytes ? null : this.bytes.toString('utf8', start, end);
  }
}

const FILENAME = /;\s*filename="?([^"\r\n;]*)/i;
const CONTENT_TYPE = /\r\ncontent-type:([^\r\n]*)/i;

/** The value of one text field of a form; null where the body has no such field, has it twice, or isn't well formed. */
export function multipartField(body: Buffer, contentType: string, field: string): string | null {
  return MultipartForm.read(body, contentType)?.value(field) ?? null;
}

/** As browsers escape names (https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data). */
function escaped(name: string): string {
  return name.replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22');
}

/** What stands between parts, with the line end in front of it; null where the type says no boundary. */
export function delimiterOf(contentType: string): Buffer | null {
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  return boundary === null ? null : Buffer.from(`\r\n--${boundary[1] ?? boundary[2]}`);
}

/** `head`: the fields of a part. */
export function dispositionOf(head: string): { name: string | null; isFile: boolean } {
  const disposition = /(?:^|\r\n)content-disposition:([^\r\n]*)/i.exec(head)?.[1] ?? '';
  const name = /;\s*name=(?:"([^"]*)"|([^\s;"]+))/i.exec(disposition);
  return { name: name?.[1] ?? name?.[2] ?? null, isFile: /;\s*filename\*?=/i.test(disposition) };
}
