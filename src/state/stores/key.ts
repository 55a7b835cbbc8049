import { createHash } from 'node:crypto';

declare const brand: unique symbol;

/** Names one thing in a store. Only `storeKey` makes one, so that no key can be without its tenant. */
export type StoreKey = string & { readonly [brand]: 'StoreKey' };

const KIND = /^[a-z][a-z0-9-]{0,63}$/;
/** What has a meaning in a key or can't be written in UTF-8: `%`, braces, control characters, halves of a surrogate pair. */
const RESERVED = /[%{}\p{Cc}\p{Cs}]/gu;
/** Longer tenants and ids are named by their digest, UTF-16 units. */
const MAX_PART = 200;

/**
 * The key of `id`, a thing of this kind (`mcp-session`, `cache` …), among those of `tenant`: `{tenant}:kind:id`. The braces are
 * Redis Cluster's hash tag: all of a tenant lives in one slot, and one script can work on several of its keys. Different
 * arguments never give the same key, whatever is in them. Throws TypeError for an empty tenant or id, and for a kind that isn't
 * lower-case letters, digits and hyphens.
 */
export function storeKey(tenant: string, kind: string, id: string): StoreKey {
  if (tenant === '') throw new TypeError('a store key needs a tenant');
  if (id === '') throw new TypeError('a store key needs an id');
  if (!KIND.test(kind)) throw new TypeError('the kind of a store key is lower-case letters, digits and hyphens');
  return `{${part(tenant)}}:${kind}:${part(id)}` as StoreKey;
}

function part(text: string): string {
  const escaped = text.replace(RESERVED, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  // `h` is no hexadecimal digit: no escaped text begins like this.
  return escaped.length <= MAX_PART ? escaped : `%h${createHash('sha256').update(escaped).digest('base64url')}`;
}
