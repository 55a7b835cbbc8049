import type { Rates } from '../resources/prices.ts';

/**
 * What an LLM request is known to be, stated by the LLM adapter as it learns it and read by policies, metrics and the log.
 */

/** Token counts in disjoint usage buckets: their sum is the provider's total, whatever convention the provider counts in. */
export interface Usage {
  /** Input tokens that were neither read from nor written to a prompt cache. */
  input: number;
  /** Input tokens read from a prompt cache. */
  cachedInput: number;
  /** Input tokens written to a prompt cache. */
  cacheWrite: number;
  /** Output tokens other than reasoning. */
  output: number;
  /** Output tokens spent on reasoning. */
  reasoning: number;
}

/** What kinds of content a usage was spent on, where the provider says; part of the buckets, not beside them. */
export interface UsageDetails {
  readonly inputTextTokens?: number;
  readonly inputImageTokens?: number;
  readonly inputAudioTokens?: number;
  /** Of the audio, what was read from a prompt cache. */
  readonly cachedAudioTokens?: number;
  readonly outputTextTokens?: number;
  readonly outputImageTokens?: number;
  readonly outputAudioTokens?: number;
  /** Length of the audio that was worked on, seconds: some models are paid by it, and report no tokens. */
  readonly audioSeconds?: number;
}

export interface TokenCount {
  readonly tokens: number;
  /** False: an estimate, or the count of another model's encoding. */
  readonly exact: boolean;
}

/** What a request cost, USD: the parts are disjoint, as usage is. */
export interface Cost {
  total: number;
  /** Input tokens that were neither read from nor written to a prompt cache. */
  input: number;
  cacheRead: number;
  cacheWrite: number;
  /** Output tokens other than reasoning. */
  output: number;
  reasoning: number;
  /** Audio that is not in the other parts. */
  inputAudio: number;
  outputAudio: number;
  /** The prices that counted, USD per million tokens. */
  rates: Rates;
}

export function emptyUsage(): Usage {
  return { input: 0, cachedInput: 0, cacheWrite: 0, output: 0, reasoning: 0 };
}

/** All tokens of the prompt, as a budget counts them. */
export function inputTokens(usage: Usage): number {
  return usage.input + usage.cachedInput + usage.cacheWrite;
}

/** All tokens of the answer, reasoning included. */
export function outputTokens(usage: Usage): number {
  return usage.output + usage.reasoning;
}

export function totalTokens(usage: Usage): number {
  return inputTokens(usage) + outputTokens(usage);
}

/** gen_ai.operation.name values (OpenTelemetry gen_ai semantic conventions), and our own for what they do not name. */
export type LlmOperation =
  | 'chat'
  | 'text_completion'
  | 'embeddings'
  | 'rerank'
  | 'count_tokens'
  | 'image_generation'
  | 'image_edit'
  | 'image_variation'
  | 'speech'
  | 'transcription'
  | 'translation'
  | 'moderation'
  | 'files'
  | 'batches'
  | 'realtime'
  | 'models'
  | 'passthrough';

/**
 * agentgateway's route types: what a request's path says it is. `models`, `passthrough` and `detect` are ways of handling, the
 * others wire formats. `textCompletions` (the legacy /v1/completions), `converse`, `invoke` and `bedrockCountTokens` (Bedrock's),
 * `cohereEmbed` and `cohereRerank`, `embedContent` and `batchEmbedContents` (Gemini's) are our own.
 */
export const ROUTE_TYPES = [
  'completions',
  'messages',
  'models',
  'passthrough',
  'detect',
  'responses',
  'embeddings',
  'realtime',
  'anthropicTokenCount',
  'generateContent',
  'geminiCountTokens',
  'rerank',
  'cohereRerank',
  'cohereEmbed',
  'embedContent',
  'batchEmbedContents',
  'textCompletions',
  'converse',
  'invoke',
  'bedrockCountTokens',
] as const;

export type RouteType = (typeof ROUTE_TYPES)[number];

/** Where expressions find, among metadata, the model that the client named, whatever has taken its place since. */
export const USER_MODEL = 'agentgateway_user_model';

/** A message that the operator puts into prompts. `role`: `system`, `developer`, `user` or `assistant`. */
export interface PromptMessage {
  readonly role: string;
  readonly content: string;
}

/** The parts of a prompt that are marked for the provider's cache. */
export interface PromptCaching {
  readonly cacheSystem: boolean;
  readonly cacheMessages: boolean;
  readonly cacheTools: boolean;
  /** Tokens, estimated, that a prompt must have up to a mark. Default: 1024. */
  readonly minTokens?: number | null | undefined;
  /** Messages at the end that stay behind the mark. */
  readonly cacheMessageOffset: number;
}

/** What the gateway may fetch where a provider can't take a medium by its URL. */
export interface MediaFetch {
  /** Every host, or these. */
  readonly allow: boolean | readonly string[];
  /** Networks beside the public ones whose addresses may be connected to. */
  readonly networks: readonly string[];
  /** Bytes, or text such as `10Mi`. */
  readonly maxBytes: number | string;
  readonly timeout: string;
}

/** The parts of the `ai` policy's value that the LLM adapter executes as data. */
export interface AiPolicy {
  /** Members set in a request body that lacks them. */
  defaults?: Readonly<Record<string, unknown>> | null | undefined;
  /** Members set in every request body, in place of the client's. */
  overrides?: Readonly<Record<string, unknown>> | null | undefined;
  /** Members computed by CEL: of the body as it came, and of the body as the provider gets it. */
  transformations?: Readonly<Record<string, string>> | null | undefined;
  finalTransformations?: Readonly<Record<string, string>> | null | undefined;
  /** Messages in front of the client's and behind them. */
  prompts?:
    | {
        readonly prepend?: readonly PromptMessage[] | undefined;
        readonly append?: readonly PromptMessage[] | undefined;
      }
    | null
    | undefined;
  /** Where the gateway marks prompts for the provider's cache. */
  promptCaching?: PromptCaching | null | undefined;
  mediaFetch?: MediaFetch | null | undefined;
  /** Model name or pattern (at most one `*`) → the model asked for instead. */
  modelAliases?: Readonly<Record<string, string>> | undefined;
  /** What a conversion can't say is refused, never dropped. */
  strict?: boolean | null | undefined;
  /** Path suffix, or `*` for every other path → route type. */
  routes?: Readonly<Record<string, RouteType>> | undefined;
}

/** What becomes of a request whose client has left: read on to the provider's count, or stop and estimate. */
export type OnClientAbort = 'drain' | 'cancel';

/** A message of a prompt: its texts put together. */
export interface PromptText {
  readonly role: string;
  readonly content: string;
}

/** A tool that the model calls. `arguments`: parsed where they are JSON. */
export interface ToolUse {
  readonly id: string;
  readonly name: string;
  readonly arguments: unknown;
}

export interface AnswerContents {
  /** The text of each of the answers. */
  readonly completion: readonly string[];
  readonly toolCalls: readonly ToolUse[];
}

/** What a request and its answer say, read when it is asked for. Null: can't be told, or is no longer kept. */
export interface LlmContents {
  prompt(): readonly PromptText[] | null;
  /** Parameters of the request by OpenAI's names: `temperature`, `max_tokens` … */
  params(): Readonly<Record<string, unknown>> | null;
  /** `body`: the answer, or its beginning, as the client is sent it. */
  answer(body: Buffer, contentType: string): AnswerContents | null;
  /** Nobody will ask for the request any more. */
  letGo(): void;
}

export interface LlmFacts {
  operation: LlmOperation;
  /** The provider's telemetry name, e.g. `openai`, `anthropic`; '' until one is chosen. */
  provider: string;
  /** The model the client asked for. */
  clientModel: string;
  /** The model the provider was asked for. */
  requestModel: string;
  /** The model the provider says it used; '' while unknown. */
  responseModel: string;
  streaming: boolean;
  /** Bytes of the request body, from which a prompt's tokens are estimated when the provider never reports them. */
  requestBytes: number;
  /** Set once, when the provider's count is known or, at the end, estimated. */
  usage: Usage | null;
  /** Set with `usage` or without it; absent where the provider doesn't say. */
  usageDetails?: UsageDetails;
  /** True where `usage` is our estimate and not the provider's count. */
  usageEstimated: boolean;
  /** Set with `usage`; null where the price of the model is unknown, which is not 0. */
  cost: Cost | null;
  /** Milliseconds from the request's start to the first event that carries content; -1 while none has. */
  firstTokenMs: number;
  /** Milliseconds from the request's start to the last event that carries content; -1 while none has. */
  lastTokenMs: number;
  /** Input tokens as the provider counts them: with those of its cache, or without. */
  providerInputTokens?: number;
  /** The tier that the provider says it served the request under. */
  serviceTier?: string;
  /** Of a request to count tokens, what it was answered. */
  countedTokens?: number;
  /** Of requests whose bodies are read: what they say. */
  contents?: LlmContents;
}
