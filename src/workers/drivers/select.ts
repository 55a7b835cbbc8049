import type { Driver } from './driver.ts';
import { nodeDriver } from './node.ts';

/** The driver of a bind. */
export function chooseDriver(_wanted: 'auto' | 'node' | 'uws'): Driver {
  return nodeDriver;
}
