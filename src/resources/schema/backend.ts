import { z } from 'zod';
import type { PolicyMap } from '../types.ts';
import { aiBackend } from './ai.ts';
import { serviceRef } from './backend-ref.ts';
import { celExpression, exactlyOne, uint } from './common.ts';
import type { McpTargetSchema } from './mcp.ts';
import { mcpBackend } from './mcp.ts';
import type { PolicyMaps } from './policies.ts';

/** Backends: the kinds a route may name, and the named ones of `backends`. */

/** What backends are made of; made once, since definitions are named in the JSON schema. */
export function backendParts(
  policies: PolicyMaps,
  aiProvider: z.ZodType<Readonly<Record<string, unknown>>>,
  target: McpTargetSchema,
) {
  return { policies, ai: aiBackend(aiProvider, policies.backend), mcp: mcpBackend(target) };
}
export type BackendParts = ReturnType<typeof backendParts>;

function awsBackend() {
  return z.strictObject({
    agentCore: z
      .strictObject({
        agentRuntimeArn: z.string().describe('ARN of the agent runtime.'),
        qualifier: z.string().nullish().describe('Version or endpoint of the runtime.'),
      })
      .describe('Amazon Bedrock AgentCore runtime.'),
  });
}

const dynamic = () =>
  z
    .strictObject({
      target: celExpression()
        .nullish()
        .describe('CEL expression that gives `host:port`. Default: the request authority.'),
    })
    .optional()
    .describe('The request itself says where it goes (forward proxy).');

const host = () => z.string().optional().describe('`host:port`, or `unix:/path`.');
const internal = () =>
  z
    .union([z.literal('forward').describe('The path asked for.'), z.string().describe('Another path.')])
    .optional()
    .describe('The admin API answers: with the path asked for, or a given one.');

function namedKinds(parts: BackendParts) {
  return {
    host: host(),
    internal: internal(),
    mcp: parts.mcp.optional().describe('MCP servers behind one endpoint.'),
    ai: parts.ai.optional().describe('LLM providers.'),
    aws: awsBackend().optional().describe('AWS services.'),
  };
}

/** A backend of a route: one kind, its weight and its policies. */
export function routeBackend(parts: BackendParts) {
  const kinds = {
    service: serviceRef().optional().describe('A service known through `services`.'),
    backend: z.string().optional().describe('Name of a backend in `backends`.'),
    ...namedKinds(parts),
    dynamic: dynamic(),
    routeGroup: z.string().optional().describe('Name of a route group that takes over.'),
    invalid: z.null().optional().describe('Answers 500.'),
  };
  const schema = z.strictObject({
    ...kinds,
    weight: uint().default(1).describe('Share of requests, relative to the other backends.'),
    policies: parts.policies.backend.nullish().describe('Policies of the backend.'),
  });
  return exactlyOne(schema, Object.keys(kinds)).meta({ id: 'RouteBackend', title: 'Route backend' });
}
export type RouteBackendSchema = ReturnType<typeof routeBackend>;

/** A backend of a TCP route. */
export function tcpRouteBackend(policies: z.ZodType<PolicyMap>) {
  const kinds = {
    service: serviceRef().optional().describe('A service known through `services`.'),
    host: host(),
    dynamic: dynamic(),
    backend: z.string().optional().describe('Name of a backend in `backends`.'),
  };
  const schema = z.strictObject({
    ...kinds,
    weight: uint().default(1).describe('Share of connections, relative to the other backends.'),
    policies: policies.nullish().describe('Policies of the backend.'),
  });
  return exactlyOne(schema, Object.keys(kinds)).meta({ id: 'TcpRouteBackend', title: 'TCP route backend' });
}
export type TcpRouteBackendSchema = ReturnType<typeof tcpRouteBackend>;

/** An entry of `backends`. */
export function namedBackend(parts: BackendParts) {
  const kinds = namedKinds(parts);
  const schema = z.strictObject({
    name: z.string().describe('Name that routes and policies refer to.'),
    ...kinds,
    policies: parts.policies.backend.nullish().describe('Policies of the backend.'),
  });
  return exactlyOne(schema, Object.keys(kinds)).meta({ id: 'NamedBackend', title: 'Named backend' });
}
