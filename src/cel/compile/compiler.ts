import { nearest } from '../../resources/did-you-mean.ts';
import type { CustomFunction, Definition, Environment, FunctionDefinition } from '../definitions.ts';
import { CelError, CelSyntaxError } from '../errors.ts';
import type { Expr, Literal } from '../syntax/ast.ts';
import { negate } from '../values/arithmetic.ts';
import { RecordMap } from '../values/record.ts';
import { CelUint, type CelValue, NAMED_TYPES } from '../values/value.ts';
import { hasField, index, indexOptional, select, selectOptional } from './access.ts';
import { listOf, mapOf } from './aggregates.ts';
import { arityMessage, invoke } from './calls.ts';
import { type Code, constant, fold, type Run } from './code.ts';
import { GLOBAL_MACROS, MEMBER_MACROS } from './macros.ts';
import { binary, conditional, logic, not } from './operators.ts';
import { containers, type Field, pathOf } from './paths.ts';
import { ReferenceCollector } from './references.ts';
import { fieldOfUnset, readDefinition } from './variables.ts';

/** Compiles configured functions, one after the other, as they are called. */
export interface CustomCode {
  readonly definition: CustomFunction;
  call(at: number, args: readonly Run[]): Code;
}

/** Makes closures of a syntax tree. Names are resolved, regular expressions compiled and constants computed here, once. */
export class Compiler {
  readonly references = new ReferenceCollector();
  readonly #source: string;
  readonly #environment: Environment<unknown>;
  readonly #customCode: (name: string) => CustomCode | undefined;
  /** Local variables in sight, the innermost last; a variable's slot is its place here. */
  readonly #locals: string[] = [];
  #slots = 0;

  constructor(source: string, environment: Environment<unknown>, customCode: (name: string) => CustomCode | undefined) {
    this.#source = source;
    this.#environment = environment;
    this.#customCode = customCode;
  }

  /** Slots that an evaluation needs. */
  get slots(): number {
    return this.#slots;
  }

  error(message: string, at: number): CelSyntaxError {
    return new CelSyntaxError(message, this.#source, at);
  }

  compile(expr: Expr): Code {
    const { limits } = this.#environment;
    switch (expr.kind) {
      case 'literal':
        return constant(literal(expr.value));
      case 'name':
      case 'select':
        return this.compileSelect(expr, false);
      case 'index':
        return this.#index(expr);
      case 'call':
        return this.#call(expr);
      case 'unary': {
        const operand = this.compile(expr.operand);
        const { run } = operand;
        return fold([operand], expr.operator === '!' ? not(run) : (frame) => negate(run(frame)), limits);
      }
      case 'binary': {
        const left = this.compile(expr.left);
        const right = this.compile(expr.right);
        return fold([left, right], binary(expr.operator, left, right), limits);
      }
      case 'logic': {
        const operands = expr.operands.map((operand) => this.compile(operand));
        return fold(
          operands,
          logic(
            expr.operator,
            operands.map(({ run }) => run),
          ),
          limits,
        );
      }
      case 'conditional': {
        const test = this.compile(expr.test);
        const then = this.compile(expr.then);
        const otherwise = this.compile(expr.otherwise);
        if (typeof test.constant === 'boolean') return test.constant ? then : otherwise;
        return { run: conditional(test.run, then.run, otherwise.run), constant: undefined };
      }
      case 'list':
        return this.#list(expr);
      case 'map':
        return this.#map(expr);
    }
  }

  /** Runs `body` with local variables of `names` in sight; their slots are given to it. */
  withLocals(names: readonly string[], body: (slots: readonly number[]) => Code): Code {
    const first = this.#locals.length;
    this.#locals.push(...names);
    this.#slots = Math.max(this.#slots, this.#locals.length);
    try {
      return body(names.map((_, i) => first + i));
    } finally {
      this.#locals.length = first;
    }
  }

  /** The name that a macro's argument gives its variable. */
  variableName(expr: Expr): string {
    if (expr.kind === 'name' && !expr.absolute) return expr.name;
    throw this.error('the variable must be a plain name', expr.at);
  }

  /** A map of all variables that are set. */
  allVariables(): Code {
    this.references.addAll();
    const { variables } = this.#environment;
    return { run: ({ activation }) => new RecordMap(variables, activation), constant: undefined };
  }

  /** A name or selection; with `test`, whether the field is there. */
  compileSelect(expr: Expr & { kind: 'name' | 'select' }, test: boolean): Code {
    const path = pathOf(expr);
    if (path !== null && !this.#isLocal(path.root)) return this.#variable(path.root, path.fields, test);
    if (expr.kind === 'select')
      return this.#fieldOf(this.compile(expr.operand), { name: expr.field, optional: expr.optional }, test);
    const slot = this.#locals.lastIndexOf(expr.name);
    return { run: (frame) => frame.locals[slot] as CelValue, constant: undefined };
  }

  #isLocal({ name, absolute }: Expr & { kind: 'name' }): boolean {
    return !absolute && this.#locals.includes(name);
  }

  #fieldOf(operand: Code, { name: field, optional }: Pick<Field, 'name' | 'optional'>, test: boolean): Code {
    const { run, unset } = operand;
    const { limits } = this.#environment;
    if (unset === true) return { run: fieldOfUnset(run, field, optional, test), constant: undefined };
    if (test) return fold([operand], (frame) => hasField(run(frame), field), limits);
    if (optional) return fold([operand], (frame) => selectOptional(run(frame), field), limits);
    return fold([operand], (frame) => select(run(frame), field), limits);
  }

  /** The variable that the longest part of `root.fields…` names, and the fields behind it. */
  #variable(root: Expr & { kind: 'name' }, fields: readonly Field[], test: boolean): Code {
    const { variables, container, unknownNames } = this.#environment;
    // A field tested with has() is a field, not the end of a name.
    const plain = fields.findIndex((field) => !field.dotted);
    const longest = Math.min(plain < 0 ? fields.length : plain, test ? fields.length - 1 : fields.length);
    for (const prefix of root.absolute ? [''] : containers(container)) {
      for (let length = longest; length >= 0; length--) {
        const name = [root.name, ...fields.slice(0, length).map((field) => field.name)].join('.');
        const definition = variables.get(prefix + name);
        if (definition !== undefined) return this.#readVariable(prefix + name, definition, fields.slice(length), test);
        const type = NAMED_TYPES.get(prefix + name);
        if (type !== undefined)
          return fields
            .slice(length)
            .reduce(
              (code, field, i) => this.#fieldOf(code, field, test && length + i === fields.length - 1),
              constant(type),
            );
      }
    }
    if (unknownNames === 'fail') {
      return fails(new CelError('unknown_name', `undeclared reference to '${root.name}'`));
    }
    throw this.error(this.#unknown('variable', root.name, [...variables.keys(), ...this.#locals]), root.at);
  }

  #readVariable(name: string, variable: Definition<unknown>, fields: readonly Field[], test: boolean): Code {
    const names = fields.map((field) => field.name);
    const path = (known: number) => [name, ...names.slice(0, known)].join('.');
    let definition = variable;
    let known = 0;
    let optional = false;
    for (; known < fields.length && definition.fields !== undefined && !optional; known++) {
      const field = fields[known] as Field;
      const next = definition.fields.get(field.name);
      if (next === undefined)
        throw this.error(this.#unknown(`field of '${path(known)}'`, field.name, definition.fields.keys()), field.at);
      definition = next;
      optional = field.optional;
    }
    this.references.add(name, path(fields.length));
    const rest = fields.slice(known);
    const first = readDefinition(definition, path(known), optional, test && rest.length === 0);
    return rest.reduce((code, field, i) => this.#fieldOf(code, field, test && i === rest.length - 1), first);
  }

  #index(expr: Expr & { kind: 'index' }): Code {
    // A key written down selects as a field does: a record's fields are known by it, and what is read has a name.
    const path = pathOf(expr);
    if (path !== null && !this.#isLocal(path.root)) return this.#variable(path.root, path.fields, false);
    const value = this.compile(expr.operand);
    const place = this.compile(expr.index);
    const a = value.run;
    const b = place.run;
    const run: Run = expr.optional
      ? (frame) => indexOptional(a(frame), b(frame))
      : (frame) => index(a(frame), b(frame));
    return fold([value, place], run, this.#environment.limits);
  }

  #list({ items }: Expr & { kind: 'list' }): Code {
    const codes = items.map(({ value, optional }) => ({ value: this.compile(value), optional }));
    return fold(
      codes.map(({ value }) => value),
      listOf(codes),
      this.#environment.limits,
    );
  }

  #map({ entries }: Expr & { kind: 'map' }): Code {
    const codes = entries.map(({ key, value, optional }) => {
      return { key: this.compile(key), value: this.compile(value), optional };
    });
    return fold(
      codes.flatMap(({ key, value }) => [key, value]),
      mapOf(codes),
      this.#environment.limits,
    );
  }

  #call(expr: Expr & { kind: 'call' }): Code {
    const { target, name, args, at } = expr;
    if (target === null) {
      const prefixes = expr.absolute ? [''] : containers(this.#environment.container);
      for (const prefix of prefixes) {
        const code = this.#global(prefix + name, args, at);
        if (code !== undefined) return code;
      }
      return this.#unknownFunction(name, false, at);
    }
    const path = pathOf(target);
    if (path?.fields.every((field) => field.dotted) && !this.#isLocal(path.root)) {
      const qualified = [path.root.name, ...path.fields.map((field) => field.name), name].join('.');
      for (const prefix of path.root.absolute ? [''] : containers(this.#environment.container)) {
        const code = this.#global(prefix + qualified, args, at);
        if (code !== undefined) return code;
      }
      const { variables, functions } = this.#environment;
      if (
        !variables.has(path.root.name) &&
        functions.names(false).some((known) => known.startsWith(`${path.root.name}.`))
      )
        return this.#unknownFunction(qualified, false, path.root.at);
    }
    const macro = MEMBER_MACROS.get(name)?.(this, args, target, at);
    if (macro !== undefined) return macro;
    const custom = this.#customCode(name);
    if (custom?.definition.receiver === true)
      return custom.call(
        at,
        [target, ...args].map((arg) => this.compile(arg).run),
      );
    const functions = this.#environment.functions.named(name, true);
    if (functions === undefined) return this.#unknownFunction(name, true, at);
    return this.#invoke(functions, [target, ...args], at);
  }

  #global(name: string, args: readonly Expr[], at: number): Code | undefined {
    const macro = GLOBAL_MACROS.get(name)?.(this, args, at);
    if (macro !== undefined) return macro;
    const custom = this.#customCode(name);
    if (custom?.definition.receiver === false)
      return custom.call(
        at,
        args.map((arg) => this.compile(arg).run),
      );
    const functions = this.#environment.functions.named(name, false);
    return functions === undefined ? undefined : this.#invoke(functions, args, at);
  }

  #invoke(functions: readonly FunctionDefinition[], args: readonly Expr[], at: number): Code {
    const codes = args.map((arg) => this.compile(arg));
    const fitting = functions.filter(({ arity: [least, most] }) => args.length >= least && args.length <= most);
    if (fitting.length === 0) {
      const message = arityMessage(functions, args.length);
      if (this.#environment.unknownNames === 'fail') return fails(new CelError('no_such_overload', message));
      throw this.error(message, at);
    }
    try {
      const run = invoke(fitting, codes);
      if (fitting.some(({ volatile }) => volatile)) return { run, constant: undefined };
      return fold(codes, run, this.#environment.limits);
    } catch (error) {
      // An argument that is always wrong: a regular expression that isn't one.
      if (error instanceof CelError) throw this.error(error.message, args.at(-1)?.at ?? at);
      throw error;
    }
  }

  #unknownFunction(name: string, isMember: boolean, at: number): Code {
    const { functions, unknownNames, custom } = this.#environment;
    if (unknownNames === 'fail') return fails(new CelError('unknown_name', `unknown function '${name}'`));
    const own = custom.get(name);
    if (functions.named(name, !isMember) !== undefined || (own !== undefined && own.receiver !== isMember))
      throw this.error(
        isMember
          ? `'${name}' is not called on a value: write ${name}(…)`
          : `'${name}' is called on a value: write value.${name}(…)`,
        at,
      );
    const macros = isMember ? MEMBER_MACROS : GLOBAL_MACROS;
    if (macros.has(name)) throw this.error(`'${name}' takes other arguments`, at);
    const customNames = [...custom.values()].filter(({ receiver }) => receiver === isMember).map((one) => one.name);
    throw this.error(
      this.#unknown('function', name, [...functions.names(isMember), ...macros.keys(), ...customNames]),
      at,
    );
  }

  #unknown(what: string, name: string, candidates: Iterable<string>): string {
    // Any two names of one letter are near.
    const near = name.length > 1 ? nearest(name, candidates) : undefined;
    return `unknown ${what}: '${name}'${near === undefined ? '' : `; did you mean '${near}'?`}`;
  }
}

function literal(value: Literal): CelValue {
  return value !== null && typeof value === 'object' && 'unsigned' in value ? new CelUint(value.unsigned) : value;
}

function fails(error: CelError): Code {
  return {
    run: () => {
      throw error;
    },
    constant: undefined,
  };
}
