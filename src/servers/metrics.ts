import type { IncomingMessage, ServerResponse } from 'node:http';
import { Registry } from 'prom-client';
import { errorText, type Logger } from '../telemetry/log.ts';
import { respond, respondMethodNotAllowed } from './local-server.ts';

const PATHS = new Set(['/metrics', '/stats/prometheus']);

/**
 * GET /metrics and /stats/prometheus: the Prometheus text format, from what workers have pushed. It waits for no worker, so
 * a scrape is answered while one hangs.
 */
export function metricsHandler(
  registries: readonly Registry[],
  log: Logger,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (!PATHS.has(path)) respond(response, 404, 'not found; metrics are at /metrics\n');
    else if (request.method !== 'GET' && request.method !== 'HEAD') respondMethodNotAllowed(response, 'GET');
    else {
      render(registries).then(
        (text) => respond(response, 200, text, Registry.PROMETHEUS_CONTENT_TYPE),
        (error: unknown) => {
          log.error('metrics could not be rendered', { error: errorText(error) });
          respond(response, 500, "metrics could not be rendered; the gateway's log has the cause\n");
        },
      );
    }
  };
}

async function render(registries: readonly Registry[]): Promise<string> {
  let text = '';
  for (const registry of registries) text += await registry.metrics();
  return text;
}
