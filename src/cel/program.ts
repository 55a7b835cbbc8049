import type { Code, Frame, Run } from './compile/code.ts';
import { step } from './compile/code.ts';
import { Compiler, type CustomCode } from './compile/compiler.ts';
import type { References } from './compile/references.ts';
import type { CustomFunction, Environment } from './definitions.ts';
import { CelError, CelSyntaxError } from './errors.ts';
import { parse } from './syntax/parser.ts';
import type { CelValue } from './values/value.ts';

/** A compiled expression. It has no state: it may be evaluated by anyone, also while an evaluation of it is under way. */
export interface Program<A> {
  readonly source: string;
  /** What it reads, functions it calls included: tells whether a route must hold the body. */
  readonly references: References;
  /** Its value where that is the same always. */
  readonly constant: CelValue | undefined;
  /** Throws CelError. */
  evaluate(activation: A): CelValue;
}

/**
 * Compiles an expression. Throws CelSyntaxError, with the place: syntax, an unknown name (and the nearest known one), a wrong number
 * of arguments, a malformed regular expression, a size past the environment's limits.
 */
export function compileCel<A>(source: string, environment: Environment<A>): Program<A> {
  const custom = new CustomFunctions(environment);
  const compiler = new Compiler(source, environment, (name) => custom.code(name, compiler));
  const { run, constant } = compiler.compile(parse(source, environment.limits));
  const { slots } = compiler;
  const { maxSteps } = environment.limits;
  const evaluate = (activation: A): CelValue => {
    try {
      return run({
        activation,
        locals: slots === 0 ? NO_LOCALS : new Array<CelValue>(slots).fill(null),
        steps: 0,
        maxSteps,
      });
    } catch (error) {
      if (error instanceof RangeError)
        throw new CelError('limit', 'evaluation needs too much memory or nests too deep');
      throw error;
    }
  };
  return { source, references: compiler.references.finish(), constant, evaluate };
}

const NO_LOCALS: CelValue[] = [];

/**
 * The configured functions of one program, each compiled when the first call of it is. Arguments are evaluated before the call; the
 * body reads the caller's variables where its parameters don't hide them.
 */
class CustomFunctions {
  readonly #environment: Environment<unknown>;
  readonly #bodies = new Map<string, Body>();
  /** Functions whose bodies are being compiled. */
  readonly #underway = new Set<string>();

  constructor(environment: Environment<unknown>) {
    this.#environment = environment;
  }

  code(name: string, caller: Compiler): CustomCode | undefined {
    const definition = this.#environment.custom.get(name);
    if (definition === undefined) return undefined;
    return {
      definition,
      call: (at, args) => {
        const least = definition.parameters.length + (definition.receiver ? 1 : 0);
        if (args.length < least || (args.length > least && definition.rest === null)) {
          const own = definition.receiver ? 1 : 0;
          const wanted = `${definition.rest === null ? '' : 'at least '}${least - own}`;
          throw caller.error(
            `${name}() takes ${wanted} ${wanted.endsWith('1') ? 'argument' : 'arguments'}, not ${args.length - own}`,
            at,
          );
        }
        const body = this.#bodyFor(definition, caller, at);
        caller.references.merge(body.references);
        return { run: call(body.run, body.slots, least, definition.rest !== null, args), constant: undefined };
      },
    };
  }

  /** Throws CelSyntaxError with the place in the body. */
  body(definition: CustomFunction): Body {
    const { name, body, receiver, parameters, rest } = definition;
    const known = this.#bodies.get(name);
    if (known !== undefined) return known;
    if (this.#underway.has(name)) throw new CelSyntaxError(`function '${name}' calls itself`, body, 0);
    this.#underway.add(name);
    const compiler = new Compiler(body, this.#environment, (other) => this.code(other, compiler));
    const names = [...(receiver ? ['this'] : []), ...parameters, ...(rest === null ? [] : [rest])];
    const { run } = compiler.withLocals(names, () => compiler.compile(parse(body, this.#environment.limits)));
    const made = { run, slots: compiler.slots, references: compiler.references.finish() };
    this.#bodies.set(name, made);
    this.#underway.delete(name);
    return made;
  }

  #bodyFor(definition: CustomFunction, caller: Compiler, at: number): Body {
    try {
      return this.body(definition);
    } catch (error) {
      if (error instanceof CelSyntaxError) throw caller.error(`in function '${definition.name}': ${error.message}`, at);
      throw error;
    }
  }
}

/** A configured function's compiled body. */
interface Body {
  readonly run: Run;
  readonly slots: number;
  readonly references: References;
}

/** Compiles the configured functions of an environment, whether called or not. Throws CelSyntaxError with the place in `text`. */
export function checkCustomFunctions(environment: Environment<never>, text: string): void {
  const functions = new CustomFunctions(environment);
  for (const definition of environment.custom.values()) {
    try {
      functions.body(definition);
    } catch (error) {
      if (!(error instanceof CelSyntaxError)) throw error;
      throw new CelSyntaxError(
        `in function '${definition.name}': ${error.message}`,
        text,
        definition.bodyAt + error.offset,
      );
    }
  }
}

/** Evaluates a function's body in a frame of its own, whose steps count for the caller's. */
function call(body: Run, slots: number, least: number, rest: boolean, args: readonly Run[]): Code['run'] {
  return (frame) => {
    step(frame);
    const locals = new Array<CelValue>(slots).fill(null);
    const values = args.map((arg) => arg(frame));
    for (let i = 0; i < least; i++) locals[i] = values[i] ?? null;
    if (rest) locals[least] = values.slice(least);
    const inner: Frame = { activation: frame.activation, locals, steps: frame.steps, maxSteps: frame.maxSteps };
    try {
      return body(inner);
    } finally {
      frame.steps = inner.steps;
    }
  };
}
