import type { JsonObject } from '../../../facts/conversation.ts';
import type { LlmFacts } from '../../../facts/llm.ts';
import type { ProviderTarget } from '../target.ts';
import type { EndpointContent } from './content.ts';
import type { AnswerConversion } from './converting-dispatch.ts';
import type { EndpointName } from './endpoint.ts';
import { ImageConversion } from './images/conversion.ts';
import { SpeechConversion } from './speech/conversion.ts';
import { TranscriptConversion } from './transcripts/conversion.ts';

/** A request by one of OpenAI's media APIs, on its way to a model of Google's; and the way back. It states what Google counted. */
export interface EndpointConversion extends AnswerConversion {
  /** Google's body. Throws `invalid_request_body` and `unsupported_parameter`. `strict`: nothing may be left out. */
  encode(content: EndpointContent, strict: boolean): JsonObject;
  /** Google is asked for a stream. Known once the request is encoded. */
  readonly streams: boolean;
  /** Google's path, from the one of `generateContent` for the same model. */
  pathFrom(path: string): string;
}

/** Where a request goes. */
interface GoogleModel {
  /** Without its collection and publisher. */
  readonly name: string;
  readonly vertex: boolean;
  readonly facts: LlmFacts;
  /** Bytes that may be held of an answer. */
  readonly limit: number;
}

type Open = (to: GoogleModel) => EndpointConversion;

const image =
  (edit: boolean): Open =>
  ({ name, vertex, facts }) =>
    new ImageConversion(name.startsWith('imagen') ? 'imagen' : 'gemini', edit, vertex, facts);

const CONVERSIONS: ReadonlyMap<EndpointName, Open> = new Map<EndpointName, Open>([
  ['imageGeneration', image(false)],
  ['imageEdit', image(true)],
  ['speech', ({ name, facts }) => new SpeechConversion(name, facts)],
  ['transcription', ({ facts, limit }) => new TranscriptConversion('transcribe', facts, limit)],
  ['translation', ({ facts, limit }) => new TranscriptConversion('translate', facts, limit)],
]);

const GOOGLE_KINDS: readonly string[] = ['gemini', 'vertex'];

/** The APIs that a kind of provider gets in its own words. */
export function convertedFor(kind: string): readonly EndpointName[] {
  return GOOGLE_KINDS.includes(kind) ? [...CONVERSIONS.keys()] : [];
}

/** The conversion that a request needs on its way to a provider; null where it goes on as it is, or can't be converted. */
export function conversionFor(
  endpoint: EndpointName,
  target: ProviderTarget,
  model: string,
  facts: LlmFacts,
  limit: number,
): EndpointConversion | null {
  const { kind } = target;
  // Vertex AI has models of others, too.
  if (!GOOGLE_KINDS.includes(kind) || !target.formats(model).has('generateContent')) return null;
  const name = model.slice(model.lastIndexOf('/') + 1);
  return CONVERSIONS.get(endpoint)?.({ name, vertex: kind === 'vertex', facts, limit }) ?? null;
}
