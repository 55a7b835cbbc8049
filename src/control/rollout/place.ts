import { createHash } from 'node:crypto';

/** A node's place among all, from 0 to below 1: the same on every replica, and in every roll-out. */
export function placeOf(nodeId: string): number {
  return createHash('sha256').update(nodeId).digest().readUIntBE(0, 6) / 2 ** 48;
}
