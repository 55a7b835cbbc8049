import { a2a } from './a2a.ts';
import { accessLog } from './access-log.ts';
import { aiPolicy } from './ai.ts';
import { apiKey } from './api-key.ts';
import { authorization } from './authorization.ts';
import { backendAuth } from './backend-auth.ts';
import { backendHttp } from './backend-http.ts';
import { backendTcp } from './backend-tcp.ts';
import { backendTLS } from './backend-tls.ts';
import { backendTunnel } from './backend-tunnel.ts';
import { basicAuth } from './basic-auth.ts';
import { buffer } from './buffer.ts';
import { connect } from './connect.ts';
import { cors } from './cors.ts';
import { csrf } from './csrf.ts';
import type { PolicyDefinition } from './definition.ts';
import { delay } from './delay.ts';
import { directResponse } from './direct-response.ts';
import { extAuthz } from './ext-authz.ts';
import { extProc } from './ext-proc.ts';
import { frontendHttp } from './frontend-http.ts';
import { frontendTcp } from './frontend-tcp.ts';
import { frontendTls } from './frontend-tls.ts';
import { health } from './health.ts';
import { inferenceRouting } from './inference-routing.ts';
import { jwtAuth } from './jwt-auth.ts';
import { localRateLimit } from './local-rate-limit.ts';
import { mcpAuthentication } from './mcp-authentication.ts';
import { mcpAuthorization } from './mcp-authorization.ts';
import { mcpGuardrails } from './mcp-guardrails.ts';
import { networkAuthorization } from './network-authorization.ts';
import { networkExtAuthz } from './network-ext-authz.ts';
import { oidc } from './oidc.ts';
import { onClientAbortPolicy } from './on-client-abort.ts';
import { proxyProtocol } from './proxy-protocol.ts';
import { remoteRateLimit } from './remote-rate-limit.ts';
import { requestHeaderModifier } from './request-header-modifier.ts';
import { requestMirror } from './request-mirror.ts';
import { requestRedirect } from './request-redirect.ts';
import { responseHeaderModifier } from './response-header-modifier.ts';
import { retry } from './retry.ts';
import { sessionAffinity } from './session-affinity.ts';
import { timeout } from './timeout.ts';
import { tracing } from './tracing.ts';
import { transformations } from './transformations.ts';
import { urlRewrite } from './url-rewrite.ts';

/**
 * Every policy there is, one line each. Within a phase policies run in the order of this list, and dispatch wrappers nest in
 * it, the first outermost.
 */
const ALL: readonly PolicyDefinition[] = [
  proxyProtocol,
  frontendTcp,
  frontendTls,
  frontendHttp,
  connect,
  networkAuthorization,
  networkExtAuthz,
  accessLog,
  tracing,
  cors,
  oidc,
  jwtAuth,
  mcpAuthentication,
  basicAuth,
  apiKey,
  csrf,
  extAuthz,
  authorization,
  remoteRateLimit,
  localRateLimit,
  delay,
  buffer,
  extProc,
  transformations,
  requestHeaderModifier,
  responseHeaderModifier,
  requestRedirect,
  directResponse,
  urlRewrite,
  aiPolicy,
  onClientAbortPolicy,
  timeout,
  requestMirror,
  retry,
  backendAuth,
  backendTLS,
  backendTunnel,
  backendTcp,
  backendHttp,
  health,
  sessionAffinity,
  inferenceRouting,
  mcpAuthorization,
  mcpGuardrails,
  a2a,
];

export const POLICIES: ReadonlyMap<string, PolicyDefinition> = new Map(ALL.map((policy) => [policy.name, policy]));
