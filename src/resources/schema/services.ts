import { z } from 'zod';
import { uint32 } from './common.ts';

/**
 * `services` and `workloads`: local service discovery in the shapes of Istio's workload discovery. Fields not named here are
 * accepted and ignored.
 */

const servicePorts = () => z.record(z.string(), z.int().min(0).max(65535));

const gatewayAddress = () =>
  z.looseObject({
    destination: z.string().describe('`network/IP`, or `namespace/hostname` of a service.'),
    hboneMtlsPort: z.int().min(0).max(65535).default(0).describe('Port of its HBONE listener; 0 = 15008.'),
  });

const loadBalancer = () =>
  z.looseObject({
    routingPreferences: z
      .array(z.enum(['Region', 'Zone', 'Subzone', 'Node', 'Cluster', 'Network']))
      .default([])
      .describe('What endpoints should have in common with the gateway, the most important first.'),
    mode: z
      .enum(['Standard', 'Strict', 'Failover', 'Passthrough'])
      .default('Standard')
      .describe('`Failover`: the nearest endpoints first. `Strict`: only those that match all preferences.'),
    healthPolicy: z
      .enum(['OnlyHealthy', 'AllowAll'])
      .default('OnlyHealthy')
      .describe('`AllowAll`: unhealthy workloads are endpoints too.'),
  });

/** An entry of `services`. */
export function service() {
  return z
    .looseObject({
      name: z.string().optional().describe('Name of the service.'),
      namespace: z.string().optional().describe('Namespace of the service.'),
      hostname: z.string().optional().describe('Host name of the service.'),
      ports: servicePorts().optional().describe('Service port → target port; 0 = each workload says it.'),
      appProtocols: z
        .record(z.string(), z.enum(['Http11', 'Http2', 'Grpc', 'Tcp', 'Tls']))
        .optional()
        .describe('Service port → its protocol.'),
      vips: z.array(z.string()).optional().describe('Addresses of the service itself, `network/IP`.'),
      subjectAltNames: z.array(z.string()).optional().describe('SPIFFE identities of its workloads.'),
      waypoint: gatewayAddress().optional().describe('Waypoint of the service.'),
      weightedWaypoints: z
        .array(
          z.looseObject({
            destination: gatewayAddress().describe('The waypoint.'),
            weight: uint32().describe('Its share.'),
          }),
        )
        .optional()
        .describe('All its waypoints, while it moves from one to another.'),
      ingressUseWaypoint: z
        .boolean()
        .optional()
        .describe('Requests from gateways go through the waypoint too; not executed: answers 503.'),
      loadBalancer: loadBalancer().optional().describe('Which endpoints are preferred.'),
      ipFamilies: z.enum(['Dual', 'IPv4', 'IPv6']).optional().describe('Address families of the service.'),
      canonical: z.boolean().optional().describe('The one service of its hostname that others are measured by.'),
    })
    .meta({ id: 'Service', title: 'Service' });
}

/** An entry of `workloads`. */
export function workload() {
  return z
    .looseObject({
      uid: z.string().optional().describe('Unique id.'),
      name: z.string().optional().describe('Name of the workload.'),
      namespace: z.string().optional().describe('Namespace of the workload.'),
      workloadIps: z.array(z.string()).optional().describe('Addresses of the workload, the preferred first.'),
      hostname: z.string().optional().describe('Where it has no address: the name it is found by.'),
      status: z.string().optional().describe('`Healthy` or `Unhealthy`.'),
      services: z
        .record(z.string(), servicePorts())
        .optional()
        .describe('Services it belongs to (`namespace/hostname`), each with service port → target port.'),
      protocol: z
        .enum(['TCP', 'HBONE', 'LegacyIstioMtls'])
        .optional()
        .describe('How it must be spoken to; what is not `TCP` is no endpoint in this version.'),
      network: z.string().optional().describe('Network it is in.'),
      networkGateway: gatewayAddress()
        .optional()
        .describe('Where it is reached from other networks; a workload that needs it is no endpoint in this version.'),
      waypoint: gatewayAddress().optional().describe('Waypoint of the workload.'),
      networkMode: z
        .enum(['Standard', 'HostNetwork'])
        .optional()
        .describe("`HostNetwork`: its addresses are its node's."),
      locality: z
        .looseObject({
          region: z.string().default('').describe('Region.'),
          zone: z.string().default('').describe('Zone.'),
          subzone: z.string().default('').describe('Subzone.'),
        })
        .optional()
        .describe('Where it runs.'),
      node: z.string().optional().describe('Node it runs on.'),
      clusterId: z.string().optional().describe('Cluster it runs in. Default: `Kubernetes`.'),
      trustDomain: z.string().optional().describe('Trust domain of its identity. Default: `cluster.local`.'),
      serviceAccount: z.string().optional().describe('Service account of its identity. Default: `default`.'),
      capacity: uint32().optional().describe('Its share of requests among equals; 0 = none. Default: 1.'),
    })
    .meta({ id: 'Workload', title: 'Workload' });
}
