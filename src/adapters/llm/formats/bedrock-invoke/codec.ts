import type { Answer, StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import { emptyUsage, inputTokens, outputTokens, type Usage } from '../../../../facts/llm.ts';
import type { HeaderList } from '../../../../headers.ts';
import { encodeException, encodeFault } from '../bedrock-converse/faults.ts';
import type { ClientCodec, Frame, ReplyContext, StreamEncoder } from '../codec.ts';
import { compact } from '../fields.ts';
import { type Family, familyOf } from './families.ts';

/** Fields of a request that say what conversations don't: of the guardrail a request was to pass nothing may get lost. */
const GUARDRAIL = 'x-amzn-bedrock-guardrailidentifier';
const OUTSIDE = [GUARDRAIL, 'x-amzn-bedrock-performanceconfig-latency'];
/** What the body says of a guardrail. */
const GUARDRAIL_CONFIG = 'amazon-bedrock-guardrailConfig';
const TIER = 'x-amzn-bedrock-service-tier';

/**
 * Amazon Bedrock's InvokeModel and InvokeModelWithResponseStream
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html and …WithResponseStream.html), spoken by a client
 * to another provider: the body's family says in which words the answer comes.
 *
 * Throws `unsupported_conversion` for a body of a family that has no conversation.
 */
export function invokeCodec(body: JsonObject, model: string, headers: HeaderList): ClientCodec {
  const family = familyOf(body, model);
  const tier = headers.get(TIER);
  return {
    format: 'invoke',
    column: {
      fields: { ...family.column.fields, serviceTier: TIER },
      essential: new Set([...(family.column.essential ?? []), GUARDRAIL, GUARDRAIL_CONFIG]),
    },
    unsaid: [
      ...OUTSIDE.filter((name) => headers.has(name)),
      ...(body[GUARDRAIL_CONFIG] === undefined ? [] : [GUARDRAIL_CONFIG]),
    ],
    decodeRequest({ [GUARDRAIL_CONFIG]: _, ...own }, path) {
      const conversation = family.decodeRequest(own, path);
      return tier === undefined ? conversation : { ...conversation, serviceTier: tier };
    },
    encodeAnswer: family.encodeAnswer,
    streamEncoder: (context) => new InvokeStreamEncoder(family, context),
    encodeFault,
    answerHeaders: (answer, context) => (answer === null ? STREAM_HEADERS : countHeaders(answer, context)),
  };
}

/** What the chunks of a stream hold. */
const STREAM_HEADERS = ['x-amzn-bedrock-content-type', 'application/json'];

function countHeaders({ usage }: Answer, context: ReplyContext): string[] {
  const latency = ['x-amzn-bedrock-invocation-latency', String(context.elapsedMs?.() ?? 0)];
  if (usage === null) return latency;
  const { input, cachedInput, cacheWrite } = usage;
  return [
    ...latency,
    'x-amzn-bedrock-input-token-count',
    String(input),
    'x-amzn-bedrock-output-token-count',
    String(outputTokens(usage)),
    ...(cachedInput > 0 ? ['x-amzn-bedrock-cache-read-input-token-count', String(cachedInput)] : []),
    ...(cacheWrite > 0 ? ['x-amzn-bedrock-cache-write-input-token-count', String(cacheWrite)] : []),
  ];
}

/**
 * Writes the family's events as chunks. The last of them bears the counts, whatever the family
 * (`amazon-bedrock-invocationMetrics`): once an answer has finished one event is kept back until it is known whether it is that.
 */
class InvokeStreamEncoder implements StreamEncoder {
  readonly #family: Family;
  readonly #inner: StreamEncoder;
  readonly #context: ReplyContext;
  #usage: Usage = emptyUsage();
  #finished = false;
  #held: JsonObject | null = null;
  #firstMs = -1;

  constructor(family: Family, context: ReplyContext) {
    this.#family = family;
    this.#inner = family.streamEncoder(context);
    this.#context = context;
  }

  part(part: StreamPart, emit: (frame: Frame) => void): void {
    if (part.type === 'error') {
      this.#release(emit);
      emit(encodeException(part.fault));
      return;
    }
    if (part.type === 'usage') this.#usage = part.usage;
    if (part.type === 'finish' || part.type === 'end') this.#finished = true;
    this.#inner.part(part, (frame) => this.#take(this.#family.payload(frame), emit));
    if (part.type !== 'end') return;
    const last = this.#held ?? {};
    this.#held = null;
    emit(chunkOf({ ...last, 'amazon-bedrock-invocationMetrics': this.#metrics() }));
  }

  #take(payload: JsonObject | null, emit: (frame: Frame) => void): void {
    if (payload === null) return;
    if (this.#firstMs < 0) this.#firstMs = this.#context.elapsedMs?.() ?? 0;
    this.#release(emit);
    if (this.#finished) this.#held = payload;
    else emit(chunkOf(payload));
  }

  #release(emit: (frame: Frame) => void): void {
    if (this.#held !== null) emit(chunkOf(this.#held));
    this.#held = null;
  }

  #metrics(): JsonObject {
    const { input, cachedInput, cacheWrite } = this.#usage;
    const caches = inputTokens(this.#usage) > input;
    return compact({
      inputTokenCount: input,
      outputTokenCount: outputTokens(this.#usage),
      invocationLatency: this.#context.elapsedMs?.() ?? 0,
      firstByteLatency: Math.max(this.#firstMs, 0),
      cacheReadInputTokenCount: caches ? cachedInput : undefined,
      cacheWriteInputTokenCount: caches ? cacheWrite : undefined,
    });
  }
}

function chunkOf(payload: JsonObject): Frame {
  const bytes = Buffer.from(JSON.stringify(payload)).toString('base64');
  return { event: 'chunk', data: JSON.stringify({ bytes }) };
}
