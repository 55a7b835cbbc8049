import type { LocalConfig, LocalMcp, LocalUi } from '../../resources/schema/index.ts';
import type { PathMatch, RouteMatch } from '../../resources/types.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';
import { type Attachments, carriesHttp, type OpenListener, type Ports } from './listeners.ts';
import type { Routes } from './routes.ts';

const DEFAULT_MCP_PORT = 3000;
const MCP_BACKEND = 'backend//mcp';
/** What an MCP endpoint takes of a gateway that it shares with others. */
const MCP_PATHS: readonly PathMatch[] = [
  { pathPrefix: '/mcp' },
  { pathPrefix: '/sse' },
  { pathPrefix: '/.well-known' },
];
const UI_PATHS: readonly PathMatch[] = [
  { exact: '/' },
  { pathPrefix: '/ui' },
  { pathPrefix: '/api/runtime' },
  { pathPrefix: '/api/config' },
  { pathPrefix: '/api/cel' },
  { pathPrefix: '/api/logs' },
  { pathPrefix: '/api/costs' },
];

function matchAll(paths: readonly PathMatch[]): RouteMatch[] {
  return paths.map((path) => ({ path, method: '', headers: [], query: [] }));
}

/** The `mcp:` section: a backend and the route that leads to it, on gateways or on a port of its own. */
export function normalizeMcp(
  context: Context,
  mcp: Section<LocalMcp>,
  ports: Ports,
  attachments: Attachments,
  routes: Routes,
): void {
  const gateways = mcp.get('gateways');
  const port = mcp.get('port') ?? null;
  const driver = mcp.get('driver');
  const policies = context.policies(mcp.section('policies'), 'route');
  let listeners: OpenListener[] = [];
  const attached = gateways.length > 0 || (port === null && attachments.has('default'));
  if (gateways.length > 0 && port !== null) {
    context.fault(mcp.at('gateways'), 'gateways and port exclude each other', 'set the port of the gateway');
  }
  if (attached) {
    if (driver !== undefined) context.fault(mcp.at('driver'), 'the driver is chosen by the gateway', 'set it there');
    listeners = attachments.resolve(gateways, mcp.path, { noun: 'mcp', serves: carriesHttp });
  } else {
    const opened = ports.open({
      port: port ?? DEFAULT_MCP_PORT,
      path: mcp.path,
      title: 'mcp',
      tunnelProtocol: 'direct',
      driver: driver ?? 'auto',
    });
    if (opened !== undefined) {
      listeners = [
        ports.listen(opened, {
          path: mcp.path,
          name: 'mcp',
          gateway: context.identity.gateway,
          namespace: context.identity.namespace,
          hostname: '',
          protocol: 'HTTP',
          tls: undefined,
          policies: {},
        }),
      ];
    }
  }
  const backend: Record<string, unknown> = {};
  for (const field of ['targets', 'statefulMode', 'prefixMode', 'failureMode', 'dnsRebindingProtection'] as const) {
    const value = mcp.get(field);
    if (value !== undefined && value !== null) backend[field] = value;
  }
  context.inactive(mcp.path);
  const target = { kind: 'inactive', name: 'mcp', value: backend } as const;
  context.emit({ kind: 'backend', key: MCP_BACKEND, name: 'mcp', namespace: '', target, policies: {} }, mcp.path);
  routes.emit({
    scope: 'mcp',
    listenerKeys: listeners.map(({ resource }) => resource.key),
    groupKey: '',
    name: 'mcp:default',
    namespace: context.identity.namespace,
    ruleName: '',
    hostnames: [],
    matches: matchAll(attached ? MCP_PATHS : [{ pathPrefix: '/' }]),
    policies,
    backends: [{ weight: 1, target: { kind: 'backend', key: MCP_BACKEND }, policies: {} }],
    order: Number.MAX_SAFE_INTEGER,
  });
}

/** The `ui:` section: the console's paths on gateways. */
export function normalizeUi(context: Context, ui: Section<LocalUi>, attachments: Attachments, routes: Routes): void {
  const listeners = attachments.resolve(ui.get('gateways'), ui.path, { noun: 'ui', serves: carriesHttp });
  const policies = context.policies(ui.section('policies'), 'route');
  context.inactive(ui.path);
  routes.emit({
    scope: 'ui',
    listenerKeys: listeners.map(({ resource }) => resource.key),
    groupKey: '',
    name: 'ui',
    namespace: context.identity.namespace,
    ruleName: '',
    hostnames: [],
    matches: matchAll(UI_PATHS),
    policies,
    backends: [{ weight: 1, target: { kind: 'inactive', name: 'ui', value: null }, policies: {} }],
    order: Number.MAX_SAFE_INTEGER,
  });
}

/** TCP routes: validated and reported. */
export function normalizeTcpRoutes(context: Context, config: Section<LocalConfig>, attachments: Attachments): void {
  for (const route of config.list('tcpRoutes')) {
    attachments.resolve(route.get('gateways'), route.path, {
      noun: 'a TCP route',
      serves: (protocol) => protocol === 'TCP' || protocol === 'TLS',
    });
    context.inactive(route.path);
  }
}
