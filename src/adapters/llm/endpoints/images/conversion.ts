import type { JsonObject } from '../../../../facts/conversation.ts';
import type { LlmFacts } from '../../../../facts/llm.ts';
import type { EndpointContent } from '../content.ts';
import type { EndpointConversion } from '../conversions.ts';
import type { ConvertedReply } from '../converting-dispatch.ts';
import { failureOf, googleFault, noteGoogleUsage, refusal } from '../google/answer.ts';
import { type ImageAnswer, openaiImageEvents, openaiImages, readContent, readPredictions } from './answer.ts';
import { googleImageRequest, type ImageApi } from './request.ts';

/** A request to make or edit images by OpenAI's API, on its way to a model of Google's; and the way back. */
export class ImageConversion implements EndpointConversion {
  readonly #api: ImageApi;
  readonly #edit: boolean;
  readonly #vertex: boolean;
  readonly #facts: LlmFacts;
  #stream = false;
  /** Google's models make an image at once. */
  readonly streams = false;
  lossy = '';

  constructor(api: ImageApi, edit: boolean, vertex: boolean, facts: LlmFacts) {
    this.#api = api;
    this.#edit = edit;
    this.#vertex = vertex;
    this.#facts = facts;
  }

  pathFrom(path: string): string {
    return this.#api === 'imagen' ? path.replace(/:generateContent(?=\?|$)/, ':predict') : path;
  }

  encode(content: EndpointContent, strict: boolean): JsonObject {
    const { body, stream, lossy } = googleImageRequest(content, this.#api, this.#edit, this.#vertex, strict);
    this.#stream = stream;
    this.lossy = lossy;
    return body;
  }

  /** What was refused or filtered out is an error in OpenAI's API. */
  reply(body: JsonObject): ConvertedReply {
    noteGoogleUsage(this.#facts, body);
    const answer: ImageAnswer = this.#api === 'imagen' ? readPredictions(body) : readContent(body);
    if ('refusal' in answer) {
      const failure = this.#api === 'imagen' ? null : failureOf(body, 'prompt');
      return failure ?? refusal(answer.refusal, 'prompt');
    }
    const created = Math.floor(Date.now() / 1000);
    const { images, usage } = answer;
    if (!this.#stream) {
      const made = JSON.stringify(openaiImages(images, usage, created));
      return { status: 200, contentType: 'application/json', body: made };
    }
    const type = this.#edit ? 'image_edit.completed' : 'image_generation.completed';
    return { status: 200, contentType: 'text/event-stream', body: openaiImageEvents(type, images, usage, created) };
  }

  fault(status: number, text: string): ConvertedReply {
    return googleFault(status, text);
  }
}
