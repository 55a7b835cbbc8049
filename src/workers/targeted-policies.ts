import { OverridingPolicies, type PolicyLayer } from '../resources/merge-policies.ts';
import { byPrecedence, targetName } from '../resources/policy-targets.ts';
import type { TargetedPolicy } from '../resources/types.ts';

/** Policies attached from outside, by what they target. */
export class TargetedPolicies {
  readonly #byTarget = new Map<string, TargetedPolicy[]>();

  /** Puts `after` in the place of `before`; returns the names of the targets whose policies changed. */
  replace(before: TargetedPolicy | null, after: TargetedPolicy | null): string[] {
    const names = new Set<string>();
    for (const policy of [before, after]) {
      if (policy === null) continue;
      const name = targetName(policy.target);
      names.add(name);
      const list = (this.#byTarget.get(name) ?? []).filter((other) => other.key !== policy.key);
      if (policy === after) list.push(policy);
      list.sort(byPrecedence);
      if (list.length === 0) this.#byTarget.delete(name);
      else this.#byTarget.set(name, list);
    }
    return [...names];
  }

  /** The policies of a target, the earlier first. */
  of(name: string, phase: TargetedPolicy['phase']): PolicyLayer[] {
    const policies = (this.#byTarget.get(name) ?? []).filter((policy) => policy.phase === phase);
    return policies.map((one) => (one.override === true ? new OverridingPolicies(one.policies) : one.policies));
  }
}
