import type { Exchange } from '../exchange.ts';

/**
 * The value of a Server-Timing field (W3C Server Timing) for a response whose head is about to be sent, durations in
 * milliseconds: `gateway` is what passed in the gateway itself until now, `upstream` what passed between handing the
 * request to the upstream and its response head. A reply made by the gateway has no `upstream`.
 */
export function serverTiming(exchange: Exchange): string {
  const total = exchange.elapsedMs();
  if (exchange.upstreamHeadMs < 0 || exchange.upstreamStartMs < 0) return `gateway;dur=${round(total)}`;
  const upstream = exchange.upstreamHeadMs - exchange.upstreamStartMs;
  return `gateway;dur=${round(Math.max(0, total - upstream))}, upstream;dur=${round(upstream)}`;
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
