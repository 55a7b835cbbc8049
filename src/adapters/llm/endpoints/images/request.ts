import { GatewayError } from '../../../../errors/table.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import { Fields } from '../../formats/fields.ts';
import { googleSize } from './size.ts';

/** Google's ways to make images: Imagen's `:predict`, and Gemini's image models, which answer in `generateContent`. */
export type ImageApi = 'imagen' | 'gemini';

/** OpenAI's request (https://platform.openai.com/docs/api-reference/images/create) as far as Google's models know what it says. */
export interface ImageRequest {
  readonly body: JsonObject;
  readonly stream: boolean;
  /** Members that say nothing to the model. */
  readonly lossy: readonly string[];
}

/** https://ai.google.dev/gemini-api/docs/image-generation */
const GEMINI_RATIOS = ['1:1', '2:3', '3:2', '3:4', '4:3', '4:5', '5:4', '9:16', '16:9', '21:9'];
const GEMINI_LONGEST = 4096;
/** https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api */
const IMAGEN_RATIOS = ['1:1', '3:4', '4:3', '9:16', '16:9'];
const IMAGEN_LONGEST = 2048;
const IMAGEN_MOST = 4;

const MIME_TYPES: Readonly<Record<string, string>> = { png: 'image/png', jpeg: 'image/jpeg', webp: 'image/webp' };

/** What needs no words because it is how Google's models do it anyway: an absent value, and these. */
const USUAL: Readonly<Record<string, readonly unknown[]>> = {
  quality: ['auto'],
  background: ['auto', 'opaque'],
  moderation: ['auto'],
  partial_images: [0],
};
const SAID = ['model', 'prompt', 'n', 'size', 'output_format', 'output_compression', 'response_format', 'stream'];

/**
 * @param strict what the model can't be told is refused
 * @param vertex Vertex AI can be told the images' encoding; the Gemini API can't
 *
 * Throws `invalid_request_body` and `unsupported_parameter`.
 */
export function googleImageRequest(json: JsonObject, api: ImageApi, vertex: boolean, strict: boolean): ImageRequest {
  const request = Fields.ofRequest(json);
  const prompt = request.requiredString('prompt');
  const n = request.number('n') ?? 1;
  const lossy = Object.entries(json)
    .filter(([name, value]) => !SAID.includes(name) && value !== null && !USUAL[name]?.includes(value))
    .map(([name]) => name);
  refuse(request.string('background') === 'transparent', 'background', 'a transparent background');
  refuse(request.string('response_format') === 'url', 'response_format', 'URLs; ask for "b64_json"');
  const encoding = encodingOf(request, api, vertex, lossy);
  const imagen = api === 'imagen';
  const most = imagen ? IMAGEN_MOST : 1;
  refuse(!Number.isInteger(n) || n < 1 || n > most, 'n', `more than ${most} image${most > 1 ? 's' : ''} a request`);
  const ratios = imagen ? IMAGEN_RATIOS : GEMINI_RATIOS;
  const size = googleSize(request.string('size'), ratios, imagen ? IMAGEN_LONGEST : GEMINI_LONGEST);
  if (size !== null && !size.exact) lossy.push('size');
  const [first] = lossy;
  refuse(strict && first !== undefined, first ?? '', 'what this says, and the route allows no loss');
  const shape = size === null ? {} : { aspectRatio: size.aspectRatio };
  const resolution = size?.resolution ?? null;
  const body: JsonObject = imagen
    ? {
        instances: [{ prompt }],
        parameters: {
          sampleCount: n,
          ...shape,
          ...(resolution !== null && { sampleImageSize: resolution }),
          ...(encoding !== null && { outputOptions: encoding }),
        },
      }
    : {
        contents: [{ role: 'user', parts: [{ text: prompt }] }],
        generationConfig: {
          responseModalities: ['IMAGE'],
          ...imageConfig({
            ...shape,
            ...(resolution !== null && { imageSize: resolution }),
            ...(encoding !== null && { imageOutputOptions: encoding }),
          }),
        },
      };
  return { body, stream: request.boolean('stream') === true, lossy };
}

function imageConfig(config: JsonObject): JsonObject {
  return Object.keys(config).length === 0 ? {} : { imageConfig: config };
}

/** `{mimeType, compressionQuality}`; null where nothing was asked for, or can't be said. */
function encodingOf(request: Fields, api: ImageApi, vertex: boolean, lossy: string[]): JsonObject | null {
  const format = request.string('output_format');
  const quality = request.number('output_compression');
  if (format === undefined && quality === undefined) return null;
  if (api === 'gemini' && !vertex) {
    if (format !== undefined && format !== 'png') lossy.push('output_format');
    if (quality !== undefined) lossy.push('output_compression');
    return null;
  }
  const mimeType = MIME_TYPES[format ?? 'png'];
  refuse(mimeType === undefined || format === 'webp', 'output_format', 'images other than png and jpeg');
  if (quality !== undefined && format !== 'jpeg') lossy.push('output_compression');
  return {
    mimeType: mimeType ?? '',
    ...(quality !== undefined && format === 'jpeg' && { compressionQuality: quality }),
  };
}

function refuse(refused: boolean, field: string, what: string): void {
  if (refused)
    throw new GatewayError(
      'unsupported_parameter',
      `The field "${field}" asks for ${what}: the model has no such thing.`,
    );
}
