import type { WireIssue } from '../xds/delta.ts';
import type { Connection } from '../xds/server/connection.ts';

/** A node as the admin API shows it. Times are ISO 8601. */
export interface NodeView {
  readonly id: string;
  readonly gateway: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly address: string;
  readonly connectedSince: string;
  readonly canary: boolean;
  /** What it is to have, and what it has answered all of; null = nothing yet. */
  readonly revision: string | null;
  readonly acknowledged: string | null;
  readonly lagMs: number;
  readonly types: readonly TypeView[];
}

export interface TypeView {
  readonly type: string;
  /** Resources it is to have. */
  readonly resources: number;
  readonly subscription: string;
  readonly acknowledged: string | null;
  readonly unansweredSince: string | null;
  readonly lastAck: string | null;
  readonly lastNack: { readonly at: string; readonly revision: string; readonly issues: readonly WireIssue[] } | null;
  /** Resources of which it has refused the newest version, with its reasons. */
  readonly refused: Readonly<Record<string, string>>;
}

export function viewNode(connection: Connection, canary: boolean): NodeView | null {
  const { stream, client, since } = connection;
  const { node, set } = stream;
  if (node === null) return null;
  const types = [...stream.subscriptions].map((one): TypeView => {
    const { lastNack } = one;
    const names = one.named === 0 ? '' : `${one.named} named`;
    return {
      type: one.typeUrl,
      resources: set?.types.get(one.typeUrl)?.size ?? 0,
      subscription: one.wildcard ? ['all', names].filter((text) => text !== '').join(', ') : names,
      acknowledged: one.acknowledged,
      unansweredSince: timeOf(one.waitingSince),
      lastAck: timeOf(one.lastAck),
      lastNack: lastNack === null ? null : { ...lastNack, at: timeOf(lastNack.at) ?? '' },
      refused: Object.fromEntries(one.refused),
    };
  });
  return {
    id: node.id,
    gateway: `${node.namespace}/${node.gateway}`,
    labels: node.labels,
    address: client.address,
    connectedSince: timeOf(since) ?? '',
    canary,
    revision: set?.revision ?? null,
    acknowledged: stream.acknowledged,
    lagMs: stream.lagMs,
    types,
  };
}

export function timeOf(unixMs: number | null): string | null {
  return unixMs === null ? null : new Date(unixMs).toISOString();
}
