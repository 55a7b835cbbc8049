import type { ProviderFault } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import { inputTokens, type LlmFacts, outputTokens, type Usage, type UsageDetails } from '../../../../facts/llm.ts';
import { Fields, parseObject } from '../../formats/fields.ts';
import { decodeFault } from '../../formats/gemini/faults.ts';
import { geminiUsage } from '../../formats/gemini/native.ts';
import { decodeStop } from '../../formats/gemini/stops.ts';
import { encodeFault } from '../../formats/openai-chat/faults.ts';
import type { ConvertedReply } from '../converting-dispatch.ts';

/** What all answers of `generateContent` have, read for clients of OpenAI's media APIs. */

/** Parts of the first candidate that are the answer: thoughts and drafts are not. */
export function partsOf(body: JsonObject): Fields[] {
  const [candidate] = Fields.ofAnswer(body).objects('candidates');
  const parts = candidate?.object('content')?.objects('parts') ?? [];
  return parts.filter((part) => part.value.thought !== true);
}

export function textOf(parts: readonly Fields[]): string {
  return parts.map((part) => part.string('text') ?? '').join('');
}

/** Base64 of what a part holds; null for other parts. */
export function inlineDataOf(part: Fields): { readonly base64: string; readonly mimeType: string } | null {
  const data = part.object('inlineData');
  const base64 = data?.string('data') ?? '';
  return base64 === '' ? null : { base64, mimeType: data?.string('mimeType') ?? '' };
}

/** Why an answer is none, or not all of one, in OpenAI's words; null where it is whole. `field`: the client's name of what was asked. */
export function failureOf(body: JsonObject, field: string): ConvertedReply | null {
  const answer = Fields.ofAnswer(body);
  const blocked = answer.object('promptFeedback')?.string('blockReason');
  const [candidate] = answer.objects('candidates');
  const reason = candidate?.string('finishReason') ?? '';
  const cause = decodeStop(reason, { calls: false, anything: false })?.cause;
  const there = cause === 'stop' || (reason === '' && candidate?.has('content') === true);
  if (blocked === undefined && there) return null;
  const why = [blocked, reason, candidate?.string('finishMessage')].filter((one) => one !== undefined && one !== '');
  const message = ['The model gave no whole answer', ...why].join(': ');
  if (blocked !== undefined || cause === 'content_filter') return refusal(message, field);
  return openaiFault({ status: 502, message, type: '', code: 'upstream_response_invalid', param: '' });
}

/** What filters refused is the request's fault. */
export function refusal(message: string, param: string): ConvertedReply {
  return openaiFault({ status: 400, message, type: '', code: 'moderation_blocked', param });
}

export function openaiFault(fault: ProviderFault): ConvertedReply {
  return { status: fault.status, contentType: 'application/json', body: JSON.stringify(encodeFault(fault).body) };
}

/** Google's error in OpenAI's words. */
export function googleFault(status: number, text: string): ConvertedReply {
  const fault = decodeFault(status, parseObject(text), text);
  // A page made for people says less than its status.
  const page = fault.message.trimStart().startsWith('<') || fault.message.trim() === '';
  return openaiFault(page ? { ...fault, message: `The provider answered with status ${status}.` } : fault);
}

/** States what Google counted, in disjoint buckets; a stream counts anew with each event. */
export function noteGoogleUsage(facts: LlmFacts, body: JsonObject): Usage | null {
  const answer = Fields.ofAnswer(body);
  const model = answer.string('modelVersion') ?? '';
  if (model !== '') facts.responseModel = model;
  const metadata = answer.json('usageMetadata');
  if (metadata === undefined) return null;
  facts.usage = geminiUsage(metadata);
  facts.usageDetails = detailsOf(metadata);
  return facts.usage;
}

/** https://ai.google.dev/api/generate-content#ModalityTokenCount */
function detailsOf(metadata: JsonObject): UsageDetails {
  const fields = Fields.ofAnswer(metadata);
  const count = (list: string, modality: string) => {
    const found = fields.objects(list).filter((one) => one.string('modality') === modality);
    return found.length === 0 ? undefined : found.reduce((sum, one) => sum + (one.number('tokenCount') ?? 0), 0);
  };
  const details: Record<string, number | undefined> = {
    inputTextTokens: count('promptTokensDetails', 'TEXT'),
    inputImageTokens: count('promptTokensDetails', 'IMAGE'),
    inputAudioTokens: count('promptTokensDetails', 'AUDIO'),
    cachedAudioTokens: count('cacheTokensDetails', 'AUDIO'),
    outputTextTokens: count('candidatesTokensDetails', 'TEXT'),
    outputImageTokens: count('candidatesTokensDetails', 'IMAGE'),
    outputAudioTokens: count('candidatesTokensDetails', 'AUDIO'),
  } satisfies Record<Exclude<keyof UsageDetails, 'audioSeconds'>, number | undefined>;
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined));
}

/** The members that OpenAI's counts of media have in common; its input includes what was cached, its output what was reasoned. */
export function openaiCounts(usage: Usage): { input_tokens: number; output_tokens: number; total_tokens: number } {
  const input = inputTokens(usage);
  const output = outputTokens(usage);
  return { input_tokens: input, output_tokens: output, total_tokens: input + output };
}
