import type { RouteType } from '../../facts/llm.ts';

/** What a request's path says it is. agentgateway's suffixes, and the same without `/v1` for clients whose base URL lacks it. */

const COHERE_RERANK = '/v2/rerank';

/** Usual paths, found without looking at suffixes. */
const EXACT: ReadonlyMap<string, RouteType> = new Map([
  ['/v1/chat/completions', 'completions'],
  ['/v1/messages', 'messages'],
  ['/v1/messages/count_tokens', 'anthropicTokenCount'],
  ['/v1/responses', 'responses'],
  ['/v1/embeddings', 'embeddings'],
  ['/v1/rerank', 'rerank'],
  [COHERE_RERANK, 'cohereRerank'],
  ['/v2/embed', 'cohereEmbed'],
  ['/rerank', 'rerank'],
  ['/v1/completions', 'textCompletions'],
  ['/v1/models', 'models'],
  ['/messages', 'messages'],
  ['/responses', 'responses'],
  ['/completions', 'textCompletions'],
  ['/realtime', 'realtime'],
  ['/models', 'models'],
]);

/** Longer suffixes stand before those they end with. */
const SUFFIXES: readonly (readonly [string, RouteType])[] = [
  ['/chat/completions', 'completions'],
  ['/messages/count_tokens', 'anthropicTokenCount'],
  ['/v1/messages', 'messages'],
  [':streamGenerateContent', 'generateContent'],
  [':generateContent', 'generateContent'],
  [':countTokens', 'geminiCountTokens'],
  ['/count-tokens:rawPredict', 'anthropicTokenCount'],
  [':rawPredict', 'messages'],
  [':streamRawPredict', 'messages'],
  [':predict', 'detect'],
  ['/v1/responses/compact', 'detect'],
  ['/v1/responses', 'responses'],
  ['/v1/images/generations', 'detect'],
  ['/v1/images/edits', 'detect'],
  ['/v1/images/variations', 'detect'],
  ['/embeddings', 'embeddings'],
  ['/v1/rerank', 'rerank'],
  [COHERE_RERANK, 'cohereRerank'],
  ['/v2/embed', 'cohereEmbed'],
  [':embedContent', 'embedContent'],
  [':batchEmbedContents', 'batchEmbedContents'],
  ['/v1/realtime', 'realtime'],
  ['/openai/realtime', 'realtime'],
  ['/v1/completions', 'textCompletions'],
  ['/v1/models', 'models'],
];

/** The route type of a path by the default suffixes, or null. */
export function routeByPath(path: string): RouteType | null {
  const exact = EXACT.get(path);
  if (exact !== undefined) return exact;
  for (const [suffix, route] of SUFFIXES) if (path.endsWith(suffix)) return route;
  if (path.startsWith('/v1/models/') || path.startsWith('/models/') || GEMINI_MODELS.test(path)) return 'models';
  const action = MODEL_SEGMENT.exec(path)?.[2];
  return action === undefined ? null : (MODEL_ACTIONS.get(action) ?? null);
}

/** Suffixes that an `ai` policy gives in place of the default ones; `*` is any other path. */
export class ConfiguredRoutes {
  /** Longest first. */
  readonly #suffixes: readonly (readonly [string, RouteType])[];
  readonly #other: RouteType;

  constructor(routes: Readonly<Record<string, RouteType>>) {
    this.#suffixes = Object.entries(routes)
      .filter(([suffix]) => suffix !== '*')
      .sort(([a], [b]) => b.length - a.length);
    this.#other = routes['*'] ?? 'completions';
  }

  routeOf(path: string): RouteType {
    const route = this.#suffixes.find(([suffix]) => path.endsWith(suffix))?.[1] ?? this.#other;
    // agentgateway has one name for Jina's and Cohere's.
    return route === 'rerank' && path.endsWith(COHERE_RERANK) ? 'cohereRerank' : route;
  }
}

/** Gemini's list of models, and one of them: what is done with a model stands behind a colon. */
const GEMINI_MODELS = /^\/v1(?:beta|alpha)\/models(?:\/[^:]+)?$/;

const MODEL_ACTION =
  /\/([^/:]+):(?:generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents|predict|rawPredict|streamRawPredict)$/;
const MODEL_SEGMENT = /\/model\/([^/]+)\/(converse|converse-stream|invoke|invoke-with-response-stream|count-tokens)$/;

/** What Bedrock does with a model. */
const MODEL_ACTIONS: ReadonlyMap<string, RouteType> = new Map([
  ['converse', 'converse'],
  ['converse-stream', 'converse'],
  ['invoke', 'invoke'],
  ['invoke-with-response-stream', 'invoke'],
  ['count-tokens', 'bedrockCountTokens'],
]);

/** The model that a path names (`…/models/{model}:generateContent`, `/model/{model}/converse`), or ''. */
export function modelInPath(path: string): string {
  const match = MODEL_ACTION.exec(path) ?? MODEL_SEGMENT.exec(path);
  const model = match?.[1];
  return model === undefined || model === COUNTER ? '' : decode(model);
}

/** The same path for another model, where it names one in a segment of its own. */
export function withModelInPath(path: string, model: string): string {
  const named = MODEL_SEGMENT.exec(path)?.[1];
  if (named === undefined) return path;
  return path.replace(`/model/${named}/`, () => `/model/${encodeURIComponent(model)}/`);
}

/** Where Vertex AI counts tokens for Claude, the path's model is none. */
const COUNTER = 'count-tokens';

const STREAM_ACTION = /(?::streamGenerateContent|:streamRawPredict|\/converse-stream|\/invoke-with-response-stream)$/;

/** True for a path that asks for a stream, as those do whose bodies can't. */
export function streamInPath(path: string): boolean {
  return STREAM_ACTION.test(path);
}

/** True for formats of Bedrock, where the path alone says whether to stream: a member of the body is the model's. */
export function saysStreamInPath(route: RouteType): boolean {
  return route === 'converse' || route === 'invoke';
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
