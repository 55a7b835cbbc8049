import type { Conversation, Part } from '../../../facts/conversation.ts';

/** Tokens that frame one message, and those that open the answer (OpenAI's cookbook on counting chat tokens). */
const PER_MESSAGE = 3;
const PER_ANSWER = 3;
/** A medium's size says little about its tokens: an image of middle size, a page of a document. Documented as an estimate. */
const PER_IMAGE = 765;
const PER_DOCUMENT = 1500;

/** What is to be counted of a conversation: its texts, and the tokens that are there besides. */
export interface Countable {
  readonly texts: readonly string[];
  readonly besides: number;
  /** False where `besides` is a guess. */
  readonly exact: boolean;
}

export function countableOf({ messages, tools, output }: Conversation): Countable {
  const texts: string[] = [];
  const media = { tokens: 0 };
  for (const { role, name, parts } of messages) {
    texts.push(role);
    if (name !== undefined) texts.push(name);
    for (const part of parts) addPart(part, texts, media);
  }
  for (const tool of tools) {
    if (tool.kind === 'provider') texts.push(JSON.stringify(tool.value));
    else texts.push(tool.name, tool.description ?? '', JSON.stringify(('parameters' in tool && tool.parameters) || {}));
  }
  if (output?.type === 'schema') texts.push(JSON.stringify(output.schema));
  const framing = messages.length * PER_MESSAGE + PER_ANSWER;
  return { texts, besides: framing + media.tokens, exact: media.tokens === 0 && tools.length === 0 };
}

function addPart(part: Part, texts: string[], media: { tokens: number }): void {
  switch (part.kind) {
    case 'text':
    case 'thinking':
    case 'refusal':
      texts.push(part.text);
      break;
    case 'tool_call':
      texts.push(part.name, part.arguments);
      break;
    case 'tool_result':
      for (const inner of part.content) addPart(inner, texts, media);
      break;
    case 'image':
      media.tokens += PER_IMAGE;
      break;
    case 'file':
      if (part.source.type === 'text') texts.push(part.source.text);
      else media.tokens += PER_DOCUMENT;
      break;
    case 'audio':
    case 'video':
      media.tokens += PER_DOCUMENT;
      break;
    case 'other':
      texts.push(JSON.stringify(part.value));
      break;
  }
}
