// A process that writes to the database of its argument, and says a line for each write that is done, until it is killed.
import { writeSync } from 'node:fs';
import { loadLibsql } from '../../../../../dist/state/stores/libsql.js';
import { SqliteEngine } from '../../../../../dist/state/stores/sqlite-engine.js';

const engine = new SqliteEngine({ open: loadLibsql(), path: process.argv[2], maxBytes: 100_000_000 });
for (let n = 0; n < 100_000; n++) {
  engine.append('stream', Buffer.from(String(n).padEnd(200)), 100_000, null);
  engine.put(`value-${n}`, Buffer.alloc(300, n), String(n), null);
  writeSync(1, `${n}\n`);
}
