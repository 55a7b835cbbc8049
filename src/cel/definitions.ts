import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import type { CelValue } from './values/value.ts';

/**
 * A variable, or a field of one, as an environment declares it. `A` is what an evaluation reads from (an activation). With `fields`
 * it is a record: an expression that names another field is refused when it is compiled, and reading `a.b` costs one call.
 */
export interface Definition<A> {
  readonly description?: string;
  /** Null: not set. Undefined: what it would be part of is not there. */
  read(activation: A): CelValue | undefined;
  readonly fields?: ReadonlyMap<string, Definition<A>>;
}

/** A function. Its values are the arguments, the receiver first where it is called on a value. */
export interface FunctionDefinition {
  /** With its namespace: `math.least`. */
  readonly name: string;
  /** Called as `value.name()`. */
  readonly member: boolean;
  /** Least and most arguments, a receiver included. */
  readonly arity: readonly [number, number];
  /** Throws CelError. */
  call(...args: CelValue[]): CelValue;
  /** Chooses among functions of the same name and number of arguments by the first of them. */
  accepts?(first: CelValue): boolean;
  /** Gives another value each time it is called (`random`): never computed beforehand. */
  readonly volatile?: boolean;
  /**
   * Does beforehand what constant arguments allow (compiles a regular expression); undefined elements are not constant. What it
   * throws is an error of the expression.
   */
  prepare?(args: readonly (CelValue | undefined)[]): ((...args: CelValue[]) => CelValue) | undefined;
}

type Call = (...args: CelValue[]) => CelValue;
type Options = Pick<FunctionDefinition, 'accepts' | 'volatile' | 'prepare'>;

/** A function called as `name(…)`. */
export function globally(name: string, call: Call, options: Options & { arity?: readonly [number, number] } = {}) {
  const { arity = [call.length, call.length], ...rest } = options;
  return { name, member: false, arity, call, ...rest } satisfies FunctionDefinition;
}

/** A function called as `value.name(…)`. */
export function member(name: string, call: Call, options: Options & { arity?: readonly [number, number] } = {}) {
  const { arity = [call.length, call.length], ...rest } = options;
  return { name, member: true, arity, call, ...rest } satisfies FunctionDefinition;
}

/** A table of functions. Those of the same name are told apart by their number of arguments, then by `accepts`. */
export class FunctionTable {
  readonly #byName = new Map<string, FunctionDefinition[]>();

  constructor(...libraries: readonly (readonly FunctionDefinition[])[]) {
    for (const definition of libraries.flat()) {
      const key = keyOf(definition.name, definition.member);
      const known = this.#byName.get(key);
      if (known === undefined) this.#byName.set(key, [definition]);
      else known.push(definition);
    }
  }

  /** Functions of the name; undefined where there is none. */
  named(name: string, isMember: boolean): readonly FunctionDefinition[] | undefined {
    return this.#byName.get(keyOf(name, isMember));
  }

  /** Names as an expression would call them. */
  names(isMember: boolean): string[] {
    const mark = keyOf('', isMember);
    return [...this.#byName.keys()].filter((key) => key.startsWith(mark)).map((key) => key.slice(mark.length));
  }
}

function keyOf(name: string, isMember: boolean): string {
  return `${isMember ? '.' : ':'}${name}`;
}

/** A function that the configuration defines by an expression (see `custom-functions.ts`). */
export interface CustomFunction {
  readonly name: string;
  /** Called on a value, which its body knows as `this`. */
  readonly receiver: boolean;
  readonly parameters: readonly string[];
  /** Name of the list of all further arguments; null: takes no more. */
  readonly rest: string | null;
  readonly body: string;
  /** Offset of the body in the text that defines the functions. */
  readonly bodyAt: number;
}

/** What expressions may name. */
export interface Environment<A> {
  /** By name; a name may have dots. */
  readonly variables: ReadonlyMap<string, Definition<A>>;
  readonly functions: FunctionTable;
  readonly custom: ReadonlyMap<string, CustomFunction>;
  readonly limits: Limits;
  /** Namespace in which names are looked up first (`a.b`); '' = none. */
  readonly container: string;
  /** What a name that isn't declared is: an error of the expression, or of its evaluation (CEL without checking). */
  readonly unknownNames: 'reject' | 'fail';
}

export function makeEnvironment<A>(
  parts: Pick<Environment<A>, 'variables' | 'functions'> & Partial<Environment<A>>,
): Environment<A> {
  return { custom: new Map(), limits: DEFAULT_LIMITS, container: '', unknownNames: 'reject', ...parts };
}
