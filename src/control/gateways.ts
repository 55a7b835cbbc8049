import { timeOf } from './nodes.ts';
import type { Revision } from './revision.ts';
import type { GatewayRecord } from './rollout/record.ts';

/** What is to be said of a gateway's roll-out. Revisions by their ids, times in ISO 8601. */
export interface GatewayView {
  readonly gateway: string;
  readonly state: 'idle' | 'canary' | 'paused' | 'held';
  readonly reason: string;
  readonly stable: string;
  readonly candidate: string | null;
  /** Nodes whose place is below it have the candidate. */
  readonly threshold: number | null;
  /** What this replica's directory says. */
  readonly directory: string | null;
  readonly rejected: { readonly revision: string; readonly at: string; readonly reason: string } | null;
  readonly history: readonly { readonly revision: string; readonly until: string }[];
}

const HELD =
  'the directory of this replica has a former revision: a change of it, or promote or resume by hand, brings it to the nodes';

/** `held`: the directory waits for an operator. */
export function viewGateway(name: string, record: GatewayRecord, wanted: Revision | null, held: boolean): GatewayView {
  const { candidate, rejected, stable, history } = record;
  const waits = candidate === null && held;
  return {
    gateway: name,
    state: candidate?.state ?? (waits ? 'held' : 'idle'),
    reason: candidate?.reason ?? (waits ? HELD : ''),
    stable: stable.id,
    candidate: candidate?.revision.id ?? null,
    threshold: candidate?.threshold ?? null,
    directory: wanted?.id ?? null,
    rejected:
      rejected === null
        ? null
        : { revision: rejected.revision.id, at: timeOf(rejected.at) ?? '', reason: rejected.reason },
    history: history.map(({ revision, until }) => ({ revision: revision.id, until: timeOf(until) ?? '' })),
  };
}
