import { createSecureContext } from 'node:tls';
import type { ServerTls } from './types.ts';

/** OpenSSL's reason why a listener can't serve these certificates, without its numbers (`key values mismatch`); null = it can. */
export function certificateFault({ cert, key, root }: Pick<ServerTls, 'cert' | 'key' | 'root'>): string | null {
  try {
    createSecureContext({ cert, key, ...(root === '' ? {} : { ca: root }) });
    return null;
  } catch (error) {
    const { reason, message } = error as { reason?: string; message?: string };
    return reason ?? message ?? String(error);
  }
}
