// A thread with a mailbox: answers on `echo`, counts what comes in on `inbox` by sender, and sends to others when told to.
import { parentPort, threadId, workerData } from 'node:worker_threads';
import { Mailbox } from '../../../../dist/state/mailbox.js';

let mailbox;
const received = new Map();
const disorder = [];

function words(...numbers) {
  return new Uint8Array(new Uint32Array(numbers).buffer);
}

parentPort.on('message', async (message) => {
  if (message.type === 'mailbox') {
    mailbox = new Mailbox({ instance: 'here', thread: threadId, port: message.port, ...workerData.options });
    mailbox.receive('echo', (bytes) => bytes);
    mailbox.receive('throws', () => {
      throw new Error('a secret');
    });
    mailbox.receive('never', () => new Promise(() => {}));
    mailbox.receive('inbox', async (bytes) => {
      const [from, number] = new Uint32Array(bytes.slice().buffer);
      const last = received.get(from) ?? 0;
      if (number !== last + 1) disorder.push(`${number} from ${from} after ${last}`);
      received.set(from, number);
      if (number % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    });
    parentPort.postMessage({ type: 'ready', thread: threadId });
  } else if (message.type === 'send') {
    const outcomes = await Promise.allSettled(
      message.to.flatMap((thread) =>
        Array.from({ length: message.count }, (_, n) =>
          mailbox.send({ instance: 'here', thread, id: 'inbox' }, words(threadId, n + 1)),
        ),
      ),
    );
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason.code);
    parentPort.postMessage({ type: 'sent', failed });
  } else if (message.type === 'block') {
    for (;;);
  } else if (message.type === 'received') {
    parentPort.postMessage({ type: 'received', received: [...received], disorder });
  } else if (message.type === 'close') {
    parentPort.close();
  }
});
