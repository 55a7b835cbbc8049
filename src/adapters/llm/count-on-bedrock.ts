import { GatewayError } from '../../errors/table.ts';
import type { Exchange } from '../../exchange.ts';
import type { Dispatch, ResponseSink } from '../../upstream/call.ts';
import { encodeFault } from './formats/anthropic-messages/faults.ts';
import { decodeFault } from './formats/bedrock-converse/faults.ts';
import { BEDROCK_VERSION, betasOf, betasOfBedrock } from './formats/claude/betas.ts';
import { parseObject } from './formats/fields.ts';

/** Of an answer so much is read; counts are short. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Anthropic's request to count tokens as Bedrock's CountTokens takes it: within a request to `invoke` a Claude model
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html), which must say how long an answer may be.
 *
 * Throws `invalid_request_body`.
 */
export function bedrockCountBody(bytes: Buffer, exchange: Exchange): Buffer {
  const json = parseObject(bytes.toString('utf8'));
  if (json === null) throw new GatewayError('invalid_request_body');
  const { model: _, stream: _stream, ...request } = json;
  const betas = betasOfBedrock(betasOf(exchange.headers, json));
  const body = {
    anthropic_version: BEDROCK_VERSION,
    max_tokens: 1,
    ...request,
    ...(betas.length === 0 ? {} : { anthropic_beta: betas }),
  };
  return Buffer.from(
    JSON.stringify({ input: { invokeModel: { body: Buffer.from(JSON.stringify(body)).toString('base64') } } }),
  );
}

/** What Bedrock answers for a model that it doesn't count for, or not under that name. */
export const UNCOUNTED: ReadonlySet<number> = new Set([400, 404]);

/** A dispatch whose answers are Bedrock's counts, told as Anthropic does. */
export function bedrockCountDispatch(next: Dispatch): Dispatch {
  return (call, sink) => next(call, new CountSink(sink));
}

class CountSink implements ResponseSink {
  readonly #sink: ResponseSink;
  #status = 0;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  onHead(status: number, _headers: string[]): void {
    this.#status = status;
  }

  onData(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    if (this.#bytes <= MAX_ANSWER_BYTES) this.#chunks.push(chunk);
    return true;
  }

  onEnd(): void {
    const text = Buffer.concat(this.#chunks).toString('utf8');
    const body = parseObject(text);
    const status = this.#status;
    if (status < 200 || status >= 300) {
      const fault = encodeFault(decodeFault(status, body, text));
      this.#deliver(status, fault.headers, JSON.stringify(fault.body));
    } else if (typeof body?.inputTokens === 'number') {
      this.#deliver(200, [], JSON.stringify({ input_tokens: body.inputTokens }));
    } else this.#sink.onError(new GatewayError('upstream_protocol', "The provider's answer is no count of tokens."));
  }

  onError(error: GatewayError): void {
    this.#sink.onError(error);
  }

  #deliver(status: number, headers: readonly string[], body: string): void {
    this.#sink.onHead(status, [...headers, 'content-type', 'application/json']);
    this.#sink.onData(Buffer.from(body));
    this.#sink.onEnd([]);
  }
}
