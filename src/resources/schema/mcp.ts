import { z } from 'zod';
import type { PolicyMap } from '../types.ts';
import { exactlyOne, fileInlineOrRemote, own, port, secret } from './common.ts';
import { driver, gatewayRefs } from './gateway.ts';

/** MCP backends and the `mcp:` section. */

const httpTarget = () => ({
  host: z.string().optional().describe('URL of the server, or its host together with `port` and `path`.'),
  port: port().optional().describe('Port, where `host` is no URL.'),
  path: z.string().nullish().describe('Path, where `host` is no URL.'),
  backend: z.string().optional().describe('Name of a backend in `backends`, in place of `host`.'),
});

const HTTP_TARGET_KEYS = ['host', 'backend'];

function stdioTarget() {
  return z.strictObject({
    cmd: z.string().describe('Program to start.'),
    args: z.array(z.string()).optional().describe('Its arguments.'),
    env: z.record(z.string(), secret(z.string())).optional().describe('Its environment variables.'),
    clear_env: z.boolean().optional().describe("Don't pass on this process's environment."),
  });
}

/** One MCP server. */
export function mcpTarget(policies: z.ZodType<PolicyMap>) {
  const kinds = {
    sse: exactlyOne(z.strictObject(httpTarget()), HTTP_TARGET_KEYS)
      .optional()
      .describe('Server with the HTTP+SSE transport.'),
    mcp: exactlyOne(z.strictObject(httpTarget()), HTTP_TARGET_KEYS)
      .optional()
      .describe('Server with the Streamable HTTP transport.'),
    stdio: stdioTarget().optional().describe('Program that speaks MCP on its standard input and output.'),
    openapi: exactlyOne(
      z.strictObject({ ...httpTarget(), schema: fileInlineOrRemote().describe('The OpenAPI document.') }),
      HTTP_TARGET_KEYS,
    )
      .optional()
      .describe('HTTP API whose operations become tools.'),
  };
  const schema = z.strictObject({
    name: z.string().describe('Name of the target; prefixes its tools.'),
    ...kinds,
    policies: policies.nullish().describe('Policies of the connection to the target.'),
  });
  return exactlyOne(schema, Object.keys(kinds)).meta({ id: 'McpTarget', title: 'MCP target' });
}
export type McpTargetSchema = ReturnType<typeof mcpTarget>;

const mcpShape = (target: McpTargetSchema) => ({
  targets: z.array(target).describe('The servers.'),
  statefulMode: z.enum(['stateless', 'stateful']).optional().describe('Keep sessions. Default: stateful.'),
  prefixMode: z
    .enum(['conditional', 'always', 'never'])
    .nullish()
    .describe("When tool names carry the target's name. Default: conditional, i.e. with several targets."),
  failureMode: z
    .enum(['failClosed', 'failOpen'])
    .nullish()
    .describe('Whether one failing target fails the whole. Default: failClosed.'),
  dnsRebindingProtection: z.boolean().optional().describe('Refuse requests whose Host or Origin is not expected.'),
});

/** The `mcp` backend kind. */
export function mcpBackend(target: McpTargetSchema) {
  return z.strictObject(mcpShape(target)).meta({ id: 'McpBackend', title: 'MCP backend' });
}

/** The `mcp:` section. */
export function mcpSection(target: McpTargetSchema, policies: z.ZodType<PolicyMap>) {
  return z
    .strictObject({
      gateways: gatewayRefs(),
      port: port().nullish().describe('Port of its own, in place of `gateways`.'),
      driver: own(driver()),
      ...mcpShape(target),
      policies: policies.nullish().describe('Policies of the endpoint.'),
    })
    .meta({ id: 'McpSection', title: 'MCP' });
}
