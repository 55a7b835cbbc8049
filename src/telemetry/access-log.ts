import type { Downstream, Exchange } from '../exchange.ts';
import { inputTokens, type LlmFacts, outputTokens } from '../facts/llm.ts';
import { joinHostPort } from '../resources/host-port.ts';
import { jsonString, textValue, timestamp } from './escape.ts';
import { editedLine } from './log-edits.ts';
import { outcome, timePerOutputTokenMs } from './outcome.ts';
import { savedByCache } from './savings.ts';

/** Where lines go on their way to the one writer of the log. */
export interface LineSink {
  /** Takes a line, its \n included; false where there is no room for it now. It has to have room at some time. */
  write(line: string): boolean;
  /** Counts lines that are lost. */
  drop(lines: number): void;
}

export interface AccessLogOptions {
  readonly format: 'text' | 'json';
  readonly sink: LineSink;
  /** Tells the writer that lines wait in the sink. */
  readonly announce: () => void;
  /** It is told once so many UTF-16 units were written since the last time (default 64 Ki) … */
  readonly announceUnits?: number;
  /** … or after so long, in milliseconds (default 50). */
  readonly flushMs?: number;
  /** Units held back while the sink is full, past which lines are dropped and counted (default 16 Mi). */
  readonly maxHeldUnits?: number;
}

/**
 * One line an exchange, made in the worker by joining strings; fields and names are agentgateway's. Values that every
 * request has are written without looking whether they need escaping where they can't need it.
 */
export class AccessLog {
  readonly #json: boolean;
  readonly #sink: LineSink;
  readonly #announce: () => void;
  readonly #announceUnits: number;
  readonly #flushMs: number;
  readonly #maxHeldUnits: number;
  readonly #onTimer = () => this.flush();
  #timer: NodeJS.Timeout | null = null;
  /** Units written or held since the writer was told. */
  #unannounced = 0;
  /** Lines the sink had no room for, the oldest first; while there are any, new ones queue behind them. */
  #held: string[] = [];
  #heldUnits = 0;

  constructor(options: AccessLogOptions) {
    this.#json = options.format === 'json';
    this.#sink = options.sink;
    this.#announce = options.announce;
    this.#announceUnits = options.announceUnits ?? 64 * 1024;
    this.#flushMs = options.flushMs ?? 50;
    this.#maxHeldUnits = options.maxHeldUnits ?? 16 * 1024 * 1024;
  }

  /** Writes the line of an exchange that has ended. */
  write(exchange: Exchange): void {
    const edits = exchange.logEdits;
    if (edits !== null && !edits.keeps(exchange)) return;
    const standard = this.#json ? jsonLine(exchange) : textLine(exchange);
    const line = edits === null ? standard : editedLine(standard, exchange, edits, this.#json);
    if (this.#held.length > 0 || !this.#sink.write(line)) this.#hold(line);
    this.#unannounced += line.length;
    if (this.#unannounced >= this.#announceUnits) this.flush();
    // Not unref'd: the last lines of a worker that runs out of work are announced before it leaves.
    else this.#timer ??= setTimeout(this.#onTimer, this.#flushMs);
  }

  /** Hands on what was held back, as far as there is room, and tells the writer. Says whether nothing is left. */
  flush(): boolean {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#unannounced = 0;
    const held = this.#held;
    let taken = 0;
    while (taken < held.length && this.#sink.write(held[taken] as string)) {
      this.#heldUnits -= (held[taken] as string).length;
      taken++;
    }
    held.splice(0, taken);
    this.#announce();
    if (held.length === 0) return true;
    this.#timer = setTimeout(this.#onTimer, this.#flushMs);
    return false;
  }

  /** Hands on everything; what the writer has no room for within `timeoutMs` is dropped and counted. */
  async close(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!this.flush() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
    if (this.#held.length === 0) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#sink.drop(this.#held.length);
    this.#held = [];
    this.#heldUnits = 0;
    this.#announce();
  }

  #hold(line: string): void {
    if (this.#heldUnits + line.length > this.#maxHeldUnits) {
      this.#sink.drop(1);
      return;
    }
    this.#held.push(line);
    this.#heldUnits += line.length;
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

/** USD to a billionth: a token of a cheap model costs a hundred of those. */
function dollars(amount: number): string {
  return String(Math.round(amount * 1e9) / 1e9);
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
    if (llm.cost !== null) line += ` agw.ai.usage.cost.total=${dollars(llm.cost.total)}`;
    const saved = savedByCache(usage, llm.cost);
    if (saved > 0) line += ` agw.ai.usage.cost.cache_saved=${dollars(saved)}`;
  }
  const seconds = llm.usageDetails?.audioSeconds;
  if (seconds !== undefined) line += ` agw.ai.usage.audio_seconds=${seconds}`;
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
    if (llm.cost !== null) line += `,"agw.ai.usage.cost.total":${dollars(llm.cost.total)}`;
    const saved = savedByCache(usage, llm.cost);
    if (saved > 0) line += `,"agw.ai.usage.cost.cache_saved":${dollars(saved)}`;
  }
  const seconds = llm.usageDetails?.audioSeconds;
  if (seconds !== undefined) line += `,"agw.ai.usage.audio_seconds":${seconds}`;
  if (llm.streaming && llm.firstTokenMs >= 0) {
    line += `,"agw.ai.time_to_first_token":${milliseconds(llm.firstTokenMs)}`;
    const perToken = timePerOutputTokenMs(llm);
    if (perToken >= 0) line += `,"agw.ai.time_per_output_token":${milliseconds(perToken)}`;
  }
  return line;
}

/** `ip:port`, IPv6 in brackets; `ip` where the driver knows no port. Both come from the socket, never from the client's bytes. */
function address({ knownAddress: ip, remotePort: port }: Downstream): string {
  return port === 0 ? ip : joinHostPort(ip, port);
}

/** Milliseconds to the microsecond. */
function milliseconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}
