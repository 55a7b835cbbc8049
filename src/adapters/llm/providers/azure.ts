import { z } from 'zod';
import type { HeaderList } from '../../../headers.ts';
import type { Endpoint } from '../endpoints/endpoint.ts';
import { defaultMaxTokensOf } from '../formats/claude/models.ts';
import { FORMAT_PATHS, type FormatName } from '../formats/route-types.ts';
import { fixAnthropicHeaders } from './anthropic.ts';
import { renameMaxTokens, shapeForOpenAI } from './openai-models.ts';
import type { FormatPath, ProviderDefinition } from './provider.ts';
import { modelSetting, pinnedModel } from './settings.ts';

const schema = z.strictObject({
  model: modelSetting,
  resourceName: z.string().describe('Name of the Azure resource; part of its host name.'),
  resourceType: z.enum(['openAI', 'foundry', 'aiServices']).describe('Kind of the resource; decides the host name.'),
  apiVersion: z.string().nullish().describe('API version: `v1` (default), `preview`, or a date.'),
  projectName: z.string().nullish().describe('Project within a Foundry resource.'),
});

type Settings = z.infer<typeof schema>;

/** The APIs of OpenAI that Azure serves. */
const OPENAI_FORMATS = ['completions', 'textCompletions', 'responses', 'embeddings', 'realtime'] as const;
const ANTHROPIC = '/anthropic/v1';
const PROJECT = /^\/api\/projects\/[^/]+/;

/**
 * Azure OpenAI (https://learn.microsoft.com/azure/ai-foundry/openai/reference) and Azure AI Foundry, whose Claude models speak
 * Anthropic's API. A key goes into the field that Azure looks for it in, a token of Entra ID stays where it is.
 */
export const azure: ProviderDefinition = {
  name: 'azure',
  schema,
  summary: 'Azure OpenAI and Azure AI Foundry.',
  active: true,
  defaultAuth: 'azure',
  open(provider) {
    const settings = schema.parse(provider.settings);
    const foundry = settings.resourceType !== 'openAI';
    const domain = foundry ? 'services.ai.azure.com' : 'openai.azure.com';
    const base = basePath(settings, foundry);
    const version = foundry ? 'v1' : settings.apiVersion || 'v1';
    const formats = openAIFormats(base, version);
    return {
      telemetryName: 'azure',
      origin: { host: `${settings.resourceName}.${domain}`, port: 443, tls: true },
      basePath: '',
      formats,
      ...(foundry && { formatsFor: (model) => (isClaude(model) ? CLAUDE_FORMATS : formats) }),
      otherPath: (path) => otherPath(path, base, version),
      endpointPath: (endpoint, model) => endpointPath(endpoint, model, base, version),
      model: pinnedModel(provider),
      keyParameter: 'api-key',
      keepsPathOnHostOverride: true,
      fixHeaders: fixAzureHeaders,
      shapeBody: shapeForOpenAI,
      shapeNative: renameMaxTokens,
      defaultMaxTokens: defaultMaxTokensOf,
      readableBy: 'place',
      issuerOf: (model) => (foundry && isClaude(model) ? 'anthropic' : 'azure'),
    };
  },
};

const CLAUDE_FORMATS: ReadonlyMap<FormatName, FormatPath> = new Map(
  (['messages', 'anthropicTokenCount'] as const).map((name) => [
    name,
    { path: ANTHROPIC + FORMAT_PATHS[name], verbatim: false },
  ]),
);

function isClaude(model: string): boolean {
  return model.toLowerCase().startsWith('claude');
}

function basePath({ apiVersion, projectName, resourceName }: Settings, foundry: boolean): string {
  if (foundry) return `/api/projects/${encodeURIComponent(projectName || resourceName)}/openai/v1`;
  return isUnversioned(apiVersion || 'v1') ? '/openai/v1' : '/openai';
}

/** The APIs that follow OpenAI's own, in place of those with a date. */
function isUnversioned(version: string): boolean {
  return version === 'v1' || version === 'preview';
}

function versionQuery(version: string): string {
  return version === 'v1' ? '' : `?api-version=${encodeURIComponent(version)}`;
}

/** APIs with a date name the deployment in the path; responses came after, and name it in the body. */
function openAIFormats(base: string, version: string): Map<FormatName, FormatPath> {
  const query = versionQuery(version);
  return new Map(
    OPENAI_FORMATS.map((name): [FormatName, FormatPath] => {
      const path = FORMAT_PATHS[name];
      // Sessions belong to the resource, and name their deployment in the query.
      if (name === 'realtime') return [name, { path: base.replace(PROJECT, '') + path + query, verbatim: false }];
      if (isUnversioned(version) || name === 'responses') return [name, { path: base + path + query, verbatim: false }];
      const pathOf = (model: string) => `${base}/deployments/${encodeURIComponent(model)}${path}${query}`;
      return [name, { path: base + path + query, pathOf, verbatim: false }];
    }),
  );
}

/** APIs with a date name the deployment in the path, as those of conversations do; files and batches have none. */
function endpointPath(
  { asksModel, path }: Pick<Endpoint, 'path' | 'asksModel'>,
  model: string,
  base: string,
  version: string,
): string {
  const deployment = asksModel && !isUnversioned(version) ? `/deployments/${encodeURIComponent(model)}` : '';
  return base + deployment + path + versionQuery(version);
}

/** `/v1/models` → `/openai/v1/models`; a path of Azure's own stays. */
function otherPath(path: string, base: string, version: string): string {
  if (/^\/(?:openai|anthropic|api)\//.test(path)) return path;
  return base + (path.startsWith('/v1/') ? path.slice(3) : path) + versionQuery(version);
}

/** Three parts, the first a JSON object: what Entra ID gives out. */
const TOKEN = /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/;

export function fixAzureHeaders(headers: HeaderList, configuredLocation: boolean, path: string): void {
  const anthropic = path.includes(`${ANTHROPIC}/`);
  const bearer = headers.get('authorization');
  const isToken =
    bearer !== undefined && bearer.slice(0, 7).toLowerCase() === 'bearer ' && TOKEN.test(bearer.slice(7).trim());
  // What is no token would be moved to x-api-key there.
  if (anthropic) fixAnthropicHeaders(headers, configuredLocation || isToken);
  else if (!configuredLocation && bearer?.slice(0, 7).toLowerCase() === 'bearer ' && !isToken) {
    headers.remove('authorization');
    headers.set('api-key', bearer.slice(7).trim());
  }
}
