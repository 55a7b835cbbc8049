import type { MediaFetch } from '../../../facts/llm.ts';
import { parseDuration, parseSize } from '../../../resources/schema/common.ts';
import { type AddressGuard, addressGuard } from '../../../upstream/address-guard.ts';

/** What the gateway may fetch for a request, prepared once. */
export interface MediaFetchOptions {
  /** By name and port. */
  allows(host: string, port: number): boolean;
  readonly guard: AddressGuard;
  /** Of all media of a request together. */
  readonly maxBytes: number;
  /** For all of them, ms. */
  readonly timeoutMs: number;
}

const USUAL_PORTS: ReadonlySet<number> = new Set([80, 443]);

/** null where nothing may be fetched. */
export function compileMediaFetch(value: MediaFetch | null | undefined): MediaFetchOptions | null {
  if (value === null || value === undefined || value.allow === false) return null;
  const { allow, networks, maxBytes, timeout } = value;
  return {
    allows: allow === true ? (_, port) => USUAL_PORTS.has(port) : hostTest(allow),
    guard: addressGuard(networks),
    maxBytes: parseSize(maxBytes),
    timeoutMs: parseDuration(timeout),
  };
}

/** `host`, `*.host`, or either with a port, without which it is one of the usual ones. */
function hostTest(patterns: readonly string[]): MediaFetchOptions['allows'] {
  const tests = patterns.map((pattern) => {
    const [name = '', port] = pattern.toLowerCase().split(':');
    const suffix = name.startsWith('*.') ? name.slice(1) : null;
    return (host: string, asked: number) =>
      (port === undefined ? USUAL_PORTS.has(asked) : Number(port) === asked) &&
      (suffix === null ? host === name : host.length > suffix.length && host.endsWith(suffix));
  });
  return (host, port) => tests.some((test) => test(host, port));
}
