import { z } from 'zod';
import type { JsonObject } from '../../../facts/conversation.ts';
import { defaultMaxTokensOf } from '../formats/claude/models.ts';
import type { FormatName } from '../formats/route-types.ts';
import { editMembers } from '../json-edit.ts';
import { JsonScanner } from '../json-scan.ts';
import { Wanted } from '../json-wanted.ts';
import { googleFormats, KEY_PARAMETER, modelSegment } from './gemini.ts';
import type { FormatPath, ProviderDefinition } from './provider.ts';
import { modelSetting, pinnedModel } from './settings.ts';

const schema = z.strictObject({
  model: modelSetting,
  // It becomes a part of the host's name.
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/)
    .nullish()
    .describe('Google Cloud region, `global` (default), or the multi-regions `us` and `eu`.'),
  projectId: z.string().describe('Google Cloud project.'),
});

type Formats = ReadonlyMap<FormatName, FormatPath>;

/**
 * Google Cloud Vertex AI (https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest): Gemini in Google's format, Claude in
 * Anthropic's, models of others through the endpoint that follows OpenAI. Which of them a model is, its name says.
 */
export const vertex: ProviderDefinition = {
  name: 'vertex',
  schema,
  summary: 'Google Cloud Vertex AI: Gemini, Claude, models of others, embeddings and rankers.',
  active: true,
  defaultAuth: 'gcp',
  open(provider) {
    const settings = schema.parse(provider.settings);
    const region = settings.region || 'global';
    const base = `/v1/projects/${encodeURIComponent(settings.projectId)}/locations/${region}`;
    const formats: Readonly<Record<Publisher, Formats>> = {
      google: new Map(
        googleFormats(
          (model) => base + googleModelPath(model),
          ['generateContent', 'geminiCountTokens', 'embedContent'],
        ),
      ),
      anthropic: anthropicFormats(`${base}/publishers/anthropic/models`),
      embeddings: new Map([['vertexPredict', predictPath(base)]]),
      multimodal: new Map([['vertexMultimodal', predictPath(base)]]),
      ranker: new Map([['vertexRank', rankPath(settings.projectId)]]),
      other: new Map([['completions', { path: `${base}/endpoints/openapi/chat/completions`, verbatim: false }]]),
    };
    return {
      telemetryName: 'gcp.vertex_ai',
      origin: { host: hostOf(region), port: 443, tls: true },
      basePath: '',
      formats: formats.google,
      formatsFor: (model) => formats[publisherOf(model)],
      otherPath: (path) => path,
      model: pinnedModel(provider),
      keepsPathOnHostOverride: false,
      keyParameter: KEY_PARAMETER,
      issuerOf: (model) => ISSUERS[publisherOf(model)],
      defaultMaxTokens: defaultMaxTokensOf,
      shapeBody: (body, format) => (isAnthropic(format) ? anthropicBody(body, format) : body),
      shapeNative: (bytes, format) => (isAnthropic(format) ? anthropicBytes(bytes, format) : bytes),
    };
  },
};

/** The multi-regions have hosts of another kind (https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations). */
function hostOf(region: string): string {
  if (region === 'global') return 'aiplatform.googleapis.com';
  if (region === 'us' || region === 'eu') return `aiplatform.${region}.rep.googleapis.com`;
  return `${region}-aiplatform.googleapis.com`;
}

/** Who made a model, and of Google's those that have APIs of their own. */
type Publisher = 'google' | 'embeddings' | 'multimodal' | 'ranker' | 'anthropic' | 'other';

const ISSUERS: Readonly<Record<Publisher, string>> = {
  google: 'google',
  embeddings: 'google',
  multimodal: 'google',
  ranker: 'google',
  anthropic: 'anthropic',
  other: 'gcp.vertex_ai',
};

/** '' is no model: Google's then. Models of others name their publisher (`meta/llama-3.3-70b-instruct-maas`). */
function publisherOf(model: string): Publisher {
  const name = nameOf(model);
  if (name.startsWith('claude')) return 'anthropic';
  if (TEXT_EMBEDDINGS.test(name)) return 'embeddings';
  if (name.startsWith('multimodalembedding')) return 'multimodal';
  if (name.startsWith('semantic-ranker')) return 'ranker';
  const google = name === '' || /^(?:gemini|imagen)/.test(name) || model.startsWith(ENDPOINTS);
  return google ? 'google' : 'other';
}

/** Text embeddings through `predict`; Gemini Embedding 2 has `embedContent`. */
const TEXT_EMBEDDINGS = /^(?:text-embedding-|text-multilingual-embedding-|textembedding-gecko|gemini-embedding-001)/;

/** Models that were tuned, or deployed by the project itself, are behind endpoints of it. */
const ENDPOINTS = 'endpoints/';
const PREFIXES = ['publishers/google/models/', 'publishers/anthropic/models/', 'google/', 'anthropic/'];

/** The name without its publisher's. */
function nameOf(model: string): string {
  const prefix = PREFIXES.find((start) => model.startsWith(start)) ?? '';
  return model.slice(prefix.length);
}

function googleModelPath(model: string): string {
  if (model.startsWith(ENDPOINTS)) return `/${ENDPOINTS}${modelSegment(model.slice(ENDPOINTS.length))}`;
  return `/publishers/google/models/${modelSegment(nameOf(model))}`;
}

function predictPath(base: string): FormatPath {
  return { path: '', pathOf: (model) => `${base}${googleModelPath(model)}:predict`, verbatim: false };
}

/** Ranking belongs to Google's search (https://cloud.google.com/generative-ai-app-builder/docs/ranking). */
function rankPath(project: string): FormatPath {
  return {
    path: `/v1/projects/${encodeURIComponent(project)}/locations/global/rankingConfigs/default_ranking_config:rank`,
    origin: { host: 'discoveryengine.googleapis.com', port: 443, tls: true },
    verbatim: false,
  };
}

/** https://platform.claude.com/docs/en/api/claude-on-vertex-ai: the path names the model, save where tokens are counted. */
function anthropicFormats(models: string): Formats {
  const pathOf = (model: string, streaming: boolean) =>
    `${models}/${modelSegment(nameOf(model))}:${streaming ? 'streamRawPredict' : 'rawPredict'}`;
  return new Map<FormatName, FormatPath>([
    ['messages', { path: '', pathOf, verbatim: false }],
    ['anthropicTokenCount', { path: `${models}/count-tokens:rawPredict`, verbatim: false }],
  ]);
}

const ANTHROPIC_VERSION = 'vertex-2023-10-16';

function isAnthropic(format: FormatName): boolean {
  return format === 'messages' || format === 'anthropicTokenCount';
}

/** The body says the version of the API, and not which model: that is in the path. */
function anthropicBody({ model, ...body }: JsonObject, format: FormatName): JsonObject {
  return { anthropic_version: ANTHROPIC_VERSION, ...(format === 'anthropicTokenCount' && { model }), ...body };
}

const MEMBERS = new Wanted({ model: true, anthropic_version: true });
const MODEL = MEMBERS.slot('model');
const VERSION = MEMBERS.slot('anthropic_version');

/** The same in the client's own bytes. */
function anthropicBytes(bytes: Buffer, format: FormatName): Buffer {
  const scan = new JsonScanner(MEMBERS, bytes.length);
  scan.write(bytes);
  const edits = [];
  if (format === 'messages') edits.push({ name: 'model', slot: MODEL, json: null });
  if (scan.found(VERSION) === null) {
    edits.push({ name: 'anthropic_version', slot: VERSION, json: JSON.stringify(ANTHROPIC_VERSION) });
  }
  return editMembers(bytes, scan, edits);
}
