import type { JsonObject, Message, Part } from '../../../../facts/conversation.ts';
import type { Feature } from '../features.ts';
import { asContent, encodePart, type ProviderSide } from './encode-parts.ts';
import { ownFields } from './own.ts';

/** One turn of the conversation on the wire. */
export interface Turn {
  readonly role: string;
  readonly blocks: JsonObject[];
  /** Members of the message that only this format knows. */
  readonly own: JsonObject | undefined;
}

export interface Turns {
  /** What the model is told before the conversation. */
  readonly system: JsonObject[];
  readonly turns: Turn[];
}

/**
 * Messages as turns of user and assistant that alternate. Results of tools stand first in the user's turn behind the calls. System and
 * developer messages go to the front as Anthropic's own OpenAI endpoint does it (https://docs.anthropic.com/en/api/openai-sdk), but for
 * those a client of this format put among the messages: not every model and platform takes them there.
 */
export function encodeTurns(messages: readonly Message[], side: ProviderSide): Turns {
  const system: JsonObject[] = [];
  const turns: Turn[] = [];
  for (const message of messages) {
    if (message.name !== undefined) side.losses.drop('participantName');
    const own = ownFields(message.extra);
    const instructs = message.role === 'system' || message.role === 'developer';
    const blocks = (instructs ? textsOf(message.parts, side) : message.parts).flatMap((part) => encodePart(part, side));
    if (instructs && own?.role !== 'system') system.push(...blocks);
    else if (blocks.length > 0) addTurn(turns, { role: roleOf(message), blocks, own });
  }
  for (const { role, blocks } of turns) if (role === 'user') putResultsFirst(blocks);
  // A conversation must have a turn; OpenAI's may be instructions alone.
  if (turns.length === 0 && system.length > 0) turns.push({ role: 'user', blocks: system.splice(0), own: undefined });
  trimEnd(turns.at(-1));
  return { system, turns };
}

/** Turns as the body has them. */
export function asMessages(turns: readonly Turn[]): JsonObject[] {
  return turns.map(({ role, blocks, own }) => ({ role, content: asContent(blocks), ...own }));
}

/**
 * True where results of tools were brought whose calls have no thinking before them: a model that is to think by a budget takes that for
 * a broken turn.
 */
export function lacksThinking(turns: readonly Turn[]): boolean {
  if (turns.at(-1)?.blocks[0]?.type !== 'tool_result') return false;
  const first = turns.at(-2)?.blocks[0]?.type;
  return first !== 'thinking' && first !== 'redacted_thinking';
}

function roleOf({ role }: Message): string {
  if (role === 'assistant') return 'assistant';
  return role === 'system' || role === 'developer' ? 'system' : 'user';
}

function addTurn(turns: Turn[], turn: Turn): void {
  const last = turns.at(-1);
  const joins = last?.role === turn.role && last.own === undefined && turn.own === undefined;
  if (joins) last.blocks.push(...turn.blocks);
  else turns.push(turn);
}

function putResultsFirst(blocks: JsonObject[]): void {
  const results = blocks.filter(({ type }) => type === 'tool_result');
  if (results.length === 0 || results.length === blocks.length) return;
  const others = blocks.filter(({ type }) => type !== 'tool_result');
  blocks.splice(0, blocks.length, ...results, ...others);
}

/** The API refuses a last turn of the assistant's that ends with white space. */
function trimEnd(turn: Turn | undefined): void {
  const last = turn?.role === 'assistant' ? turn.blocks.at(-1) : undefined;
  if (last?.type === 'text' && typeof last.text === 'string') last.text = last.text.trimEnd();
}

const NOT_TEXT: Readonly<Partial<Record<Part['kind'], Feature>>> = {
  image: 'imageBase64',
  audio: 'audio',
  video: 'video',
  file: 'fileBase64',
};

/** Instructions are text alone. */
function textsOf(parts: readonly Part[], side: ProviderSide): Part[] {
  return parts.filter((part) => {
    const feature = NOT_TEXT[part.kind];
    if (feature !== undefined) side.losses.drop(feature);
    return feature === undefined;
  });
}
