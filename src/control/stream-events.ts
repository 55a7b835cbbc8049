import type { Logger } from '../telemetry/log.ts';
import type { ServerEvents } from '../xds/server/server.ts';
import { type ControlMetrics, typeLabel } from './metrics.ts';
import { gatewayName } from './revision.ts';

/** Refused resources of one response that the log names. */
const MAX_NAMED = 3;

/** Says in metrics and log what happens on nodes' streams. */
export function streamEvents(metrics: ControlMetrics, log: Logger): ServerEvents {
  return {
    opened: ({ client, stream: { node } }) => {
      if (node === null) return;
      const gateway = gatewayName(node);
      metrics.nodes.inc({ gateway });
      log.info('a node is connected', { node: node.id, gateway, address: client.address });
    },
    closed: ({ stream: { node } }, reason) => {
      if (node === null) return;
      metrics.nodes.dec({ gateway: gatewayName(node) });
      if (reason !== null) metrics.refused.inc({ code: reason.code });
      log.info('a node has left', { node: node.id, reason: reason?.message });
    },
    pushed: (_, typeUrl, bytes) => {
      const type = typeLabel(typeUrl);
      metrics.pushes.inc({ type });
      metrics.pushedBytes.inc({ type }, bytes);
    },
    answered: ({ stream: { node } }, { typeUrl, issues }) => {
      const type = typeLabel(typeUrl);
      const errors = issues.filter(({ error }) => error !== undefined);
      if (errors.length > 0) metrics.nacks.inc({ type });
      else metrics.acks.inc({ type });
      if (issues.length > errors.length) metrics.warnings.inc({ type });
      for (const { key, error } of errors.slice(0, MAX_NAMED)) {
        log.warn('a node refuses a resource', { node: node?.id, resource: key, reason: error, of: errors.length });
      }
    },
    settled: (_, ms) => metrics.lag.observe({}, ms / 1000),
    refused: (peer, { code, message }) => {
      metrics.refused.inc({ code });
      log.warn('a stream is refused', { peer, reason: message });
    },
  };
}
