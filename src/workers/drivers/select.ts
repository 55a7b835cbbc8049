import type { Driver } from './driver.ts';
import { nodeDriver } from './node.ts';
import { uwsDriver } from './uws.ts';
import { loadUws, uwsAvailability } from './uws-binding.ts';

export { reusePortSupport } from './reuse-port.ts';
export { type UwsAvailable, type UwsUnavailable, uwsAvailability } from './uws-binding.ts';

/**
 * The driver of a bind. `auto` takes uws only for cleartext, and only where the very binary that would be loaded passed the
 * probe suite; `uws` takes it as it is. Throws where `uws` is wanted and can't be had, saying what is missing.
 */
export function chooseDriver(wanted: 'auto' | 'node' | 'uws', cleartext = true): Driver {
  if (wanted === 'node') return nodeDriver;
  if (wanted === 'uws') {
    loadUws();
    return uwsDriver;
  }
  if (!cleartext) return nodeDriver;
  const found = uwsAvailability();
  if ('error' in found || !found.verified) return nodeDriver;
  try {
    loadUws();
    return uwsDriver;
  } catch {
    return nodeDriver;
  }
}
