import type { Expr } from '../syntax/ast.ts';

export interface Field {
  readonly name: string;
  readonly at: number;
  /** Written `.name`, so that it may be a part of a dotted name; not of `["name"]` and `.?name`. */
  readonly dotted: boolean;
  readonly optional: boolean;
}

/** A name and the fields selected of it; null of what begins with something else. */
export function pathOf(expr: Expr): { root: Expr & { kind: 'name' }; fields: Field[] } | null {
  if (expr.kind === 'name') return { root: expr, fields: [] };
  if (expr.kind !== 'select' && expr.kind !== 'index') return null;
  const { at, optional } = expr;
  const name = expr.kind === 'select' ? expr.field : expr.index.kind === 'literal' ? expr.index.value : null;
  if (typeof name !== 'string') return null;
  const path = pathOf(expr.operand);
  path?.fields.push({ name, at, dotted: expr.kind === 'select' && !optional, optional });
  return path;
}

/** Prefixes under which a name is looked up: of `a.b`, `a.b.`, `a.` and none. */
export function containers(container: string): string[] {
  const parts = container === '' ? [] : container.split('.');
  return [...parts.map((_, i) => `${parts.slice(0, parts.length - i).join('.')}.`), ''];
}
