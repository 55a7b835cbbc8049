// Reads a snapshot log as fast as it grows and checks that each read is of whole publishes.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { SnapshotReader } from '../../../../dist/state/shared/snapshot-reader.js';

const { buffer, group, lastVersion } = workerData;
const reader = new SnapshotReader(buffer);
const state = new Map();
const faults = [];
let reads = 0;
let moves = 0;

function check(changes, version) {
  for (const { key, value, version: changed } of changes) {
    if (changed > version) faults.push(`${key} is of version ${changed}, the read of ${version}`);
    if (value === null) state.delete(key);
    else state.set(key, value);
  }
  // Every publish sets each key of the group to the same number of times the same byte.
  let length = -1;
  let fill = -1;
  for (const key of group) {
    const value = state.get(key);
    if (value === undefined) {
      faults.push(`${key} is missing at version ${version}`);
      continue;
    }
    if (length === -1) [length, fill] = [value.length, value[0]];
    if (value.length !== length || value.some((byte) => byte !== fill))
      faults.push(`${key} is torn at version ${version}`);
  }
}

parentPort.postMessage({ type: 'ready' });
while (reader.version < lastVersion && faults.length === 0) {
  const message = receiveMessageOnPort(parentPort)?.message;
  if (message?.type === 'generation') reader.moveTo(message.snapshot);
  const before = reader.version;
  const { generation } = reader;
  const read = reader.read();
  if (reader.generation !== generation) {
    moves++;
    parentPort.postMessage({ type: 'moved', generation: reader.generation });
  }
  if (read === null) continue;
  reads++;
  if (read.version < before) faults.push(`version ${read.version} after ${before}`);
  check(read.changes, read.version);
}
parentPort.postMessage({
  type: 'done',
  faults: faults.slice(0, 5),
  reads,
  moves,
  state: [...state]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => [key, Buffer.from(value).toString('hex')]),
});
