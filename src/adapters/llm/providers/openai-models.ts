import type { JsonObject } from '../../../facts/conversation.ts';
import type { Feature, Losses } from '../formats/features.ts';
import { isObject } from '../formats/fields.ts';
import type { FormatName } from '../formats/route-types.ts';
import { editMembers } from '../json-edit.ts';
import { JsonScanner } from '../json-scan.ts';
import { Wanted } from '../json-wanted.ts';
import { type ChatQuirks, nearestEffort, shapeChat } from './chat-quirks.ts';

/**
 * What OpenAI's models take, by their names, wherever they run. Efforts: https://platform.openai.com/docs/guides/reasoning and the models'
 * pages; what reasoning models refuse: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/reasoning#not-supported and, for models
 * that need not think, https://platform.openai.com/docs/guides/latest-model.
 */
interface ModelTraits {
  /** Words of `reasoning_effort`, the least first; [] = the model doesn't reason. */
  readonly efforts: readonly string[];
  /** Takes no stop sequences. */
  readonly withoutStop: boolean;
}

const [NONE, MINIMAL, LOW, MEDIUM, HIGH, XHIGH] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'] as const;
const USUAL = [LOW, MEDIUM, HIGH];

/** The first that fits. */
const EFFORTS: readonly (readonly [name: RegExp, efforts: readonly string[]])[] = [
  [/^gpt-5-(?:chat|search)/, []],
  [/^gpt-5-codex/, USUAL],
  [/^gpt-5-pro/, [HIGH]],
  [/^gpt-5(?:$|-)/, [MINIMAL, ...USUAL]],
  [/^gpt-5\.\d+-chat/, [MEDIUM]],
  [/^gpt-5\.1-codex-max/, [...USUAL, XHIGH]],
  [/^gpt-5\.1-codex/, USUAL],
  [/^gpt-5\.1/, [NONE, ...USUAL]],
  [/^gpt-5\.\d+-codex/, [...USUAL, XHIGH]],
  [/^gpt-5\.\d+-pro/, [MEDIUM, HIGH, XHIGH]],
  [/^gpt-5\.\d+/, [NONE, ...USUAL, XHIGH]],
  [/^o\d/, USUAL],
  [/^(?:gpt-[34]|chatgpt-)/, []],
];

/** null: a model that isn't known (a deployment's name, a fine-tuned one of somebody else's). */
function traitsOf(model: string): ModelTraits | null {
  const name = model.toLowerCase().replace(/^ft:/, '');
  const efforts = EFFORTS.find(([prefix]) => prefix.test(name))?.[1];
  return efforts === undefined ? null : { efforts, withoutStop: /^o[34]/.test(name) };
}

/** What can't be chosen while a model reasons. */
const SAMPLING: Readonly<Record<string, Feature>> = {
  temperature: 'temperature',
  top_p: 'topP',
  presence_penalty: 'presencePenalty',
  frequency_penalty: 'frequencyPenalty',
  logprobs: 'logprobs',
  top_logprobs: 'logprobs',
};

/** A converted request as OpenAI's models take it. */
export function shapeForOpenAI(body: JsonObject, format: FormatName, model: string, losses?: Losses): JsonObject {
  if (losses === undefined) return body;
  if (format === 'completions') return shapeChat(body, quirksOf(body, model), losses);
  return format === 'responses' ? shapeResponses(body, model, losses) : body;
}

function quirksOf(body: JsonObject, model: string): ChatQuirks {
  const own = { developer: true, withoutThinking: true } as const;
  const traits = traitsOf(model);
  if (traits === null) return own;
  const { efforts, withoutStop } = traits;
  return {
    ...own,
    efforts,
    refused: {
      ...(reasons(traits, body.reasoning_effort) ? SAMPLING : {}),
      ...(withoutStop ? { stop: 'stop', parallel_tool_calls: null } : {}),
      ...(efforts.length === 0 && !/^gpt-5/.test(model) ? { verbosity: 'verbosity' } : {}),
    },
  };
}

/** Those that can be told not to don't unless they are asked to. */
function reasons({ efforts }: ModelTraits, effort: unknown): boolean {
  if (efforts.length === 0) return false;
  return efforts[0] !== NONE || (typeof effort === 'string' && effort !== NONE);
}

function shapeResponses(body: JsonObject, model: string, losses: Losses): JsonObject {
  const traits = traitsOf(model);
  if (traits === null) return body;
  const { reasoning, ...rest } = body;
  const asked = isObject(reasoning) ? reasoning : {};
  const effort = typeof asked.effort === 'string' ? nearestEffort(asked.effort, traits.efforts) : undefined;
  if (effort === undefined && typeof asked.effort === 'string' && asked.effort !== NONE) losses.drop('reasoningEffort');
  const told = { ...asked, effort };
  const shaped = shapeChat(rest, { refused: reasons(traits, effort) ? SAMPLING : {} }, losses);
  return traits.efforts.length === 0 || Object.keys(asked).length === 0 ? shaped : { ...shaped, reasoning: told };
}

const MEMBERS = new Wanted({ max_tokens: true, max_completion_tokens: true });
const MAX_TOKENS = MEMBERS.slot('max_tokens');
const MAX_COMPLETION_TOKENS = MEMBERS.slot('max_completion_tokens');
const OLD_NAME = Buffer.from('"max_tokens"');
/** OpenAI's own names, and those of models tuned from them. */
const OPENAI_MODEL = /^(?:ft:)?(?:gpt-|chatgpt-|o\d)/;

/**
 * A client's own chat request with the longest answer under the name that all of OpenAI's models take: `max_tokens` is refused by those
 * that reason. Only where the model's name says that it is one of OpenAI's.
 */
export function renameMaxTokens(bytes: Buffer, format: FormatName, model: string): Buffer {
  if (format !== 'completions' || !OPENAI_MODEL.test(model) || !bytes.includes(OLD_NAME)) return bytes;
  const scan = new JsonScanner(MEMBERS, bytes.length);
  scan.write(bytes);
  const value = scan.value(MAX_TOKENS);
  if (value === null) return bytes;
  const edits = [{ name: 'max_tokens', slot: MAX_TOKENS, json: null as string | null }];
  if (scan.found(MAX_COMPLETION_TOKENS) === null)
    edits.push({ name: 'max_completion_tokens', slot: MAX_COMPLETION_TOKENS, json: value.toString('utf8') });
  return editMembers(bytes, scan, edits);
}
