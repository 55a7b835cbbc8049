import { z } from 'zod';
import { celExpression } from '../resources/schema/common.ts';

/** agentgateway's bound on the entries of a conditional policy. */
const MAX_ENTRIES = 64;

export interface Conditional<Entry> {
  conditional: (Entry & { condition?: string | null | undefined })[];
}

const condition = celExpression()
  .nullish()
  .describe('Must hold for the entry to apply; without it the entry always does.');

/** `{conditional: [...]}`: entries of `entry`'s shape with a CEL condition each; the first that holds applies. */
export function conditional<Shape extends z.ZodRawShape>(entry: z.ZodObject<Shape>) {
  // The entry's own checks stay; the compiler can't follow that through an unknown shape.
  const conditioned = (entry as unknown as z.ZodObject).safeExtend({ condition }) as unknown as z.ZodObject<
    Shape & { condition: typeof condition }
  >;
  return z.strictObject({
    conditional: z
      .array(conditioned)
      .min(1)
      .max(MAX_ENTRIES)
      .refine(
        (entries) => entries.slice(0, -1).every((one) => Boolean((one as { condition?: string | null }).condition)),
        'an entry without a condition must be the last',
      )
      .describe('Entries with a condition each; the first that holds applies.'),
  });
}

/** True where the value is given in its conditional form. */
export function isConditional<Entry>(value: unknown): value is Conditional<Entry> {
  return typeof value === 'object' && value !== null && 'conditional' in value;
}

/** A policy's value as it is, or in its conditional form. */
export function explicitOrConditional<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>) {
  return z.union([conditional(schema), schema]);
}
