import type { Vectors, VectorType } from '../../../facts/embedding.ts';

/** Vectors on the wire. */

const FLOAT_BYTES = 4;

/** The form in which a provider's vectors of a type are kept. */
export function kept(type: VectorType): keyof Vectors {
  return type === 'base64' ? 'float' : type;
}

/** The members of an array that are numbers, where all are; else undefined. */
export function numbersOf(value: unknown): readonly number[] | undefined {
  return Array.isArray(value) && value.every((one) => typeof one === 'number') ? value : undefined;
}

/** A vector of floats as an array of numbers, or as base64 of little-endian float32 values (OpenAI's `encoding_format`). */
export function floatsOf(value: unknown): readonly number[] | undefined {
  return typeof value === 'string' ? floatsOfBase64(value) : numbersOf(value);
}

function floatsOfBase64(text: string): readonly number[] | undefined {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length % FLOAT_BYTES !== 0) return undefined;
  const floats = new Array<number>(bytes.length / FLOAT_BYTES);
  for (let i = 0; i < floats.length; i++) floats[i] = bytes.readFloatLE(i * FLOAT_BYTES);
  return floats;
}

function base64OfFloats(floats: readonly number[]): string {
  const bytes = Buffer.allocUnsafe(floats.length * FLOAT_BYTES);
  for (let i = 0; i < floats.length; i++) bytes.writeFloatLE(floats[i] as number, i * FLOAT_BYTES);
  return bytes.toString('base64');
}

/** A vector in the form that a client asked for. */
export function vectorAs(vectors: Vectors, type: VectorType): readonly number[] | string {
  const values = vectors[kept(type)] ?? [];
  return type === 'base64' ? base64OfFloats(values) : values;
}
