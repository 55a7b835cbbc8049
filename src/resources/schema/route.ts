import { z } from 'zod';
import type { PolicyMap } from '../types.ts';
import type { RouteBackendSchema, TcpRouteBackendSchema } from './backend.ts';
import { headerOrPseudo, regex } from './common.ts';

/** Routes: what they match and where they lead. */

const invalid = () => z.literal('invalid').describe('Matches nothing.');

function exactOrRegex() {
  return z.union([
    invalid(),
    z.strictObject({ exact: z.string().describe('The whole value.') }),
    z.strictObject({ regex: regex().describe('RE2 expression over the whole value.') }),
  ]);
}

/** A condition on one header; the name may be a pseudo-header such as `:method`. */
export function headerMatch() {
  return z.strictObject({
    name: headerOrPseudo().describe('Header, or pseudo-header such as `:method`.'),
    value: exactOrRegex().describe('Value to match.'),
  });
}

function pathMatch() {
  return z.union([
    invalid(),
    z.strictObject({ exact: z.string().describe('The whole path.') }),
    z.strictObject({ pathPrefix: z.string().describe('Leading segments of the path.') }),
    z.strictObject({ regex: regex().describe('RE2 expression over the whole path.') }),
  ]);
}

/** One way a request can match a route: all of it must hold. */
export function routeMatch() {
  return z
    .strictObject({
      headers: z.array(headerMatch()).optional().describe('Headers that must match, all of them.'),
      path: pathMatch().default({ pathPrefix: '/' }).describe('Path to match.'),
      method: z.string().optional().describe('Method to match, e.g. `GET`.'),
      query: z
        .array(
          z.strictObject({
            name: z.string().describe('Query parameter.'),
            value: exactOrRegex().describe('Value to match.'),
          }),
        )
        .optional()
        .describe('Query parameters that must match, all of them.'),
    })
    .meta({ id: 'RouteMatch', title: 'Route match' });
}

const identity = () => ({
  name: z.string().nullish().describe('Name, for logs, metrics and policy targets.'),
  namespace: z.string().nullish().describe('Namespace of the name.'),
  ruleName: z.string().nullish().describe('Name of the rule within the route.'),
  hostnames: z.array(z.string()).optional().describe('Hosts served: exact or `*.suffix`. Default: any.'),
});

/** Fields of an HTTP route. */
export function routeShape(policies: z.ZodType<PolicyMap>, backend: RouteBackendSchema) {
  return {
    ...identity(),
    matches: z
      .array(routeMatch())
      .default([{ path: { pathPrefix: '/' } }])
      .describe('A request is served when any of these matches.'),
    policies: policies.nullish().describe('Policies of the route.'),
    backends: z.array(backend).optional().describe('Where requests go; weights split them.'),
  };
}

/** Fields of a TCP route. */
export function tcpRouteShape(policies: z.ZodType<PolicyMap>, backend: TcpRouteBackendSchema) {
  return {
    ...identity(),
    policies: policies.nullish().describe('Policies of the route.'),
    backends: z.array(backend).optional().describe('Where connections go; weights split them.'),
  };
}
