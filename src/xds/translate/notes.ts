import type { WireMessage } from '../../resources/wire.ts';
import { WireError } from '../../resources/wire.ts';

/** What there is to say of one wire resource as it is read. */
export class Notes {
  /** Of a resource that is taken. */
  readonly warnings: string[] = [];
  /** Why it is to be refused, though what was read can stand in for it where there is nothing better. */
  readonly refusals: string[] = [];

  warn(text: string): void {
    if (!this.warnings.includes(text)) this.warnings.push(text);
  }

  refuse(error: WireError): void {
    this.refusals.push(`${[...here, ...error.path].join('.')}: ${error.message}`);
  }
}

type Path = readonly (string | number)[];

/** Where what is being read stands; reading never waits. */
const here: (string | number)[] = [];

/** Runs `step`, whose WireErrors lie below `path`. */
export function below<Result>(path: Path, step: () => Result): Result {
  here.push(...path);
  try {
    return step();
  } catch (error) {
    if (error instanceof WireError) throw new WireError(error.message, [...path, ...error.path]);
    throw error;
  } finally {
    here.length -= path.length;
  }
}

/** The message in a field; undefined where there is none. */
export function messageIn(message: WireMessage, field: string): WireMessage | undefined {
  return message[field] as WireMessage | undefined;
}

/** The messages of a repeated field. */
export function messagesIn(message: WireMessage, field: string): readonly WireMessage[] {
  return (message[field] ?? []) as readonly WireMessage[];
}

/** A text; '' where there is none. */
export function textIn(message: WireMessage | undefined, field: string): string {
  return (message?.[field] ?? '') as string;
}

/** A whole number; 0 where there is none. */
export function numberIn(message: WireMessage, field: string): number {
  return (message[field] ?? 0) as number;
}

/** A text that must be there. Throws WireError. */
export function required(message: WireMessage | undefined, field: string): string {
  const text = textIn(message, field);
  if (text === '') throw new WireError('is missing', [field]);
  return text;
}

/** A port, 1 to 65535. Throws WireError. */
export function portIn(message: WireMessage, field: string): number {
  const port = numberIn(message, field);
  if (port < 1 || port > 65535) throw new WireError(`${port} is not a port`, [field]);
  return port;
}
