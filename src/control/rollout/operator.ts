import type { Revision } from '../revision.ts';
import type { RolloutSettings } from '../settings.ts';
import { stage } from './propose.ts';
import { type GatewayRecord, promote, reject } from './record.ts';

export const ACTIONS = ['pause', 'resume', 'rollback', 'promote'] as const;
export type Action = (typeof ACTIONS)[number];

/** What an operator asks for, or why that can't be done. `wanted`: what the directory says; null where that is not known. */
export function act(
  gateway: GatewayRecord,
  action: Action,
  wanted: Revision | null,
  settings: RolloutSettings,
  now: number,
): GatewayRecord | string {
  const { candidate, rejected, stable, history } = gateway;
  const waiting = rejected?.revision ?? (wanted !== null && wanted.id !== stable.id ? wanted : null);
  switch (action) {
    case 'pause':
      if (candidate === null) return 'no roll-out is under way';
      return {
        ...gateway,
        candidate: { ...candidate, state: 'paused', pausedBy: 'operator', reason: 'paused by hand' },
      };
    case 'resume':
      if (candidate !== null) {
        return { ...gateway, candidate: { ...candidate, state: 'canary', pausedBy: null, reason: 'resumed by hand' } };
      }
      if (waiting === null) return 'there is no roll-out to go on with';
      if (settings.share === 0 || settings.share === 1) return promote(gateway, waiting, now);
      return stage(gateway, waiting, settings.share, settings.minTimeMs, now);
    case 'rollback': {
      if (candidate !== null) return reject(gateway, 'rolled back by hand', now);
      const [last, ...older] = history;
      if (last === undefined) return 'there is no revision to go back to';
      const rolledBack = { revision: stable, at: now, reason: 'rolled back by hand' };
      return { ...gateway, stable: last.revision, history: older, rejected: rolledBack };
    }
    case 'promote': {
      const revision = candidate?.revision ?? waiting;
      if (revision === null) return 'every node has what the directory says already';
      return promote(gateway, revision, now);
    }
  }
}
