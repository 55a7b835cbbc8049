import type { ErrorCode } from '../errors/table.ts';
import type { EndCause, Exchange } from '../exchange.ts';
import { type LlmFacts, outputTokens } from '../facts/llm.ts';

/** The one word for how an exchange ended, in log and metrics alike: its error's code, else the cause of its end. */
export function outcome(exchange: Exchange): ErrorCode | EndCause {
  return exchange.error?.code ?? exchange.endCause ?? 'error';
}

/** Milliseconds an output token after the first took, of a streamed answer; -1 where that can't be said. */
export function timePerOutputTokenMs(llm: LlmFacts): number {
  if (!llm.streaming || llm.usage === null || llm.firstTokenMs < 0) return -1;
  const further = outputTokens(llm.usage) - 1;
  return further > 0 ? (llm.lastTokenMs - llm.firstTokenMs) / further : -1;
}
