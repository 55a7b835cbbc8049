import type { Expression, Expressions } from './expressions.ts';
import type { GatewayActivation } from './variables/activation.ts';

/** A rule as configuration gives it: an expression that allows, or one with its effect. */
export type Rule =
  | string
  | {
      readonly allow?: string | undefined;
      readonly deny?: string | undefined;
      readonly require?: string | undefined;
    };

/**
 * Authorization rules, agentgateway's semantics: refused where any `deny` is true or any `require` isn't; then, where there are `allow`
 * rules, one of them has to be true. No rules allow. An expression that fails is not true, so that a `deny` which fails refuses
 * nobody.
 */
export class RuleSet {
  readonly #allow: Expression[] = [];
  readonly #deny: Expression[] = [];
  readonly #require: Expression[] = [];

  /** `owner`: see Expressions.compile. */
  constructor(rules: readonly Rule[], expressions: Expressions, owner: string) {
    for (const rule of rules) {
      const { allow, deny, require } = typeof rule === 'string' ? { allow: rule } : { ...NO_RULE, ...rule };
      if (allow !== undefined) this.#allow.push(expressions.compile(allow, owner));
      if (deny !== undefined) this.#deny.push(expressions.compile(deny, owner));
      if (require !== undefined) this.#require.push(expressions.compile(require, owner));
    }
  }

  /** Whether a rule may read `path` (`request.body`). */
  reads(path: string): boolean {
    return [...this.#allow, ...this.#deny, ...this.#require].some(({ references }) => references.reads(path));
  }

  allows(activation: GatewayActivation): boolean {
    for (const rule of this.#deny) if (rule.holds(activation)) return false;
    for (const rule of this.#require) if (!rule.holds(activation)) return false;
    if (this.#allow.length === 0) return true;
    for (const rule of this.#allow) if (rule.holds(activation)) return true;
    return false;
  }
}

const NO_RULE: { allow?: string; deny?: string; require?: string } = {};
