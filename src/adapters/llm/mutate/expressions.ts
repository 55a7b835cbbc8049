import type { Expression, Expressions, GatewayActivation } from '../../../cel/index.ts';

/** A member of a request's body and the expression that computes it. */
export interface ComputedMember {
  readonly name: string;
  readonly expression: Expression;
}

/** Members by name: JSON text, or null for one that is removed. */
export type MemberValues = ReadonlyMap<string, string | null>;

export const NO_MEMBERS: MemberValues = new Map();

/** The owner under which evaluations of the `ai` policy that fail are counted. */
const OWNER = 'ai';

export function compileMembers(
  expressions: Readonly<Record<string, string>>,
  cel: Expressions,
): readonly ComputedMember[] {
  return Object.entries(expressions).map(([name, source]) => ({ name, expression: cel.compile(source, OWNER) }));
}

/**
 * Evaluates all of them before anything is changed. What is null, can't be evaluated (which is counted) or can't be said in JSON removes
 * its member.
 */
export function computeMembers(members: readonly ComputedMember[], activation: GatewayActivation): MemberValues {
  if (members.length === 0) return NO_MEMBERS;
  const values = new Map<string, string | null>();
  for (const { name, expression } of members) {
    const value = expression.plain(activation) ?? null;
    values.set(name, value === null ? null : JSON.stringify(value));
  }
  return values;
}
