import { z } from 'zod';
import type { HeaderList } from '../../../headers.ts';
import { isObject, parseObject } from '../formats/fields.ts';
import { modelName } from '../formats/gemini-embed/request.ts';
import type { FormatName } from '../formats/route-types.ts';
import type { FormatPath, ProviderDefinition } from './provider.ts';
import { modelSetting, pinnedModel } from './settings.ts';

/** What Google's APIs do with a model, in the format of its own. */
const ACTIONS = {
  generateContent: 'generateContent',
  geminiCountTokens: 'countTokens',
  embedContent: 'embedContent',
  batchEmbedContents: 'batchEmbedContents',
} as const;

type GoogleFormat = keyof typeof ACTIONS;

/** Google's own formats, below what `modelPath` makes of a model. */
export function googleFormats(
  modelPath: (model: string) => string,
  names: readonly GoogleFormat[] = ['generateContent', 'geminiCountTokens', 'embedContent', 'batchEmbedContents'],
): [FormatName, FormatPath][] {
  return names.map((name) => {
    const pathOf = (model: string, streaming: boolean, throughHub: boolean) => {
      const streams = streaming && name === 'generateContent';
      // A client of Google's says itself how it wants its stream; the gateway reads server-sent events.
      const query = streams && throughHub ? '?alt=sse' : '';
      return `${modelPath(model)}:${streams ? 'streamGenerateContent' : ACTIONS[name]}${query}`;
    };
    return [name, { path: '', pathOf, verbatim: false }];
  });
}

/** A model's resource below the API's version. Models that were tuned have a collection of their own. */
export function geminiModelPath(model: string): string {
  const [collection, name] = model.split('/', 2) as [string, string?];
  if (name !== undefined && (collection === 'models' || collection === 'tunedModels'))
    return `/${collection}/${modelSegment(name)}`;
  return `/models/${modelSegment(model)}`;
}

/** A model's name in a path; `@`, before its version, stays. */
export function modelSegment(model: string): string {
  return encodeURIComponent(model).replaceAll('%40', '@');
}

/** The version of the API that has all of it. */
export const GEMINI_BASE = '/v1beta';
/** OpenAI's clients have their embeddings from Google's endpoint that follows OpenAI (https://ai.google.dev/gemini-api/docs/openai). */
const EMBEDDINGS: FormatPath = { path: `${GEMINI_BASE}/openai/embeddings`, verbatim: false };
const FORMATS: ReadonlyMap<FormatName, FormatPath> = new Map([
  ...googleFormats((model) => GEMINI_BASE + geminiModelPath(model)),
  ['embeddings', EMBEDDINGS],
]);

/**
 * Google's Gemini API (https://ai.google.dev/api). Chat is spoken in its own format, which says more than its endpoint that follows
 * OpenAI.
 */
export const gemini: ProviderDefinition = {
  name: 'gemini',
  schema: z.strictObject({ model: modelSetting }),
  summary: "Google's Gemini API.",
  active: true,
  open: (provider) => ({
    telemetryName: 'gcp.gemini',
    origin: { host: 'generativelanguage.googleapis.com', port: 443, tls: true },
    basePath: '',
    formats: FORMATS,
    otherPath: (path) => path,
    model: pinnedModel(provider),
    keepsPathOnHostOverride: false,
    keyParameter: KEY_PARAMETER,
    embedsTextsOnly: true,
    issuerOf: () => 'google',
    fixHeaders: fixGeminiHeaders,
    shapeNative: (bytes, format, model) => (EMBEDDINGS_FORMATS.has(format) ? withModel(bytes, model) : bytes),
  }),
};

const EMBEDDINGS_FORMATS: ReadonlySet<FormatName> = new Set(['embedContent', 'batchEmbedContents']);

/** Embeddings name the model in the body as well as in the path, and the two must agree; the client's own bytes where they do. */
function withModel(bytes: Buffer, model: string): Buffer {
  const body = parseObject(bytes.toString('utf8'));
  const name = modelName(model);
  const requests = Array.isArray(body?.requests) ? body.requests.filter(isObject) : [];
  const wrong = [body, ...requests].filter((one) => one?.model !== undefined && one.model !== name);
  if (wrong.length === 0) return bytes;
  for (const one of wrong) if (one) one.model = name;
  return Buffer.from(JSON.stringify(body));
}

/** Clients of Google's may have their key in the query. */
export const KEY_PARAMETER = 'key';

/** What Google's API keys begin with; other bearers are OAuth tokens. */
const API_KEYS = ['AIza', 'AQ.'];

/** An API key that came as a bearer goes where Google looks for keys. */
function fixGeminiHeaders(headers: HeaderList, configuredLocation: boolean): void {
  const authorization = headers.get('authorization');
  if (configuredLocation || authorization?.slice(0, 7).toLowerCase() !== 'bearer ') return;
  const token = authorization.slice(7).trim();
  if (!API_KEYS.some((start) => token.startsWith(start))) return;
  headers.remove('authorization');
  headers.set('x-goog-api-key', token);
}
