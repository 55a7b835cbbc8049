import type { CelError } from '../errors.ts';
import type { BinaryOperator } from '../syntax/ast.ts';
import { add, divide, modulo, multiply, subtract } from '../values/arithmetic.ts';
import { compare, noOverload } from '../values/order.ts';
import { type CelValue, equals, isList } from '../values/value.ts';
import { isIn } from './access.ts';
import { absorbable, type Code, type Frame, type Run } from './code.ts';

const OPERATIONS: Readonly<
  Record<Exclude<BinaryOperator, '==' | '!=' | 'in'>, (a: CelValue, b: CelValue) => CelValue>
> = {
  '+': add,
  '-': subtract,
  '*': multiply,
  '/': divide,
  '%': modulo,
  '<': (a, b) => compare(a, b) < 0,
  '<=': (a, b) => compare(a, b, '<=') <= 0,
  '>': (a, b) => compare(a, b, '>') > 0,
  '>=': (a, b) => compare(a, b, '>=') >= 0,
};

export function binary(operator: BinaryOperator, left: Code, right: Code): Run {
  if (operator === '==' || operator === '!=') return equality(operator === '==', left, right);
  if (operator === 'in') return membership(left, right);
  const operation = OPERATIONS[operator];
  const a = left.run;
  const b = right.run;
  return (frame) => operation(a(frame), b(frame));
}

/** Most comparisons are with a string or bool written down, which equals nothing but itself. */
function equality(wanted: boolean, left: Code, right: Code): Run {
  // Null is a constant as any other.
  const fixed = right.constant === undefined ? left.constant : right.constant;
  const other = right.constant === undefined ? right.run : left.run;
  if (typeof fixed === 'string' || typeof fixed === 'boolean') {
    return wanted ? (frame) => other(frame) === fixed : (frame) => other(frame) !== fixed;
  }
  const a = left.run;
  const b = right.run;
  return (frame) => equals(a(frame), b(frame)) === wanted;
}

function membership(left: Code, right: Code): Run {
  const a = left.run;
  const list = right.constant;
  if (list !== undefined && isList(list) && list.every((item) => typeof item === 'string')) {
    const items = new Set<CelValue>(list);
    return (frame) => items.has(a(frame));
  }
  const b = right.run;
  return (frame) => isIn(a(frame), b(frame));
}

/**
 * `a && b && …` and `a || b || …`: an operand that decides the outcome absorbs the errors of all others, before and behind it
 * (CEL, "Logical Operators").
 */
export function logic(operator: '&&' | '||', operands: readonly Run[]): Run {
  const deciding = operator === '||';
  const [first, second, ...more] = operands;
  if (first === undefined || second === undefined || more.length > 0) {
    return (frame) => {
      let error: CelError | undefined;
      for (const operand of operands) {
        try {
          const value = operand(frame);
          if (value === deciding) return deciding;
          if (typeof value !== 'boolean') error ??= noOverload(`_${operator}_`, value);
        } catch (thrown) {
          error ??= absorbable(thrown);
        }
      }
      if (error !== undefined) throw error;
      return !deciding;
    };
  }
  return (frame) => {
    let value: CelValue;
    try {
      value = first(frame);
    } catch (thrown) {
      return decide(absorbable(thrown), second, frame, deciding);
    }
    if (value === deciding) return deciding;
    if (typeof value !== 'boolean') return decide(noOverload(`_${operator}_`, value), second, frame, deciding);
    const last = second(frame);
    if (typeof last === 'boolean') return last;
    throw noOverload(`_${operator}_`, value, last);
  };
}

/** The left operand failed: the right one decides, or the error stands. */
function decide(error: CelError, right: Run, frame: Frame, deciding: boolean): boolean {
  if (right(frame) === deciding) return deciding;
  throw error;
}

export function conditional(test: Run, then: Run, otherwise: Run): Run {
  return (frame) => {
    const value = test(frame);
    if (value === true) return then(frame);
    if (value === false) return otherwise(frame);
    throw noOverload('_?_:_', value);
  };
}

export function not(operand: Run): Run {
  return (frame) => {
    const value = operand(frame);
    if (typeof value === 'boolean') return !value;
    throw noOverload('!_', value);
  };
}
