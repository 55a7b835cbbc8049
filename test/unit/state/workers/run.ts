import { Worker } from 'node:worker_threads';

/** Starts a worker of this folder on the built code. */
export function start(file: string, workerData: unknown): Worker {
  return new Worker(new URL(file, import.meta.url), { workerData });
}

/** The worker's next message; rejects where it fails or leaves first. */
export function nextMessage<T>(worker: Worker): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      worker.off('message', onMessage);
      worker.off('error', onError);
      worker.off('exit', onExit);
      act();
    };
    const onMessage = (message: T): void => settle(() => resolve(message));
    const onError = (error: Error): void => settle(() => reject(error));
    const onExit = (code: number): void => settle(() => reject(new Error(`worker left with ${code}`)));
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.on('exit', onExit);
  });
}

/** Runs a worker to its one message. */
export async function run<T>(file: string, workerData: unknown): Promise<T> {
  const worker = start(file, workerData);
  try {
    return await nextMessage<T>(worker);
  } finally {
    await worker.terminate();
  }
}

/** mulberry32, so that a failing run can be repeated. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
