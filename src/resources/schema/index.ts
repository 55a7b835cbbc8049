import { z } from 'zod';
import type { Catalogue } from '../catalogue.ts';
import { aiProvider } from './ai.ts';
import { backendParts, namedBackend, routeBackend, tcpRouteBackend } from './backend.ts';
import { bind, gateway, gatewayRefs } from './gateway.ts';
import { llmSection } from './llm.ts';
import { mcpSection, mcpTarget } from './mcp.ts';
import { policyMaps, policyShape } from './policies.ts';
import { routeShape, tcpRouteShape } from './route.ts';
import { service, workload } from './services.ts';
import { configSection } from './settings.ts';
import { targetedPolicy } from './targeted-policy.ts';

/**
 * The schema of the whole local configuration file. Policies and providers come from the catalogue; unknown fields are
 * errors everywhere. What comes out has the shape that went in, with defaults filled in; only policies' own schemas transform
 * their values. Parse a document once.
 */
export function buildConfigSchema(catalogue: Catalogue) {
  const policies = policyMaps(catalogue);
  const target = mcpTarget(policies.mcpTarget);
  const parts = backendParts(policies, aiProvider(catalogue), target);

  const httpRoute = routeShape(policies.route, routeBackend(parts));
  const tcpRoute = tcpRouteShape(policies.tcpRoute, tcpRouteBackend(policies.tcpBackend));
  const boundRoute = z.strictObject(httpRoute).meta({ id: 'Route', title: 'Route' });
  const boundTcpRoute = z.strictObject(tcpRoute).meta({ id: 'TcpRoute', title: 'TCP route' });
  const attachedRoute = z
    .strictObject({ gateways: gatewayRefs(), ...httpRoute })
    .meta({ id: 'AttachedRoute', title: 'Attached route' });
  const attachedTcpRoute = z
    .strictObject({ gateways: gatewayRefs(), ...tcpRoute })
    .meta({ id: 'AttachedTcpRoute', title: 'Attached TCP route' });
  const routeGroup = z
    .strictObject({
      name: z.string().describe('Name that routes delegate to.'),
      routes: z.array(boundRoute).describe('Routes of the group.'),
    })
    .meta({ id: 'RouteGroup', title: 'Route group' });
  const ui = z
    .strictObject({
      gateways: gatewayRefs(),
      policies: policies.ui.nullish().describe('Policies in front of the console.'),
    })
    .meta({ id: 'UiSection', title: 'Console' });

  return z.strictObject({
    config: configSection().nullish().describe('Settings of the process, read at start-up.'),
    binds: z
      .array(bind(boundRoute, boundTcpRoute, policies.gateway))
      .optional()
      .describe('Ports with their listeners.'),
    frontendPolicies: policies.frontend.optional().describe('Policies of all client connections and requests.'),
    policies: z.array(targetedPolicy(policies.route)).optional().describe('Policies attached from outside.'),
    workloads: z.array(workload()).default([]).describe('Workloads of local service discovery.'),
    services: z.array(service()).default([]).describe('Services of local service discovery.'),
    backends: z.array(namedBackend(parts)).optional().describe('Backends that routes refer to by name.'),
    routeGroups: z.array(routeGroup).optional().describe('Groups of routes that routes delegate to.'),
    gateways: z
      .record(z.string(), gateway(policyShape(catalogue, 'gateway')))
      .optional()
      .describe('Where clients connect, by name.'),
    routes: z.array(attachedRoute).optional().describe('HTTP routes.'),
    tcpRoutes: z.array(attachedTcpRoute).optional().describe('TCP routes.'),
    llm: llmSection(catalogue).nullish().describe('LLM models behind one endpoint.'),
    mcp: mcpSection(target, policies.route).nullish().describe('MCP servers behind one endpoint.'),
    ui: ui.nullish().describe('The web console.'),
  });
}

export type ConfigSchema = ReturnType<typeof buildConfigSchema>;

/** The configuration file, validated, in its local shape. */
export type LocalConfig = z.output<ConfigSchema>;
export type LocalBind = NonNullable<LocalConfig['binds']>[number];
export type LocalListener = LocalBind['listeners'][number];
export type LocalGateway = NonNullable<LocalConfig['gateways']>[string];
export type LocalGatewayListener = NonNullable<LocalGateway['listeners']>[number];
export type LocalServerTls = NonNullable<LocalGateway['tls']>;
export type LocalAttachedRoute = NonNullable<LocalConfig['routes']>[number];
export type LocalAttachedTcpRoute = NonNullable<LocalConfig['tcpRoutes']>[number];
export type LocalRouteGroup = NonNullable<LocalConfig['routeGroups']>[number];
export type LocalRoute = LocalRouteGroup['routes'][number];
export type LocalTcpRoute = NonNullable<LocalListener['tcpRoutes']>[number];
export type LocalRouteMatch = LocalRoute['matches'][number];
export type LocalRouteBackend = NonNullable<LocalRoute['backends']>[number];
export type LocalTcpRouteBackend = NonNullable<LocalTcpRoute['backends']>[number];
export type LocalNamedBackend = NonNullable<LocalConfig['backends']>[number];
export type LocalAiBackend = NonNullable<LocalNamedBackend['ai']>;
export type LocalNamedAiProvider = Extract<LocalAiBackend, { provider: unknown }>;
export type LocalTargetedPolicy = NonNullable<LocalConfig['policies']>[number];
export type LocalService = LocalConfig['services'][number];
export type LocalWorkload = LocalConfig['workloads'][number];
export type LocalLlm = NonNullable<LocalConfig['llm']>;
export type LocalLlmModel = LocalLlm['models'][number];
export type LocalLlmProvider = NonNullable<LocalLlm['providers']>[number];
export type LocalLlmVirtualModel = NonNullable<LocalLlm['virtualModels']>[number];
export type LocalMcp = NonNullable<LocalConfig['mcp']>;
export type LocalUi = NonNullable<LocalConfig['ui']>;
export type { LocalSettings } from './settings.ts';
