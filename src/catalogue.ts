import { PROVIDERS } from './adapters/llm/providers/index.ts';
import { POLICIES } from './policies/registry.ts';
import type { Catalogue, CatalogueEntry } from './resources/catalogue.ts';

/** What the registries hold, in the form configuration sources take it: descriptions without compile functions. */
export function buildCatalogue(): Catalogue {
  const policies = new Map<string, CatalogueEntry>();
  for (const [key, policy] of POLICIES) {
    policies.set(key, Object.assign(Object.create(policy), { active: policy.compile !== undefined }));
  }
  return { policies, providers: PROVIDERS };
}
