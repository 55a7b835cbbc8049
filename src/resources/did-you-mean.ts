/**
 * Edit distance in which exchanging two neighbours is one edit, as a slip of the fingers is (optimal string alignment, the
 * restricted Damerau-Levenshtein distance). Stops counting past `limit` and returns `limit + 1`.
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(at(previous, j) + 1, at(row, j - 1) + 1, at(previous, j - 1) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, at(before, j - 2) + 1);
      row.push(best);
      least = Math.min(least, best);
    }
    if (least > limit) return limit + 1;
    before = previous;
    previous = row;
  }
  return Math.min(at(previous, b.length), limit + 1);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}

/**
 * The name of `candidates` that `name` most likely stands for, or undefined when none is near: at most a third of its
 * letters may differ (one edit is always allowed), a difference of case or of `-` and `_` counts nothing.
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const plain = flatten(name);
  const limit = Math.max(1, Math.floor(plain.length / 3));
  let best: string | undefined;
  let distance = limit + 1;
  for (const candidate of candidates) {
    const found = editDistance(plain, flatten(candidate), limit);
    if (found < distance) {
      best = candidate;
      distance = found;
    }
  }
  return best;
}

function flatten(name: string): string {
  return name.replaceAll(/[-_]/g, '').toLowerCase();
}
