import { parseCustomFunctions } from './custom-functions.ts';
import { type Definition, type Environment, FunctionTable, makeEnvironment } from './definitions.ts';
import { GATEWAY_FUNCTIONS } from './functions/library.ts';
import { checkCustomFunctions } from './program.ts';
import type { GatewayActivation } from './variables/activation.ts';
import { destination, source } from './variables/connection.ts';
import { record, text } from './variables/fields.ts';
import { proxy, request, response } from './variables/http.ts';
import { apiKey, basicAuth, jwt } from './variables/identity.ts';
import { llm, llmRequest } from './variables/llm.ts';
import { backend, extauthz, extproc, mcp, mcpGuardrails, metadata } from './variables/protocols.ts';

const FUNCTIONS = new FunctionTable(GATEWAY_FUNCTIONS);

/** The process's environment as far as expressions may know it. */
function processVariables(env: Readonly<Record<string, string | undefined>>): Definition<GatewayActivation> {
  const variable = (description: string, name: string) => ({ description, read: () => text(env[name]) });
  return record('Where the gateway runs.', () => true, {
    podName: variable('Its pod.', 'POD_NAME'),
    namespace: variable('The namespace of its pod.', 'NAMESPACE'),
    gateway: variable('The gateway that it is.', 'GATEWAY'),
  });
}

export interface GatewayEnvironmentOptions {
  /** The configuration's `customFunctions`. */
  readonly customFunctions?: string;
  /** Environment variables; by default the process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * What expressions of a configuration may name: agentgateway's variables and functions, and the configured functions. Made once a
 * configuration. A variable that isn't set is null, a part of it an error (`default()`, `has()` and `.?` help). Throws
 * CelSyntaxError, with its place in `customFunctions`.
 */
export function gatewayEnvironment(options: GatewayEnvironmentOptions = {}): Environment<GatewayActivation> {
  const { customFunctions = '', env = process.env } = options;
  const variables = new Map(
    Object.entries({
      request,
      response,
      proxy,
      env: processVariables(env),
      jwt,
      apiKey,
      basicAuth,
      llm,
      llmRequest,
      source,
      destination,
      mcp,
      backend,
      extauthz,
      extproc,
      mcpGuardrails,
      metadata,
    }),
  );
  const custom = parseCustomFunctions(customFunctions, FUNCTIONS);
  const environment = makeEnvironment<GatewayActivation>({ variables, functions: FUNCTIONS, custom });
  checkCustomFunctions(environment, customFunctions);
  return environment;
}
