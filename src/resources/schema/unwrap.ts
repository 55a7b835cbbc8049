import { z } from 'zod';

/** The schema inside of a wrapper that changes nothing but whether a value need be there or may be changed; undefined for other schemas. */
export function unwrapped(schema: z.ZodType): unknown {
  const wraps =
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNonOptional ||
    schema instanceof z.ZodReadonly ||
    schema instanceof z.ZodCatch;
  return wraps ? schema.def.innerType : undefined;
}
