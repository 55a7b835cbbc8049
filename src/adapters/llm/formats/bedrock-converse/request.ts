import type { Conversation, JsonObject, Message } from '../../../../facts/conversation.ts';
import { dropUnsaid } from '../claude/unsaid.ts';
import type { EncodeContext, PathFacts } from '../codec.ts';
import { compact, Fields } from '../fields.ts';
import { decodeBlocks } from './blocks-decode.ts';
import { BlockEncoder } from './blocks-encode.ts';
import { extraOf, FORMAT, ownExtra, restOf } from './extra.ts';
import { encodeTurns, lacksThinking } from './messages.ts';
import { decodeModelFields, encodeModelFields } from './model-fields.ts';
import { traitsOf } from './models.ts';
import { decodeOutput, planOutput } from './output.ts';
import { STOP_SEQUENCE_PATHS } from './stops.ts';
import { decodeToolChoice, decodeTools, encodeTools } from './tools.ts';

/**
 * Requests (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and …/API_runtime_ConverseStream.html):
 * the path names the model and says whether to stream.
 */

const RESPONSE_PATHS = 'additionalModelResponseFieldPaths';
const KNOWN = new Set([
  'messages',
  'system',
  'inferenceConfig',
  'toolConfig',
  'additionalModelRequestFields',
  'outputConfig',
  'serviceTier',
  'requestMetadata',
]);
const KNOWN_AND_PATHS = new Set([...KNOWN, RESPONSE_PATHS]);
const INFERENCE = new Set(['maxTokens', 'temperature', 'topP', 'stopSequences']);
const MESSAGE = new Set(['role', 'content']);
const OUTPUT = new Set(['textFormat', 'effort']);
const TOOL_CONFIG = new Set(['tools', 'toolChoice']);

/** Reads a client's request. Throws `invalid_request_body` with the place of what is wrong. */
export function decodeRequest(json: JsonObject, path: PathFacts): Conversation {
  const body = Fields.ofRequest(json);
  const inference = body.object('inferenceConfig');
  const toolConfig = body.object('toolConfig');
  const outputConfig = body.object('outputConfig');
  const model = decodeModelFields(body.object('additionalModelRequestFields'), outputConfig?.string('effort'));
  const stop = inference?.strings('stopSequences');
  const system = body.objects('system');
  return compact({
    model: path.model,
    stream: path.stream,
    messages: [
      ...(system.length > 0 ? [{ role: 'system' as const, parts: decodeBlocks(system, '') }] : []),
      ...body.objects('messages').map(decodeMessage),
    ],
    tools: decodeTools(toolConfig),
    toolChoice: model.toolChoice ?? decodeToolChoice(toolConfig),
    parallelToolCalls: model.parallelToolCalls,
    output: decodeOutput(outputConfig),
    reasoning: model.reasoning,
    sampling: compact({
      maxTokens: inference?.number('maxTokens'),
      temperature: inference?.number('temperature'),
      topP: inference?.number('topP'),
      topK: model.topK,
      stop,
    }),
    serviceTier: body.object('serviceTier')?.string('type'),
    metadata: decodeMetadata(body.object('requestMetadata')),
    ...restOf(
      body,
      stop !== undefined && asksForStop(body) ? KNOWN_AND_PATHS : KNOWN,
      compact({
        additionalModelRequestFields: model.rest,
        inferenceConfig: inference?.rest(INFERENCE),
        outputConfig: outputConfig?.rest(OUTPUT),
        toolConfig: toolConfig?.rest(TOOL_CONFIG),
      }),
    ),
  }) as Conversation;
}

/** True where the client asks for the stop sequence as the gateway itself does where there are any. */
function asksForStop(body: Fields): boolean {
  const paths = body.strings(RESPONSE_PATHS) ?? [];
  return paths.length === STOP_SEQUENCE_PATHS.length && paths.every((path, i) => path === STOP_SEQUENCE_PATHS[i]);
}

function decodeMessage(message: Fields): Message {
  const role = message.requiredString('role');
  if (role !== 'user' && role !== 'assistant' && role !== 'system')
    throw message.fault('role', 'must be user, assistant or system');
  const parts = decodeBlocks(message.objects('content'), '');
  // Instructions among the messages are told from those at the front by their role.
  const own = { ...(role === 'system' ? { role } : {}), ...message.rest(MESSAGE) };
  return { role, parts, ...extraOf(own) };
}

function decodeMetadata(metadata: Fields | undefined): Conversation['metadata'] {
  if (metadata === undefined) return undefined;
  return Object.fromEntries(Object.keys(metadata.value).map((name) => [name, metadata.requiredString(name)]));
}

/** Writes a request for a model of Bedrock's. Throws `unsupported_parameter` for what would be refused. */
export function encodeRequest(conversation: Conversation, context: EncodeContext): JsonObject {
  const { losses } = context;
  const { extra, messages, output } = conversation;
  const traits = traitsOf(context.model);
  if (extra !== undefined && extra.format !== FORMAT) losses.dropFields(Object.keys(extra.fields));
  dropUnsaid(conversation, losses);
  if (conversation.user !== undefined) losses.drop('user');
  const blocks = new BlockEncoder(context, traits);
  const { system, turns } = encodeTurns(messages, context, blocks);
  const plan = planOutput(output, traits);
  if (plan.instruction !== undefined) system.push({ text: plan.instruction });
  const { toolConfig, claudeChoice, forced } = encodeTools(conversation, context, traits, blocks, plan);
  const limits = { forced, unthought: lacksThinking(turns) };
  const { fields, effort, inferenceConfig } = encodeModelFields(conversation, context, traits, limits);
  const own = ownExtra(extra);
  const stops = traits.claude !== null && inferenceConfig.stopSequences !== undefined;
  return {
    ...own,
    ...compact({
      messages: turns.map((turn) => ({ role: turn.role, content: turn.blocks, ...turn.own })),
      system: system.length === 0 ? undefined : system,
      inferenceConfig: joined(own.inferenceConfig, inferenceConfig),
      toolConfig: joined(own.toolConfig, toolConfig),
      additionalModelRequestFields: joined(own.additionalModelRequestFields, { ...fields, tool_choice: claudeChoice }),
      outputConfig: joined(own.outputConfig, { textFormat: plan.textFormat, effort }),
      serviceTier: encodeTier(conversation.serviceTier, losses),
      requestMetadata: encodeMetadata(conversation.metadata, losses),
      [RESPONSE_PATHS]: own[RESPONSE_PATHS] ?? (stops ? STOP_SEQUENCE_PATHS : undefined),
    }),
  };
}

/** What the client's own format put aside, with what the hub says; undefined where that is nothing. */
function joined(own: unknown, said: JsonObject | undefined): JsonObject | undefined {
  const all = compact({ ...(own as JsonObject | undefined), ...said });
  return Object.keys(all).length === 0 ? undefined : all;
}

const TIERS = new Set(['default', 'flex', 'priority', 'reserved']);
/** Other formats' words for leaving it to the provider. */
const NO_TIERS = new Set(['auto', 'standard', 'standard_only']);

function encodeTier(tier: string | undefined, losses: EncodeContext['losses']): JsonObject | undefined {
  if (tier === undefined || NO_TIERS.has(tier)) return undefined;
  if (TIERS.has(tier)) return { type: tier };
  losses.drop('serviceTier');
  return undefined;
}

/** What Bedrock takes as a name or a value of metadata. */
const METADATA = /^[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}$/;
const MAX_METADATA = 16;

function encodeMetadata(metadata: Conversation['metadata'], losses: EncodeContext['losses']): JsonObject | undefined {
  const entries = Object.entries(metadata ?? {});
  const kept = entries.filter(([name, value]) => name !== '' && METADATA.test(name) && METADATA.test(value));
  if (kept.length > MAX_METADATA) kept.length = MAX_METADATA;
  if (kept.length < entries.length) losses.drop('metadata');
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}
