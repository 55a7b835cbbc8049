/** What the value of a `backendAuth` policy says of how a provider is asked. */

import { fingerprintOf } from './account.ts';

/** Kinds of `backendAuth` that don't depend on who asks. */
const SHARED_CREDENTIALS = ['key', 'keys', 'credentials', 'gcp', 'aws', 'azure'];

/** True where it says the same of whoever asks. `auth` is there. */
export function isShared(auth: object | string): boolean {
  return typeof auth === 'string' || SHARED_CREDENTIALS.some((kind) => kind in auth);
}

/** True for every backendAuth but passthrough, which is there to let the client's own credential through. */
export function replacesCredential(auth: unknown): boolean {
  return auth !== undefined && auth !== null && !(typeof auth === 'object' && 'passthrough' in auth);
}

/** True where the operator said in which field the credential goes. */
export function hasLocation(auth: unknown): boolean {
  if (typeof auth !== 'object' || auth === null) return false;
  const { key, keys, credentials } = auth as { key?: unknown; keys?: unknown; credentials?: unknown };
  if (credentials !== undefined) return true;
  return [key, keys].some(
    (one) => typeof one === 'object' && one !== null && (one as { location?: unknown }).location != null,
  );
}

/** What tells the credential of a `backendAuth` from another; a key by its fingerprint, wherever it is put. null: the caller's own. */
export function credentialOf(auth: unknown): unknown {
  if (!replacesCredential(auth)) return null;
  const { key } = auth as { key?: unknown };
  const [only, ...others] = keysOf(auth);
  if (only !== undefined && others.length === 0) return fingerprintOf(only);
  const text = typeof key === 'object' && key !== null ? (key as { value?: unknown }).value : key;
  return typeof text === 'string' ? fingerprintOf(text.trim()) : auth;
}

/** The keys of a `backendAuth` that has several. */
export function keysOf(auth: unknown): readonly string[] {
  const keys = typeof auth === 'object' && auth !== null ? (auth as { keys?: unknown }).keys : undefined;
  const list = Array.isArray(keys) ? keys : (keys as { values?: unknown } | undefined)?.values;
  return Array.isArray(list)
    ? list.filter((key): key is string => typeof key === 'string').map((key) => key.trim())
    : [];
}
