import { z } from 'zod';
import type { HeaderList } from '../../../headers.ts';
import type { FormatName } from '../formats/route-types.ts';
import { renameMaxTokens, shapeForOpenAI } from './openai-models.ts';
import type { FormatPath, ProviderDefinition } from './provider.ts';
import { modelSetting, pinnedModel } from './settings.ts';

const ORIGIN = { host: 'api.githubcopilot.com', port: 443, tls: true };
const MESSAGES = '/v1/messages';

/** Only Anthropic's API has its usual base path there. */
const PATHS = {
  completions: '/chat/completions',
  responses: '/responses',
  messages: MESSAGES,
  embeddings: '/embeddings',
} as const satisfies Partial<Record<FormatName, string>>;

const CHAT = formatsOf('completions');
const RESPONSES = formatsOf('responses');
const CHAT_AND_RESPONSES = formatsOf('completions', 'responses');
const CLAUDE = formatsOf('messages', 'completions');
const ALL = formatsOf('completions', 'responses', 'messages');

/** What each family of models takes, as the `supported_endpoints` of Copilot's own list of models say; the first that fits. */
const FAMILIES: readonly (readonly [prefix: RegExp, formats: ReadonlyMap<FormatName, FormatPath>])[] = [
  [/^claude-/, CLAUDE],
  [/^(?:grok|mai)-/, RESPONSES],
  [/^gpt-[34]/, CHAT],
  [/^gpt-5(?:\.4|-mini)$/, CHAT_AND_RESPONSES],
  [/^gpt-/, RESPONSES],
];

/** GitHub Copilot. */
export const copilot: ProviderDefinition = {
  name: 'copilot',
  schema: z.strictObject({ model: modelSetting }),
  summary: 'GitHub Copilot.',
  active: true,
  defaultAuth: 'copilot',
  open: (provider) => ({
    telemetryName: 'copilot',
    origin: ORIGIN,
    basePath: '',
    formats: ALL,
    formatsFor: (model) => FAMILIES.find(([prefix]) => prefix.test(model.toLowerCase()))?.[1] ?? CHAT,
    otherPath: (path) => (path.startsWith('/v1/') ? path.slice(3) : path),
    model: pinnedModel(provider),
    keepsPathOnHostOverride: true,
    fixHeaders: fixCopilotHeaders,
    shapeBody: shapeForOpenAI,
    shapeNative: renameMaxTokens,
    issuerOf: (model) => (model.toLowerCase().startsWith('claude-') ? 'anthropic' : 'copilot'),
  }),
};

function formatsOf(...names: (keyof typeof PATHS)[]): ReadonlyMap<FormatName, FormatPath> {
  return new Map([...names, 'embeddings' as const].map((name) => [name, { path: PATHS[name], verbatim: false }]));
}

function fixCopilotHeaders(headers: HeaderList, _configuredLocation: boolean, path: string): void {
  if (path.includes(MESSAGES) && !headers.has('anthropic-version')) headers.add('anthropic-version', '2023-06-01');
}
