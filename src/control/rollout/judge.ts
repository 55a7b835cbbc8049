import type { RolloutSettings } from '../settings.ts';
import { type Candidate, type GatewayRecord, promote, reject } from './record.ts';
import type { GatewayReport, GroupReport } from './report.ts';

/** After this time the nodes of all replicas are known, ms. */
const REPORTED_MS = 10_000;

/** What becomes of a candidate. */
export type Verdict = 'wait' | 'pause' | 'promote' | 'rollback';

/** The next state of a gateway whose candidate has been reported on; the same object where nothing changes. */
export function judge(
  gateway: GatewayRecord,
  report: GatewayReport,
  settings: RolloutSettings,
  now: number,
): GatewayRecord {
  const { candidate } = gateway;
  if (candidate === null || candidate.pausedBy === 'operator') return gateway;
  const { verdict, reason } = verdictOf(candidate, report, settings, now);
  if (verdict === 'promote') return promote(gateway, candidate.revision, now);
  if (verdict === 'rollback') return reject(gateway, reason, now);
  const { canary, rest, lowest } = report;
  // Of a small fleet nobody may be in the share: then the first of all is, once every replica has had time to report.
  const known = now - candidate.startedAt >= Math.min(REPORTED_MS, settings.minTimeMs);
  const none = known && canary.nodes === 0 && rest.nodes > 0;
  const next: Candidate = {
    ...candidate,
    threshold: none ? Math.max(candidate.threshold, justAbove(lowest)) : candidate.threshold,
    arrivedAt: candidate.arrivedAt ?? (canary.nodes > 0 && canary.settled === canary.nodes ? now : null),
    state: verdict === 'pause' ? 'paused' : 'canary',
    pausedBy: verdict === 'pause' ? 'no_data' : null,
    reason,
  };
  const changed = (Object.keys(next) as (keyof Candidate)[]).some((field) => next[field] !== candidate[field]);
  return changed ? { ...gateway, candidate: next } : gateway;
}

function verdictOf(
  candidate: Candidate,
  { canary, rest, refusals }: GatewayReport,
  settings: RolloutSettings,
  now: number,
): { verdict: Verdict; reason: string } {
  if (canary.refused > settings.maxNacks) {
    const who = refusals.length === 0 ? '' : `: ${refusals.join('; ')}`;
    return { verdict: 'rollback', reason: `${count(canary.refused, 'node')} refused it${who}` };
  }
  const errors = settings.maxErrorRate === null ? null : compare(canary, rest, settings.minRequests);
  if (errors !== null && settings.maxErrorRate !== null && errors.rate - errors.before > settings.maxErrorRate) {
    const than = `${percent(errors.before)} of ${errors.of}`;
    return { verdict: 'rollback', reason: `${percent(errors.rate)} of responses are 5xx, more than ${than}` };
  }
  if (canary.nodes === 0) return { verdict: 'wait', reason: 'no node of the canary share is connected' };
  const { arrivedAt } = candidate;
  const late = now - candidate.startedAt > settings.minTimeMs;
  if (canary.settled < canary.nodes && arrivedAt === null) {
    const reason = `${canary.settled} of ${count(canary.nodes, 'canary node')} have answered`;
    return { verdict: late ? 'pause' : 'wait', reason };
  }
  if (arrivedAt === null || now - arrivedAt < settings.minTimeMs) {
    return { verdict: 'wait', reason: `on ${count(canary.nodes, 'canary node')} for the minimum time` };
  }
  if (settings.maxErrorRate === null || errors !== null) return { verdict: 'promote', reason: '' };
  return { verdict: 'pause', reason: noData(canary, settings.minRequests) };
}

/** Null where there are too few requests to say anything. */
function compare(
  canary: GroupReport,
  rest: GroupReport,
  minRequests: number,
): { rate: number; before: number; of: string } | null {
  if (canary.requests < minRequests) return null;
  const rate = canary.errors / canary.requests;
  if (rest.requests >= minRequests)
    return { rate, before: rest.errors / rest.requests, of: 'those of the other nodes' };
  if (canary.requestsBefore >= minRequests) {
    return { rate, before: canary.errorsBefore / canary.requestsBefore, of: 'those before' };
  }
  return { rate, before: 0, of: 'none to compare with' };
}

function noData(canary: GroupReport, minRequests: number): string {
  const why = canary.unmeasured === '' ? '' : ` (${canary.unmeasured})`;
  if (canary.measured === 0) return `no data: the metrics of no canary node could be read${why}`;
  return `no data: ${count(canary.requests, 'request')} in ${canary.measured} of ${count(canary.nodes, 'canary node')}, and ${minRequests} are needed${why}`;
}

/** A threshold that a place is below. */
function justAbove(place: number): number {
  return Math.min(1, place + 2 ** -40);
}

function percent(share: number): string {
  return `${Math.round(share * 10_000) / 100}%`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
