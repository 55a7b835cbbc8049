import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { AiProvider } from '../../../resources/types.ts';
import { FORMAT_PATHS, type FormatName } from '../formats/route-types.ts';
import { type ChatQuirks, shapeChat } from './chat-quirks.ts';
import { GEMINI_BASE, geminiModelPath, googleFormats, KEY_PARAMETER } from './gemini.ts';
import type { FormatPath, OpenProvider, ProviderDefinition, ProviderOrigin } from './provider.ts';
import { modelSetting, pinnedModel } from './settings.ts';

/** agentgateway's ProviderFormat, and ours. */
export const PROVIDER_FORMATS = [
  'completions',
  'messages',
  'responses',
  'embeddings',
  'anthropicTokenCount',
  'generateContent',
  'geminiCountTokens',
  'realtime',
  'rerank',
  'cohereRerank',
  'cohereEmbed',
  'embedContent',
  'batchEmbedContents',
] as const satisfies readonly FormatName[];

const schema = z.strictObject({
  model: modelSetting,
  providerOverride: z.string().nullish().describe('Name in telemetry; default `custom`.'),
  formats: z
    .array(
      z.strictObject({
        type: z.enum(PROVIDER_FORMATS).describe('API that the provider takes.'),
        path: z.string().nullish().describe('Whole path of this API, where it is not the usual one.'),
      }),
    )
    .describe('APIs that the provider takes as they are.'),
});

/** Any service that speaks one or more of the known formats; the configuration says where it is. */
export const custom: ProviderDefinition = {
  name: 'custom',
  schema,
  summary: 'Any service that speaks a known API; needs a host.',
  active: true,
  open(provider) {
    const settings = schema.parse(provider.settings);
    const formats: { type: FormatName; path: string }[] = settings.formats.map(({ type, path }) => ({
      type,
      path: path ?? '',
    }));
    // Who speaks chat completions speaks, as far as anyone can tell, their predecessor too; if not, it will say so itself.
    if (formats.some(({ type, path }) => type === 'completions' && path === ''))
      formats.push({ type: 'textCompletions', path: '' });
    const open = openCustom(provider, {
      telemetryName: settings.providerOverride || 'custom',
      origin: null,
      basePath: '/v1',
      formats,
    });
    const issuer = settings.providerOverride || issuerAt(provider);
    return { ...open, issuerOf: () => issuer };
  },
};

/** Services without a name are told apart by where they are: what one of them signed is nothing to another. */
function issuerAt({ hostOverride, pathPrefix }: AiProvider): string {
  const place = createHash('sha256').update(`${hostOverride}${pathPrefix}`).digest('hex').slice(0, 8);
  return `custom-${place}`;
}

/** What `custom` and the presets have in common. */
export function openCustom(
  provider: AiProvider,
  service: {
    telemetryName: string;
    origin: ProviderOrigin | null;
    basePath: string;
    formats: readonly { type: FormatName; path: string }[];
    quirks?(model: string): ChatQuirks;
  },
): OpenProvider {
  const formats = new Map<FormatName, FormatPath>();
  for (const { type, path } of service.formats) {
    // What is behind this path is Cohere's, though agentgateway has one name for both.
    const own = type === 'rerank' && path.endsWith(COHERE_PATHS.cohereRerank) ? 'cohereRerank' : type;
    formats.set(own, formatPath(own, path));
  }
  if (formats.has('messages') && !formats.has('anthropicTokenCount')) {
    const messages = formats.get('messages') as FormatPath;
    if (messages.path !== '')
      formats.set('anthropicTokenCount', {
        path: `${messages.path}/count_tokens`,
        verbatim: messages.verbatim,
        assumed: true,
      });
  }
  return {
    telemetryName: service.telemetryName,
    origin: service.origin,
    basePath: service.basePath,
    formats,
    model: pinnedModel(provider),
    keepsPathOnHostOverride: false,
    // Clients of Google's may bring their key to whoever speaks its formats.
    ...([...formats.keys()].some((name) => GEMINI_PATHS.has(name)) && { keyParameter: KEY_PARAMETER }),
    shapeBody: (body, format, model, losses) =>
      format === 'completions' && losses !== undefined ? shapeChat(body, service.quirks?.(model) ?? {}, losses) : body,
  };
}

const GEMINI_PATHS = new Map(googleFormats(geminiModelPath));

const COHERE_PATHS = { cohereEmbed: '/v2/embed', cohereRerank: '/v2/rerank' } as const;

function formatPath(type: FormatName, path: string): FormatPath {
  if (path !== '') return { path, verbatim: true };
  const google = GEMINI_PATHS.get(type);
  if (google !== undefined) return { ...google, basePath: GEMINI_BASE };
  if (type === 'cohereEmbed' || type === 'cohereRerank')
    return { path: COHERE_PATHS[type], basePath: '', verbatim: false };
  return { path: (FORMAT_PATHS as Partial<Record<FormatName, string>>)[type] ?? '', verbatim: false };
}
