// Claims and lets go of rows that other threads claim too, and keeps book of who has what in memory of its own.
import { parentPort, workerData } from 'node:worker_threads';
import { KeyedRows } from '../../../../dist/state/shared/keyed-rows.js';
import { meet, random } from './common.mjs';

const { buffer, book, worker, workers, keys, ops, hold, gate } = workerData;
const rows = new KeyedRows(buffer, worker);
// A word a row says which key it is held for and by how many: (key + 1) << 8 | holders. A word a key says which row.
const keyOfRow = new Int32Array(book, 0, rows.rows);
const rowOfKey = new Int32Array(book, rows.rows * 4, keys);
const data = new Int32Array(buffer);
const next = random(worker + 1);
const faults = [];
let full = 0;

function enter(words, index, other, what) {
  for (;;) {
    const word = Atomics.load(words, index);
    if ((word & 0xff) !== 0 && word >> 8 !== other + 1) {
      faults.push(`${what} ${index} is held for ${(word >> 8) - 1} and ${other}`);
      return false;
    }
    const entered = ((other + 1) << 8) | ((word & 0xff) + 1);
    if (Atomics.compareExchange(words, index, word, entered) === word) return true;
  }
}

const held = [];
function letGo(at) {
  const [{ key, row, counted }] = held.splice(at, 1);
  if (counted[0]) Atomics.sub(keyOfRow, row, 1);
  if (counted[1]) Atomics.sub(rowOfKey, key, 1);
  rows.release(`key ${key}`);
}

meet(new Int32Array(gate), workers);
for (let op = 0; op < ops; op++) {
  const key = Math.floor(next() * keys);
  if (!held.some((one) => one.key === key)) {
    const row = rows.acquire(`key ${key}`);
    if (row === -1) {
      full++;
    } else {
      const counted = [enter(keyOfRow, row, key, 'row'), enter(rowOfKey, key, row, 'key')];
      // The data of a row that another key had before is zero; this key's own mark may be there already.
      const mark = Atomics.compareExchange(data, rows.offset(row) / 4, 0, key + 1);
      if (mark !== 0 && mark !== key + 1) faults.push(`row ${row} of key ${key} has data of key ${mark - 1}`);
      held.push({ key, row, counted });
    }
  }
  while (held.length > hold) letGo(Math.floor(next() * held.length));
}
while (held.length > 0) letGo(0);
parentPort.postMessage({ faults: faults.slice(0, 5), full, inUse: rows.inUse });
