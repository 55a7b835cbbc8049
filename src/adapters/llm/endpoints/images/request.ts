import { GatewayError } from '../../../../errors/table.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { Losses } from '../../formats/features.ts';
import { Fields } from '../../formats/fields.ts';
import type { EndpointContent } from '../content.ts';
import { inlineData } from '../google/inline-data.ts';
import { type ImageFeature, imageFeatureOf, imageLosses } from '../media-features.ts';
import { googleSize } from './size.ts';

/** Google's ways to make images: Imagen's `:predict`, and Gemini's image models, which answer in `generateContent`. */
export type ImageApi = 'imagen' | 'gemini';

/** OpenAI's request (https://platform.openai.com/docs/api-reference/images) as far as Google's models know what it says. */
export interface ImageRequest {
  readonly body: JsonObject;
  readonly stream: boolean;
  /** Members that say nothing to the model, for `x-sluice-lossy`. */
  readonly lossy: string;
}

/** https://ai.google.dev/gemini-api/docs/image-generation */
const GEMINI_RATIOS = ['1:1', '2:3', '3:2', '3:4', '4:3', '4:5', '5:4', '9:16', '16:9', '21:9'];
const GEMINI_LONGEST = 4096;
/** https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api */
const IMAGEN_RATIOS = ['1:1', '3:4', '4:3', '9:16', '16:9'];
const IMAGEN_LONGEST = 2048;
const IMAGEN_MOST = 4;

const MIME_TYPES: Readonly<Record<string, string>> = { png: 'image/png', jpeg: 'image/jpeg' };

/** What needs no words because it is how Google's models do it anyway. */
const USUAL: Readonly<Record<string, readonly unknown[]>> = {
  quality: ['auto'],
  background: ['auto', 'opaque'],
  moderation: ['auto'],
  partial_images: [0],
  input_fidelity: ['low'],
};
const SAID = ['model', 'prompt', 'n', 'size', 'output_format', 'output_compression', 'response_format', 'stream'];
/** https://platform.openai.com/docs/api-reference/images/createEdit: as many as OpenAI takes. */
const MOST_INPUTS = 16;

/**
 * @param edit images come along, which are to be changed
 * @param strict what the model can't be told is refused
 * @param vertex Vertex AI can be told the images' encoding; the Gemini API can't
 *
 * Throws `invalid_request_body` and `unsupported_parameter`.
 */
export function googleImageRequest(
  { json, files }: EndpointContent,
  api: ImageApi,
  edit: boolean,
  vertex: boolean,
  strict: boolean,
): ImageRequest {
  const request = Fields.ofRequest(json);
  const imagen = api === 'imagen';
  const losses = imageLosses(imagen ? 'imagen' : vertex ? 'vertexGeminiImage' : 'geminiImage', strict);
  if (edit && imagen) losses.refuse('inputs');
  const prompt = request.requiredString('prompt');
  const n = request.number('n') ?? 1;
  for (const [name, value] of Object.entries(json)) {
    if (SAID.includes(name) || value === null || USUAL[name]?.includes(value) === true) continue;
    if (name === 'background') losses.drop('transparent');
    const feature = imageFeatureOf(name);
    if (feature === undefined) losses.dropFields([name]);
    else losses.drop(feature);
  }
  if (request.string('response_format') === 'url') refuse('response_format', 'URLs; ask for "b64_json"');
  const encoding = encodingOf(request, losses, imagen || vertex);
  const most = imagen ? IMAGEN_MOST : 1;
  if (!Number.isInteger(n) || n < 1 || n > most) refuse('n', `more than ${most} image${most > 1 ? 's' : ''} a request`);
  const ratios = imagen ? IMAGEN_RATIOS : GEMINI_RATIOS;
  const size = googleSize(request.string('size'), ratios, imagen ? IMAGEN_LONGEST : GEMINI_LONGEST);
  if (size !== null && !size.exact) losses.drop('size');
  const inputs = edit ? inputsOf(files, losses) : [];
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
        contents: [{ role: 'user', parts: [...inputs, { text: prompt }] }],
        generationConfig: {
          responseModalities: ['IMAGE'],
          ...imageConfig({
            ...shape,
            ...(resolution !== null && { imageSize: resolution }),
            ...(encoding !== null && { imageOutputOptions: encoding }),
          }),
        },
      };
  return { body, stream: request.boolean('stream') === true, lossy: losses.header };
}

/** The images to edit, as parts of the prompt. */
function inputsOf(files: EndpointContent['files'], losses: Losses<ImageFeature>): JsonObject[] {
  const images = files.filter(({ name }) => name === 'image');
  if (images.length === 0 || images.length > MOST_INPUTS)
    throw new GatewayError(
      'invalid_request_body',
      `The request must be a form with 1 to ${MOST_INPUTS} files of the name "image".`,
    );
  if (files.some(({ name }) => name === 'mask')) losses.drop('mask');
  losses.dropFields(files.map(({ name }) => name).filter((name) => name !== 'image' && name !== 'mask'));
  return images.map((file) => inlineData(file, 'image'));
}

function imageConfig(config: JsonObject): JsonObject {
  return Object.keys(config).length === 0 ? {} : { imageConfig: config };
}

/** `{mimeType, compressionQuality}`; null where nothing was asked for, or can't be said. `says`: the API has a word for it. */
function encodingOf(request: Fields, losses: Losses<ImageFeature>, says: boolean): JsonObject | null {
  const format = request.string('output_format');
  const quality = request.number('output_compression');
  if (format === undefined && quality === undefined) return null;
  if (!says) {
    if (format !== undefined && format !== 'png') losses.drop('encoding');
    if (quality !== undefined) losses.drop('compression');
    return null;
  }
  const mimeType = MIME_TYPES[format ?? 'png'];
  if (mimeType === undefined) refuse('output_format', 'images other than png and jpeg');
  if (quality !== undefined && format !== 'jpeg') losses.drop('compression');
  return { mimeType, ...(quality !== undefined && format === 'jpeg' && { compressionQuality: quality }) };
}

function refuse(field: string, what: string): never {
  throw new GatewayError(
    'unsupported_parameter',
    `The field "${field}" asks for ${what}: the model has no such thing.`,
    {
      param: field,
    },
  );
}
