export interface Outcome {
  readonly section: string;
  readonly name: string;
  readonly expr: string;
  /** Id of the reason why the test is left out; null: it was run. */
  readonly excluded: string | null;
  /** What came instead of what should; null: it passed or was left out. */
  readonly fault: string | null;
}

export const EXCLUSIONS: readonly { readonly id: string; readonly reason: string }[];

/** Paths below src/cel, without their endings, of the modules whose exports make an engine. */
export const ENGINE: readonly string[];

export function runAll(engine: object): Outcome[];
