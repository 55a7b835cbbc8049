import type { GatewayError } from './table.ts';

/**
 * The shapes in which a client can be told of an error. A protocol's adapter puts its dialect on the Exchange as soon as it
 * recognises the client's format; until then `plain` holds.
 */
export type ErrorDialect = 'plain' | 'openai' | 'anthropic' | 'google' | 'bedrock' | 'cohere';

export interface RenderedError {
  contentType: string;
  body: string;
  /** Fields in which the dialect says what the body doesn't: flat, lower-case names. */
  headers?: readonly string[];
}

const RENDERERS: Record<ErrorDialect, (error: GatewayError) => RenderedError> = {
  plain: (error) => ({ contentType: 'text/plain; charset=utf-8', body: `${error.message} ${error.hint}\n` }),

  /** https://platform.openai.com/docs/guides/error-codes: {error: {message, type, param, code}} */
  openai: (error) => ({
    contentType: 'application/json',
    body: JSON.stringify({
      error: {
        message: `${error.message} ${error.hint}`,
        type: openaiType(error.status),
        param: error.param,
        code: error.code,
      },
    }),
  }),

  /** https://docs.anthropic.com/en/api/errors: {type: "error", error: {type, message}} */
  anthropic: (error) => ({
    contentType: 'application/json',
    body: JSON.stringify({
      type: 'error',
      error: { type: anthropicType(error.status), message: `${error.message} ${error.hint}` },
    }),
  }),

  /** https://cloud.google.com/apis/design/errors: {error: {code, message, status}} */
  google: (error) => ({
    contentType: 'application/json',
    body: JSON.stringify({
      error: { code: error.status, message: `${error.message} ${error.hint}`, status: googleStatus(error.status) },
    }),
  }),

  /** https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html: the kind in a header, {message} in the body */
  bedrock: (error) => ({
    contentType: 'application/json',
    body: JSON.stringify({ message: `${error.message} ${error.hint}` }),
    headers: ['x-amzn-errortype', bedrockType(error.status)],
  }),

  /** https://docs.cohere.com/reference/errors: {message} */
  cohere: (error) => ({
    contentType: 'application/json',
    body: JSON.stringify({ message: `${error.message} ${error.hint}` }),
  }),
};

/** Renders `error` for a client that speaks `dialect`. */
export function renderError(error: GatewayError, dialect: ErrorDialect): RenderedError {
  return RENDERERS[dialect](error);
}

export function openaiType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

export function anthropicType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 503:
      return 'overloaded_error';
    case 504:
      return 'timeout_error';
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error';
  }
}

/** The canonical code of an HTTP status (google.rpc.Code). */
export function googleStatus(status: number): string {
  switch (status) {
    case 401:
      return 'UNAUTHENTICATED';
    case 403:
      return 'PERMISSION_DENIED';
    case 404:
      return 'NOT_FOUND';
    case 409:
      return 'ABORTED';
    case 429:
      return 'RESOURCE_EXHAUSTED';
    case 499:
      return 'CANCELLED';
    case 501:
      return 'UNIMPLEMENTED';
    case 503:
      return 'UNAVAILABLE';
    case 504:
      return 'DEADLINE_EXCEEDED';
    default:
      return status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL';
  }
}

/** The exception of Bedrock's runtime API that has this status. */
export function bedrockType(status: number): string {
  switch (status) {
    case 401:
    case 403:
      return 'AccessDeniedException';
    case 404:
      return 'ResourceNotFoundException';
    case 408:
    case 504:
      return 'ModelTimeoutException';
    case 424:
      return 'ModelErrorException';
    case 429:
      return 'ThrottlingException';
    case 503:
      return 'ServiceUnavailableException';
    default:
      return status < 500 ? 'ValidationException' : 'InternalServerException';
  }
}
