import type { LlmOperation, UsageDetails } from '../../../facts/llm.ts';
import { detect } from '../formats/detect.ts';
import { beginsWithJson } from '../formats/events.ts';
import type { Format } from '../formats/format.ts';
import { openaiErrorEvent } from '../formats/openai-chat/native.ts';
import { count, type ReportedUsage } from '../usage.ts';

/**
 * Reads the usage of images (https://platform.openai.com/docs/api-reference/images/object), of transcriptions, which are counted in
 * tokens or in seconds (https://platform.openai.com/docs/api-reference/audio), and of streamed speech.
 */
const TOKEN_COUNTS = ['input_tokens', 'output_tokens', 'prompt_tokens', 'completion_tokens', 'total_tokens'];

/** Images say `input_tokens_details`, transcriptions `input_token_details`; Mistral gives seconds of audio beside its tokens. */
function mediaDetails(report: ReportedUsage): UsageDetails {
  const input = objectOf(report.input_tokens_details ?? report.input_token_details ?? report.prompt_tokens_details);
  const output = objectOf(report.output_tokens_details ?? report.output_token_details);
  const found: Record<keyof UsageDetails, number | undefined> = {
    inputTextTokens: count(input.text_tokens),
    inputImageTokens: count(input.image_tokens),
    inputAudioTokens: count(input.audio_tokens),
    cachedAudioTokens: undefined,
    outputTextTokens: count(output.text_tokens),
    outputImageTokens: count(output.image_tokens),
    outputAudioTokens: count(output.audio_tokens),
    audioSeconds: seconds(report.seconds) ?? seconds(report.prompt_audio_seconds),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

function seconds(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function objectOf(value: unknown): ReportedUsage {
  return typeof value === 'object' && value !== null ? (value as ReportedUsage) : {};
}

/** Operations whose answers seldom say what they cost: there is nothing to read on for where the client has left. */
const SILENT: readonly LlmOperation[] = ['speech', 'moderation'];

/** How the answers of such an operation are read as they pass. */
export function mediaFormat(operation: LlmOperation): Format {
  return {
    operation,
    dialect: 'openai',
    free: SILENT.includes(operation),
    unestimated: true,
    usageOnRequest: false,
    mergeUsage: (_before, report) => report,
    toUsage: detect.toUsage,
    countsTokens: (report) => TOKEN_COUNTS.some((name) => count(report[name]) !== undefined),
    detailsOf: mediaDetails,
    stream: { isContent: beginsWithJson, hasContent: null, errorEvent: openaiErrorEvent },
  };
}

/** The same where the answer is converted: what it cost the conversion states itself, by what the provider said. */
export function statedFormat(operation: LlmOperation): Format {
  const { detailsOf: _, ...format } = mediaFormat(operation);
  return { ...format, free: false, countsTokens: () => false };
}
