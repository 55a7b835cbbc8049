/** What replicas tell each other of the nodes of one gateway while there is a candidate. */
export interface GatewayReport {
  /** The candidate it is about, as `<revision>@<startedAt>`. */
  readonly rollout: string;
  readonly canary: GroupReport;
  /** Nodes that keep the stable revision. */
  readonly rest: GroupReport;
  /** The smallest place of any node; 1 where there is no node. */
  readonly lowest: number;
  /** Who has refused what, as far as there is room. */
  readonly refusals: readonly string[];
}

export interface GroupReport {
  readonly nodes: number;
  /** Have answered everything of the revision they are to have. */
  readonly settled: number;
  /** Have refused something of it. */
  readonly refused: number;
  /** Metrics could be read since the roll-out began. */
  readonly measured: number;
  /** Requests they have answered since, and those of them with 5xx. */
  readonly requests: number;
  readonly errors: number;
  /** The same over their life before. */
  readonly requestsBefore: number;
  readonly errorsBefore: number;
  /** Why metrics could not be read, one example. */
  readonly unmeasured: string;
}

export const NO_NODES: GroupReport = {
  nodes: 0,
  settled: 0,
  refused: 0,
  measured: 0,
  requests: 0,
  errors: 0,
  requestsBefore: 0,
  errorsBefore: 0,
  unmeasured: '',
};

export const MAX_REFUSALS = 10;

/** What all replicas have seen together. Reports of another roll-out say nothing of this one. */
export function mergeReports(rollout: string, reports: readonly GatewayReport[]): GatewayReport {
  let merged: GatewayReport = { rollout, canary: NO_NODES, rest: NO_NODES, lowest: 1, refusals: [] };
  for (const report of reports) {
    if (report.rollout !== rollout) continue;
    merged = {
      rollout,
      canary: add(merged.canary, report.canary),
      rest: add(merged.rest, report.rest),
      lowest: Math.min(merged.lowest, report.lowest),
      refusals: [...merged.refusals, ...report.refusals].slice(0, MAX_REFUSALS),
    };
  }
  return merged;
}

function add(one: GroupReport, other: GroupReport): GroupReport {
  return {
    nodes: one.nodes + other.nodes,
    settled: one.settled + other.settled,
    refused: one.refused + other.refused,
    measured: one.measured + other.measured,
    requests: one.requests + other.requests,
    errors: one.errors + other.errors,
    requestsBefore: one.requestsBefore + other.requestsBefore,
    errorsBefore: one.errorsBefore + other.errorsBefore,
    unmeasured: one.unmeasured === '' ? other.unmeasured : one.unmeasured,
  };
}
