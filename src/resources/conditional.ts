/** A policy's conditional form: entries of its own shape, each with a CEL condition. */
export interface Conditional<Entry> {
  conditional: (Entry & { condition?: string | null | undefined })[];
}

/** True where the value is given in its conditional form. */
export function isConditional<Entry>(value: unknown): value is Conditional<Entry> {
  return typeof value === 'object' && value !== null && 'conditional' in value;
}
