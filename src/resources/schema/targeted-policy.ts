import { z } from 'zod';
import type { PolicyMap } from '../types.ts';
import { exactlyOne, port } from './common.ts';

/** `policies`: policies attached from outside to what they target. */

const name = () => z.string().describe('Name.');
const namespace = () => z.string().describe('Namespace of the name.');

function backendTarget() {
  const kinds = {
    backend: z
      .strictObject({
        name: name(),
        namespace: namespace(),
        section: z.string().nullish().describe('Part of the backend.'),
      })
      .optional()
      .describe('A named backend.'),
    service: z
      .strictObject({
        hostname: z.string().describe('Host name of the service.'),
        namespace: namespace(),
        port: port().nullish().describe('Port of the service. Default: all.'),
      })
      .optional()
      .describe('A service.'),
  };
  return z.union([
    z.literal('invalid').describe('Targets nothing.'),
    exactlyOne(z.strictObject(kinds), Object.keys(kinds)),
  ]);
}

function target() {
  const kinds = {
    gateway: z
      .strictObject({
        gatewayName: z.string().describe('Name of the gateway.'),
        gatewayNamespace: z.string().describe('Namespace of the gateway.'),
        listenerName: z.string().nullish().describe('One listener of it. Default: all.'),
        port: port().nullish().describe('One port of it. Default: all.'),
      })
      .optional()
      .describe('A gateway or one of its listeners.'),
    route: z
      .strictObject({
        name: name(),
        namespace: namespace(),
        ruleName: z.string().nullish().describe('One rule of it. Default: all.'),
        kind: z.string().nullish().describe('Kind of the route, where names clash.'),
      })
      .optional()
      .describe('A route.'),
    backend: backendTarget().optional().describe('A backend or service.'),
    listenerSet: z
      .strictObject({
        name: name(),
        namespace: namespace(),
        section: z.string().nullish().describe('One listener of it.'),
      })
      .optional()
      .describe('A listener set.'),
  };
  return exactlyOne(z.strictObject(kinds), Object.keys(kinds)).meta({ id: 'PolicyTarget', title: 'Policy target' });
}

/** An entry of `policies`. */
export function targetedPolicy(policies: z.ZodType<PolicyMap>) {
  return z
    .strictObject({
      name: z.strictObject({ name: name(), namespace: namespace() }).describe('Name of the policy.'),
      target: target().describe('What the policy is attached to.'),
      phase: z.enum(['route', 'gateway']).default('route').describe('Run after or before a route is chosen.'),
      policy: policies.describe('The policy: exactly one field.'),
    })
    .meta({ id: 'TargetedPolicy', title: 'Targeted policy' });
}
