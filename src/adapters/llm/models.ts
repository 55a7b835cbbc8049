import type { Exchange } from '../../exchange.ts';
import type { LlmRouter } from '../../resources/types.ts';
import { isAllowed, matchesPattern } from './model-pattern.ts';

/** The list of models that the gateway serves: `GET /v1/models` and `/v1/models/{id}`, in the client's format. */

/** Models have no date of their own: they are as old as the process. */
const STARTED = Math.floor(Date.now() / 1000);
const STARTED_ISO = new Date(STARTED * 1000).toISOString();

/**
 * Names a caller may ask for: public and virtual models by name. A pattern is listed as it stands (agentgateway does so), but to a caller whose key
 * is limited to some models as those of them that it matches.
 */
export function listedModels({ models, virtualModels }: LlmRouter, allowed: readonly string[] | null): string[] {
  const names = new Set(virtualModels.map(({ name }) => name).filter((name) => isAllowed(allowed, name)));
  for (const { name, visibility } of models) {
    if (visibility !== 'public') continue;
    if (allowed === null || (!name.includes('*') && isAllowed(allowed, name))) names.add(name);
    else if (name.includes('*')) {
      for (const concrete of allowed)
        if (!concrete.includes('*') && matchesPattern(name, concrete)) names.add(concrete);
    }
  }
  return [...names];
}

/** True where the client speaks Anthropic's API: its SDK names the version with every request. */
export function speaksAnthropic(exchange: Exchange): boolean {
  return exchange.headers.has('anthropic-version');
}

/** https://platform.openai.com/docs/api-reference/models, https://docs.anthropic.com/en/api/models-list */
export function renderModels(names: readonly string[], anthropic: boolean): string {
  if (!anthropic) return JSON.stringify({ object: 'list', data: names.map(openaiModel) });
  return JSON.stringify({
    data: names.map(anthropicModel),
    has_more: false,
    first_id: names[0] ?? null,
    last_id: names.at(-1) ?? null,
  });
}

export function renderModel(name: string, anthropic: boolean): string {
  return JSON.stringify(anthropic ? anthropicModel(name) : openaiModel(name));
}

function openaiModel(id: string) {
  return { id, object: 'model', created: STARTED, owned_by: 'openai' };
}

function anthropicModel(id: string) {
  return { type: 'model', id, display_name: id, created_at: STARTED_ISO };
}

/** The model named in `/v1/models/{id}`, or '' for the list. */
export function modelOfListPath(path: string): string {
  const at = path.lastIndexOf('/models/');
  if (at < 0) return '';
  try {
    return decodeURIComponent(path.slice(at + '/models/'.length));
  } catch {
    return '';
  }
}
