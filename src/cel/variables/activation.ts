import type { BodyBytes, Downstream, Exchange } from '../../exchange.ts';
import { type AnswerContents, outputTokens, USER_MODEL } from '../../facts/llm.ts';
import type { HeaderList } from '../../headers.ts';
import { HeaderView } from '../values/headers.ts';
import type { CelValue } from '../values/value.ts';

/** A request's tool, prompt, resource or task, on its target. Fields that aren't known are absent. */
export interface McpItem {
  readonly target: string;
  /** Without the target's prefix. */
  readonly name: string;
  readonly arguments?: object | null;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** What an LLM request and its answer say, beyond what `LlmFacts` holds. Names are those of CEL's `llm`. */
export interface LlmDetails {
  readonly providerInputTokens?: number;
  readonly providerTotalTokens?: number;
  readonly inputImageTokens?: number;
  readonly inputTextTokens?: number;
  readonly inputAudioTokens?: number;
  readonly outputImageTokens?: number;
  readonly outputTextTokens?: number;
  readonly outputAudioTokens?: number;
  readonly countTokens?: number;
  readonly serviceTier?: string;
  /** Called when an expression reads it. */
  readonly prompt?: () => readonly { readonly role: string; readonly content: string }[] | null;
  readonly completion?: () => readonly string[] | null;
  readonly toolCalls?: () =>
    | readonly { readonly id: string; readonly name: string; readonly arguments: unknown }[]
    | null;
  /** `temperature`, `top_p`, `max_tokens` and the like, by OpenAI's names. */
  readonly params?: () => object | null;
}

/**
 * What an expression can read beyond the exchange: who evaluates it gives what is known at that moment. Bodies, the response and
 * metadata are the exchange's own where nothing else is given.
 */
export interface CelFacts {
  readonly requestBody?: BodyBytes | null;
  readonly response?: {
    readonly status: number;
    readonly headers: HeaderList;
    readonly grpcStatus?: number | null;
  } | null;
  readonly responseBody?: BodyBytes | null;
  /** Of a verified token. `rawToken` null: not kept. */
  readonly jwt?: { readonly claims: object; readonly rawToken: string | null } | null;
  readonly basicAuth?: { readonly username: string } | null;
  readonly llm?: LlmDetails | null;
  /** The body of an LLM request, as an object, while LLM policies run. */
  readonly llmRequest?: object | null;
  readonly mcp?: {
    readonly methodName?: string;
    readonly sessionId?: string;
    readonly tool?: McpItem;
    readonly prompt?: McpItem;
    readonly resource?: McpItem;
    readonly task?: McpItem;
  } | null;
  /** `type`: ai, mcp, static, dynamic, service, unknown. `protocol`: http, tcp, a2a, mcp, llm. */
  readonly backend?: { readonly name: string; readonly type: string; readonly protocol: string } | null;
  readonly extauthz?: object | null;
  readonly extproc?: object | null;
  readonly mcpGuardrails?: object | null;
  /** What transformations put there. */
  readonly metadata?: object | null;
  /** Unix milliseconds. */
  readonly endTimeMs?: number | null;
  readonly routeKind?: string | null;
  /** The address that a proxy in front of us says is the client's; `rawAddress` stays the peer's. */
  readonly client?: { readonly address: string; readonly port: number } | null;
  readonly workload?: { readonly name: string; readonly namespace: string; readonly serviceAccount: string } | null;
  readonly connectHeaders?: HeaderList | null;
}

/** The parts of a client connection that expressions read. */
export type Connection = Pick<Downstream, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort' | 'tls'>;

const NOTHING: CelFacts = {};

/** What one evaluation, or several at the same moment, read from. */
export class GatewayActivation {
  /** Null before a request was read (network authorization). */
  readonly exchange: Exchange | null;
  readonly facts: CelFacts;
  readonly connection: Connection | null;
  #requestHeaders: HeaderView | null = null;
  #made: Map<string, CelValue> | null = null;
  #llm: LlmDetails | null | undefined;

  constructor(exchange: Exchange | null, facts: CelFacts, connection: Connection | null) {
    this.exchange = exchange;
    this.facts = facts;
    this.connection = connection;
  }

  get requestBody(): BodyBytes | null {
    const { exchange, facts } = this;
    if (facts.requestBody !== undefined) return facts.requestBody;
    const held = exchange?.heldBody ?? null;
    return held === null ? null : { bytes: held, complete: true };
  }

  get response(): NonNullable<CelFacts['response']> | null {
    const { exchange, facts } = this;
    return facts.response !== undefined ? facts.response : (exchange?.response ?? null);
  }

  get responseBody(): BodyBytes | null {
    const { exchange, facts } = this;
    if (facts.responseBody !== undefined) return facts.responseBody;
    const held = exchange?.heldResponse?.body ?? null;
    if (held !== null) return { bytes: held, complete: true };
    const capture = exchange?.responseCapture ?? null;
    return capture === null ? null : { bytes: Buffer.concat(capture.chunks), complete: capture.complete };
  }

  get backend(): NonNullable<CelFacts['backend']> | null {
    const { exchange, facts } = this;
    if (facts.backend !== undefined) return facts.backend;
    if (exchange === null || exchange.routed.backend === '') return null;
    const type = exchange.backendType;
    return { name: exchange.routed.backend, type, protocol: type === 'ai' ? 'llm' : type === 'mcp' ? 'mcp' : 'http' };
  }

  /** What is known of an LLM request beyond the exchange's facts; bodies are read when they are asked for, and once. */
  get llm(): LlmDetails | null {
    if (this.facts.llm !== undefined) return this.facts.llm;
    this.#llm ??= this.#llmDetails();
    return this.#llm;
  }

  #llmDetails(): LlmDetails | null {
    const facts = this.exchange?.llm;
    if (facts === undefined || facts === null) return null;
    const { contents, countedTokens, providerInputTokens, serviceTier, usage } = facts;
    const details: LlmDetails = {
      ...facts.usageDetails,
      ...(providerInputTokens !== undefined &&
        usage !== null && { providerInputTokens, providerTotalTokens: providerInputTokens + outputTokens(usage) }),
      ...(countedTokens !== undefined && { countTokens: countedTokens }),
      ...(serviceTier !== undefined && { serviceTier }),
    };
    if (contents === undefined) return details;
    let answer: AnswerContents | null | undefined;
    const read = () => {
      const body = this.responseBody;
      const type = this.response?.headers.get('content-type') ?? '';
      answer ??= body === null ? null : contents.answer(body.bytes, type);
      return answer;
    };
    return {
      ...details,
      prompt: () => contents.prompt(),
      params: () => contents.params(),
      completion: () => read()?.completion ?? null,
      toolCalls: () => read()?.toolCalls ?? null,
    };
  }

  get metadata(): object | null {
    const { exchange, facts } = this;
    if (facts.metadata !== undefined) return facts.metadata;
    const set = exchange?.metadata ?? null;
    const model = exchange?.llm?.clientModel ?? '';
    return model === '' ? set : { ...set, [USER_MODEL]: model };
  }

  /** The value of a variable or field that is worth keeping: `make` makes it when it is first read. */
  once<V extends CelValue>(name: string, make: () => V): V {
    this.#made ??= new Map();
    const known = this.#made.get(name);
    // What is kept under a name was made for it.
    if (known !== undefined) return known as V;
    const made = make();
    this.#made.set(name, made);
    return made;
  }

  get requestHeaders(): HeaderView | null {
    if (this.#requestHeaders === null && this.exchange !== null)
      this.#requestHeaders = new HeaderView(this.exchange.headers, this.exchange.credentialHeader);
    return this.#requestHeaders;
  }
}

/** What expressions read of a request. Costs three assignments: values are made when an expression reads them. */
export function activationOf(exchange: Exchange, facts: CelFacts = NOTHING): GatewayActivation {
  return new GatewayActivation(exchange, facts, exchange.downstream);
}

/** What expressions read of a client connection before there is a request: `source` and `destination`. */
export function activationOfConnection(connection: Connection, facts: CelFacts = NOTHING): GatewayActivation {
  return new GatewayActivation(null, facts, connection);
}
