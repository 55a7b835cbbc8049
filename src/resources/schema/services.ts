import { z } from 'zod';

/**
 * `services` and `workloads`: local service discovery in the shapes of Istio's workload discovery. Fields not named here are
 * accepted and ignored.
 */

const servicePorts = () => z.record(z.string(), z.int().min(0).max(65535));

/** An entry of `services`. */
export function service() {
  return z
    .looseObject({
      name: z.string().optional().describe('Name of the service.'),
      namespace: z.string().optional().describe('Namespace of the service.'),
      hostname: z.string().optional().describe('Host name of the service.'),
      ports: servicePorts().optional().describe('Service port → target port.'),
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
      workloadIps: z.array(z.string()).optional().describe('Addresses of the workload.'),
      status: z.string().optional().describe('`Healthy` or `Unhealthy`.'),
      services: z
        .record(z.string(), servicePorts())
        .optional()
        .describe('Services it belongs to (`namespace/hostname`), each with service port → target port.'),
    })
    .meta({ id: 'Workload', title: 'Workload' });
}
