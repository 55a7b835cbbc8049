import type { Revision } from '../revision.ts';
import type { RolloutSettings } from '../settings.ts';
import { type GatewayRecord, promote } from './record.ts';

/** What the directory says of a gateway is to come to its nodes. The same object where nothing changes. */
export function propose(
  gateway: GatewayRecord,
  wanted: Revision,
  { share, minTimeMs }: RolloutSettings,
  now: number,
): GatewayRecord {
  if (wanted.id === gateway.stable.id) {
    if (gateway.candidate === null && gateway.rejected === null) return gateway;
    return { ...gateway, candidate: null, rejected: null };
  }
  if (wanted.id === gateway.candidate?.revision.id || wanted.id === gateway.rejected?.revision.id) return gateway;
  if (share === 0 || share === 1) return promote(gateway, wanted, now);
  return stage(gateway, wanted, share, minTimeMs, now);
}

/** Gives the canary share a revision. */
export function stage(
  gateway: GatewayRecord,
  revision: Revision,
  share: number,
  minTimeMs: number,
  now: number,
): GatewayRecord {
  return {
    ...gateway,
    rejected: null,
    candidate: {
      revision,
      startedAt: now,
      threshold: share,
      arrivedAt: null,
      state: 'canary',
      pausedBy: null,
      reason: `goes to the canary share, for ${Math.round(minTimeMs / 1000)} s at least`,
    },
  };
}

/** Whether a record shows that what the directory says has been acted on. */
export function actedOn(gateway: GatewayRecord, wanted: Revision): boolean {
  if (wanted.id === gateway.stable.id) return gateway.candidate === null;
  return wanted.id === gateway.candidate?.revision.id || wanted.id === gateway.rejected?.revision.id;
}

/** Whether the record has never heard of it: then a directory that says it at start-up is newer. */
export function isNews({ stable, candidate, rejected, history }: GatewayRecord, wanted: Revision): boolean {
  const known = [stable, candidate?.revision, rejected?.revision, ...history.map(({ revision }) => revision)];
  return !known.some((revision) => revision?.id === wanted.id);
}
