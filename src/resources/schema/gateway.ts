import { z } from 'zod';
import type { PolicyMap } from '../types.ts';
import { aliases, own, port, secret } from './common.ts';
import type { DynamicShape } from './policies.ts';

/** Where clients connect: gateways, binds, listeners and their TLS. */

/** Which HTTP driver serves a port. Ours. */
export function driver() {
  return z
    .enum(['auto', 'uws', 'node'])
    .optional()
    .describe('HTTP driver of the port: `auto` takes the fast one only where it is known to be sound.');
}

/** Names of gateways, or of their listeners as `gateway/listener`. */
export function gatewayRefs() {
  return z
    .union([z.string(), z.array(z.string())])
    .default([])
    .describe('Gateways to attach to: `name`, or `name/listener`. Default: the gateway `default`, where there is one.');
}

/** TLS versions as configuration names them. */
export function tlsVersion() {
  return z.enum(['TLS_V1_0', 'TLS_V1_1', 'TLS_V1_2', 'TLS_V1_3']);
}

const serverTlsFields = z.strictObject({
  mode: z
    .enum(['static', 'dynamicCa'])
    .default('static')
    .describe('`static`: serve the certificate. `dynamicCa`: it is a CA that issues a certificate a server name.'),
  cert: z.string().nullish().describe('File of the certificate chain, PEM.'),
  key: secret(z.string()).nullish().describe('File of the private key, PEM.'),
  root: z.string().nullish().describe('File of the CAs that client certificates must chain to; asks clients for one.'),
  spiffe: z.strictObject({}).nullish().describe('Take the certificate from the SPIFFE Workload API.'),
  cipherSuites: z.array(z.string()).nullish().describe('Cipher suites, most preferred first.'),
  minTLSVersion: tlsVersion().nullish().describe('Lowest version accepted.'),
  minTlsVersion: tlsVersion().nullish().describe('The same as `minTLSVersion`.'),
  maxTLSVersion: tlsVersion().nullish().describe('Highest version accepted.'),
  maxTlsVersion: tlsVersion().nullish().describe('The same as `maxTLSVersion`.'),
  keyExchangeGroups: z.array(z.string()).nullish().describe('Key exchange groups, most preferred first.'),
});

/** Server-side TLS of a listener. */
export const serverTls = aliases(serverTlsFields, [
  ['minTLSVersion', 'minTlsVersion'],
  ['maxTLSVersion', 'maxTlsVersion'],
]).meta({ id: 'ServerTls', title: 'Server TLS' });

const gatewayProtocol = () =>
  z.enum(['HTTP', 'HTTPS', 'TCP', 'TLS']).nullish().describe('Default: HTTP, or HTTPS with `tls`.');

/** An entry of `gateways`. `gatewayPolicies` are given inline, here and in each listener. */
export function gateway(gatewayPolicies: DynamicShape) {
  const listener = z
    .strictObject({
      name: z.string().nullish().describe('Name, for `gateway/listener` references.'),
      hostname: z.string().nullish().describe('Host served: exact or `*.suffix`. Default: any.'),
      protocol: gatewayProtocol(),
      tls: serverTls.nullish().describe('TLS of the listener.'),
      ...gatewayPolicies,
    })
    .meta({ id: 'GatewayListener', title: 'Gateway listener' });
  return z
    .strictObject({
      port: port().nullish().describe('Port to listen on.'),
      protocol: gatewayProtocol(),
      driver: own(driver()),
      listeners: z.array(listener).optional().describe('Several hosts on the port, in place of `protocol` and `tls`.'),
      tls: serverTls.nullish().describe('TLS of the gateway.'),
      ...gatewayPolicies,
    })
    .meta({ id: 'Gateway', title: 'Gateway' });
}

/** An entry of `binds`: a port with its listeners and their routes. */
export function bind<Route extends z.ZodType, TcpRoute extends z.ZodType>(
  route: Route,
  tcpRoute: TcpRoute,
  policies: z.ZodType<PolicyMap>,
) {
  const listener = z
    .strictObject({
      name: z.string().nullish().describe('Name, for logs and policy targets.'),
      namespace: z.string().nullish().describe('Namespace of the name.'),
      hostname: z.string().nullish().describe('Host served: exact or `*.suffix`. Default: any.'),
      protocol: z.enum(['HTTP', 'HTTPS', 'TLS', 'TCP', 'HBONE']).optional().describe('Default: HTTP.'),
      tls: serverTls.nullish().describe('TLS of the listener.'),
      routes: z.array(route).nullish().describe('HTTP routes.'),
      tcpRoutes: z.array(tcpRoute).nullish().describe('TCP routes.'),
      policies: policies.nullish().describe('Policies that run before a route is chosen.'),
    })
    .meta({ id: 'Listener', title: 'Listener' });
  return z
    .strictObject({
      port: port().nullish().describe('Port to listen on.'),
      listeners: z.array(listener).describe('Hosts and protocols on the port.'),
      tunnelProtocol: z
        .enum(['direct', 'hboneWaypoint', 'hboneGateway', 'proxy', 'connect'])
        .default('direct')
        .describe('Protocol that wraps client connections.'),
      mode: z
        .enum(['standard', 'internal'])
        .default('standard')
        .describe('`internal`: no socket, reached from within the process only.'),
      driver: own(driver()),
    })
    .meta({ id: 'Bind', title: 'Bind' });
}
