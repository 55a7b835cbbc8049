import type { GatewayError } from './table.ts';

/**
 * The shapes in which a client can be told of an error. A protocol's adapter puts its dialect on the Exchange as soon as it
 * recognises the client's format; until then `plain` holds.
 */
export type ErrorDialect = 'plain' | 'openai' | 'anthropic';

export interface RenderedError {
  contentType: string;
  body: string;
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
        param: null,
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
};

/** Renders `error` for a client that speaks `dialect`. */
export function renderError(error: GatewayError, dialect: ErrorDialect): RenderedError {
  return RENDERERS[dialect](error);
}

function openaiType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

function anthropicType(status: number): string {
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
