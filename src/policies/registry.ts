import type { PolicyDefinition } from './definition.ts';

/**
 * Every policy there is, one line each. Within a phase policies run in the order of this list, and dispatch wrappers nest in
 * it, the first outermost.
 */
const ALL: readonly PolicyDefinition[] = [];

export const POLICIES: ReadonlyMap<string, PolicyDefinition> = new Map(ALL.map((policy) => [policy.name, policy]));
