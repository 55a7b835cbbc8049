import type { Conversation, JsonObject, Reasoning, Sampling } from '../../../../facts/conversation.ts';
import { betasOfBedrock } from '../claude/betas.ts';
import { decodeReasoning, planThinking } from '../claude/reason.ts';
import { encodeSampling } from '../claude/sampling.ts';
import { decodeToolChoice } from '../claude/tool-choice.ts';
import type { EncodeContext } from '../codec.ts';
import { compact, type Fields, isObject } from '../fields.ts';
import { budgetOf, effortOf, isReasoningOff } from '../reasoning.ts';
import type { ModelTraits } from './models.ts';

/**
 * What each family of models has its own words for: `additionalModelRequestFields`, passed on to the model as they are, and
 * `outputConfig.effort` (https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html, for Claude
 * https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html, for Nova 2
 * https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html).
 */

// ---- decoding ----

export interface ModelFields extends Pick<Conversation, 'toolChoice' | 'parallelToolCalls' | 'reasoning'> {
  readonly topK?: number;
  /** What the hub has no place for. */
  readonly rest?: JsonObject;
}

/** Reads the words of all families: the path may name the model by an alias. */
export function decodeModelFields(fields: Fields | undefined, effort: string | undefined): ModelFields {
  if (fields === undefined) return effort === undefined ? {} : { reasoning: { effort, effortOnly: true } };
  const { thinking, output_config, tool_choice, reasoning_effort, top_k, ...own } = fields.value;
  const { reasoningConfig, inferenceConfig, ...others } = fromWithin(own);
  const config = isObject(output_config) ? output_config : {};
  const { effort: ownEffort, ...format } = config;
  const word = effort ?? (typeof ownEffort === 'string' ? ownEffort : undefined);
  const claude = decodeReasoning(isObject(thinking) ? fields.object('thinking') : undefined, word);
  const nova = decodeNova(reasoningConfig);
  const open = typeof reasoning_effort === 'string' ? { effort: reasoning_effort } : undefined;
  const choice = isObject(tool_choice) ? decodeToolChoice(fields.object('tool_choice')) : {};
  const topK = typeof top_k === 'number' ? top_k : isTopK(inferenceConfig) ? inferenceConfig.topK : undefined;
  const { rest: thinkingRest, reasoning = nova ?? open } = claude;
  return {
    ...compact({
      reasoning,
      toolChoice: choice.toolChoice,
      parallelToolCalls: choice.parallelToolCalls,
      topK,
    }),
    ...nonEmpty({
      ...others,
      thinking: isObject(thinking) ? thinkingRest : thinking,
      output_config: isObject(output_config) ? nonEmpty(format).rest : output_config,
      tool_choice: isObject(tool_choice) ? choice.rest : tool_choice,
      reasoningConfig: nova === undefined || claude.reasoning !== undefined ? reasoningConfig : undefined,
      reasoning_effort: reasoning === open && open !== undefined ? undefined : reasoning_effort,
      top_k: typeof top_k === 'number' ? undefined : top_k,
      inferenceConfig: isTopK(inferenceConfig) && typeof top_k !== 'number' ? undefined : inferenceConfig,
    }),
  } as ModelFields;
}

function nonEmpty(fields: JsonObject): { readonly rest?: JsonObject } {
  const rest = compact(fields);
  return Object.keys(rest).length === 0 ? {} : { rest };
}

function decodeNova(config: unknown): Reasoning | undefined {
  if (!isObject(config)) return undefined;
  const { type, maxReasoningEffort: effort } = config;
  if (type === 'disabled') return { mode: 'disabled' };
  if (type !== 'enabled') return undefined;
  return { mode: 'enabled', ...(typeof effort === 'string' ? { effort } : {}) };
}

/** Nova takes how it reasons within its `inferenceConfig`, too. */
function fromWithin({ inferenceConfig, ...own }: JsonObject): JsonObject {
  if (!isObject(inferenceConfig) || own.reasoningConfig !== undefined) return { ...own, inferenceConfig };
  const { reasoningConfig, ...config } = inferenceConfig;
  return { ...own, reasoningConfig, inferenceConfig: nonEmpty(config).rest };
}

/** Nova's own parameters where they are no more than this one. */
function isTopK(config: unknown): config is { readonly topK: number } {
  return isObject(config) && typeof config.topK === 'number' && Object.keys(config).length === 1;
}

// ---- encoding ----

/** What reasoning and sampling become for a model. */
export interface EncodedFields {
  /** Members of `additionalModelRequestFields`. */
  readonly fields: JsonObject;
  /** `outputConfig.effort`. */
  readonly effort?: string;
  readonly inferenceConfig: JsonObject;
}

/** `forced`: a tool must be called; `unthought`: the turn so far has no thinking where Claude would want to see some. */
export interface ThinkingLimits {
  readonly forced: boolean;
  readonly unthought: boolean;
}

export function encodeModelFields(
  { reasoning, sampling }: Conversation,
  context: EncodeContext,
  traits: ModelTraits,
  limits: ThinkingLimits,
): EncodedFields {
  const { losses } = context;
  if (traits.claude === null) return encodeOthers(reasoning ?? {}, sampling, context, traits);
  const { thinking, effort, budget } = planThinking(reasoning, { traits: traits.claude, losses, ...limits });
  const thinks = thinking !== undefined && thinking.type !== 'disabled';
  // Models that only think as they see fit are not told not to: Bedrock refuses the word, and they don't unless they are told to.
  const said = thinks || traits.claude.budget ? thinking : undefined;
  const betas = betasOfBedrock(context.betas ?? []);
  const { temperature, top_p, top_k, stop_sequences } = encodeSampling(sampling, traits.claude, thinks, losses);
  return {
    fields: compact({ thinking: said, top_k, anthropic_beta: betas.length === 0 ? undefined : betas }),
    ...(effort === undefined ? {} : { effort }),
    inferenceConfig: compact({
      maxTokens: longest(sampling.maxTokens, budget, context.defaultMaxTokens, traits.claude.mostTokens),
      temperature,
      topP: top_p,
      stopSequences: stop_sequences,
    }),
  };
}

/** The longest answer, thinking included, must be above the thinking's budget: the answer keeps the room it was given. */
function longest(asked: number | undefined, budget: number, usual: number, most: number): number | undefined {
  if (budget === 0 || (asked !== undefined && asked > budget)) return asked;
  return Math.min((asked ?? usual) + budget, most);
}

/** Bedrock's scale for `temperature` ends at 1, OpenAI's and Gemini's at 2. */
const MOST_TEMPERATURE = 1;

function encodeOthers(
  reasoning: Reasoning,
  sampling: Sampling,
  { losses }: EncodeContext,
  { efforts, topK: family }: ModelTraits,
): EncodedFields {
  const fields: JsonObject = {};
  if (budgetOf(reasoning) !== undefined) {
    if (efforts === 'nova') fields.reasoningConfig = novaReasoning(reasoning, sampling);
    else if (efforts === 'openai') fields.reasoning_effort = threeWords(effortOf(reasoning));
    else if (!isReasoningOff(reasoning)) {
      losses.drop(reasoning.effort === undefined ? 'reasoningBudget' : 'reasoningEffort');
    }
  }
  if (reasoning.summary !== undefined) losses.drop('reasoningSummary');
  const { maxTokens, temperature, topP, topK, stop } = sampling;
  if (topK !== undefined) {
    if (family === 'nova') fields.inferenceConfig = { topK };
    else losses.drop('topK');
  }
  const stopSequences = stop?.filter((sequence) => sequence !== '');
  return {
    fields,
    inferenceConfig: compact({
      maxTokens,
      temperature: temperature === undefined ? undefined : Math.min(Math.max(temperature, 0), MOST_TEMPERATURE),
      topP,
      stopSequences: stopSequences?.length === 0 ? undefined : stopSequences,
    }),
  };
}

/** Nova takes its highest effort only where nothing else is said of sampling or length. */
function novaReasoning(reasoning: Reasoning, { maxTokens, temperature, topP, topK }: Sampling): JsonObject {
  if (isReasoningOff(reasoning)) return { type: 'disabled' };
  const effort = threeWords(effortOf(reasoning));
  const bound = maxTokens ?? temperature ?? topP ?? topK;
  return { type: 'enabled', maxReasoningEffort: effort === 'high' && bound !== undefined ? 'medium' : effort };
}

/** `low`, `medium` or `high`, whatever was asked. */
function threeWords(effort: string | undefined): string {
  if (effort === 'none' || effort === 'minimal' || effort === 'low') return 'low';
  return effort === 'high' || effort === 'xhigh' || effort === 'max' ? 'high' : 'medium';
}
