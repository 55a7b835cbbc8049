import type {
  Conversation,
  JsonObject,
  Message,
  Part,
  Role,
  Signature,
  ThinkingPart,
} from '../../../../facts/conversation.ts';
import type { EncodeContext, PathFacts } from '../codec.ts';
import type { Losses } from '../features.ts';
import { compact, Fields } from '../fields.ts';
import { signatureFor } from '../signatures.ts';
import { RequestCallIds } from './call-ids.ts';
import { decodeConfig, encodeConfig } from './config.ts';
import { freeTextName } from './free-text.ts';
import { GEMINI_ISSUER } from './issuer.ts';
import { type GeminiModel, geminiModel, LEVELS } from './models.ts';
import { camelRequest } from './names.ts';
import { withSayableOutput } from './output.ts';
import { decodePart, ownExtra, type PartReader } from './part-decode.ts';
import { encodePart, type PartWriter } from './part-encode.ts';
import { clientSignature, UNSIGNED } from './signature.ts';
import { decodeToolConfig, decodeTools, encodeToolConfig, encodeTools, restoreDotted } from './tools.ts';

/** Requests (https://ai.google.dev/api/generate-content#request-body). */

const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'contents',
  'systemInstruction',
  'tools',
  'toolConfig',
  'generationConfig',
  'serviceTier',
]);

/** Throws `invalid_request_body` with the place. */
export function decodeRequest(body: JsonObject, path: PathFacts): Conversation {
  const request = Fields.ofRequest(camelRequest(body));
  const config = decodeToolConfig(request);
  const { rest: generationRest, ...generation } = decodeConfig(request.object('generationConfig'));
  const serviceTier = request.string('serviceTier');
  return {
    model: path.model === '' ? modelName(request.string('model') ?? '') : path.model,
    stream: path.stream,
    messages: decodeMessages(request),
    tools: decodeTools(request, config.strict),
    ...(config.choice !== undefined && { toolChoice: config.choice }),
    ...generation,
    ...(serviceTier !== undefined && { serviceTier }),
    ...ownExtra({ ...request.rest(KNOWN), ...config.rest, ...generationRest }),
  };
}

function modelName(resource: string): string {
  return resource.startsWith('models/') ? resource.slice('models/'.length) : resource;
}

const CONTENT_KNOWN: ReadonlySet<string> = new Set(['role', 'parts']);

function decodeMessages(request: Fields): Message[] {
  const reader: PartReader = {
    ids: new RequestCallIds(),
    signature: (text) => clientSignature(text, GEMINI_ISSUER),
    call: (call) => call,
  };
  const messages: Message[] = [];
  const system = request.object('systemInstruction');
  if (system !== undefined) messages.push(decodeContent(system, 'system', reader));
  for (const content of request.objects('contents')) {
    const message = decodeContent(content, roleOf(content), reader);
    // A stream's last event is an empty text; clients keep it in their history.
    if (message.parts.length > 0 || content.array('parts').length === 0) messages.push(message);
  }
  return messages;
}

/** `function` is the tools' role of old; nowadays the user says what they gave back. */
function roleOf(content: Fields): Role {
  const role = content.string('role') ?? 'user';
  if (role === 'model') return 'assistant';
  if (role === 'function') return 'tool';
  if (role !== 'user' && role !== '') throw content.fault('role', 'must be "user" or "model"');
  const parts = content.objects('parts');
  return parts.length > 0 && parts.every((part) => part.has('functionResponse')) ? 'tool' : 'user';
}

function decodeContent(content: Fields, role: Role, reader: PartReader): Message {
  const parts: Part[] = [];
  for (const item of content.objects('parts')) {
    const part = decodePart(item, reader);
    if (part === null || isEmptyText(part)) continue;
    parts.push(part.kind === 'thinking' && isForeign(part) ? withWholeText(part, parts) : part);
  }
  return { role, parts, ...ownExtra(content.rest(CONTENT_KNOWN)) };
}

function isEmptyText(part: Part): boolean {
  return part.kind === 'text' && part.text === '' && part.signature === undefined && part.extra === undefined;
}

/** Another provider's signature is that of a whole thought, which a stream brought to the client in pieces: they are taken off `parts`. */
function withWholeText(signed: ThinkingPart, parts: Part[]): ThinkingPart {
  let { text } = signed;
  for (let last = parts.at(-1); last?.kind === 'thinking' && signatureOf(last) === undefined; last = parts.at(-1)) {
    text = last.text + text;
    parts.pop();
  }
  return { ...signed, text };
}

function isForeign(part: ThinkingPart): boolean {
  const signature = signatureOf(part);
  return signature !== undefined && signature.issuer !== GEMINI_ISSUER;
}

function signatureOf({ signature, redacted }: ThinkingPart): Signature | undefined {
  return signature ?? redacted;
}

/** Throws `unsupported_parameter` for what Gemini can't say and must not be left out. */
export function encodeRequest(asked: Conversation, context: EncodeContext): JsonObject {
  const { losses } = context;
  const model = geminiModel(context.model);
  const conversation = withSayableOutput(asked, model);
  const { system, contents } = encodeMessages(conversation.messages, context);
  const tools = encodeTools(conversation.tools, losses);
  const config = encodeConfig(conversation, model, losses);
  dropUnsaid(conversation, losses);
  const body = compact({
    systemInstruction: system,
    contents,
    tools: tools.length === 0 ? undefined : tools,
    toolConfig: encodeToolConfig(conversation.toolChoice, conversation.tools, model, losses),
    generationConfig: Object.keys(config).length === 0 ? undefined : config,
    serviceTier: serviceTier(conversation.serviceTier, losses),
  });
  const { extra } = conversation;
  if (extra?.format === 'generateContent') {
    for (const [path, value] of Object.entries(extra.fields)) restoreDotted(body, path, value);
  } else if (extra !== undefined) losses.dropFields(Object.keys(extra.fields));
  return body;
}

function dropUnsaid(conversation: Conversation, losses: Losses): void {
  if (conversation.parallelToolCalls === false) losses.drop('parallelToolCalls');
  if (conversation.verbosity !== undefined) losses.drop('verbosity');
  if (conversation.user !== undefined) losses.drop('user');
  if (conversation.metadata !== undefined && Object.keys(conversation.metadata).length > 0) losses.drop('metadata');
  if (conversation.cacheKey !== undefined) losses.drop('cacheKey');
}

/** Other formats' names for Gemini's tiers; what leaves the choice to the provider needn't be said. */
const TIERS: ReadonlyMap<string, string | undefined> = new Map([
  ['auto', undefined],
  ['default', 'standard'],
  ['standard_only', 'standard'],
  ['standard', 'standard'],
  ['unspecified', 'unspecified'],
  ['flex', 'flex'],
  ['priority', 'priority'],
]);

function serviceTier(tier: string | undefined, losses: Losses): string | undefined {
  if (tier === undefined) return undefined;
  if (!TIERS.has(tier)) losses.drop('serviceTier');
  return TIERS.get(tier);
}

interface Content extends JsonObject {
  readonly role: string;
  readonly parts: JsonObject[];
}

/**
 * All that is said to the model by the system goes into the one instruction. Calls and results that stand in messages of their own are put
 * together: Gemini wants those of one turn in one content each.
 */
function encodeMessages(messages: readonly Message[], context: EncodeContext) {
  const writer = partWriter(messages, context);
  const system: JsonObject[] = [];
  const contents: Content[] = [];
  let before: Role | null = null;
  for (const message of messages) {
    if (message.name !== undefined) context.losses.drop('participantName');
    const isSystem = message.role === 'system' || message.role === 'developer';
    const parts = isSystem ? system : [];
    for (const part of message.parts) encodePart(part, writer, parts);
    if (isSystem || parts.length === 0) continue;
    const last = contents.at(-1);
    const goesOn =
      message.role === before && (before === 'tool' || (before === 'assistant' && last?.parts.some(isCall)));
    if (goesOn) last?.parts.push(...parts);
    else {
      const extra = message.extra?.format === 'generateContent' ? message.extra.fields : {};
      contents.push({ role: message.role === 'assistant' ? 'model' : 'user', parts, ...extra });
    }
    before = message.role;
  }
  // Without contents there is nothing to answer.
  if (contents.length === 0 && system.length > 0) contents.push({ role: 'user', parts: system.splice(0) });
  passUnsigned(contents, writer.model, context.issuer);
  return { system: system.length === 0 ? undefined : { parts: system }, contents };
}

function partWriter(messages: readonly Message[], { issuer, model, losses }: EncodeContext): PartWriter {
  const names = new Map<string, string>();
  for (const { parts } of messages)
    for (const part of parts)
      if (part.kind === 'tool_call') names.set(part.id, part.custom === true ? freeTextName(part.name) : part.name);
  return {
    model: geminiModel(model),
    losses,
    signature: (signature) => signatureFor(signature, issuer),
    thinking: ({ signature }) => signatureFor(signature, issuer),
    toolName: (name) => name,
    nameOf({ name, callId }) {
      const called = names.get(callId) ?? '';
      return name === '' || called === freeTextName(name) ? called : name;
    },
  };
}

/** Since version 3 Gemini refuses a turn whose first call has no signature, unless it is told to let it pass. */
function passUnsigned(contents: readonly Content[], { generation }: GeminiModel, issuer: string): void {
  if (generation < LEVELS || (generation === Number.POSITIVE_INFINITY && issuer !== GEMINI_ISSUER)) return;
  for (const { role, parts } of contents) {
    const first = role === 'model' ? parts.find(isCall) : undefined;
    if (first !== undefined && first.thoughtSignature === undefined) first.thoughtSignature = UNSIGNED;
  }
}

function isCall(part: JsonObject): boolean {
  return part.functionCall !== undefined;
}
