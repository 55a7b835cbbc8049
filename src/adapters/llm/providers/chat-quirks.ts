import type { JsonObject } from '../../../facts/conversation.ts';
import { shortId } from '../formats/bedrock-converse/names.ts';
import type { Feature, Losses } from '../formats/features.ts';
import { isObject } from '../formats/fields.ts';
import { thinkingAsText } from '../formats/signatures.ts';

/** How a provider of chat completions differs from OpenAI; what is absent it does as OpenAI does. */
export interface ChatQuirks {
  /** It knows the longest answer by its first name alone. */
  readonly maxTokens?: 'max_tokens';
  /** It knows the role `developer`; others are told the same as `system`. */
  readonly developer?: true;
  /** It refuses messages with members for thinking. */
  readonly withoutThinking?: true;
  /** Members that it refuses → what is lost with them, null = nothing. */
  readonly refused?: Readonly<Record<string, Feature | null>>;
  /** The same of members of messages. */
  readonly refusedInMessages?: Readonly<Record<string, Feature | null>>;
  /** Members that it has another name for. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** Its word for `tool_choice: "required"`. */
  readonly required?: string;
  /** Ids of tool calls are 9 letters and digits. */
  readonly shortIds?: true;
  /** Words of `reasoning_effort` that the model takes, the least first; [] = it refuses the member; absent: all. */
  readonly efforts?: readonly string[];
}

/** Its text is told as text. */
const WITHOUT_THINKING: Readonly<Record<string, null>> = { reasoning_content: null, reasoning_details: null };

/** Members whose default says no more than their absence. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  temperature: 1,
  top_p: 1,
  n: 1,
  frequency_penalty: 0,
  presence_penalty: 0,
  parallel_tool_calls: true,
};

/** A converted request as the provider takes it. What it can't be told is noted in `losses`, or refused there. */
export function shapeChat(body: JsonObject, quirks: ChatQuirks, losses: Losses): JsonObject {
  let shaped = without(body, quirks.refused ?? {}, losses);
  shaped = withEffort(shaped, quirks.efforts, losses);
  if (quirks.maxTokens !== undefined) shaped = renamed(shaped, { max_completion_tokens: quirks.maxTokens });
  shaped = renamed(shaped, quirks.renamed ?? {});
  if (quirks.required !== undefined && shaped.tool_choice === 'required') shaped.tool_choice = quirks.required;
  if (!Array.isArray(shaped.messages)) return shaped;
  return { ...shaped, messages: shaped.messages.map((message) => shapeMessage(message, quirks, losses)) };
}

function shapeMessage(message: unknown, quirks: ChatQuirks, losses: Losses): unknown {
  if (!isObject(message)) return message;
  const refused = { ...quirks.refusedInMessages, ...(quirks.withoutThinking === true ? WITHOUT_THINKING : {}) };
  // Names of tools are in their results for those who want them; of participants they are the only place.
  const named = message.role === 'tool' ? { ...refused, ...('name' in refused ? { name: null } : {}) } : refused;
  const shaped = without(message, named, losses);
  if (quirks.withoutThinking === true) sayThinking(shaped, message.reasoning_content);
  if (shaped.role === 'developer' && quirks.developer !== true) shaped.role = 'system';
  if (quirks.shortIds !== true) return shaped;
  if (typeof shaped.tool_call_id === 'string') shaped.tool_call_id = shortId(shaped.tool_call_id);
  if (Array.isArray(shaped.tool_calls)) {
    shaped.tool_calls = shaped.tool_calls.map((call) =>
      isObject(call) && typeof call.id === 'string' ? { ...call, id: shortId(call.id) } : call,
    );
  }
  return shaped;
}

function sayThinking(message: JsonObject, thinking: unknown): void {
  if (typeof thinking !== 'string' || thinking.trim() === '') return;
  const text = thinkingAsText(thinking);
  const { content } = message;
  if (Array.isArray(content)) message.content = [{ type: 'text', text }, ...content];
  else message.content = typeof content === 'string' && content !== '' ? `${text}\n\n${content}` : text;
}

/** A copy without the members that are refused; one at its default is no loss. */
function without(body: JsonObject, refused: Readonly<Record<string, Feature | null>>, losses: Losses): JsonObject {
  const kept: JsonObject = {};
  for (const [name, value] of Object.entries(body)) {
    const feature = Object.hasOwn(refused, name) ? refused[name] : undefined;
    if (feature === undefined) kept[name] = value;
    else if (feature !== null && value !== DEFAULTS[name] && value !== '') losses.drop(feature);
  }
  return kept;
}

function renamed(body: JsonObject, names: Readonly<Record<string, string>>): JsonObject {
  const copy: JsonObject = {};
  for (const [name, value] of Object.entries(body))
    copy[(Object.hasOwn(names, name) ? names[name] : undefined) ?? name] = value;
  return copy;
}

/** OpenAI's scale. */
const SCALE = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

/** The word nearest to `effort` that is among `words`, the smaller of two; undefined without any. */
export function nearestEffort(effort: string, words: readonly string[]): string | undefined {
  const at = SCALE.indexOf(effort);
  if (at < 0 || words.includes(effort)) return words.length === 0 ? undefined : effort;
  const below = words.findLast((word) => SCALE.indexOf(word) < at);
  const above = words.find((word) => SCALE.indexOf(word) > at);
  // To think a little is not the same as not to think at all.
  return below === 'none' ? (above ?? below) : (below ?? above);
}

function withEffort(body: JsonObject, efforts: readonly string[] | undefined, losses: Losses): JsonObject {
  const { reasoning_effort: effort, ...rest } = body;
  if (efforts === undefined || typeof effort !== 'string') return body;
  const word = nearestEffort(effort, efforts);
  if (word !== undefined) return { ...body, reasoning_effort: word };
  // Who doesn't think need not be told not to.
  if (effort !== 'none') losses.drop('reasoningEffort');
  return rest;
}
