import { activationOf, type Expression } from '../cel/index.ts';
import type { Exchange } from '../exchange.ts';
import { hashText } from './affinity.ts';
import type { AffinityKey } from './call.ts';

/** What an expression says a request has in common with others. Nothing where it fails, or gives null or an empty text. */
export function sessionKey(source: Expression, exchange: Exchange): AffinityKey | null {
  const value = source.plain(activationOf(exchange));
  if (value === undefined || value === null || value === '') return null;
  return { hash: hashText(typeof value === 'string' ? value : JSON.stringify(value)) || 1 };
}
