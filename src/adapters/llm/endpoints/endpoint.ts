import type { ErrorDialect } from '../../../errors/render.ts';
import type { Exchange } from '../../../exchange.ts';
import type { LlmOperation, RouteType } from '../../../facts/llm.ts';

/**
 * APIs beside those of conversations: images, audio and moderation, which ask a model, and files and batches, which are kept in a
 * provider's account. A request goes on in the API it came in, or is converted to Gemini's where it makes or reads media.
 */
export type EndpointName =
  | 'imageGeneration'
  | 'imageEdit'
  | 'imageVariation'
  | 'speech'
  | 'transcription'
  | 'translation'
  | 'moderation'
  | 'files'
  | 'batches'
  | 'anthropicFiles'
  | 'messageBatches'
  | 'geminiFiles'
  | 'geminiBatches';

export interface Endpoint {
  readonly name: EndpointName;
  readonly operation: LlmOperation;
  readonly dialect: ErrorDialect;
  /** The request asks a model, which its body names; otherwise it is about what is kept in an account. */
  readonly asksModel: boolean;
  /** Path below the API's base path `/v1`; '' = the client's path as a whole, which is the provider's own. */
  readonly path: string;
}

/** https://platform.openai.com/docs/api-reference: images, audio, moderations */
const MODEL_ENDPOINTS: readonly (readonly [path: string, name: EndpointName, operation: LlmOperation])[] = [
  ['/images/generations', 'imageGeneration', 'image_generation'],
  ['/images/edits', 'imageEdit', 'image_edit'],
  ['/images/variations', 'imageVariation', 'image_variation'],
  ['/audio/speech', 'speech', 'speech'],
  ['/audio/transcriptions', 'transcription', 'transcription'],
  ['/audio/translations', 'translation', 'translation'],
  ['/moderations', 'moderation', 'moderation'],
];

/** Files, their upload in parts, and batches, from where an account has them. */
const ACCOUNT_PATH = /^(?:.*\/v1)?(\/(files|uploads|batches)(?:\/.*)?)$/;
/** https://docs.anthropic.com/en/api/creating-message-batches */
const MESSAGE_BATCHES = /^(?:.*\/v1)?(\/messages\/batches(?:\/.*)?)$/;
/** https://ai.google.dev/api/files, https://ai.google.dev/api/batch-api */
const GEMINI_FILES = /^\/(?:(?:up|down)load\/)?v1(?:beta|alpha)\/files(?:[/:].*)?$/;
const GEMINI_BATCHES =
  /^\/v1(?:beta|alpha)\/(?:batches(?:\/.*)?|models\/[^/:]+:(?:batchGenerateContent|asyncBatchEmbedContent))$/;

/** What a request's path says it is, where it is one of these APIs; else null. */
export function endpointOf(exchange: Exchange): Endpoint | null {
  const { path } = exchange;
  if (exchange.method === 'POST') {
    for (const [suffix, name, operation] of MODEL_ENDPOINTS) {
      if (path.endsWith(suffix)) return { name, operation, dialect: 'openai', asksModel: true, path: suffix };
    }
  }
  const batches = MESSAGE_BATCHES.exec(path)?.[1];
  if (batches !== undefined) return account('messageBatches', 'batches', 'anthropic', batches);
  if (GEMINI_FILES.test(path)) return account('geminiFiles', 'files', 'google', '');
  if (GEMINI_BATCHES.test(path)) return account('geminiBatches', 'batches', 'google', '');
  const [, below, collection] = ACCOUNT_PATH.exec(path) ?? [];
  if (below === undefined) return null;
  if (collection === 'batches') return account('batches', 'batches', 'openai', below);
  if (collection === 'files' && speaksAnthropic(exchange))
    return account('anthropicFiles', 'files', 'anthropic', below);
  return account('files', 'files', 'openai', below);
}

/** The same, unless the configuration says otherwise of the path: a model's API that is passed on is nobody's business. */
export function endpointFor(exchange: Exchange, configured: RouteType | undefined): Endpoint | null {
  if (configured !== undefined && configured !== 'detect' && configured !== 'passthrough') return null;
  const endpoint = endpointOf(exchange);
  return configured === 'passthrough' && endpoint?.asksModel === true ? null : endpoint;
}

function account(name: EndpointName, operation: LlmOperation, dialect: ErrorDialect, path: string): Endpoint {
  return { name, operation, dialect, asksModel: false, path };
}

/** True where the client speaks Anthropic's API: its SDK names the version with every request. */
export function speaksAnthropic(exchange: Exchange): boolean {
  return exchange.headers.has('anthropic-version');
}

const GOOGLE_PATH = /^\/(?:(?:up|down)load\/)?v1(?:beta|alpha)\//;

/** The client's language on a path that no format claims. */
export function dialectOfClient(exchange: Exchange): ErrorDialect {
  if (GOOGLE_PATH.test(exchange.originalPath)) return 'google';
  return speaksAnthropic(exchange) || MESSAGE_BATCHES.test(exchange.originalPath) ? 'anthropic' : 'openai';
}
