import type { FunctionDefinition } from '../definitions.ts';
import { noOverload } from '../values/order.ts';
import type { CelValue } from '../values/value.ts';
import type { Code, Run } from './code.ts';

/** Calls the one of `functions` (of one name, taking this number of arguments) that accepts the first argument. */
export function invoke(functions: readonly FunctionDefinition[], args: readonly Code[]): Run {
  const constants = args.map((arg) => arg.constant);
  const runs = args.map((arg) => arg.run);
  const calls = functions.map((definition) => ({
    accepts: definition.accepts,
    call: definition.prepare?.(constants) ?? definition.call,
  }));
  const [only] = calls;
  if (only !== undefined && calls.length === 1) return caller(only.call, runs);
  const name = functions[0]?.name ?? '';
  return caller((...values) => {
    const [first] = values;
    const found = calls.find(({ accepts }) => accepts === undefined || (first !== undefined && accepts(first)));
    if (found === undefined) throw noOverload(name, ...values);
    return found.call(...values);
  }, runs);
}

/** Without arrays for the few arguments that nearly all calls have. */
function caller(call: (...args: CelValue[]) => CelValue, args: readonly Run[]): Run {
  const [a, b, c, d] = args;
  if (a === undefined) return () => call();
  if (b === undefined) return (frame) => call(a(frame));
  if (c === undefined) return (frame) => call(a(frame), b(frame));
  if (d === undefined) return (frame) => call(a(frame), b(frame), c(frame));
  return (frame) => call(...args.map((arg) => arg(frame)));
}

/** What is wrong with calling `functions`, of one name, with `given` arguments, a receiver included. */
export function arityMessage(functions: readonly FunctionDefinition[], given: number): string {
  const own = functions[0]?.member ? 1 : 0;
  const counts = new Set<number>();
  for (const { arity } of functions) for (const count of arity) counts.add(count - own);
  const [least = 0, ...more] = [...counts].sort((a, b) => a - b);
  const most = more.pop();
  const range =
    most === undefined
      ? `${least}`
      : Number.isFinite(most)
        ? `${[least, ...more].join(', ')} or ${most}`
        : `at least ${least}`;
  const noun = range.endsWith('1') ? 'argument' : 'arguments';
  return `${functions[0]?.name}() takes ${range} ${noun}, not ${given - own}`;
}
