import type { JsonObject, Message, Part } from '../../../../facts/conversation.ts';
import type { EncodeContext } from '../codec.ts';
import { isObject } from '../fields.ts';
import type { BlockEncoder } from './blocks-encode.ts';
import { ownExtra, refusal } from './extra.ts';

/** One turn of the conversation on the wire. */
export interface Turn {
  readonly role: string;
  readonly blocks: JsonObject[];
  /** Members of the message that only this format knows. */
  readonly own: JsonObject;
}

export interface Turns {
  readonly system: JsonObject[];
  readonly turns: Turn[];
}

/**
 * Messages as turns of user and assistant that alternate. Results of tools stand first in the user's turn behind the calls; system and
 * developer messages go to the front, but for those that a client of this format put among the messages.
 */
export function encodeTurns(messages: readonly Message[], { losses }: EncodeContext, blocks: BlockEncoder): Turns {
  const system: JsonObject[] = [];
  const turns: Turn[] = [];
  for (const message of messages) {
    if (message.name !== undefined) losses.drop('participantName');
    const { role: ownRole, ...own } = ownExtra(message.extra);
    const instructs = message.role === 'system' || message.role === 'developer';
    if (instructs) requireText(message.parts);
    const encoded = blocks.encode(message.parts);
    if (instructs && ownRole !== 'system') system.push(...encoded);
    // Bedrock refuses a message without content; there is none where all of it was blank.
    else if (encoded.length > 0) addTurn(turns, { role: roleOf(message), blocks: encoded, own });
  }
  for (const { role, blocks: content } of turns) {
    if (role !== 'user') continue;
    putResultsFirst(content);
    nameDocuments(content);
  }
  // A conversation must have a turn; OpenAI's may be instructions alone.
  if (turns.length === 0 && system.length > 0) turns.push({ role: 'user', blocks: system.splice(0), own: {} });
  trimEnd(turns.at(-1));
  return { system, turns };
}

/** True where results of tools were brought whose calls have no thinking before them. */
export function lacksThinking(turns: readonly Turn[]): boolean {
  if (turns.at(-1)?.blocks[0]?.toolResult === undefined) return false;
  return turns.at(-2)?.blocks[0]?.reasoningContent === undefined;
}

const INSTRUCTIONS: ReadonlySet<Part['kind']> = new Set(['text', 'refusal', 'other', 'thinking']);

function requireText(parts: readonly Part[]): void {
  for (const { kind } of parts) {
    if (!INSTRUCTIONS.has(kind)) throw refusal(`A system message with a part of kind "${kind}"`);
  }
}

function roleOf({ role }: Message): string {
  if (role === 'assistant') return 'assistant';
  return role === 'system' || role === 'developer' ? 'system' : 'user';
}

function addTurn(turns: Turn[], turn: Turn): void {
  const last = turns.at(-1);
  if (last?.role !== turn.role) turns.push(turn);
  else {
    last.blocks.push(...turn.blocks);
    Object.assign(last.own, turn.own);
  }
}

/** A result's cache point stays behind it. */
function putResultsFirst(blocks: JsonObject[]): void {
  const results: JsonObject[] = [];
  const others: JsonObject[] = [];
  let last = others;
  for (const block of blocks) {
    if (block.cachePoint === undefined) last = block.toolResult === undefined ? others : results;
    last.push(block);
  }
  blocks.splice(0, blocks.length, ...results, ...others);
}

/** A message with documents must have a text, too: their names, where it has none. */
function nameDocuments(blocks: JsonObject[]): void {
  const names = blocks.flatMap(({ document }) => (isObject(document) ? [String(document.name)] : []));
  if (names.length > 0 && !blocks.some(({ text }) => text !== undefined)) blocks.push({ text: names.join(', ') });
}

/** Claude refuses a last turn of the assistant's that ends with white space. */
function trimEnd(turn: Turn | undefined): void {
  const last = turn?.role === 'assistant' ? turn.blocks.at(-1) : undefined;
  if (typeof last?.text === 'string') last.text = last.text.trimEnd();
}
