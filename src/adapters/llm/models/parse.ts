import { isObject } from '../formats/fields.ts';
import type { ModelInfo } from './model-info.ts';

/** Models of one list, and letters of a name, that are taken over. */
const MAX_MODELS = 5000;
const MAX_NAME = 256;
const MAX_METHODS = 16;

/**
 * A provider's list of models: OpenAI's and Anthropic's `{data: [{id}]}`, Google's and Cohere's `{models: [{name}]}`, Together's bare
 * array. null for anything else.
 */
export function parseModels(text: string, owner: string): ModelInfo[] | null {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return null;
  }
  const list = Array.isArray(body) ? body : isObject(body) ? (body.data ?? body.models) : null;
  if (!Array.isArray(list)) return null;
  const models = new Map<string, ModelInfo>();
  for (const item of list) {
    if (models.size >= MAX_MODELS) break;
    const model = isObject(item) ? modelOf(item, owner) : null;
    if (model !== null && !models.has(model.id)) models.set(model.id, model);
  }
  return [...models.values()];
}

function modelOf(item: Readonly<Record<string, unknown>>, owner: string): ModelInfo | null {
  const name = typeof item.id === 'string' ? item.id : item.name;
  if (typeof name !== 'string') return null;
  const id = name.replace(/^models\//, '');
  if (id === '' || id.length > MAX_NAME) return null;
  const title = item.display_name ?? item.displayName;
  const methods = item.supportedGenerationMethods;
  return {
    id,
    owner: textOf(item.owned_by) || owner,
    created: dateOf(item.created ?? item.created_at),
    title: textOf(title),
    ...(Array.isArray(methods) && {
      methods: methods
        .map(textOf)
        .filter((method) => method !== '')
        .slice(0, MAX_METHODS),
    }),
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, MAX_NAME) : '';
}

/** Unix seconds of a number of them, or of a date; null where it is neither. Some say 0 for "unknown". */
function dateOf(value: unknown): number | null {
  const seconds = typeof value === 'string' ? Math.floor(Date.parse(value) / 1000) : value;
  return typeof seconds === 'number' && seconds > 0 && seconds < MAX_SECONDS ? Math.floor(seconds) : null;
}

/** The year 10000. */
const MAX_SECONDS = 253_402_300_800;
