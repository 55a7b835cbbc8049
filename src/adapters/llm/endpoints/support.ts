import { GatewayError } from '../../../errors/table.ts';
import type { ProviderTarget } from '../target.ts';
import type { Endpoint, EndpointName } from './endpoint.ts';

/** Whether a provider has an API: `maybe` where nobody has said; it will say so itself. */
export type Support = 'yes' | 'no' | 'maybe';

const OPENAI: readonly EndpointName[] = [
  'imageGeneration',
  'imageEdit',
  'imageVariation',
  'speech',
  'transcription',
  'translation',
  'moderation',
  'files',
  'batches',
];

/** Providers whose APIs are their own: what isn't named they don't have. */
const OWN_APIS: Readonly<Record<string, readonly EndpointName[]>> = {
  anthropic: ['anthropicFiles', 'messageBatches'],
  gemini: ['geminiFiles', 'geminiBatches'],
  vertex: [],
  bedrock: [],
  copilot: [],
  demo: [],
};

/**
 * Services that follow OpenAI: what they are known to have. A request for something else goes on as it is, for lists of such APIs grow;
 * but an account is chosen among those that are known to keep files or batches.
 *
 * https://console.groq.com/docs/batch, https://docs.mistral.ai/api, https://docs.together.ai/reference,
 * https://docs.x.ai/docs/api-reference, https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch
 */
const FOLLOWERS: Readonly<Record<string, readonly EndpointName[]>> = {
  openAI: OPENAI,
  azure: ['imageGeneration', 'imageEdit', 'speech', 'transcription', 'translation', 'files', 'batches'],
  groq: ['speech', 'transcription', 'translation', 'files', 'batches'],
  mistral: ['speech', 'transcription', 'moderation', 'files'],
  togetherai: ['imageGeneration', 'speech', 'transcription', 'translation', 'files', 'batches'],
  xai: ['imageGeneration', 'imageEdit', 'files'],
  vllm: ['transcription', 'translation'],
};

const OPENAI_NAMES: ReadonlySet<EndpointName> = new Set(OPENAI);

/** Kinds of providers of which it is known what they have. */
export const KNOWN_KINDS: readonly string[] = [...Object.keys(FOLLOWERS), ...Object.keys(OWN_APIS)];

/** Whether a kind of provider has an API. Nobody but Google and Anthropic has theirs. */
export function supportOf(kind: string, name: EndpointName): Support {
  const own = OWN_APIS[kind];
  if (own !== undefined) return own.includes(name) ? 'yes' : 'no';
  if (FOLLOWERS[kind]?.includes(name)) return 'yes';
  return OPENAI_NAMES.has(name) || kind === 'custom' ? 'maybe' : 'no';
}

/** The kinds of providers that are known to have an API. */
export function kindsWith(name: EndpointName): string[] {
  return KNOWN_KINDS.filter((kind) => supportOf(kind, name) === 'yes');
}

/** Throws `unsupported_conversion`, which names the API and who has it, for a provider that is known not to. */
export function refuseUnlessTaken(target: ProviderTarget, { name, path }: Endpoint): void {
  if (supportOf(target.kind, name) !== 'no') return;
  const what = `${LABELS[name]}${path === '' ? '' : ` (${firstSegments(path)})`}`;
  throw new GatewayError(
    'unsupported_conversion',
    `The provider "${target.name}" has no ${what}, and it can't be converted. Kinds that have it: ${kindsWith(name).join(', ')}.`,
  );
}

export const LABELS: Readonly<Record<EndpointName, string>> = {
  imageGeneration: 'image generation',
  imageEdit: 'image edits',
  imageVariation: 'image variations',
  speech: 'speech',
  transcription: 'transcription',
  translation: 'audio translation',
  moderation: 'moderation',
  files: "files of OpenAI's API",
  batches: "batches of OpenAI's API",
  anthropicFiles: "files of Anthropic's API",
  messageBatches: 'message batches',
  geminiFiles: "files of Gemini's API",
  geminiBatches: "batches of Gemini's API",
};

/** Without ids. */
function firstSegments(path: string): string {
  return path.split('/', 3).join('/');
}
