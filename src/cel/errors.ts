/** What went wrong in an evaluation. `no_such_key` is what `default()` and optional access forgive; `limit` is never absorbed by `||`. */
export type CelErrorCode =
  | 'no_such_key'
  | 'no_such_overload'
  | 'invalid_argument'
  | 'overflow'
  | 'divide_by_zero'
  | 'unknown_name'
  | 'failed'
  | 'limit';

/** An expression could not be evaluated. The message says why and holds no values of the request but the key that was missing. */
export class CelError extends Error {
  readonly code: CelErrorCode;

  constructor(code: CelErrorCode, message: string) {
    // A client can make an expression fail with each request (a header left out): a stack of closures would tell nobody anything,
    // and taking it costs more than all else.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = limit;
    this.code = code;
  }

  override get name(): string {
    return 'CelError';
  }
}

/** An expression that can't be compiled. `offset` counts UTF-16 units from 0, `line` and `column` from 1. */
export class CelSyntaxError extends Error {
  override readonly name = 'CelSyntaxError';
  readonly offset: number;
  readonly line: number;
  readonly column: number;

  constructor(message: string, source: string, offset: number) {
    super(message);
    this.offset = offset;
    const before = source.slice(0, offset);
    this.line = before.split('\n').length;
    this.column = offset - before.lastIndexOf('\n');
  }
}

export function noSuchKey(key: string): CelError {
  return new CelError('no_such_key', `no such key: ${key}`);
}

export function invalidArgument(message: string): CelError {
  return new CelError('invalid_argument', message);
}
