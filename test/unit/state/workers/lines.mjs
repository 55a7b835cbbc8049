// Writes numbered lines of varying length as fast as there is room for them.
import { parentPort, workerData } from 'node:worker_threads';
import { LineRingWriter } from '../../../../dist/state/shared/line-ring.js';

const { buffer, lines } = workerData;
const writer = new LineRingWriter(buffer);
const letters = ['a', 'é', '€', '𝄞'];
let refused = 0;
parentPort.postMessage({});
for (let n = 0; n < lines; n++) {
  const line = `${n} ${letters[n % 4].repeat((n * 7919) % 23)} ${n}\n`;
  while (!writer.write(line)) refused++;
}
parentPort.postMessage({ refused });
