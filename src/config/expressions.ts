import type { ExpressionChecker } from '../resources/catalogue.ts';
import type { ExpressionText } from '../resources/schema/expressions.ts';
import type { ValueFault } from '../resources/schema/validate.ts';
import type { Path } from './fault.ts';

/** Something wrong with an expression, and where in its text. */
export interface TextFault extends ValueFault {
  readonly path: Path;
  readonly text: string;
  /** UTF-16 units from the beginning of the text. */
  readonly offset: number;
}

/** Faults of expressions, those of the configuration's own functions among them. */
export function expressionFaults(
  expressions: readonly ExpressionText[],
  customFunctions: string,
  checker: ExpressionChecker,
): TextFault[] {
  const faults: TextFault[] = [];
  const { functionsFault } = checker;
  if (functionsFault !== null) {
    const path = ['config', 'customFunctions'];
    faults.push({ path, text: customFunctions, message: functionsFault.message, offset: functionsFault.offset });
    // Without its functions an expression that calls them has faults that mean nothing.
    return faults;
  }
  for (const { path, text } of expressions) {
    const fault = checker.check(text);
    if (fault !== null)
      faults.push({ path, text, message: `not an expression: ${fault.message}`, offset: fault.offset });
  }
  return faults;
}
