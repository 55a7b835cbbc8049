import { GatewayError } from '../../../../errors/table.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import { parseObject } from '../../formats/fields.ts';
import { decodeFault } from '../../formats/gemini/faults.ts';
import { encodeFault } from '../../formats/openai-chat/faults.ts';
import type { AnswerConversion, ConvertedReply } from '../converting-dispatch.ts';
import type { Endpoint } from '../endpoint.ts';
import { type ImageAnswer, openaiImageEvents, openaiImages, readContent, readPredictions } from './answer.ts';
import { googleImageRequest, type ImageApi } from './request.ts';

/** A request to make an image by OpenAI's API, on its way to a model of Google's; and the way back. */
export class ImageConversion implements AnswerConversion {
  readonly #api: ImageApi;
  readonly #vertex: boolean;
  #stream = false;
  /** Names of what could not be said, for `x-sluice-lossy`; ''. */
  lossy = '';

  constructor(api: ImageApi, vertex: boolean) {
    this.#api = api;
    this.#vertex = vertex;
  }

  /** Google's path, from the one of `generateContent` for the same model. */
  pathFrom(path: string): string {
    return this.#api === 'imagen' ? path.replace(/:generateContent(?=\?|$)/, ':predict') : path;
  }

  /** Google's body for OpenAI's. Throws `invalid_request_body` and `unsupported_parameter`. */
  encode(bytes: Buffer, strict: boolean): Buffer {
    const json = parseObject(bytes.toString('utf8'));
    if (json === null) throw new GatewayError('invalid_request_body');
    const { body, stream, lossy } = googleImageRequest(json, this.#api, this.#vertex, strict);
    this.#stream = stream;
    this.lossy = lossy.join(', ');
    return Buffer.from(JSON.stringify(body));
  }

  /** OpenAI's answer to Google's. What was refused or filtered out is an error there. */
  reply(body: JsonObject): ConvertedReply {
    const answer: ImageAnswer = this.#api === 'imagen' ? readPredictions(body) : readContent(body);
    if ('refusal' in answer) {
      const fault = { status: 400, message: answer.refusal, type: '', code: 'moderation_blocked', param: 'prompt' };
      return { status: 400, contentType: 'application/json', body: JSON.stringify(encodeFault(fault).body) };
    }
    const created = Math.floor(Date.now() / 1000);
    const { images, usage } = answer;
    return this.#stream
      ? { status: 200, contentType: 'text/event-stream', body: openaiImageEvents(images, usage, created) }
      : { status: 200, contentType: 'application/json', body: JSON.stringify(openaiImages(images, usage, created)) };
  }

  /** Google's error in OpenAI's words. */
  fault(status: number, text: string): ConvertedReply {
    const fault = encodeFault(decodeFault(status, parseObject(text), text));
    return { status, contentType: 'application/json', body: JSON.stringify(fault.body) };
  }
}

/** The conversion that a request needs on its way to a provider; null where it goes on as it is, or can't be converted. */
export function imageConversion(endpoint: Endpoint, kind: string, model: string): ImageConversion | null {
  if (endpoint.name !== 'imageGeneration' || (kind !== 'gemini' && kind !== 'vertex')) return null;
  const name = model.slice(model.lastIndexOf('/') + 1);
  return new ImageConversion(name.startsWith('imagen') ? 'imagen' : 'gemini', kind === 'vertex');
}
