import type { Answer } from '../../../facts/answer.ts';
import type { Part } from '../../../facts/conversation.ts';
import type { ClientCodec } from '../formats/codec.ts';
import type { ANSWER_FEATURES } from '../formats/features.ts';

type AnswerFeature = keyof typeof ANSWER_FEATURES;

const OF_KIND: Partial<Record<Part['kind'], AnswerFeature>> = {
  thinking: 'thinkingAnswer',
  audio: 'audioAnswer',
  image: 'imageAnswer',
};

/** A type as a provider may name one, and as it may stand in a header. */
const SAYABLE = /^[\w.-]{1,64}$/;
/** Of more names the rest is not told. */
const MAX_NAMES = 32;

/** Names of what a whole answer has and the client's format leaves out: the provider's own tools by their types, else by the client's words. */
export function lostInAnswer({ choices }: Answer, { format, column }: ClientCodec): Set<string> {
  const lost = new Set<string>();
  const { fidelity, fields } = column;
  if (fidelity === undefined) return lost;
  const note = (feature: AnswerFeature, name = fields[feature] ?? feature): void => {
    if (fidelity[feature] === 'dropped' && lost.size < MAX_NAMES) lost.add(name);
  };
  for (const { parts, stop } of choices) {
    if (stop?.sequence !== undefined) note('stopSequence');
    for (const part of parts) {
      const feature = OF_KIND[part.kind];
      if (part.kind === 'other') {
        if (part.format !== format) note('providerToolsAnswer', SAYABLE.test(part.name) ? part.name : undefined);
      } else if (feature !== undefined) note(feature);
      else if (part.kind === 'text' && part.citations !== undefined) note('citationsAnswer');
    }
  }
  return lost;
}
