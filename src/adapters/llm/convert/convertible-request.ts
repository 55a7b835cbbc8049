import { GatewayError } from '../../../errors/table.ts';
import type { Conversation, JsonObject } from '../../../facts/conversation.ts';
import type { UpstreamCall } from '../../../upstream/call.ts';
import type { AdapterServices } from '../../adapter.ts';
import { BETA_FIELD, betasOf } from '../formats/claude/betas.ts';
import type { ClientCodec } from '../formats/codec.ts';
import { CODECS } from '../formats/codecs.ts';
import { parseObject } from '../formats/fields.ts';
import { bearsMark } from '../formats/signatures.ts';
import { LLM_MAX_BUFFER_BYTES } from '../limits.ts';
import type { MediaFetchOptions } from '../media-fetch/options.ts';
import { type RefusesUrl, refusedUrls } from '../media-fetch/refused-urls.ts';
import { RequestMedia, refuseUrls } from '../media-fetch/request-media.ts';
import type { Incoming } from '../serve.ts';
import { storedTurn } from '../stored-responses/turn.ts';
import type { Destination, ProviderTarget } from '../target.ts';
import { isWireFormat } from './choose.ts';
import { clientCodecOf, isClientFormat } from './client-codecs.ts';
import { Conversion } from './conversion.ts';
import { keepsOwnWords } from './own-format.ts';

/** Where a format insists on a longest answer, the client gave none and the provider knows no better: tokens. */
const DEFAULT_MAX_TOKENS = 8192;

/** A client's request, read. */
interface ReadRequest {
  readonly bytes: Buffer;
  readonly body: JsonObject;
  readonly codec: ClientCodec;
  readonly conversation: Conversation;
  readonly betas: readonly string[];
}

/** A client's request that may have to be said in another format, for each attempt perhaps in another one. */
export class ConvertibleRequest {
  readonly #incoming: Incoming;
  readonly #includeUsage: boolean;
  readonly #services: AdapterServices;
  #read: ReadRequest | null = null;
  #media: RequestMedia | null = null;

  constructor(incoming: Incoming, includeUsage: boolean, services: AdapterServices) {
    this.#incoming = incoming;
    this.#includeUsage = includeUsage;
    this.#services = services;
  }

  /**
   * Fetches the media of a body that its target can't take by URL; null where there is nothing to fetch. To be awaited before `convert`.
   *
   * Throws `invalid_request_body`; rejects as `RequestMedia.fetch` does.
   */
  fetchMedia(bytes: Buffer, target: ProviderTarget, to: Destination, options: MediaFetchOptions): Promise<void> | null {
    const refuses = refusesOf(target, to);
    if (refuses === null) return null;
    this.#media ??= new RequestMedia(this.#incoming.exchange, this.#services);
    return this.#media.fetch(this.#readFrom(bytes, to).conversation, refuses, options);
  }

  /**
   * What becomes of a body, with policies applied, for a target that speaks another format, or is one of several issuers of signatures.
   * `issuer`: whose it takes. `strict`: nothing is dropped.
   *
   * Throws `invalid_request_body`, `unsupported_parameter` and `previous_response_not_found`.
   */
  convert(bytes: Buffer, target: ProviderTarget, to: Destination, issuer: string, strict: boolean): Conversion {
    const { exchange, context, facts, route } = this.#incoming;
    const codec = isWireFormat(to.route) ? CODECS.get(to.route) : undefined;
    if (codec === undefined) throw new GatewayError('unsupported_conversion');
    const client = this.#readFrom(bytes, to);
    const remembers = !to.converted && target.provider.statelessResponses !== true;
    const stored = storedTurn(this.#incoming, client.conversation, remembers, this.#services);
    const refuses = refusesOf(target, to);
    const { conversation } = stored;
    // What is sent in the client's own format its provider judges.
    if (to.converted && refuses !== null && this.#media === null && codec.refusesUrls !== true)
      refuseUrls(conversation, refuses);
    const { provider } = target;
    const isOwn = !to.converted && keepsOwnWords(to.route) && stored.keeper === null && stored.previousId === null;
    return new Conversion(
      refuses === null || this.#media === null ? conversation : this.#media.inline(conversation, refuses),
      {
        codec: client.codec,
        betas: client.betas,
        model: facts.clientModel === '' ? to.model : facts.clientModel,
        includeUsage: this.#includeUsage,
        jsonArray: route === 'generateContent' && !exchange.query.includes('alt=sse'),
        strict,
        keeper: stored.keeper,
        previousId: stored.previousId,
        own: isOwn ? { bytes, body: client.body, asItIs: this.#media === null && !bearsMark(bytes) } : null,
        maxHeldBytes: context.maxBufferBytes ?? LLM_MAX_BUFFER_BYTES,
      },
      {
        codec,
        issuer,
        model: to.model,
        defaultMaxTokens: provider.defaultMaxTokens?.(to.model) ?? DEFAULT_MAX_TOKENS,
        shape: (shaped, losses) => provider.shapeBody?.(shaped, codec.format, to.model, losses) ?? shaped,
      },
    );
  }

  #readFrom(bytes: Buffer, to: Destination): ReadRequest {
    if (this.#read?.bytes !== bytes) this.#read = this.#decode(bytes, to);
    return this.#read;
  }

  #decode(bytes: Buffer, { streaming: stream }: Destination): ReadRequest {
    const { exchange, route, pathModel: model } = this.#incoming;
    const body = parseObject(bytes.toString('utf8'));
    if (body === null) throw new GatewayError('invalid_request_body');
    const path = { model, stream };
    const { headers } = exchange;
    const request = { body, model, headers };
    const codec = isClientFormat(route) ? clientCodecOf(route, request) : undefined;
    if (codec === undefined) throw new GatewayError('unsupported_conversion');
    return { bytes, body, codec, conversation: codec.decodeRequest(body, path), betas: betasOf(headers, body) };
  }
}

function refusesOf({ provider }: ProviderTarget, to: Destination): RefusesUrl | null {
  return isWireFormat(to.route) ? refusedUrls(to.route, provider.telemetryName, to.model) : null;
}

/** Gives a call the converted body, and what it is told beside the body. */
export function putConverted(
  call: UpstreamCall,
  { request, betas }: Conversion,
  target: ProviderTarget,
  to: Destination,
): void {
  call.body = Buffer.isBuffer(request) ? target.shapeNative(request, to) : Buffer.from(JSON.stringify(request));
  // A client of the same format has its own field, which went along.
  if (to.converted && to.route === 'messages' && betas.length > 0) call.headers.push(BETA_FIELD, betas.join(','));
}
