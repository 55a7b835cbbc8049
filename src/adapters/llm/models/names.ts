import type { LlmModel, LlmRouter } from '../../../resources/types.ts';
import { isAllowed, matchesPattern } from '../model-pattern.ts';
import type { ModelInfo } from './model-info.ts';

/** What a provider has, for an entry that is a pattern; null where it can't be told. */
export type Discovered = (entry: LlmModel) => readonly ModelInfo[] | null;

/**
 * What a caller may ask for: public and virtual models by name, and of a pattern the models that its provider has. A pattern whose
 * provider can't tell is listed as it stands (agentgateway does so), but to a caller whose key is limited to some models as those
 * of them that it matches.
 */
export function listedModels(
  { models, virtualModels }: LlmRouter,
  allowed: readonly string[] | null,
  discovered: Discovered = () => null,
): ModelInfo[] {
  const listed = new Map<string, ModelInfo>();
  const add = (model: ModelInfo) => {
    if (!listed.has(model.id)) listed.set(model.id, model);
  };
  for (const { name, created } of virtualModels) if (isAllowed(allowed, name)) add(named(name, VIRTUAL_OWNER, created));
  for (const entry of models) {
    const { name, visibility, provider, created } = entry;
    if (visibility !== 'public') continue;
    const own = (id: string) => named(id, ownerOf(provider.provider), created);
    if (!name.includes('*')) {
      if (isAllowed(allowed, name)) add(own(name));
      continue;
    }
    for (const concrete of allowed ?? []) {
      if (!concrete.includes('*') && matchesPattern(name, concrete)) add(own(concrete));
    }
    const found = discovered(entry)?.filter(({ id }) => matchesPattern(name, id)) ?? [];
    for (const model of found) if (isAllowed(allowed, model.id)) add(model);
    if (found.length === 0 && allowed === null) add(own(name));
  }
  return [...listed.values()];
}

const VIRTUAL_OWNER = 'sluice';

function ownerOf(kind: string): string {
  return kind.toLowerCase();
}

export function named(id: string, owner: string, created: number | null = null): ModelInfo {
  return { id, owner, created, title: '' };
}
