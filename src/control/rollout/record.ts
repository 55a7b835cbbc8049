import type { Revision } from '../revision.ts';

/** What all replicas know of the gateways: one record, changed by compare-and-set. Times are Unix ms. */
export interface FleetRecord {
  readonly gateways: Readonly<Record<string, GatewayRecord>>;
}

export interface GatewayRecord {
  /** What its nodes have, but for those of the canary share while there is a candidate. */
  readonly stable: Revision;
  readonly candidate: Candidate | null;
  /** What was stable before, the newest first. */
  readonly history: readonly PastRevision[];
  /** What was rolled back: not tried again unless the directory says something else in between, or somebody asks for it. */
  readonly rejected: RejectedRevision | null;
  /** When a node of it was last seen, roughly. */
  readonly seenAt: number;
}

/** A revision on its way to all nodes. */
export interface Candidate {
  readonly revision: Revision;
  readonly startedAt: number;
  /** Nodes whose place (see `placeOf`) is below it have the revision. */
  readonly threshold: number;
  /** When all nodes of the canary share had it; null until then. */
  readonly arrivedAt: number | null;
  readonly state: 'canary' | 'paused';
  /** Who has paused it: it goes on by itself once there is data. */
  readonly pausedBy: 'operator' | 'no_data' | null;
  /** What it waits for, or why it is paused. */
  readonly reason: string;
}

export interface PastRevision {
  readonly revision: Revision;
  /** When it was replaced. */
  readonly until: number;
}

export interface RejectedRevision {
  readonly revision: Revision;
  readonly at: number;
  readonly reason: string;
}

/** Past revisions that are kept of each gateway. */
export const MAX_HISTORY = 5;
/** Gateways that are remembered; those longest not seen go first. */
export const MAX_GATEWAYS = 1000;

export const EMPTY_RECORD: FleetRecord = { gateways: {} };

/** The record with one gateway changed. */
export function withGateway(record: FleetRecord, name: string, gateway: GatewayRecord): FleetRecord {
  const entries = Object.entries(record.gateways).filter(([other]) => other !== name);
  entries.push([name, gateway]);
  if (entries.length > MAX_GATEWAYS) entries.sort(([, a], [, b]) => b.seenAt - a.seenAt).length = MAX_GATEWAYS;
  return { gateways: Object.fromEntries(entries) };
}

export function newGateway(revision: Revision, now: number): GatewayRecord {
  return { stable: revision, candidate: null, history: [], rejected: null, seenAt: now };
}

/** Makes `revision` what all nodes have. */
export function promote(gateway: GatewayRecord, revision: Revision, now: number): GatewayRecord {
  const past = gateway.history.filter(
    (one) => one.revision.id !== gateway.stable.id && one.revision.id !== revision.id,
  );
  const history = [{ revision: gateway.stable, until: now }, ...past].slice(0, MAX_HISTORY);
  return { ...gateway, stable: revision, candidate: null, history, rejected: null };
}

/** Takes the candidate back from the nodes that have it. */
export function reject(gateway: GatewayRecord, reason: string, now: number): GatewayRecord {
  if (gateway.candidate === null) return gateway;
  return { ...gateway, candidate: null, rejected: { revision: gateway.candidate.revision, at: now, reason } };
}

/** Contents that the record refers to. */
export function contentsOf(record: FleetRecord): Set<string> {
  const hashes = new Set<string>();
  const add = (revision: Revision | undefined) => {
    for (const { content } of revision?.parts ?? []) hashes.add(content);
  };
  for (const { stable, candidate, history, rejected } of Object.values(record.gateways)) {
    add(stable);
    add(candidate?.revision);
    add(rejected?.revision);
    for (const { revision } of history) add(revision);
  }
  return hashes;
}
