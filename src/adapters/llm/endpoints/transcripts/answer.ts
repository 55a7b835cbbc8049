import type { JsonObject } from '../../../../facts/conversation.ts';
import type { LlmFacts } from '../../../../facts/llm.ts';
import type { ConvertedReply } from '../converting-dispatch.ts';
import { openaiCounts } from '../google/answer.ts';
import type { Task, TranscriptForm } from './request.ts';

type Counted = Pick<LlmFacts, 'usage' | 'usageDetails'>;

/** https://platform.openai.com/docs/api-reference/audio/json-object, .../verbose-json-object */
export function openaiTranscript(text: string, task: Task, form: TranscriptForm, counted: Counted): ConvertedReply {
  const { format, language } = form;
  if (format === 'text') return { status: 200, contentType: 'text/plain; charset=utf-8', body: `${text}\n` };
  const verbose = { task, ...(language !== '' && { language }) };
  const body = { ...(format === 'verbose_json' && verbose), text, ...usageOf(counted) };
  return { status: 200, contentType: 'application/json', body: JSON.stringify(body) };
}

/** https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event */
export function deltaEvent(delta: string): string {
  return eventOf({ type: 'transcript.text.delta', delta });
}

/** https://platform.openai.com/docs/api-reference/audio/transcript-text-done-event */
export function doneEvent(text: string, counted: Counted): string {
  return eventOf({ type: 'transcript.text.done', text, ...usageOf(counted) });
}

function eventOf(event: JsonObject): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}

function usageOf({ usage, usageDetails }: Counted): JsonObject {
  if (usage === null) return {};
  const { inputTextTokens, inputAudioTokens } = usageDetails ?? {};
  const details = {
    ...(inputTextTokens !== undefined && { text_tokens: inputTextTokens }),
    ...(inputAudioTokens !== undefined && { audio_tokens: inputAudioTokens }),
  };
  return { usage: { type: 'tokens', ...openaiCounts(usage), input_token_details: details } };
}
