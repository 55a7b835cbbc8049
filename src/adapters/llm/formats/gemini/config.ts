import type { Conversation, JsonObject, OutputFormat, Reasoning, Sampling } from '../../../../facts/conversation.ts';
import type { Losses } from '../features.ts';
import { compact, type Fields } from '../fields.ts';
import { boundedBudget, budgetOf, effortOf, isReasoningOff } from '../reasoning.ts';
import { type GeminiModel, LEVELS, THINKING } from './models.ts';
import { fromGoogleSchema, toGeminiSchema } from './schema.ts';

/** `generationConfig` (https://ai.google.dev/api/generate-content#generationconfig). */
export interface DecodedConfig {
  readonly sampling: Sampling;
  readonly output?: OutputFormat;
  readonly reasoning?: Reasoning;
  readonly modalities?: readonly string[];
  /** What no other format knows, by dotted names. */
  readonly rest: JsonObject;
}

const JSON_TYPE = 'application/json';
/** Gemini's schemas have no name; formats that want one get this. */
const SCHEMA_NAME = 'response';

const NUMBERS = {
  maxOutputTokens: 'maxTokens',
  temperature: 'temperature',
  topP: 'topP',
  topK: 'topK',
  frequencyPenalty: 'frequencyPenalty',
  presencePenalty: 'presencePenalty',
  seed: 'seed',
  candidateCount: 'choices',
} as const satisfies Record<string, keyof Sampling>;

const KNOWN: ReadonlySet<string> = new Set([
  ...Object.keys(NUMBERS),
  'stopSequences',
  'responseLogprobs',
  'logprobs',
  'thinkingConfig',
  'responseModalities',
]);
const OUTPUT = ['responseMimeType', 'responseSchema', 'responseJsonSchema'];

export function decodeConfig(config: Fields | undefined): DecodedConfig {
  if (config === undefined) return { sampling: {}, rest: {} };
  const rest: JsonObject = {};
  for (const [name, value] of Object.entries(config.rest(KNOWN) ?? {})) {
    if (!OUTPUT.includes(name)) rest[`generationConfig.${name}`] = value;
  }
  const modalities = config.strings('responseModalities')?.map((name) => name.toLowerCase());
  return {
    sampling: decodeSampling(config),
    ...decodeOutput(config, rest),
    ...decodeReasoning(config.object('thinkingConfig'), rest),
    ...(modalities !== undefined && { modalities }),
    rest,
  };
}

function decodeSampling(config: Fields): Sampling {
  const sampling: { -readonly [K in keyof Sampling]: Sampling[K] } = {};
  for (const [wire, name] of Object.entries(NUMBERS)) {
    const value = config.number(wire);
    if (value !== undefined) sampling[name] = value;
  }
  const stop = config.strings('stopSequences');
  if (stop !== undefined && stop.length > 0) sampling.stop = stop;
  const logprobs = config.number('logprobs');
  if (config.boolean('responseLogprobs') === true) sampling.logprobs = logprobs ?? 0;
  return sampling;
}

function decodeOutput(config: Fields, rest: JsonObject): { output?: OutputFormat } {
  const type = config.string('responseMimeType') ?? '';
  const google = config.json('responseSchema');
  const schema = config.json('responseJsonSchema') ?? (google === undefined ? undefined : fromGoogleSchema(google));
  if (type === JSON_TYPE) {
    return { output: schema === undefined ? { type: 'json' } : { type: 'schema', name: SCHEMA_NAME, schema } };
  }
  // One of several words (`text/x.enum`), or whatever comes next.
  if (type !== '' && type !== 'text/plain') {
    for (const name of OUTPUT) if (config.has(name)) rest[`generationConfig.${name}`] = config.value[name];
  }
  return {};
}

const THINKING_KNOWN: ReadonlySet<string> = new Set(['includeThoughts', 'thinkingBudget', 'thinkingLevel']);

function decodeReasoning(thinking: Fields | undefined, rest: JsonObject): { reasoning?: Reasoning } {
  if (thinking === undefined) return {};
  for (const [name, value] of Object.entries(thinking.rest(THINKING_KNOWN) ?? {}))
    rest[`generationConfig.thinkingConfig.${name}`] = value;
  const include = thinking.boolean('includeThoughts');
  const budget = thinking.number('thinkingBudget');
  const level = thinking.string('thinkingLevel')?.toLowerCase();
  const effort = level === 'thinking_level_unspecified' ? undefined : level;
  const reasoning = compact({ include, budget, effort });
  return Object.keys(reasoning).length === 0 ? {} : { reasoning: reasoning as Reasoning };
}

export function encodeConfig(conversation: Conversation, model: GeminiModel, losses: Losses): JsonObject {
  const { sampling, output, reasoning, modalities } = conversation;
  const config: JsonObject = {};
  for (const [wire, name] of Object.entries(NUMBERS)) config[wire] = sampling[name];
  // 32 bits here.
  if (sampling.seed !== undefined) config.seed = sampling.seed | 0;
  if (sampling.stop !== undefined && sampling.stop.length > 0) config.stopSequences = sampling.stop;
  if (sampling.logprobs !== undefined) {
    config.responseLogprobs = true;
    if (sampling.logprobs > 0) config.logprobs = sampling.logprobs;
  }
  if (modalities !== undefined) config.responseModalities = modalities.map((name) => name.toUpperCase());
  if (output !== undefined) {
    config.responseMimeType = JSON_TYPE;
    if (output.type === 'schema') config.responseJsonSchema = toGeminiSchema(output.schema);
  }
  if (reasoning !== undefined) config.thinkingConfig = encodeReasoning(reasoning, model, losses);
  return compact(config);
}

/**
 * Levels since Gemini 3, token budgets before; budgets that the client gave itself are taken by both
 * (https://ai.google.dev/gemini-api/docs/thinking). Only one of the two may be sent.
 */
function encodeReasoning(reasoning: Reasoning, model: GeminiModel, losses: Losses): JsonObject | undefined {
  if (model.generation < THINKING) {
    if (!isReasoningOff(reasoning)) losses.drop(reasoning.effort === undefined ? 'reasoningBudget' : 'reasoningEffort');
    return undefined;
  }
  const { mode, effort, summary, budget } = reasoning;
  const asked = mode === 'enabled' || mode === 'adaptive' || summary !== undefined;
  const config = compact({
    includeThoughts: reasoning.include ?? (asked ? true : undefined),
    ...(model.generation >= LEVELS && (budget === undefined || effort !== undefined)
      ? { thinkingLevel: effort === undefined && mode !== 'disabled' ? undefined : levelOf(reasoning, model) }
      : { thinkingBudget: boundedOf(budgetOf(reasoning), model) }),
  });
  return Object.keys(config).length === 0 ? undefined : config;
}

const LEVEL_NAMES: ReadonlyMap<string, string> = new Map([
  ['none', 'MINIMAL'],
  ['minimal', 'MINIMAL'],
  ['low', 'LOW'],
  ['medium', 'MEDIUM'],
  ['high', 'HIGH'],
  ['xhigh', 'HIGH'],
  ['max', 'HIGH'],
]);

/** The nearest level the model has: Pro models think at least a little, the first of them (3.0) little or much. */
function levelOf(reasoning: Reasoning, { generation, pro }: GeminiModel): string | undefined {
  const level = LEVEL_NAMES.get(effortOf(reasoning) ?? '');
  if (!pro) return level;
  if (level === 'MINIMAL') return 'LOW';
  return level === 'MEDIUM' && generation === LEVELS ? 'HIGH' : level;
}

/** Limits of the 2.5 models, whose Pro can't be told not to think. */
const BUDGETS = { pro: { least: 128, most: 32_768 }, other: { least: 1, most: 24_576 } };

function boundedOf(budget: number | undefined, { generation, pro }: GeminiModel): number | undefined {
  if (budget === undefined || generation >= LEVELS) return budget;
  const { least, most } = pro ? BUDGETS.pro : BUDGETS.other;
  return pro && budget === 0 ? least : boundedBudget(budget, least, most);
}
