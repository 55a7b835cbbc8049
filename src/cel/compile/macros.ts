import { CelError } from '../errors.ts';
import type { Expr } from '../syntax/ast.ts';
import { noOverload } from '../values/order.ts';
import { CelOptional, type CelValue } from '../values/value.ts';
import { absorbable, type Code, type Run } from './code.ts';
import type { Compiler } from './compiler.ts';
import { collect, collectMap, existsOne, overMap, quantifier, type Slots, sortBy } from './comprehensions.ts';

/**
 * What looks like a call but doesn't have its arguments evaluated first: CEL's macros, those of its extensions, and the functions
 * of agentgateway that evaluate an argument themselves. Each gives undefined where the call has another shape.
 */
type Macro = (compiler: Compiler, args: readonly Expr[], target: Expr, at: number) => Code | undefined;

type MemberBody = (target: Run, slots: Slots, bodies: readonly [Run, ...Run[]]) => Run;

/** A macro `target.name(variable, body, …)` or, of two variables, `target.name(first, second, body, …)`. */
function over(variables: 1 | 2, bodies: number, make: MemberBody): Macro {
  return (compiler, args, target, at) => {
    if (args.length !== variables + bodies) return undefined;
    const names = args.slice(0, variables).map((arg) => compiler.variableName(arg));
    const range = compiler.compile(target);
    return compiler.withLocals(names, (slots) => {
      const [first, ...rest] = args.slice(variables).map((arg) => compiler.compile(arg).run);
      if (first === undefined) throw compiler.error('a body is missing', at);
      return {
        run: make(range.run, { first: slots[0] ?? -1, second: slots[1] ?? -1 }, [first, ...rest]),
        constant: undefined,
      };
    });
  };
}

function either(...macros: readonly Macro[]): Macro {
  return (compiler, args, target, at) => {
    for (const macro of macros) {
      const code = macro(compiler, args, target, at);
      if (code !== undefined) return code;
    }
    return undefined;
  };
}

const exactlyOne: MemberBody = (target, slots, [body]) => existsOne(target, slots, body);

/** `target.with(name, body)`, and `cel.bind(name, value, body)`: a local variable. */
const bind: MemberBody = (target, slots, [body]) => {
  const slot = slots.first;
  return (frame) => {
    frame.locals[slot] = target(frame);
    return body(frame);
  };
};

/** `optMap` wraps what the body gives; `optFlatMap`'s body gives an optional. */
function optional(flat: boolean): MemberBody {
  return (target, slots, [body]) =>
    (frame) => {
      const value = target(frame);
      if (!(value instanceof CelOptional)) throw noOverload(flat ? 'optFlatMap' : 'optMap', value);
      if (value.value === undefined) return value;
      frame.locals[slots.first] = value.value;
      const result = body(frame);
      if (!flat) return CelOptional.of(result);
      if (result instanceof CelOptional) return result;
      throw noOverload('optFlatMap', result);
    };
}

/** `a.or(b)` and `a.orValue(b)`: `b` is evaluated where `a` is none. */
function alternative(name: 'or' | 'orValue'): Macro {
  return (compiler, args, target) => {
    const [arg] = args;
    if (arg === undefined || args.length !== 1) return undefined;
    const value = compiler.compile(target).run;
    const other = compiler.compile(arg).run;
    const run: Run = (frame) => {
      const found = value(frame);
      if (!(found instanceof CelOptional)) throw noOverload(name, found);
      if (found.value !== undefined) return name === 'or' ? found : found.value;
      const instead = other(frame);
      if (name === 'or' && !(instead instanceof CelOptional)) throw noOverload(name, found, instead);
      return instead;
    };
    return { run, constant: undefined };
  };
}

export const MEMBER_MACROS: ReadonlyMap<string, Macro> = new Map<string, Macro>([
  [
    'all',
    either(
      over(1, 1, (t, s, [body]) => quantifier(false, t, s, body)),
      over(2, 1, (t, s, [body]) => quantifier(false, t, s, body)),
    ),
  ],
  [
    'exists',
    either(
      over(1, 1, (t, s, [body]) => quantifier(true, t, s, body)),
      over(2, 1, (t, s, [body]) => quantifier(true, t, s, body)),
    ),
  ],
  ['exists_one', either(over(1, 1, exactlyOne), over(2, 1, exactlyOne))],
  ['existsOne', either(over(1, 1, exactlyOne), over(2, 1, exactlyOne))],
  ['filter', over(1, 1, (t, s, [body]) => collect(t, s, body, null))],
  [
    'map',
    either(
      over(1, 1, (t, s, [body]) => collect(t, s, null, body)),
      over(1, 2, (t, s, [when, body]) => collect(t, s, when, body ?? null)),
    ),
  ],
  [
    'transformList',
    either(
      over(2, 1, (t, s, [body]) => collect(t, s, null, body)),
      over(2, 2, (t, s, [when, body]) => collect(t, s, when, body ?? null)),
    ),
  ],
  ['transformMap', transformMap(false)],
  ['transformMapEntry', transformMap(true)],
  ['sortBy', over(1, 1, (t, s, [body]) => sortBy(t, s, body))],
  ['mapValues', over(1, 1, (t, s, [body]) => overMap(t, s, null, body))],
  ['filterKeys', over(1, 1, (t, s, [body]) => overMap(t, s, body, null))],
  ['with', over(1, 1, bind)],
  ['optMap', over(1, 1, optional(false))],
  ['optFlatMap', over(1, 1, optional(true))],
  ['or', alternative('or')],
  ['orValue', alternative('orValue')],
]);

function transformMap(asEntries: boolean): Macro {
  return either(
    over(2, 1, (t, s, [body]) => collectMap(t, s, null, body, asEntries)),
    over(2, 2, (t, s, [when, body]) => collectMap(t, s, when, body ?? when, asEntries)),
  );
}

type GlobalMacro = (compiler: Compiler, args: readonly Expr[], at: number) => Code | undefined;

/** By qualified name. */
export const GLOBAL_MACROS: ReadonlyMap<string, GlobalMacro> = new Map<string, GlobalMacro>([
  [
    'has',
    (compiler, args, at) => {
      const [field] = args;
      if (args.length !== 1 || field?.kind !== 'select')
        throw compiler.error('has() takes the selection of a field, as in has(request.host)', at);
      return compiler.compileSelect(field, true);
    },
  ],
  [
    'cel.bind',
    (compiler, args, at) => {
      const [name, value, body] = args;
      if (name === undefined || value === undefined || body === undefined || args.length !== 3) return undefined;
      return over(1, 1, bind)(compiler, [name, body], value, at);
    },
  ],
  ['default', (compiler, args) => fallback(compiler, args)],
  ['coalesce', (compiler, args) => coalesce(compiler, args)],
  ['variables', (compiler, args) => (args.length === 0 ? compiler.allVariables() : undefined)],
]);

/** agentgateway's `default(a, b)`: `b` where `a` is null or reads what isn't there. */
function fallback(compiler: Compiler, args: readonly Expr[]): Code | undefined {
  const [expression, otherwise] = args;
  if (expression === undefined || otherwise === undefined || args.length !== 2) return undefined;
  const wanted = compiler.compile(expression).run;
  const instead = compiler.compile(otherwise).run;
  const run: Run = (frame) => {
    let value: CelValue;
    try {
      value = wanted(frame);
    } catch (error) {
      if (error instanceof CelError && (error.code === 'no_such_key' || error.code === 'unknown_name'))
        return instead(frame);
      throw error;
    }
    return value === null ? instead(frame) : value;
  };
  return { run, constant: undefined };
}

/** agentgateway's `coalesce(a, b, …)`: the first that neither fails nor is null; null where some were null; else the last error. */
function coalesce(compiler: Compiler, args: readonly Expr[]): Code | undefined {
  if (args.length === 0) return undefined;
  const candidates = args.map((arg) => compiler.compile(arg).run);
  const run: Run = (frame) => {
    let error: CelError | undefined;
    let sawNull = false;
    for (const candidate of candidates) {
      try {
        const value = candidate(frame);
        if (value !== null) return value;
        sawNull = true;
      } catch (thrown) {
        error = absorbable(thrown);
      }
    }
    if (sawNull || error === undefined) return null;
    throw error;
  };
  return { run, constant: undefined };
}
