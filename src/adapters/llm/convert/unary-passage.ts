import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import type { LlmFacts, Usage } from '../../../facts/llm.ts';
import type { Replier } from '../../adapter.ts';
import type { Observer } from '../observe.ts';
import { type AnswerType, FaultReader, keptHeaders, type Passage } from './passage.ts';
import type { UnaryConversion } from './unary-conversion.ts';

/** A provider's answer without a stream on its way to a client of another format: held, within the limit, and converted when complete. */
export class UnaryPassage implements Passage, Observer {
  readonly #exchange: Exchange;
  readonly #facts: LlmFacts;
  readonly #reply: Replier;
  readonly #conversion: UnaryConversion;
  readonly #chunks: Buffer[] = [];
  #status = 0;
  #answerHeaders: readonly string[] = [];
  #headers: string[] = [];
  #fault: FaultReader | null = null;
  #usage: Usage | null = null;
  #body = '';
  #error: GatewayError | null = null;
  final = false;
  readonly contentEvents = 0;
  contentBytes = 0;
  readonly streaming = false;

  constructor(exchange: Exchange, facts: LlmFacts, reply: Replier, conversion: UnaryConversion) {
    this.#exchange = exchange;
    this.#facts = facts;
    this.#reply = reply;
    this.#conversion = conversion;
  }

  get observer(): Observer | null {
    return this.#fault === null ? this : null;
  }

  usage(): Usage | null {
    return this.#usage;
  }

  head(status: number, headers: readonly string[], type: AnswerType): void {
    this.#status = status;
    this.#answerHeaders = headers;
    this.#headers = keptHeaders(headers);
    if (status < 200 || status >= 300) {
      this.#fault = new FaultReader();
      return;
    }
    if (this.#conversion.lossy !== '') this.#headers.push('x-sluice-lossy', this.#conversion.lossy);
    if (type !== 'json') throw new GatewayError('upstream_protocol', "The provider's answer is not JSON.");
  }

  data(chunk: Buffer): void {
    if (this.#fault === null) this.write(chunk);
    else this.#fault.write(chunk);
  }

  write(chunk: Buffer): void {
    this.contentBytes += chunk.length;
    if (this.contentBytes <= this.#conversion.maxHeldBytes) this.#chunks.push(chunk);
    else this.#chunks.length = 0;
  }

  complete(): void {
    if (this.#fault === null) this.end();
  }

  end(): void {
    try {
      if (this.contentBytes > this.#conversion.maxHeldBytes) {
        throw new GatewayError(
          'upstream_protocol',
          "The provider's answer is larger than may be held; frontendPolicies.http.maxBufferSize is the limit.",
        );
      }
      this.#conversion.read(0, this.#answerHeaders, Buffer.concat(this.#chunks));
      this.#chunks.length = 0;
      const { body, model, usage } = this.#conversion.finish();
      this.#body = body;
      this.#usage = usage;
      this.final = true;
      if (model !== '') this.#facts.responseModel = model;
    } catch (cause) {
      this.#error =
        cause instanceof GatewayError
          ? cause
          : new GatewayError('upstream_protocol', "The provider's answer could not be converted.", { cause });
    }
  }

  deliver(): void {
    if (this.#fault !== null)
      this.#fault.deliver(this.#exchange, this.#reply, this.#conversion, this.#status, this.#headers);
    else if (this.#error !== null) this.#reply.error(this.#exchange, this.#error);
    else {
      const headers = [...this.#headers, 'content-type', 'application/json'];
      if (this.#usage === null) headers.push('x-sluice-estimated', 'true');
      this.#reply.local(this.#exchange, this.#status, headers, this.#body);
    }
  }

  /** Nothing of the answer has been sent: there is nothing to end. */
  fail(): void {}
}
