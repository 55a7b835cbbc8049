/** A piece of a streamed answer. */
export interface DemoPiece {
  readonly text: string;
  /** True where a model would have needed a moment for it. */
  readonly paced: boolean;
}

/** An answer, whole or as a stream of server-sent events. */
export type DemoAnswer =
  | { readonly status: number; readonly body: string }
  | { readonly status: 200; readonly pieces: Iterator<DemoPiece> };

export function json(value: object, status = 200): DemoAnswer {
  return { status, body: JSON.stringify(value) };
}

export function stream(pieces: Iterator<DemoPiece>): DemoAnswer {
  return { status: 200, pieces };
}
