import type { RouteType } from '../../../facts/llm.ts';

/** Wire formats that the gateway speaks to providers alone: no client's path says them. */
export type ProviderFormat =
  | 'vertexPredict'
  | 'vertexMultimodal'
  | 'titanEmbed'
  | 'novaEmbed'
  | 'bedrockCohereEmbed'
  | 'vertexRank'
  | 'bedrockRerank';

/** Wire formats: what a provider says it takes. The other route types are ways of handling. */
export type FormatName = Exclude<RouteType, 'models' | 'passthrough' | 'detect'> | ProviderFormat;

export function isFormatName(route: RouteType | FormatName): route is FormatName {
  return route !== 'models' && route !== 'passthrough' && route !== 'detect';
}

/** The path of each format below an API's base path (`/v1`), where it has a fixed one. */
export const FORMAT_PATHS = {
  completions: '/chat/completions',
  textCompletions: '/completions',
  responses: '/responses',
  embeddings: '/embeddings',
  messages: '/messages',
  anthropicTokenCount: '/messages/count_tokens',
  rerank: '/rerank',
  realtime: '/realtime',
} as const satisfies Partial<Record<FormatName, string>>;
