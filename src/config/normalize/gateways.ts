import type { LocalConfig, LocalGateway, LocalListener } from '../../resources/schema/index.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';
import { type Attachments, carriesHttp, type OpenListener, type Ports } from './listeners.ts';
import type { Routes } from './routes.ts';

/** `binds:`: ports with listeners that hold their own routes. */
export function normalizeBinds(context: Context, config: Section<LocalConfig>, ports: Ports, routes: Routes): void {
  let internal = 0;
  for (const [index, bind] of config.list('binds').entries()) {
    const port = bind.get('port') ?? null;
    if (bind.get('mode') === 'internal') {
      // Reached from within the process only, which nothing does in this version: no socket, no routes.
      context.inactive(bind.path);
      if (port === null && ++internal > 1) context.fault(bind.path, 'only one internal bind can be without a port');
      continue;
    }
    if (port === null) {
      context.fault(bind.path, 'a bind needs a port');
      continue;
    }
    const opened = ports.open({
      port,
      path: bind.path,
      title: `binds[${index}]`,
      tunnelProtocol: bind.get('tunnelProtocol'),
      driver: bind.get('driver') ?? 'auto',
    });
    if (opened === undefined) continue;
    for (const [place, section] of (bind.list('listeners') as Section<LocalListener>[]).entries()) {
      const listener = ports.listen(opened, {
        path: section.path,
        name: section.get('name') ?? `listener${place}`,
        gateway: context.identity.gateway,
        namespace: section.get('namespace') ?? context.identity.namespace,
        hostname: section.get('hostname'),
        protocol: section.get('protocol'),
        tls: section.section('tls'),
        policies: context.policies(section.section('policies'), 'gateway'),
      });
      boundRoutes(context, section, listener, routes);
    }
  }
}

function boundRoutes(context: Context, section: Section<LocalListener>, listener: OpenListener, routes: Routes): void {
  const { protocol, key } = listener.resource;
  const http = section.list('routes');
  if (http.length > 0 && !carriesHttp(protocol)) {
    context.fault(section.at('routes'), `a ${protocol} listener carries no HTTP routes`, 'use tcpRoutes');
  }
  const place = { scope: key.slice('listener/'.length), listenerKeys: [key], groupKey: '' };
  for (const [order, route] of http.entries()) routes.add(route, place, order);

  const tcp = section.get('tcpRoutes') ?? [];
  if (tcp.length > 0 && carriesHttp(protocol)) {
    context.fault(section.at('tcpRoutes'), `an ${protocol} listener carries no TCP routes`, 'use routes');
  }
  for (const index of tcp.keys()) context.inactive(section.at('tcpRoutes', index));
}

/** Fields of a gateway that its listeners give instead, where it has any. */
const LISTENER_FIELDS = ['protocol', 'tls'] as const;

/** `gateways:`: ports by name, with one listener or several. */
export function normalizeGateways(
  context: Context,
  config: Section<LocalConfig>,
  ports: Ports,
  attachments: Attachments,
): void {
  for (const [name, gateway] of config.entries('gateways') as [string, Section<LocalGateway>][]) {
    attachments.declare(name);
    const port = gateway.get('port') ?? null;
    const listeners = gateway.list('listeners');
    const policies = context.policies(gateway, 'gateway');
    const shared = { gateway: name, namespace: context.identity.namespace };
    if (name.includes('/')) context.fault(gateway.path, 'a gateway name holds no "/"');
    if (port === null) {
      context.fault(gateway.path, 'a gateway needs a port');
      continue;
    }
    const opened = ports.open({
      port,
      path: gateway.path,
      title: `gateway "${name}"`,
      tunnelProtocol: 'direct',
      driver: gateway.get('driver') ?? 'auto',
    });
    if (opened === undefined) continue;
    if (listeners.length === 0) {
      const listener = ports.listen(opened, {
        ...shared,
        path: gateway.path,
        name: 'default',
        hostname: '',
        protocol: gateway.get('protocol'),
        tls: gateway.section('tls'),
        policies,
      });
      attachments.add(name, listener);
      continue;
    }
    for (const field of [...LISTENER_FIELDS.filter((one) => gateway.get(one) != null), ...Object.keys(policies)]) {
      context.fault(
        gateway.at(field),
        `a gateway with listeners takes no ${field} of its own`,
        'give it to its listeners',
      );
    }
    for (const [index, section] of listeners.entries()) {
      const listener = ports.listen(opened, {
        ...shared,
        path: section.path,
        name: section.get('name') ?? `listener${index}`,
        hostname: section.get('hostname'),
        protocol: section.get('protocol'),
        tls: section.section('tls'),
        policies: context.policies(section, 'gateway'),
      });
      attachments.add(name, listener);
    }
  }
}

/** `routes:`: HTTP routes that say which gateways they attach to. */
export function normalizeRoutes(config: Section<LocalConfig>, attachments: Attachments, routes: Routes): void {
  for (const [order, route] of config.list('routes').entries()) {
    const listeners = attachments.resolve(route.get('gateways'), route.path, {
      noun: 'the route',
      serves: carriesHttp,
    });
    const place = { scope: 'routes', listenerKeys: listeners.map(({ resource }) => resource.key), groupKey: '' };
    routes.add(route, place, order);
  }
}

/** `routeGroups:`: routes that other routes delegate to. */
export function normalizeRouteGroups(context: Context, config: Section<LocalConfig>, routes: Routes): void {
  for (const group of config.list('routeGroups')) {
    const name = group.get('name');
    const groupKey = `routeGroup/${name}`;
    context.emit({ kind: 'routeGroup', key: groupKey, name }, group.path);
    const place = { scope: `group:${name}`, listenerKeys: [], groupKey };
    for (const [order, route] of group.list('routes').entries()) routes.add(route, place, order);
  }
}
