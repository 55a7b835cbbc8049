import { GatewayError } from '../../../errors/table.ts';
import type { ProviderFault } from '../../../facts/answer.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import { inputTokens, type Usage } from '../../../facts/llm.ts';
import type { EncodedFault, PathFacts } from '../formats/codec.ts';
import { Losses } from '../formats/features.ts';
import { parseObject } from '../formats/fields.ts';
import type { FormatName } from '../formats/route-types.ts';
import type { BatchLimit, UnaryAnswer, UnaryClientCodec, UnaryCodec, UnaryHub } from '../formats/unary-codec.ts';
import { count, estimateTokens } from '../usage.ts';

/** A client of a format without streams, and the provider that speaks another one. */
export interface UnaryConversionSettings {
  readonly clientFormat: FormatName;
  readonly providerFormat: FormatName;
  /** The model as the client named it. */
  readonly clientModel: string;
  /** The model that the provider is asked for. */
  readonly model: string;
  readonly path: PathFacts;
  /** What the provider's format can't say is refused, not dropped. */
  readonly strict: boolean;
  /** Bytes of the provider's answers that may be held. */
  readonly maxHeldBytes: number;
  /** Bytes of the client's body, from which its tokens are estimated where the provider doesn't count. */
  readonly requestBytes: number;
}

/**
 * One attempt's way through a hub of formats without streams: the bodies of the calls that a request becomes, and their answers as one.
 */
export interface UnaryConversion {
  readonly maxHeldBytes: number;
  /** Names of what could not be said, for `x-sluice-lossy`; ''. */
  readonly lossy: string;
  /** The provider's bodies, one a call, at least one. */
  readonly requests: readonly JsonObject[];
  /** Reads the answer to a call, and gives the bytes that are held of it. Throws `upstream_response_invalid`. */
  read(index: number, headers: readonly string[], body: Buffer): number;
  /** What all calls' answers come to, once each was read. Throws `upstream_response_invalid`. */
  finish(): { readonly body: string; readonly model: string; readonly usage: Usage | null };
  decodeFault(status: number, body: JsonObject | null, text: string): ProviderFault;
  encodeFault(fault: ProviderFault): EncodedFault;
}

/**
 * Opens the way between two formats of a hub.
 *
 * Throws `invalid_request_body`, `unsupported_parameter` and, where the hub doesn't have both formats, `unsupported_conversion`.
 */
export function convertUnary<Request, Answer extends UnaryAnswer, F extends string>(
  hub: UnaryHub<Request, Answer, F>,
  body: JsonObject,
  settings: UnaryConversionSettings,
): UnaryConversion {
  const source = hub.codecs.find(({ format }) => format === settings.clientFormat);
  const target = hub.codecs.find(({ format }) => format === settings.providerFormat);
  if (source === undefined || target === undefined || source.client === null)
    throw new GatewayError('unsupported_conversion');
  return new HubConversion(hub, source, source.client, target, body, settings);
}

const UNLIMITED: BatchLimit = { inputs: Number.MAX_SAFE_INTEGER };

class HubConversion<Request, Answer extends UnaryAnswer, F extends string> implements UnaryConversion {
  readonly maxHeldBytes: number;
  readonly lossy: string;
  readonly requests: readonly JsonObject[];
  readonly #hub: UnaryHub<Request, Answer, F>;
  readonly #client: UnaryClientCodec<Request, Answer>;
  readonly #provider: UnaryCodec<Request, Answer, F>;
  readonly #settings: UnaryConversionSettings;
  readonly #request: Request;
  readonly #parts: readonly Request[];
  readonly #answers: Answer[] = [];

  constructor(
    hub: UnaryHub<Request, Answer, F>,
    source: UnaryCodec<Request, Answer, F>,
    client: UnaryClientCodec<Request, Answer>,
    provider: UnaryCodec<Request, Answer, F>,
    body: JsonObject,
    settings: UnaryConversionSettings,
  ) {
    const { model, strict } = settings;
    const losses = new Losses<F>(source.column, provider.column, provider.format, strict);
    this.#hub = hub;
    this.#client = client;
    this.#provider = provider;
    this.#settings = settings;
    this.#request = client.decodeRequest(body, settings.path);
    this.#parts = hub.split(this.#request, provider.batch?.(model, this.#request) ?? UNLIMITED);
    this.requests = this.#parts.map((part) => provider.encodeRequest(part, { model, losses }));
    this.lossy = losses.header;
    this.maxHeldBytes = settings.maxHeldBytes;
  }

  read(index: number, headers: readonly string[], bytes: Buffer): number {
    const body = parseObject(bytes.toString('utf8'));
    if (body === null)
      throw new GatewayError('upstream_response_invalid', "The provider's answer is not a JSON object.");
    const { model } = this.#settings;
    const answer = this.#provider.decodeAnswer(body, { model, inputTokens: tokensOf(headers) });
    this.#answers[index] = answer;
    return this.#hub.sizeOf(answer);
  }

  finish(): { readonly body: string; readonly model: string; readonly usage: Usage | null } {
    const answer = this.#hub.join(this.#answers, this.#parts, this.#request);
    const { clientModel, requestBytes } = this.#settings;
    const tokens = answer.usage === null ? estimateTokens(requestBytes) : inputTokens(answer.usage);
    const context = { model: clientModel, request: this.#request, inputTokens: tokens };
    const body = JSON.stringify(this.#client.encodeAnswer(answer, context));
    return { body, model: answer.model, usage: answer.usage };
  }

  decodeFault(status: number, body: JsonObject | null, text: string): ProviderFault {
    return this.#provider.decodeFault(status, body, text);
  }

  encodeFault(fault: ProviderFault): EncodedFault {
    return this.#client.encodeFault(fault);
  }
}

/** Bedrock counts in the head of its answers. */
const TOKENS_FIELD = 'x-amzn-bedrock-input-token-count';

function tokensOf(headers: readonly string[]): number | null {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== TOKENS_FIELD) continue;
    const value = headers[i + 1] as string;
    return /^\d{1,15}$/.test(value) ? (count(Number(value)) ?? null) : null;
  }
  return null;
}
