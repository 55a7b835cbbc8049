/** Model patterns: a name with at most one `*`, which stands for any text. */

export function matchesPattern(pattern: string, model: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === model;
  const tail = pattern.length - star - 1;
  return (
    model.length >= pattern.length - 1 &&
    model.startsWith(pattern.slice(0, star)) &&
    (tail === 0 || model.endsWith(pattern.slice(star + 1)))
  );
}

/** How much of a name a pattern fixes: the number of its letters other than `*`. */
export function specificity(pattern: string): number {
  return pattern.includes('*') ? pattern.length - 1 : pattern.length;
}

/** True where no list limits the caller, or a pattern of it matches. */
export function isAllowed(allowed: readonly string[] | null, model: string): boolean {
  return allowed === null || allowed.some((pattern) => matchesPattern(pattern, model));
}
