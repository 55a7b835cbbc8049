import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { XdsLog } from '../delta.ts';

/** Most bytes of a record; what comes later is not recorded. */
export const MAX_RECORD = 256 * 1024 * 1024;

/** `stream`: one began; `request`, `response`: its messages; `full`: nothing was recorded from here on. */
export type RecordKind = 'stream' | 'request' | 'response' | 'full';

export interface RecordEntry {
  /** Unix ms. */
  readonly at: number;
  readonly kind: RecordKind;
  /** The message as it was on the wire; empty where the entry is none. */
  readonly bytes: Buffer;
}

/**
 * Writes what passes on the streams into a file, one JSON object a line: `{"at", "kind", "bytes"}`, the bytes in base64. It
 * begins anew with each process, takes up 256 MiB at most, and is readable by its owner only: secrets are in it.
 */
export class Recorder {
  readonly #log: XdsLog;
  readonly #maxBytes: number;
  #file: FileHandle | null;
  #written = 0;

  private constructor(file: FileHandle, log: XdsLog, maxBytes: number) {
    this.#file = file;
    this.#log = log;
    this.#maxBytes = maxBytes;
  }

  /** Throws where the file can't be written. */
  static async open(path: string, log: XdsLog, maxBytes = MAX_RECORD): Promise<Recorder> {
    const file = await open(path, 'w', 0o600);
    // The mode above is that of a new file only.
    await file.chmod(0o600);
    return new Recorder(file, log, maxBytes);
  }

  /** Resolves when it is written; a failure ends the record, not the stream. */
  async write(kind: RecordKind, bytes: Uint8Array = Buffer.alloc(0)): Promise<void> {
    if (this.#file === null) return;
    const full = this.#written + Math.ceil(bytes.length / 3) * 4 + 64 > this.#maxBytes;
    const content = full ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
    const line = `${JSON.stringify({ at: Date.now(), kind: full ? 'full' : kind, bytes: content })}\n`;
    this.#written += line.length;
    try {
      await this.#file.writeFile(line);
      if (!full) return;
      this.#log.warn('the record of xDS messages is full and ends here', { bytes: this.#written });
    } catch (error) {
      this.#log.warn('the record of xDS messages ends here', { error });
    }
    await this.close();
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close().catch(() => undefined);
  }
}

/** The entries of a record in their order; a last line that was cut off is left out. Throws where a line is none. */
export async function* readRecord(path: string): AsyncGenerator<RecordEntry> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  let pending: string | null = null;
  let number = 0;
  for await (const line of lines) {
    if (pending !== null) yield parseEntry(pending, number);
    pending = line;
    number++;
  }
  if (pending?.endsWith('}')) yield parseEntry(pending, number);
}

function parseEntry(line: string, number: number): RecordEntry {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    entry = null;
  }
  const { at, kind, bytes } = (entry ?? {}) as Record<string, unknown>;
  if (typeof at !== 'number' || typeof bytes !== 'string' || !isKind(kind))
    throw new Error(`line ${number} is no entry of a record`);
  return { at, kind, bytes: Buffer.from(bytes, 'base64') };
}

const KINDS: readonly unknown[] = ['stream', 'request', 'response', 'full'] satisfies RecordKind[];
const isKind = (kind: unknown): kind is RecordKind => KINDS.includes(kind);
