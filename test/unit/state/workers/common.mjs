/** Waits until `count` threads are here. `cell`: an Int32Array of one word, zero at first. */
export function meet(cell, count) {
  if (Atomics.add(cell, 0, 1) + 1 === count) {
    Atomics.notify(cell, 0);
    return;
  }
  for (;;) {
    const here = Atomics.load(cell, 0);
    if (here >= count) return;
    Atomics.wait(cell, 0, here, 1000);
  }
}

/** mulberry32. */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
