import type { GatewayView } from './gateways.ts';
import type { NodeView } from './nodes.ts';

/** Columns of text, padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${[head, ...rows].map(line).join('\n')}\n`;
}

export function nodeTable(nodes: readonly NodeView[]): string {
  return table(
    ['NODE', 'GATEWAY', 'ADDRESS', 'CANARY', 'REVISION', 'ANSWERED', 'LAG', 'REFUSED'],
    nodes.map((node) => [
      printable(node.id),
      node.gateway,
      node.address,
      node.canary ? 'yes' : '',
      node.revision ?? '-',
      node.acknowledged ?? '-',
      node.lagMs === 0 ? '' : `${(node.lagMs / 1000).toFixed(1)} s`,
      String(node.types.reduce((sum, { refused }) => sum + Object.keys(refused).length, 0) || ''),
    ]),
  );
}

export function rolloutTable(gateways: readonly GatewayView[]): string {
  return table(
    ['GATEWAY', 'STATE', 'STABLE', 'CANDIDATE', 'REJECTED', 'REASON'],
    gateways.map((one) => [
      one.gateway,
      one.state,
      one.stable,
      one.candidate ?? '-',
      one.rejected?.revision ?? '-',
      printable(one.reason === '' ? (one.rejected?.reason ?? '') : one.reason),
    ]),
  );
}

/** Nodes say what they are called: nothing of it may steer a terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
