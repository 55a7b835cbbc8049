import { PHASES, type PolicyDefinition } from '../policies/definition.ts';
import type { PolicyLevel } from '../resources/catalogue.ts';
import type { PolicyMap } from '../resources/types.ts';

/** The policies of one place after merging, in the order they run. */
export interface EffectivePolicy {
  readonly definition: PolicyDefinition;
  readonly value: unknown;
}

/** Sorts by phase and, within a phase, by the registry's order. */
export function orderPolicies(map: PolicyMap, registry: ReadonlyMap<string, PolicyDefinition>): EffectivePolicy[] {
  const names = Object.keys(map);
  if (names.length === 0) return [];
  const places = registryPlaces(registry);
  return names
    .flatMap((name) => {
      const definition = registry.get(name);
      return definition === undefined ? [] : [{ definition, value: map[name] }];
    })
    .sort((a, b) => place(a.definition, places) - place(b.definition, places));
}

const placesOf = new WeakMap<object, Map<string, number>>();

function registryPlaces(registry: ReadonlyMap<string, PolicyDefinition>): Map<string, number> {
  let places = placesOf.get(registry);
  if (places === undefined) {
    places = new Map([...registry.keys()].map((name, index) => [name, index]));
    placesOf.set(registry, places);
  }
  return places;
}

function place(definition: PolicyDefinition, places: Map<string, number>): number {
  return PHASES.indexOf(definition.phase) * 1000 + (places.get(definition.name) ?? 0);
}

/**
 * Names of what protects in these policies but isn't executed by this version, e.g. `authorization` or `ai.promptGuard`, and of
 * what of `map` no registry knows: that may protect. A route under any of them answers 503: it never serves unprotected.
 */
export function unguarded(policies: readonly EffectivePolicy[], map: PolicyMap): string[] {
  const known = new Set(policies.map(({ definition }) => definition.name));
  const names = Object.keys(map).filter((name) => !known.has(name));
  for (const { definition, value } of policies) {
    if (definition.compile === undefined) {
      if (definition.protects) names.push(definition.name);
      continue;
    }
    for (const part of definition.inactiveParts?.(value) ?? []) {
      if (part.protects) names.push([definition.name, ...part.path].join('.'));
    }
  }
  return names;
}

/** Policies of a map that may stand at `level`: a route's inline map holds traffic and backend policies alike. */
export function atLevel(policies: readonly EffectivePolicy[], level: PolicyLevel): EffectivePolicy[] {
  return policies.filter(({ definition }) => definition.levels.includes(level));
}
