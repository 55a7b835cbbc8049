import { CelError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { CelValue } from '../values/value.ts';

/** One evaluation: what it reads, its local variables (of comprehensions and bindings) by slot, and the rounds it has made. */
export interface Frame {
  readonly activation: unknown;
  readonly locals: CelValue[];
  steps: number;
  readonly maxSteps: number;
}

export type Run = (frame: Frame) => CelValue;

/** A compiled expression. */
export interface Code {
  readonly run: Run;
  /** Its value where that is the same always. */
  readonly constant: CelValue | undefined;
  /** It reads a declared variable: null means that it isn't set, so that it has no fields. */
  readonly unset?: boolean;
}

export function constant(value: CelValue): Code {
  return { run: () => value, constant: value };
}

/** The code `run`, or its value where all it is made of is constant. What fails is left to fail when it is evaluated. */
export function fold(parts: readonly Code[], run: Run, limits: Limits): Code {
  if (parts.some((part) => part.constant === undefined)) return { run, constant: undefined };
  try {
    return constant(run({ activation: undefined, locals: [], steps: 0, maxSteps: limits.maxSteps }));
  } catch (error) {
    if (error instanceof CelError || error instanceof RangeError) return { run, constant: undefined };
    throw error;
  }
}

/** Counts one round of a comprehension or one call of a configured function. */
export function step(frame: Frame): void {
  if (++frame.steps > frame.maxSteps) throw new CelError('limit', `evaluation takes more than ${frame.maxSteps} steps`);
}

/** The error that `||`, `&&` and their kin absorb; throws what they don't. */
export function absorbable(error: unknown): CelError {
  if (error instanceof CelError && error.code !== 'limit') return error;
  throw error;
}
