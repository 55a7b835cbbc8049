import { errors } from 'undici';
import { type ErrorCode, GatewayError } from '../errors/table.ts';

/** A connection that could not be opened; `code` is the system's or the TLS library's word for it. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * What went wrong with an attempt, as a client is told it: never an address, never what the backend said. The cause goes along for
 * the log.
 *
 * @param connected whether the request had reached a connection
 */
export function toGatewayError(error: unknown, connected: boolean): GatewayError {
  if (error instanceof GatewayError) return error;
  const code = classify(error, connected);
  return new GatewayError(code, undefined, { cause: error });
}

function classify(error: unknown, connected: boolean): ErrorCode {
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError)
    return 'upstream_timeout';
  if (error instanceof errors.InvalidArgumentError || error instanceof errors.NotSupportedError) return 'bad_request';
  if (
    error instanceof errors.HTTPParserError ||
    error instanceof errors.HeadersOverflowError ||
    error instanceof errors.ResponseContentLengthMismatchError
  ) {
    return 'upstream_protocol';
  }
  if (error instanceof errors.RequestContentLengthMismatchError) return 'bad_request';
  if (!connected) return 'upstream_connect';
  // The parser's word for an answer nobody asked for, or a switch of protocols nobody asked for.
  if (error instanceof errors.SocketError && error.message.startsWith('bad ')) return 'upstream_protocol';
  return 'upstream_closed';
}
