import type { ClientFormat, JsonObject } from '../../../facts/conversation.ts';
import type { RouteType } from '../../../facts/llm.ts';
import type { HeaderList } from '../../../headers.ts';
import { invokeCodec } from '../formats/bedrock-invoke/codec.ts';
import type { ClientCodec } from '../formats/codec.ts';
import { CODECS } from '../formats/codecs.ts';
import { completionsCodec } from '../formats/openai-completions/codec.ts';

/** A client's request, as far as it says in which form the answer is wanted. */
export interface ClientRequest {
  readonly body: JsonObject;
  /** As the client named it. */
  readonly model: string;
  readonly headers: HeaderList;
}

type Open = (request: ClientRequest) => ClientCodec;

/** Formats that conversations can be decoded from. Of some each request has a form of its own. */
const CLIENT_CODECS: ReadonlyMap<ClientFormat, Open> = new Map<ClientFormat, Open>([
  ...[...CODECS].map(([format, codec]): [ClientFormat, Open] => [format, () => codec]),
  ['textCompletions', ({ body }) => completionsCodec(body)],
  ['invoke', ({ body, model, headers }) => invokeCodec(body, model, headers)],
]);

export function isClientFormat(route: RouteType): route is ClientFormat {
  return CLIENT_CODECS.has(route as ClientFormat);
}

/**
 * How a client's format is read and written. Throws `invalid_request_body` and `unsupported_conversion` for requests of a form that is no
 * conversation.
 */
export function clientCodecOf(format: ClientFormat, request: ClientRequest): ClientCodec | undefined {
  return CLIENT_CODECS.get(format)?.(request);
}
