import { GatewayError } from '../../../errors/table.ts';
import { delimiterOf, dispositionOf, HEAD_END, MAX_HEADER_BYTES, MAX_VALUE_BYTES } from '../multipart.ts';

const DASHES = '--';

/** Where a form that begins with texts names its model: the bytes of the name. */
export interface NamedModel {
  readonly model: string;
  readonly start: number;
  readonly end: number;
}

/**
 * The model in what has come of a form. 'more': that isn't enough to tell. 'none': it is not named in front of the first file, or not in
 * a way that can be told from a beginning.
 */
export function modelInBeginning(bytes: Buffer, contentType: string): NamedModel | 'more' | 'none' {
  const delimiter = delimiterOf(contentType);
  if (delimiter === null) return 'none';
  const first = delimiter.subarray(2);
  if (bytes.length < first.length) return 'more';
  if (!bytes.subarray(0, first.length).equals(first)) return 'none';
  let at = first.length;
  for (;;) {
    if (bytes.length < at + DASHES.length) return 'more';
    if (bytes.toString('latin1', at, at + DASHES.length) === DASHES) return 'none';
    const headEnd = bytes.indexOf(HEAD_END, at);
    if (headEnd < 0) return bytes.length - at > MAX_HEADER_BYTES ? 'none' : 'more';
    const { name, isFile } = dispositionOf(bytes.toString('utf8', at, headEnd));
    if (isFile || name === null || headEnd - at > MAX_HEADER_BYTES) return 'none';
    const start = headEnd + HEAD_END.length;
    const end = bytes.indexOf(delimiter, start);
    if (end < 0) return 'more';
    if (name === 'model') {
      const usable = end > start && end - start <= MAX_VALUE_BYTES;
      return usable ? { model: bytes.toString('utf8', start, end), start, end } : 'none';
    }
    at = end + delimiter.length;
  }
}

/**
 * Lets the rest of a form through, from a delimiter on, as long as no part of it names the model anew: who may use the one that was
 * named first might not use that. A delimiter and the fields behind it wait for each other, nothing else waits.
 */
export class PartWatch {
  readonly #delimiter: Buffer;
  #held: Buffer = EMPTY;
  #closed = false;

  /** Throws `invalid_request_body` where the type says no boundary. */
  constructor(contentType: string) {
    const delimiter = delimiterOf(contentType);
    if (delimiter === null) throw malformed();
    this.#delimiter = delimiter;
  }

  /** What may be sent on. Throws `missing_model` for a second model, `invalid_request_body` for fields that never end. */
  write(chunk: Buffer): Buffer {
    if (this.#closed) return chunk;
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let from = 0;
    for (;;) {
      const at = bytes.indexOf(this.#delimiter, from);
      if (at < 0) return this.#pass(bytes, Math.max(from, bytes.length - this.#delimiter.length + 1));
      const fields = at + this.#delimiter.length;
      if (bytes.length < fields + DASHES.length) return this.#pass(bytes, at);
      if (bytes.toString('latin1', fields, fields + DASHES.length) === DASHES) {
        this.#closed = true;
        return this.#pass(bytes, bytes.length);
      }
      const headEnd = bytes.indexOf(HEAD_END, fields);
      if ((headEnd < 0 ? bytes.length : headEnd) - fields > MAX_HEADER_BYTES) throw malformed();
      if (headEnd < 0) return this.#pass(bytes, at);
      if (dispositionOf(bytes.toString('utf8', fields, headEnd)).name === 'model')
        throw new GatewayError('missing_model', 'The field "model" occurs more than once.');
      from = headEnd + HEAD_END.length;
    }
  }

  /** Throws `invalid_request_body` where the form isn't complete. */
  end(): void {
    if (!this.#closed) throw malformed();
  }

  #pass(bytes: Buffer, until: number): Buffer {
    this.#held = bytes.subarray(until);
    return bytes.subarray(0, until);
  }
}

const EMPTY = Buffer.alloc(0);

function malformed(): GatewayError {
  return new GatewayError('invalid_request_body', 'The request body is not a well-formed form.');
}
