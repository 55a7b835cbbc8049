import type { Answer } from '../../../facts/answer.ts';
import type { Conversation, Part, Sampling } from '../../../facts/conversation.ts';
import type { PathFacts } from './codec.ts';

/** What formats of a prompt and its completion (legacy completions, Llama, Titan, Mistral on Bedrock) have in common. */

/** The conversation of one turn that a prompt is. */
export function promptConversation(text: string, path: PathFacts, sampling: Sampling): Conversation {
  return {
    model: path.model,
    stream: path.stream,
    messages: [{ role: 'user', parts: [{ kind: 'text', text }] }],
    tools: [],
    sampling,
  };
}

/** What a completion says of an answer's part: texts, refusals and what was spoken; '' of all else. */
export function textOfPart(part: Part): string {
  if (part.kind === 'text' || part.kind === 'refusal') return part.text;
  return part.kind === 'audio' ? (part.transcript ?? '') : '';
}

/** The whole text of the first answer. */
export function textOfAnswer({ choices }: Answer): string {
  return choices[0]?.parts.map(textOfPart).join('') ?? '';
}
