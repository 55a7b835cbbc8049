import type { RecordEntry } from './record.ts';
import type { Session } from './session.ts';

/** A message of a record that a replay says otherwise. */
export interface Difference {
  /** Place of the entry in the record, from 0. */
  readonly entry: number;
  readonly recorded: Buffer;
  /** null where nothing is said. */
  readonly replayed: Buffer | null;
}

/**
 * Gives a session what the server of a record sent, in its order, and compares what it says to it with what was said then.
 * Resolves to how they differ; a stream that ended in the middle of an answer is none.
 */
export async function replay(entries: AsyncIterable<RecordEntry>, session: Session): Promise<Difference[]> {
  const differences: Difference[] = [];
  let said: Buffer[] = [];
  let index = -1;
  for await (const { kind, bytes } of entries) {
    index++;
    if (kind === 'full') break;
    if (kind === 'stream') said = session.open();
    else if (kind === 'response') {
      const { answer } = await session.take(bytes);
      said = answer === null ? [] : [answer];
    } else {
      const replayed = said.shift() ?? null;
      if (replayed === null || !replayed.equals(bytes)) differences.push({ entry: index, recorded: bytes, replayed });
    }
  }
  return differences;
}
