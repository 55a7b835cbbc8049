/** Why a request is refused: its status, a label for metrics, and the line the client is told. */
export class Refusal {
  readonly status: number;
  readonly reason: string;
  readonly message: string;

  constructor(status: number, reason: string, message: string) {
    this.status = status;
    this.reason = reason;
    this.message = message;
  }
}

/** Every refusal there is; `reason` is its label in `downstream_rejected_total`. */
export const REFUSALS = {
  syntax: new Refusal(400, 'syntax', 'The request is not valid HTTP.'),
  target: new Refusal(400, 'target', 'The request target is not valid.'),
  authority: new Refusal(400, 'authority', 'The request needs exactly one valid Host.'),
  authorityMismatch: new Refusal(400, 'authority_mismatch', 'The request target and Host name different authorities.'),
  framing: new Refusal(400, 'framing', "The request's Content-Length or Transfer-Encoding is not valid."),
  fieldSyntax: new Refusal(400, 'field_syntax', 'A header field is not valid.'),
  body: new Refusal(400, 'body', 'The request body is not valid.'),
  method: new Refusal(501, 'method', 'The request method is not served here.'),
  version: new Refusal(505, 'version', 'Only HTTP/1.0, HTTP/1.1 and HTTP/2 are served here.'),
  headTooLarge: new Refusal(431, 'head_too_large', "The request's header fields are too large or too many."),
  bodyTooLarge: new Refusal(413, 'body_too_large', 'The request body comes faster than it can be taken.'),
  expectation: new Refusal(417, 'expectation', 'Only the expectation 100-continue is served here.'),
  headTimeout: new Refusal(408, 'head_timeout', "The request's header fields did not arrive in time."),
  bodyTimeout: new Refusal(408, 'body_timeout', 'The request body did not arrive in time.'),
  internal: new Refusal(500, 'internal', 'The gateway failed to handle this request.'),
} as const satisfies Record<string, Refusal>;

/** The refusal as a whole HTTP/1.1 message that closes the connection. */
export function renderRefusal(refusal: Refusal, reasonPhrase: string): string {
  const body = `${refusal.message}\n`;
  return (
    `HTTP/1.1 ${refusal.status} ${reasonPhrase}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n` +
    `date: ${new Date().toUTCString()}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}
