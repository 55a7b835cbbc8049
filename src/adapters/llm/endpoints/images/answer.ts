import type { JsonObject } from '../../../../facts/conversation.ts';
import { inputTokens, outputTokens } from '../../../../facts/llm.ts';
import { Fields } from '../../formats/fields.ts';
import { geminiUsage } from '../../formats/gemini/native.ts';

/** Images that Google's models made, or why there are none. */
export type ImageAnswer =
  | { readonly images: readonly MadeImage[]; readonly usage: JsonObject | null }
  | { readonly refusal: string };

interface MadeImage {
  readonly base64: string;
  readonly mimeType: string;
  /** The prompt as the model had it rewritten; ''. */
  readonly prompt: string;
}

/** Longest text of a model that is told as the reason. */
const MAX_REASON = 500;

/** Imagen: `{predictions: [{bytesBase64Encoded, mimeType, prompt} | {raiFilteredReason}]}`. It reports no tokens. */
export function readPredictions(body: JsonObject): ImageAnswer {
  const predictions = Fields.ofAnswer(body).objects('predictions');
  const images = predictions.flatMap((one) => {
    const base64 = one.string('bytesBase64Encoded') ?? '';
    const mimeType = one.string('mimeType') ?? 'image/png';
    return base64 === '' ? [] : [{ base64, mimeType, prompt: one.string('prompt') ?? '' }];
  });
  if (images.length > 0) return { images, usage: null };
  const reason = predictions.map((one) => one.string('raiFilteredReason') ?? '').find((text) => text !== '');
  return { refusal: reason ?? 'The model made no image; its filters leave out what they object to.' };
}

/** Gemini: images stand among the parts of the candidates; drafts of a thinking model are not the answer. */
export function readContent(body: JsonObject): ImageAnswer {
  const answer = Fields.ofAnswer(body);
  const candidates = answer.objects('candidates');
  const parts = candidates.flatMap((candidate) => candidate.object('content')?.objects('parts') ?? []);
  const said = parts.filter((part) => part.value.thought !== true);
  const images = said.flatMap((part) => {
    const data = part.object('inlineData');
    const base64 = data?.string('data') ?? '';
    return base64 === '' ? [] : [{ base64, mimeType: data?.string('mimeType') ?? 'image/png', prompt: '' }];
  });
  if (images.length > 0) return { images, usage: usageOf(answer.json('usageMetadata')) };
  const text = said.map((part) => part.string('text') ?? '').join('');
  const why = [
    answer.object('promptFeedback')?.string('blockReason'),
    candidates[0]?.string('finishReason'),
    candidates[0]?.string('finishMessage'),
    text.slice(0, MAX_REASON),
  ].filter((reason) => reason !== undefined && reason !== '' && reason !== 'STOP');
  return { refusal: ['The model made no image', ...why].join(': ') };
}

/** OpenAI's usage of images, from Google's of content. */
function usageOf(metadata: JsonObject | undefined): JsonObject | null {
  if (metadata === undefined) return null;
  const usage = geminiUsage(metadata);
  const input = inputTokens(usage);
  const output = outputTokens(usage);
  const fields = Fields.ofAnswer(metadata);
  return {
    total_tokens: input + output,
    input_tokens: input,
    output_tokens: output,
    input_tokens_details: { ...byKind(fields.objects('promptTokensDetails')), cached_tokens: usage.cachedInput },
    output_tokens_details: {
      ...byKind(fields.objects('candidatesTokensDetails')),
      reasoning_tokens: usage.reasoning,
    },
  };
}

function byKind(details: readonly Fields[]): JsonObject {
  const sum = (modality: string) =>
    details
      .filter((detail) => detail.string('modality') === modality)
      .reduce((tokens, detail) => tokens + (detail.number('tokenCount') ?? 0), 0);
  return { text_tokens: sum('TEXT'), image_tokens: sum('IMAGE') };
}

/** https://platform.openai.com/docs/api-reference/images/object; `created`: Unix seconds */
export function openaiImages(images: readonly MadeImage[], usage: JsonObject | null, created: number): JsonObject {
  return {
    created,
    data: images.map(({ base64, prompt }) => ({ b64_json: base64, ...(prompt !== '' && { revised_prompt: prompt }) })),
    output_format: formatOf(images[0]),
    ...(usage !== null && { usage }),
  };
}

/** The events of a stream that has no drafts: https://platform.openai.com/docs/api-reference/images-streaming */
export function openaiImageEvents(
  type: 'image_generation.completed' | 'image_edit.completed',
  images: readonly MadeImage[],
  usage: JsonObject | null,
  created: number,
): string {
  const events = images.map((image, i) => {
    const whole = { type, b64_json: image.base64, created_at: created, output_format: formatOf(image) };
    // Several images are one request's: their tokens are counted once.
    const last = usage !== null && i === images.length - 1;
    return `event: ${type}\ndata: ${JSON.stringify(last ? { ...whole, usage } : whole)}\n\n`;
  });
  return events.join('');
}

function formatOf(image: MadeImage | undefined): string {
  return image?.mimeType.split('/')[1] ?? 'png';
}
