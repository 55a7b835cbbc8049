import type { Expression, GatewayActivation } from '../cel/index.ts';
import { hashText } from './affinity.ts';
import type { AffinityKey } from './call.ts';

/** What an expression says a request has in common with others. Nothing where it fails, or gives null or an empty text. */
export function sessionKey(source: Expression, activation: GatewayActivation): AffinityKey | null {
  const value = source.plain(activation);
  if (value === undefined || value === null || value === '') return null;
  return { hash: hashText(typeof value === 'string' ? value : JSON.stringify(value)) || 1 };
}
