/** What the value of a `backendAuth` policy says of how a provider is asked. */

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

/** The keys of a `backendAuth` that has several. */
export function keysOf(auth: unknown): readonly string[] {
  const keys = typeof auth === 'object' && auth !== null ? (auth as { keys?: unknown }).keys : undefined;
  const list = Array.isArray(keys) ? keys : (keys as { values?: unknown } | undefined)?.values;
  return Array.isArray(list)
    ? list.filter((key): key is string => typeof key === 'string').map((key) => key.trim())
    : [];
}
