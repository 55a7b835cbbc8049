import type { Conversation, JsonObject, Message } from '../../../../facts/conversation.ts';
import { type ModelTraits, traitsOf } from '../claude/models.ts';
import { decodeReasoning, planThinking } from '../claude/reason.ts';
import { encodeSampling } from '../claude/sampling.ts';
import { decodeToolChoice } from '../claude/tool-choice.ts';
import { dropUnsaid } from '../claude/unsaid.ts';
import type { EncodeContext, PathFacts } from '../codec.ts';
import { Fields, optional } from '../fields.ts';
import { decodeContent } from './decode-parts.ts';
import { asContent, type ProviderSide } from './encode-parts.ts';
import { decodeOutput, planOutput } from './output.ts';
import { extraOf, FORMAT, keptOf, ownFields } from './own.ts';
import { decodeTool, encodeTools } from './tools.ts';
import { asMessages, encodeTurns, lacksThinking } from './turns.ts';

/** Requests (https://docs.anthropic.com/en/api/messages). */

const KNOWN = new Set([
  'model',
  'max_tokens',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'stream',
  'metadata',
  'service_tier',
]);
const MESSAGE = new Set(['role', 'content']);
const OUTPUT_CONFIG = new Set(['effort', 'format']);
const METADATA = new Set(['user_id']);

/** Service tiers by OpenAI's names, which the hub has, and by this format's. */
const TIER_FROM_WIRE: ReadonlyMap<string, string> = new Map([['standard_only', 'default']]);
const TIER_TO_WIRE: ReadonlyMap<string, string> = new Map([
  ['auto', 'auto'],
  ['priority', 'auto'],
  ['default', 'standard_only'],
]);

/** Reads a client's request. Throws `invalid_request_body` with the place of what is wrong. */
export function decodeRequest(body: JsonObject, path: PathFacts): Conversation {
  const fields = Fields.ofRequest(body);
  if (!fields.has('messages')) throw fields.fault('messages', 'is missing');
  const config = fields.object('output_config');
  const metadata = fields.object('metadata');
  const reasoning = decodeReasoning(fields.object('thinking'), config?.string('effort'));
  const output = decodeOutput(config?.object('format'));
  const choice = decodeToolChoice(fields.object('tool_choice'));
  const system = decodeContent(fields, 'system', '');
  const tier = fields.string('service_tier');
  // Members inside of members that are read: what the hub has no place for stays under its own name.
  const rest = {
    ...fields.rest(KNOWN),
    ...optional('thinking', reasoning.rest),
    ...optional('tool_choice', choice.rest),
    ...optional('metadata', metadata?.rest(METADATA)),
    ...optional('output_config', nestedRest(config?.rest(OUTPUT_CONFIG), output.rest)),
  };
  return {
    model: fields.string('model') ?? path.model,
    stream: fields.boolean('stream') ?? path.stream,
    messages: [
      ...(system.length > 0 ? [{ role: 'system' as const, parts: system }] : []),
      ...fields.objects('messages').map(decodeMessage),
    ],
    tools: fields.objects('tools').map(decodeTool),
    ...optional('toolChoice', choice.toolChoice),
    ...optional('parallelToolCalls', choice.parallelToolCalls),
    ...optional('output', output.output),
    ...optional('reasoning', reasoning.reasoning),
    sampling: {
      ...optional('maxTokens', fields.number('max_tokens')),
      ...optional('temperature', fields.number('temperature')),
      ...optional('topP', fields.number('top_p')),
      ...optional('topK', fields.number('top_k')),
      ...optional('stop', fields.strings('stop_sequences')),
    },
    ...optional('serviceTier', tier === undefined ? undefined : (TIER_FROM_WIRE.get(tier) ?? tier)),
    ...optional('user', metadata?.string('user_id')),
    ...extraOf(Object.keys(rest).length > 0 ? rest : undefined),
  };
}

function nestedRest(rest: JsonObject | undefined, format: JsonObject | undefined): JsonObject | undefined {
  return format === undefined ? rest : { ...rest, format };
}

function decodeMessage(fields: Fields): Message {
  const role = fields.requiredString('role');
  if (role !== 'user' && role !== 'assistant' && role !== 'system') {
    throw fields.fault('role', 'must be user, assistant or system');
  }
  const { extra } = keptOf(fields, MESSAGE);
  // Instructions among the messages are told from those at the front by their role.
  const own = role === 'system' ? { role, ...extra?.fields } : extra?.fields;
  return { role, parts: decodeContent(fields, 'content', ''), ...extraOf(own) };
}

/** Writes a request for a provider. Throws `unsupported_parameter` for what would be refused. */
export function encodeRequest(conversation: Conversation, context: EncodeContext): JsonObject {
  const { losses, issuer, native, model } = context;
  const side: ProviderSide = { to: 'provider', issuer, losses, ...optional('native', native) };
  const traits = traitsOf(model, issuer);
  const { sampling, reasoning, extra, stream } = conversation;
  const { system, turns } = encodeTurns(conversation.messages, side);
  const { tools, choice, format, instruction } = planOutput(
    conversation.output,
    traits,
    encodeTools(conversation, traits, side),
  );
  if (instruction !== undefined) system.push({ type: 'text', text: instruction });
  const forced = choice?.type === 'any' || choice?.type === 'tool';
  const { thinking, effort, budget } = planThinking(reasoning, {
    traits,
    forced,
    unthought: lacksThinking(turns),
    losses,
  });
  if (extra !== undefined && extra.format !== FORMAT) losses.dropFields(Object.keys(extra.fields));
  dropUnsaid(conversation, losses);
  if (Object.keys(conversation.metadata ?? {}).length > 0) losses.drop('metadata');
  const config = { ...optional('effort', effort), ...optional('format', format) };
  const body: JsonObject = {
    model,
    max_tokens: longest(sampling.maxTokens ?? context.defaultMaxTokens, budget, traits),
    ...optional('system', system.length > 0 ? asContent(system) : undefined),
    messages: asMessages(turns),
    ...optional('tools', tools.length > 0 ? tools : undefined),
    ...optional('tool_choice', choice),
    ...optional('thinking', thinking),
    ...optional('output_config', Object.keys(config).length > 0 ? config : undefined),
    ...encodeSampling(sampling, traits, thinking !== undefined && thinking.type !== 'disabled', losses),
    ...optional('metadata', encodeUser(conversation.user, losses)),
    ...optional('service_tier', encodeTier(conversation.serviceTier, losses)),
    ...(stream ? { stream } : {}),
  };
  return withOwn(body, ownFields(extra));
}

/** Own fields at the top, and inside of members that stand there already. */
function withOwn(body: JsonObject, own: JsonObject | undefined): JsonObject {
  for (const name in own) {
    const nested = KNOWN.has(name) ? { ...(body[name] as object | undefined), ...(own[name] as object) } : own[name];
    body[name] = nested;
  }
  return body;
}

/** The longest answer, thinking included, must be above the thinking's budget: the answer keeps the room it was given. */
function longest(asked: number, budget: number, traits: ModelTraits): number {
  return asked > budget ? asked : Math.min(asked + budget, traits.mostTokens);
}

function encodeTier(tier: string | undefined, losses: EncodeContext['losses']): string | undefined {
  if (tier === undefined) return undefined;
  const said = TIER_TO_WIRE.get(tier);
  if (said === undefined) losses.drop('serviceTier');
  return said;
}

/** The API refuses names of users that tell who they are: addresses and telephone numbers. */
function encodeUser(user: string | undefined, losses: EncodeContext['losses']): JsonObject | undefined {
  if (user === undefined) return undefined;
  if (!user.includes('@') && !isPhoneNumber(user)) return { user_id: user };
  losses.drop('user');
  return undefined;
}

const PHONE = new Set('0123456789 +-()');

function isPhoneNumber(text: string): boolean {
  return text.length >= 7 && text.length <= 20 && [...text].every((char) => PHONE.has(char));
}
