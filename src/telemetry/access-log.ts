import type { Downstream, Exchange } from '../exchange.ts';
import { inputTokens, type LlmFacts, outputTokens } from '../facts/llm.ts';
import { jsonString, textValue, timestamp } from './escape.ts';
import { outcome, timePerOutputTokenMs } from './outcome.ts';

/** Whole lines, each ended by \n, on their way to the one writer of the log. */
export interface LineBatch {
  readonly text: string;
  readonly count: number;
  /** Lines dropped here since the last batch. */
  readonly dropped: number;
}

export interface AccessLogOptions {
  readonly format: 'text' | 'json';
  readonly send: (batch: LineBatch) => void;
  /** A batch leaves once it has this many UTF-16 units (default 64 Ki) … */
  readonly batchUnits?: number;
  /** … or is this old, in milliseconds (default 50). */
  readonly flushMs?: number;
  /** Units sent and not yet acknowledged, past which lines are dropped and counted (default 4 Mi). */
  readonly maxUnacknowledged?: number;
}

/**
 * One line an exchange, made in the worker by joining strings; fields and names are agentgateway's. Values that every
 * request has are written without looking whether they need escaping where they can't need it.
 */
export class AccessLog {
  readonly #json: boolean;
  readonly #send: (batch: LineBatch) => void;
  readonly #batchUnits: number;
  readonly #flushMs: number;
  readonly #maxUnacknowledged: number;
  readonly #onTimer = () => this.flush();
  #timer: NodeJS.Timeout | null = null;
  #lines = '';
  #count = 0;
  #dropped = 0;
  #unacknowledged = 0;

  constructor(options: AccessLogOptions) {
    this.#json = options.format === 'json';
    this.#send = options.send;
    this.#batchUnits = options.batchUnits ?? 64 * 1024;
    this.#flushMs = options.flushMs ?? 50;
    this.#maxUnacknowledged = options.maxUnacknowledged ?? 4 * 1024 * 1024;
  }

  /** Writes the line of an exchange that has ended. */
  write(exchange: Exchange): void {
    if (this.#unacknowledged + this.#lines.length > this.#maxUnacknowledged) {
      this.#dropped++;
      this.#arm();
      return;
    }
    this.#lines += this.#json ? jsonLine(exchange) : textLine(exchange);
    this.#count++;
    if (this.#lines.length >= this.#batchUnits) this.flush();
    else this.#arm();
  }

  /** Sends what has been gathered. */
  flush(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    if (this.#count === 0 && this.#dropped === 0) return;
    const batch = { text: this.#lines, count: this.#count, dropped: this.#dropped };
    this.#unacknowledged += this.#lines.length;
    this.#lines = '';
    this.#count = 0;
    this.#dropped = 0;
    this.#send(batch);
  }

  /** The writer has taken a batch of `units` UTF-16 units. */
  acknowledge(units: number): void {
    this.#unacknowledged -= units;
  }

  #arm(): void {
    // Not unref'd: the last lines of a worker that runs out of work are sent before it leaves.
    if (this.#timer === null) this.#timer = setTimeout(this.#onTimer, this.#flushMs);
  }
}

function textLine(exchange: Exchange): string {
  const { routed, downstream, llm } = exchange;
  const elapsed = exchange.elapsedMs();
  let line = `${timestamp(exchange.startedAtUnixMs + elapsed)} info request`;
  if (routed.gateway !== '') line += ` gateway=${textValue(routed.gateway)}`;
  if (routed.listener !== '') line += ` listener=${textValue(routed.listener)}`;
  if (routed.route !== '') line += ` route=${textValue(routed.route)}`;
  if (routed.routeRule !== '') line += ` route_rule=${textValue(routed.routeRule)}`;
  if (routed.endpoint !== '') line += ` endpoint=${textValue(routed.endpoint)}`;
  if (downstream.knownAddress !== '') line += ` src.addr=${address(downstream)}`;
  line += ` http.method=${textValue(exchange.method)}`;
  line += ` http.host=${textValue(exchange.host)} http.path=${textValue(exchange.originalPath)}`;
  line += ` http.version=HTTP/${downstream.httpVersion} http.status=${exchange.status}`;
  if (downstream.tls !== null && downstream.tls.sni !== '') line += ` tls.sni=${textValue(downstream.tls.sni)}`;
  line += llm === null ? ' protocol=http' : textLlm(llm);
  if (exchange.apiKey !== null) line += ` agw.api_key.name=${textValue(exchange.apiKey.id)}`;
  if (exchange.attempts > 1) line += ` retry.attempt=${exchange.attempts - 1}`;
  if (exchange.error !== null) line += ` error=${textValue(exchange.error.message)}`;
  if (exchange.endCause !== 'complete' || exchange.error !== null) line += ` reason=${outcome(exchange)}`;
  return `${line} duration=${milliseconds(elapsed)}ms\n`;
}

function textLlm(llm: LlmFacts): string {
  let line = ` protocol=llm gen_ai.operation.name=${llm.operation}`;
  if (llm.provider !== '') line += ` gen_ai.provider.name=${textValue(llm.provider)}`;
  if (llm.requestModel !== '') line += ` gen_ai.request.model=${textValue(llm.requestModel)}`;
  if (llm.responseModel !== '') line += ` gen_ai.response.model=${textValue(llm.responseModel)}`;
  const usage = llm.usage;
  if (usage !== null) {
    line += ` gen_ai.usage.input_tokens=${inputTokens(usage)}`;
    if (usage.cacheWrite > 0) line += ` gen_ai.usage.cache_creation.input_tokens=${usage.cacheWrite}`;
    if (usage.cachedInput > 0) line += ` gen_ai.usage.cache_read.input_tokens=${usage.cachedInput}`;
    line += ` gen_ai.usage.output_tokens=${outputTokens(usage)}`;
    if (usage.reasoning > 0) line += ` gen_ai.usage.reasoning_tokens=${usage.reasoning}`;
    if (llm.usageEstimated) line += ' gen_ai.usage.estimated=true';
  }
  if (llm.streaming && llm.firstTokenMs >= 0) {
    line += ` agw.ai.time_to_first_token=${milliseconds(llm.firstTokenMs)}ms`;
    const perToken = timePerOutputTokenMs(llm);
    if (perToken >= 0) line += ` agw.ai.time_per_output_token=${milliseconds(perToken)}ms`;
  }
  return line;
}

function jsonLine(exchange: Exchange): string {
  const { routed, downstream, llm } = exchange;
  const elapsed = exchange.elapsedMs();
  let line = `{"level":"info","time":"${timestamp(exchange.startedAtUnixMs + elapsed)}","scope":"request"`;
  if (routed.gateway !== '') line += `,"gateway":${jsonString(routed.gateway)}`;
  if (routed.listener !== '') line += `,"listener":${jsonString(routed.listener)}`;
  if (routed.route !== '') line += `,"route":${jsonString(routed.route)}`;
  if (routed.routeRule !== '') line += `,"route_rule":${jsonString(routed.routeRule)}`;
  if (routed.endpoint !== '') line += `,"endpoint":${jsonString(routed.endpoint)}`;
  if (downstream.knownAddress !== '') line += `,"src.addr":"${address(downstream)}"`;
  line += `,"http.method":${jsonString(exchange.method)}`;
  line += `,"http.host":${jsonString(exchange.host)},"http.path":${jsonString(exchange.originalPath)}`;
  line += `,"http.version":"HTTP/${downstream.httpVersion}","http.status":${exchange.status}`;
  if (downstream.tls !== null && downstream.tls.sni !== '') line += `,"tls.sni":${jsonString(downstream.tls.sni)}`;
  line += llm === null ? ',"protocol":"http"' : jsonLlm(llm);
  if (exchange.apiKey !== null) line += `,"agw.api_key.name":${jsonString(exchange.apiKey.id)}`;
  if (exchange.attempts > 1) line += `,"retry.attempt":${exchange.attempts - 1}`;
  if (exchange.error !== null) line += `,"error":${jsonString(exchange.error.message)}`;
  if (exchange.endCause !== 'complete' || exchange.error !== null) line += `,"reason":"${outcome(exchange)}"`;
  return `${line},"duration":${milliseconds(elapsed)}}\n`;
}

function jsonLlm(llm: LlmFacts): string {
  let line = `,"protocol":"llm","gen_ai.operation.name":"${llm.operation}"`;
  if (llm.provider !== '') line += `,"gen_ai.provider.name":${jsonString(llm.provider)}`;
  if (llm.requestModel !== '') line += `,"gen_ai.request.model":${jsonString(llm.requestModel)}`;
  if (llm.responseModel !== '') line += `,"gen_ai.response.model":${jsonString(llm.responseModel)}`;
  const usage = llm.usage;
  if (usage !== null) {
    line += `,"gen_ai.usage.input_tokens":${inputTokens(usage)}`;
    if (usage.cacheWrite > 0) line += `,"gen_ai.usage.cache_creation.input_tokens":${usage.cacheWrite}`;
    if (usage.cachedInput > 0) line += `,"gen_ai.usage.cache_read.input_tokens":${usage.cachedInput}`;
    line += `,"gen_ai.usage.output_tokens":${outputTokens(usage)}`;
    if (usage.reasoning > 0) line += `,"gen_ai.usage.reasoning_tokens":${usage.reasoning}`;
    if (llm.usageEstimated) line += ',"gen_ai.usage.estimated":true';
  }
  if (llm.streaming && llm.firstTokenMs >= 0) {
    line += `,"agw.ai.time_to_first_token":${milliseconds(llm.firstTokenMs)}`;
    const perToken = timePerOutputTokenMs(llm);
    if (perToken >= 0) line += `,"agw.ai.time_per_output_token":${milliseconds(perToken)}`;
  }
  return line;
}

/** `ip:port`, IPv6 in brackets; `ip` where the driver knows no port. Both come from the socket, never from the client's bytes. */
function address({ knownAddress: ip, remotePort: port }: Downstream): string {
  if (port === 0) return ip;
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Milliseconds to the microsecond. */
function milliseconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}
