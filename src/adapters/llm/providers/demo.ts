import { z } from 'zod';
import type { AiProvider } from '../../../resources/types.ts';
import type { Flight, ResponseSink, UpstreamCall } from '../../../upstream/call.ts';
import type { FormatName } from '../formats/route-types.ts';
import { anthropic } from './anthropic.ts';
import { countTokensAnswer, messagesAnswer } from './demo/anthropic-answers.ts';
import { chatAnswer, embeddingsAnswer, responsesAnswer, textAnswer } from './demo/openai-answers.ts';
import { type DemoRequest, readDemoRequest } from './demo/request.ts';
import { type DemoAnswer, type DemoPiece, json } from './demo/wire.ts';
import { openAI } from './openai.ts';
import type { OpenProvider, ProviderDefinition } from './provider.ts';
import { modelSetting, pinnedModel, usualPaths } from './settings.ts';

/** Milliseconds between two words of a streamed answer. */
const WORD_MS = 20;

const ANSWERS: Partial<Record<FormatName, (request: DemoRequest) => DemoAnswer>> = {
  completions: chatAnswer,
  textCompletions: textAnswer,
  responses: responsesAnswer,
  embeddings: embeddingsAnswer,
  messages: messagesAnswer,
  anthropicTokenCount: countTokensAnswer,
};

const FORMATS = usualPaths([
  'completions',
  'textCompletions',
  'responses',
  'embeddings',
  'messages',
  'anthropicTokenCount',
]);

const FORMAT_BY_PATH = new Map([...FORMATS].map(([format, { path }]) => [`/v1${path}`, format]));

/**
 * Answers every API in the gateway itself, so that a first start needs neither key nor network. Its answers say what they are.
 */
export const demo: ProviderDefinition = {
  name: 'demo',
  schema: z.strictObject({ model: modelSetting }),
  summary: 'Answers in the gateway itself, labelled as a demo, without any model behind it.',
  active: true,
  own: true,
  open: openDemo,
};

export const openAIOrDemo = orDemo('openAIOrDemo', openAI, 'OpenAI');
export const anthropicOrDemo = orDemo('anthropicOrDemo', anthropic, 'Anthropic');

/** The real provider where a key is configured, the demo where none (or an empty one) is: what the quickstart uses. */
function orDemo(name: string, real: ProviderDefinition, title: string): ProviderDefinition {
  return {
    name,
    schema: real.schema,
    summary: `${title} where a key is configured, else the demo provider.`,
    active: true,
    own: true,
    open: (provider) => (hasKey(provider) && real.open !== undefined ? real.open(provider) : openDemo(provider)),
  };
}

function hasKey(provider: AiProvider): boolean {
  const auth = provider.policies.backendAuth;
  if (typeof auth !== 'object' || auth === null) return false;
  const key = (auth as { key?: unknown }).key;
  if (typeof key === 'string') return key.trim() !== '';
  if (typeof key !== 'object' || key === null) return false;
  const value = (key as { value?: unknown }).value;
  return typeof value === 'string' ? value.trim() !== '' : value !== undefined;
}

function openDemo(provider: AiProvider): OpenProvider {
  return {
    telemetryName: 'demo',
    origin: { host: 'demo.invalid', port: 80, tls: false },
    basePath: '/v1',
    formats: FORMATS,
    statelessResponses: true,
    model: pinnedModel(provider),
    keepsPathOnHostOverride: false,
    dispatch: (call, sink) => new DemoFlight(call, sink),
  };
}

function answer(call: UpstreamCall): DemoAnswer {
  const format = FORMAT_BY_PATH.get(call.path.split('?', 1)[0] as string);
  const make = format === undefined ? undefined : ANSWERS[format];
  if (make === undefined || !Buffer.isBuffer(call.body)) {
    const message = `The demo provider does not answer ${call.method} ${call.path}.`;
    return json({ error: { message, type: 'invalid_request_error', param: null, code: 'demo' } }, 404);
  }
  try {
    return make(readDemoRequest(JSON.parse(call.body.toString('utf8'))));
  } catch {
    const message = 'The request body is not valid JSON.';
    return json({ error: { message, type: 'invalid_request_error', param: null, code: 'demo' } }, 400);
  }
}

/** An answer on its way, paced like a model's and held back while the client is slow. */
class DemoFlight implements Flight {
  readonly #call: UpstreamCall;
  readonly #sink: ResponseSink;
  #pieces: Iterator<DemoPiece> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #ended = false;

  constructor(call: UpstreamCall, sink: ResponseSink) {
    this.#call = call;
    this.#sink = sink;
    call.exchange.upstreamStartMs = call.exchange.elapsedMs();
    call.exchange.attempts = 1;
    this.#after(0, () => this.#begin());
  }

  resume(): void {
    if (this.#pieces !== null && this.#timer === null) this.#after(0, () => this.#next());
  }

  abort(): void {
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #begin(): void {
    const made = answer(this.#call);
    this.#call.exchange.upstreamHeadMs = this.#call.exchange.elapsedMs();
    if ('body' in made) {
      const body = Buffer.from(made.body);
      const length = ['content-length', String(body.length)];
      this.#sink.onHead(made.status, ['content-type', 'application/json', 'x-sluice-demo', 'true', ...length]);
      if (!this.#ended) this.#sink.onData(body);
      this.#end();
      return;
    }
    this.#pieces = made.pieces;
    const caching = ['cache-control', 'no-cache'];
    this.#sink.onHead(made.status, ['content-type', 'text/event-stream', 'x-sluice-demo', 'true', ...caching]);
    this.#next();
  }

  #next(): void {
    while (!this.#ended && this.#pieces !== null) {
      const { value: piece, done } = this.#pieces.next();
      if (done === true) return this.#end();
      const ready = this.#sink.onData(Buffer.from(piece.text));
      if (!ready) return;
      if (piece.paced) return this.#after(WORD_MS, () => this.#next());
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#sink.onEnd([]);
  }

  #after(ms: number, run: () => void): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (!this.#ended) run();
    }, ms);
  }
}
