import type { ErrorDialect } from '../../../errors/render.ts';
import type { ModelInfo } from './model-info.ts';

/** Lists of models in the client's format. */

/** Models that nobody gives a date are as old as the process. */
const STARTED = Math.floor(Date.now() / 1000);

/**
 * https://platform.openai.com/docs/api-reference/models, https://docs.anthropic.com/en/api/models-list, https://ai.google.dev/api/models.
 * Whole: there is one page.
 */
export function renderModels(models: readonly ModelInfo[], dialect: ErrorDialect): string {
  if (dialect === 'google') return JSON.stringify({ models: models.map(googleModel) });
  if (dialect !== 'anthropic') return JSON.stringify({ object: 'list', data: models.map(openaiModel) });
  return JSON.stringify({
    data: models.map(anthropicModel),
    has_more: false,
    first_id: models[0]?.id ?? null,
    last_id: models.at(-1)?.id ?? null,
  });
}

export function renderModel(model: ModelInfo, dialect: ErrorDialect): string {
  if (dialect === 'google') return JSON.stringify(googleModel(model));
  return JSON.stringify(dialect === 'anthropic' ? anthropicModel(model) : openaiModel(model));
}

function openaiModel({ id, created, owner }: ModelInfo) {
  return { id, object: 'model', created: created ?? STARTED, owned_by: owner };
}

function anthropicModel({ id, created, title }: ModelInfo) {
  const date = new Date((created ?? STARTED) * 1000).toISOString();
  return { type: 'model', id, display_name: title === '' ? id : title, created_at: date };
}

/** What a model can be asked through the gateway, where nobody says otherwise. */
const GOOGLE_METHODS = ['generateContent', 'streamGenerateContent', 'countTokens'];

function googleModel({ id, title, methods }: ModelInfo) {
  const supportedGenerationMethods = methods ?? GOOGLE_METHODS;
  return { name: `models/${id}`, displayName: title === '' ? id : title, supportedGenerationMethods };
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
