import type { IncomingMessage, ServerResponse } from 'node:http';
import { formatFault } from '../config/fault.ts';
import { refusal } from '../servers/guard.ts';
import { type LocalHandler, respond, respondMethodNotAllowed } from '../servers/local-server.ts';
import { metricsHandler } from '../servers/metrics.ts';
import { StoreError } from '../state/stores/store.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Control } from './control.ts';
import { ACTIONS, type Action } from './rollout/operator.ts';
import { nodeTable, rolloutTable } from './tables.ts';

const INDEX = `GET  /nodes              nodes connected to this replica; ?gateway=<namespace>/<gateway>
GET  /nodes/<id>         one of them, in full
GET  /revisions          what each gateway has, had, and is to have
GET  /rollout            where each gateway's roll-out is
POST /rollout/pause      hold a roll-out; ?gateway=<namespace>/<gateway>, or all of them
POST /rollout/resume     go on with it, or try again what was rolled back
POST /rollout/rollback   take it back, or go back to the revision before
POST /rollout/promote    give it to all nodes now
GET  /directory          the configurations, and what is wrong with them
GET  /metrics            Prometheus metrics
GET  /healthz/ready      200 once nodes are served
Lists are JSON; with ?format=text a table.
`;

/** The admin API of `sluice control`: whoever reaches its address may use it, web pages of others aside. */
export function controlAdmin(control: Control, log: Logger): LocalHandler {
  const metrics = metricsHandler([control.metrics.registry], log);
  return (request, response) => {
    const refused = refusal(request);
    if (refused !== null) {
      respond(response, 403, `forbidden: ${refused}\n`);
      return;
    }
    const [path = '/', search = ''] = (request.url ?? '/').split('?', 2);
    const query = new URLSearchParams(search);
    const action = ACTIONS.find((name) => path === `/rollout/${name}`);
    if (action !== undefined) {
      if (request.method === 'POST') steer(control, action, query.get('gateway'), response);
      else respondMethodNotAllowed(response, 'POST');
    } else if (request.method !== 'GET' && request.method !== 'HEAD') respondMethodNotAllowed(response, 'GET');
    else if (path === '/metrics') {
      control.collect();
      metrics(request, response);
    } else show(control, path, query, request, response);
  };
}

function show(
  control: Control,
  path: string,
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const asText = query.get('format') === 'text' || /^text\/plain\b/.test(request.headers.accept ?? '');
  const json = (value: unknown) => respond(response, 200, `${JSON.stringify(value, null, 2)}\n`, 'application/json');
  if (path === '/') respond(response, 200, INDEX);
  else if (path === '/healthz/ready') {
    if (control.ready) respond(response, 200, 'ready\n');
    else respond(response, 500, 'not ready: the state could not be read yet\n');
  } else if (path === '/nodes') {
    const gateway = query.get('gateway');
    const nodes = control.nodes().filter((node) => gateway === null || node.gateway === gateway);
    if (asText) respond(response, 200, nodeTable(nodes));
    else json(nodes);
  } else if (path.startsWith('/nodes/')) {
    const id = decoded(path.slice('/nodes/'.length));
    const nodes = control.nodes().filter((node) => node.id === id);
    if (nodes.length === 0)
      respond(response, 404, 'no such node is connected to this replica; /nodes lists those that are\n');
    else json(nodes.length === 1 ? nodes[0] : nodes);
  } else if (path === '/rollout') {
    const gateways = control.gateways();
    if (asText) respond(response, 200, rolloutTable(gateways));
    else json({ leader: control.leader, leading: control.leading, gateways });
  } else if (path === '/revisions') json(revisions(control));
  else if (path === '/directory') json(directory(control));
  else respond(response, 404, 'not found; / lists what there is\n');
}

function steer(control: Control, action: Action, gateway: string | null, response: ServerResponse): void {
  control.act(action, gateway).then(
    ({ done, refused }) => {
      const lines = [...done.map((name) => `${name}: done`), ...refused];
      const status = done.length > 0 || refused.length === 0 ? 200 : 409;
      respond(response, status, lines.length === 0 ? 'there is no gateway yet\n' : `${lines.join('\n')}\n`);
    },
    (error: unknown) => {
      const reason = error instanceof StoreError ? error.message : 'control failed; its log has the cause';
      respond(response, 503, `${action} could not be written down: ${reason}\n`);
    },
  );
}

function revisions(control: Control): unknown {
  return Object.entries(control.record?.gateways ?? {}).map(([gateway, { stable, candidate, history, rejected }]) => ({
    gateway,
    stable,
    candidate: candidate?.revision ?? null,
    rejected: rejected?.revision ?? null,
    history: history.map(({ revision, until }) => ({ ...revision, until: new Date(until).toISOString() })),
  }));
}

function directory(control: Control): unknown {
  const { configurations = [], faults = [] } = control.directory ?? {};
  return {
    configurations: configurations.map(({ name, selector, content, notices }) => ({
      name,
      selector,
      content: content.hash,
      resources: content.resources.length,
      notYetActive: notices.length,
    })),
    faults: faults.map(formatFault),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
