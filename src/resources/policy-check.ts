import type { z } from 'zod';
import type { Catalogue, CatalogueEntry, ExpressionChecker, PolicyLevel } from './catalogue.ts';
import { ExpressionFinder, type ExpressionText } from './schema/expressions.ts';
import { schemaAt } from './schema/policies.ts';
import { validate } from './schema/validate.ts';
import { formatPath, type Path } from './schema/walk.ts';
import type { PolicyMap } from './types.ts';

/** Stands for an expression that can't be compiled. */
export const FAILING_EXPRESSION = 'fail("the expression is not valid")';

/** Names of what protects in `policies` but isn't executed by this version, e.g. `authorization` or `ai.promptGuard`; unknown policies too. */
export function unguardedPolicies(catalogue: Catalogue, policies: PolicyMap): string[] {
  const names: string[] = [];
  for (const [name, value] of Object.entries(policies)) {
    const entry = catalogue.policies.get(name);
    if (entry === undefined) {
      names.push(name);
      continue;
    }
    for (const part of inactivePartsOf(entry, value)) if (part.protects) names.push([name, ...part.path].join('.'));
  }
  return names;
}

function inactivePartsOf(entry: CatalogueEntry, value: unknown): { path: (string | number)[]; protects: boolean }[] {
  if (!entry.active) return [{ path: [], protects: entry.protects }];
  return entry.inactiveParts?.(value) ?? [];
}

/** A policy's value as it is written, checked as a file's is. */
export class PolicyChecker {
  readonly #catalogue: Catalogue;
  readonly #expressions: ExpressionChecker | null;
  readonly #finders = new Map<z.ZodType, ExpressionFinder>();

  /** `customFunctions`: see Catalogue.expressions. */
  constructor(catalogue: Catalogue, customFunctions: string) {
    this.#catalogue = catalogue;
    this.#expressions = catalogue.expressions?.(customFunctions) ?? null;
  }

  /** The value with defaults filled in, or what is wrong with it: `rules[0]: not an expression: …`. */
  check(entry: CatalogueEntry, level: PolicyLevel, given: unknown): { value: unknown } | { fault: string } {
    const schema = schemaAt(entry, level);
    const { data, faults } = validate(schema, given);
    const fault = faults[0] ?? entry.faults?.(data)[0] ?? this.#expressionFault(schema, given);
    return fault === undefined ? { value: data } : { fault: saying(fault) };
  }

  /** The value, in which whatever should be an expression and is none always fails; `told` hears what is wrong with each. */
  failing(entry: CatalogueEntry, level: PolicyLevel, given: unknown, told: (fault: string) => void): unknown {
    let value = given;
    for (const { path, text } of this.#expressionsIn(schemaAt(entry, level), given)) {
      const message = this.expression(text);
      if (message === null) continue;
      told(saying({ path, message }));
      value = replaced(value, path, FAILING_EXPRESSION);
    }
    return value;
  }

  /** What is wrong with the text of an expression that stands by itself; null = nothing. */
  expression(text: string): string | null {
    const fault = this.#expressions?.check(text) ?? null;
    return fault === null ? null : `not an expression: ${fault.message}`;
  }

  /** What is accepted of a value but not executed: `ai.promptGuard: accepted, not yet active`. */
  inactive(entry: CatalogueEntry, value: unknown): string[] {
    return inactivePartsOf(entry, value).map(({ path, protects }) => {
      const what = formatPath([...entry.name.split('.'), ...path]);
      return `${what}: accepted, not yet active${protects ? '; what it protects answers 503' : ''}`;
    });
  }

  /** What is wrong with policies that were checked elsewhere, perhaps by another version; null = nothing. */
  recheck(policies: PolicyMap, level: PolicyLevel): string | null {
    for (const [name, value] of Object.entries(policies)) {
      const entry = this.#catalogue.policies.get(name);
      const checked = entry === undefined ? null : this.check(entry, level, value);
      if (checked !== null && 'fault' in checked) return `${name}: ${checked.fault}`;
    }
    return null;
  }

  #expressionFault(
    schema: z.ZodType,
    value: unknown,
  ): { path: readonly (string | number)[]; message: string } | undefined {
    for (const { path, text } of this.#expressionsIn(schema, value)) {
      const message = this.expression(text);
      if (message !== null) return { path, message };
    }
    return undefined;
  }

  #expressionsIn(schema: z.ZodType, value: unknown): ExpressionText[] {
    if (this.#expressions === null) return [];
    let finder = this.#finders.get(schema);
    if (finder === undefined) {
      finder = new ExpressionFinder(schema);
      this.#finders.set(schema, finder);
    }
    return finder.find(value);
  }
}

/** A copy of `value` with something else at `path`. */
function replaced(value: unknown, [head, ...rest]: Path, by: unknown): unknown {
  if (head === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  Object.assign(copy, { [head]: replaced((value as Record<string | number, unknown>)[head], rest, by) });
  return copy;
}

function saying({ path, message }: { path: readonly (string | number)[]; message: string }): string {
  return path.length === 0 ? message : `${formatPath(path)}: ${message}`;
}
