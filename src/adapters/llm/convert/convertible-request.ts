import { GatewayError } from '../../../errors/table.ts';
import type { Conversation } from '../../../facts/conversation.ts';
import { CODECS } from '../formats/codecs.ts';
import { parseObject } from '../formats/fields.ts';
import { isFormatName } from '../formats/route-types.ts';
import { LLM_MAX_BUFFER_BYTES } from '../limits.ts';
import { modelInPath } from '../paths.ts';
import type { Incoming } from '../serve.ts';
import type { Destination, ProviderTarget } from '../target.ts';
import { isWireFormat } from './choose.ts';
import { Conversion } from './conversion.ts';

/** Where a format insists on a longest answer, the client gave none and the provider knows no better: tokens. */
const DEFAULT_MAX_TOKENS = 8192;

/** A client's request that may have to be said in another format, for each attempt perhaps in another one. */
export class ConvertibleRequest {
  readonly #incoming: Incoming;
  readonly #includeUsage: boolean;
  #bytes: Buffer | null = null;
  #conversation: Conversation | null = null;

  constructor(incoming: Incoming, includeUsage: boolean) {
    this.#incoming = incoming;
    this.#includeUsage = includeUsage;
  }

  /**
   * What becomes of a body, with policies applied, for a target that speaks another format. `strict`: nothing is dropped.
   *
   * Throws `invalid_request_body` and `unsupported_parameter`.
   */
  convert(bytes: Buffer, target: ProviderTarget, to: Destination, strict: boolean): Conversion {
    const { exchange, context, facts, route } = this.#incoming;
    const client = isWireFormat(route) ? CODECS.get(route) : undefined;
    const codec = isWireFormat(to.route) ? CODECS.get(to.route) : undefined;
    if (client === undefined || codec === undefined) throw new GatewayError('unsupported_conversion');
    if (this.#conversation === null || this.#bytes !== bytes) {
      const body = parseObject(bytes.toString('utf8'));
      if (body === null) throw new GatewayError('invalid_request_body');
      const path = { model: modelInPath(exchange.path), stream: facts.streaming };
      this.#conversation = client.decodeRequest(body, path);
      this.#bytes = bytes;
    }
    const { provider } = target;
    return new Conversion(
      this.#conversation,
      {
        codec: client,
        model: facts.clientModel === '' ? to.model : facts.clientModel,
        includeUsage: this.#includeUsage,
        jsonArray: route === 'generateContent' && !exchange.query.includes('alt=sse'),
        strict,
        maxHeldBytes: context.maxBufferBytes ?? LLM_MAX_BUFFER_BYTES,
      },
      {
        codec,
        issuer: provider.issuerOf?.(to.model) ?? provider.telemetryName,
        model: to.model,
        defaultMaxTokens: provider.defaultMaxTokens?.(to.model) ?? DEFAULT_MAX_TOKENS,
      },
    );
  }
}

/** The converted body's bytes, as the provider wants them. */
export function convertedBody({ request }: Conversion, { provider }: ProviderTarget, to: Destination): Buffer {
  const shaped = isFormatName(to.route) ? (provider.shapeBody?.(request, to.route, to.model) ?? request) : request;
  return Buffer.from(JSON.stringify(shaped));
}
