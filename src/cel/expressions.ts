import type { References } from './compile/references.ts';
import type { Environment } from './definitions.ts';
import { CelError } from './errors.ts';
import { compileCel, type Program } from './program.ts';
import { type Plain, toBytes, toJs } from './values/json.ts';
import type { CelValue } from './values/value.ts';
import type { GatewayActivation } from './variables/activation.ts';

/** Distinct expressions kept compiled; past it the oldest is compiled again when it is asked for. */
const MAX_PROGRAMS = 10_000;

/** Told of each evaluation that failed. `owner` is who evaluated it. */
export type OnCelError = (owner: string, error: CelError) => void;

/**
 * The expressions of a configuration: each text is compiled once a thread, whoever has it. A failed evaluation never throws: it is
 * counted, and has no value.
 */
export class Expressions {
  readonly #environment: Environment<GatewayActivation>;
  readonly #onError: OnCelError;
  readonly #programs = new Map<string, Program<GatewayActivation>>();

  constructor(environment: Environment<GatewayActivation>, onError: OnCelError) {
    this.#environment = environment;
    this.#onError = onError;
  }

  /** @param owner who evaluates it, by the name of its policy: labels the count of failures. Throws CelSyntaxError. */
  compile(source: string, owner: string): Expression {
    let program = this.#programs.get(source);
    if (program === undefined) {
      program = compileCel(source, this.#environment);
      const oldest = this.#programs.size < MAX_PROGRAMS ? undefined : this.#programs.keys().next().value;
      if (oldest !== undefined) this.#programs.delete(oldest);
      this.#programs.set(source, program);
    }
    return new Expression(program, owner, this.#onError);
  }
}

/** A compiled expression in the hands of whoever evaluates it. */
export class Expression {
  readonly #program: Program<GatewayActivation>;
  readonly #owner: string;
  readonly #onError: OnCelError;

  constructor(program: Program<GatewayActivation>, owner: string, onError: OnCelError) {
    this.#program = program;
    this.#owner = owner;
    this.#onError = onError;
  }

  get source(): string {
    return this.#program.source;
  }

  get references(): References {
    return this.#program.references;
  }

  /** Whether it may read `path`; see References.reads. */
  reads(path: string): boolean {
    return this.#program.references.reads(path);
  }

  /** Its value; undefined where the evaluation failed. */
  value(activation: GatewayActivation): CelValue | undefined {
    return this.as(activation, (value) => value);
  }

  /** Its value as JSON has it; undefined where the evaluation failed, or JSON can't say the value. */
  plain(activation: GatewayActivation): Plain | undefined {
    return this.as(activation, toJs);
  }

  /** Its value as a body: text and bytes as they are, all else as JSON; undefined where the evaluation failed. */
  bytes(activation: GatewayActivation): Buffer | undefined {
    return this.as(activation, toBytes);
  }

  /** True where its value is true: a failure, or a value that is no bool, is not. */
  holds(activation: GatewayActivation): boolean {
    return this.value(activation) === true;
  }

  /** What `convert` makes of its value; undefined where either failed. */
  as<V>(activation: GatewayActivation, convert: (value: CelValue) => V): V | undefined {
    try {
      return convert(this.#program.evaluate(activation));
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      this.#onError(this.#owner, error);
      return undefined;
    }
  }
}
