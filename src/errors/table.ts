/**
 * The table of errors. Whatever goes wrong with a request is one of these codes; each protocol renders the same entry in
 * its own shape (`render.ts`). `hint` is the line that says what to change. Statuses follow agentgateway's mapping.
 */
interface ErrorEntry {
  /** HTTP status. */
  readonly status: number;
  /** What happened, in one sentence; a thrown error may put a more exact one in its place. */
  readonly message: string;
  /** What the reader can do about it. */
  readonly hint: string;
}

export const ERRORS = {
  bad_request: { status: 400, message: 'The request is malformed.', hint: 'Check the request line and headers.' },
  invalid_request_body: {
    status: 400,
    message: 'The request body is not a valid JSON object.',
    hint: 'Send one JSON object, UTF-8, with each key once.',
  },
  missing_model: {
    status: 400,
    message: 'The request names no model.',
    hint: 'Set the string field "model" in the body.',
  },
  ambiguous_provider: {
    status: 400,
    message: 'The request names no model, and several providers could serve it.',
    hint: 'Name a provider, or a model it serves, in the header x-sluice-provider or the query parameter "provider".',
  },
  unsupported_conversion: {
    status: 400,
    message: "The provider does not take requests in this API's format.",
    hint: 'Send the request in a format the provider takes, or to a model that takes this one.',
  },
  unsupported_parameter: {
    status: 400,
    message: 'The request asks for something that the provider can not do.',
    hint: 'Leave it out, or ask a model whose provider takes it.',
  },
  previous_response_not_found: {
    status: 400,
    message: 'The previous response was not found.',
    hint: 'It was never stored, has expired or was deleted, or is of a provider that this model is not at: send the conversation as input.',
  },
  media_fetch_failed: {
    status: 400,
    message: 'An image or file that the request names by a URL could not be fetched.',
    hint: 'Send its bytes as base64, or a URL that the gateway may fetch.',
  },
  unauthenticated: {
    status: 401,
    message: 'No valid credential was presented.',
    hint: 'Send a configured key in the expected header.',
  },
  proxy_unauthenticated: {
    status: 407,
    message: 'Proxy authentication is required.',
    hint: 'Send a Proxy-Authorization header.',
  },
  forbidden: { status: 403, message: 'This caller may not do that.', hint: 'Ask the operator for access.' },
  model_authorization_denied: {
    status: 403,
    message: 'This caller may not use that model.',
    hint: "Ask the operator; the model's authorization rules decide.",
  },
  model_not_allowed: {
    status: 403,
    message: 'This key may not use that model.',
    hint: "Use a model of the key's allowedModels, or ask the operator.",
  },
  route_not_found: {
    status: 404,
    message: 'No route matches this request.',
    hint: 'Compare host, path, method and headers with the configured routes.',
  },
  virtual_model_no_matching_target: {
    status: 400,
    message: 'No condition of the virtual model matches this request.',
    hint: 'Compare the request with the `when` of its targets; a last target without one takes the rest.',
  },
  model_not_found: { status: 404, message: 'Model not found.', hint: 'GET /v1/models lists the models served here.' },
  response_not_found: {
    status: 404,
    message: 'Response not found.',
    hint: 'It was never stored, has expired or was deleted.',
  },
  request_timeout: {
    status: 408,
    message: 'The request did not arrive in time.',
    hint: 'Send headers and body faster.',
  },
  request_body_too_large: {
    status: 413,
    message: 'The request body is larger than this route accepts.',
    hint: 'Send less, or raise frontendPolicies.http.maxBufferSize.',
  },
  unsupported_content_encoding: {
    status: 415,
    message: "The request body's content-encoding is not supported here.",
    hint: 'Send the body without content-encoding.',
  },
  misdirected: {
    status: 421,
    message: 'This connection does not serve that host.',
    hint: 'Open a new connection for this host.',
  },
  rate_limited: {
    status: 429,
    message: 'The rate limit of this route is reached.',
    hint: 'Retry after the time given in retry-after.',
  },
  overloaded: {
    status: 503,
    message: 'The gateway is at its memory budget for held bodies.',
    hint: 'Retry shortly; the operator may raise config.bodyBufferBudget.',
  },
  store_unavailable: {
    status: 503,
    message: 'The store of the gateway does not answer.',
    hint: "Retry shortly; the gateway's log says what is wrong.",
  },
  upgrade_required: {
    status: 426,
    message: 'This is served over WebSocket only.',
    hint: 'Open a WebSocket connection (wss://) to this path.',
  },
  header_fields_too_large: {
    status: 431,
    message: "The request's header fields are too large.",
    hint: 'Send fewer or smaller headers.',
  },
  internal: {
    status: 500,
    message: 'The gateway failed to handle this request.',
    hint: "The gateway's log has the cause.",
  },
  invalid_backend: {
    status: 500,
    message: 'The route has no valid backend.',
    hint: 'Fix the backend reference in the configuration.',
  },
  not_active: {
    status: 503,
    message: 'The route needs a feature that this version does not execute yet.',
    hint: 'Remove it, or use a version that has it; `sluice check` lists such features.',
  },
  no_healthy_endpoint: {
    status: 503,
    message: 'No endpoint of the backend is reachable.',
    hint: 'Check that the backend runs and its name resolves.',
  },
  backend_credentials: {
    status: 503,
    message: 'The gateway could not obtain its credentials for the backend.',
    hint: "The gateway's log says which sources were tried.",
  },
  upstream_busy: {
    status: 503,
    message: 'Too many requests wait for a connection to the backend.',
    hint: 'Raise config.backend.poolMaxSize, or give the backend more endpoints.',
  },
  upstream_connect: {
    status: 503,
    message: 'The connection to the backend failed.',
    hint: 'Check that the backend runs and its address is right.',
  },
  upstream_closed: {
    status: 503,
    message: 'The backend closed the connection before it answered.',
    hint: "Look at the backend's log.",
  },
  upstream_protocol: {
    status: 502,
    message: "The backend's answer is not valid HTTP.",
    hint: "Look at the backend's log.",
  },
  upstream_response_invalid: {
    status: 502,
    message: "The backend's answer could not be understood.",
    hint: "Look at the backend's log.",
  },
  response_too_large: {
    status: 502,
    message: "The backend's answer is larger than this route may hold, and a policy has to see it whole.",
    hint: 'Raise frontendPolicies.http.maxBufferSize, or leave response.body out of the policy.',
  },
  upstream_timeout: {
    status: 504,
    message: 'The backend did not answer in time.',
    hint: 'Raise timeout.backendRequestTimeout, or look at the backend.',
  },
  gateway_timeout: {
    status: 504,
    message: 'The request took longer than the route allows.',
    hint: 'Raise timeout.requestTimeout, or look at the backend.',
  },
  draining: { status: 503, message: 'The gateway is shutting down.', hint: 'Retry; another instance will answer.' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** An error that a client is told, and nothing else: its message never holds a secret or an internal address. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly status: number;
  /** Response headers the error carries (flat, lower-case names), e.g. retry-after or www-authenticate. */
  readonly headers: readonly string[];
  /** The field of the request it is about, for dialects that name it; null where it is about none. */
  readonly param: string | null;

  constructor(
    code: ErrorCode,
    message?: string,
    options: { cause?: unknown; headers?: readonly string[]; status?: number; param?: string } = {},
  ) {
    super(message ?? ERRORS[code].message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? ERRORS[code].status;
    this.headers = options.headers ?? [];
    this.param = options.param ?? null;
  }

  get hint(): string {
    return ERRORS[this.code].hint;
  }
}
