/** Bounds of what an expression may cost. */
export interface Limits {
  /** UTF-16 units of an expression's source. */
  readonly maxSource: number;
  /** Nodes of its syntax tree, macros expanded. */
  readonly maxNodes: number;
  /** Nesting of its syntax tree. */
  readonly maxDepth: number;
  /** Rounds of all comprehensions together, and calls of configured functions, in one evaluation. */
  readonly maxSteps: number;
}

export const DEFAULT_LIMITS: Limits = { maxSource: 65_536, maxNodes: 10_000, maxDepth: 250, maxSteps: 100_000 };

/** Characters of a string or bytes of a byte string that an operation may make: 32 Mi. */
export const MAX_TEXT = 33_554_432;

/** Elements of a list that an operation may make: 1 Mi. */
export const MAX_LIST = 1_048_576;
