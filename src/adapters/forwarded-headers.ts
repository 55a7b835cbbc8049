import type { Exchange } from '../exchange.ts';

/**
 * The request's fields as they go on to a backend: a flat copy without `expect` (answered here), without the credential that
 * authenticated the client to the gateway (DESIGN rule 4), and without what `dropped` names. Hop-by-hop fields never get as far as
 * the exchange.
 */
export function forwardedHeaders(exchange: Exchange, dropped: ReadonlySet<string> | null = null): string[] {
  const raw = exchange.headers.raw;
  const credential = exchange.credentialHeader;
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name === credential || name === 'expect' || dropped?.has(name)) continue;
    headers.push(name, raw[i + 1] as string);
  }
  return headers;
}
