import type { CatalogueEntry } from './catalogue.ts';
import type { PolicyMap } from './types.ts';

/** Policies that more specific ones don't take the place of. */
export class OverridingPolicies {
  readonly policies: PolicyMap;

  constructor(policies: PolicyMap) {
    this.policies = policies;
  }
}

/** What policies a place is given. */
export type PolicyLayer = PolicyMap | OverridingPolicies;

/**
 * Merges the policies of a place, the most general first: a later map's value replaces an earlier one's of the same name, unless the
 * policy says how the two are merged, or the earlier one overrides.
 */
export function mergePolicies(
  layers: readonly PolicyLayer[],
  registry: ReadonlyMap<string, Pick<CatalogueEntry, 'merge'>>,
): PolicyMap {
  const [only] = layers;
  if (layers.length === 1 && only !== undefined) return policiesIn(only);
  const merged: Record<string, unknown> = {};
  const settled = new Set<string>();
  for (const layer of layers) {
    for (const [name, value] of Object.entries(policiesIn(layer))) {
      if (settled.has(name)) continue;
      const merge = Object.hasOwn(merged, name) ? registry.get(name)?.merge : undefined;
      merged[name] = merge === undefined ? value : merge(merged[name], value);
      if (layer instanceof OverridingPolicies) settled.add(name);
    }
  }
  return merged;
}

function policiesIn(layer: PolicyLayer): PolicyMap {
  return layer instanceof OverridingPolicies ? layer.policies : layer;
}
