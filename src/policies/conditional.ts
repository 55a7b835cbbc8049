import { z } from 'zod';
import { celExpression } from '../resources/schema/common.ts';

/** agentgateway's bound on the entries of a conditional policy. */
const MAX_ENTRIES = 64;

export interface Conditional<Entry> {
  conditional: (Entry & { condition?: string | null | undefined })[];
}

/** `{conditional: [...]}`: entries of `entry`'s shape with a CEL condition each; the first that holds applies. */
export function conditional<Shape extends z.ZodRawShape>(entry: z.ZodObject<Shape>) {
  return z.strictObject({
    conditional: z
      .array(
        entry.extend({
          condition: celExpression()
            .nullish()
            .describe('Must hold for the entry to apply; without it the entry always does.'),
        }),
      )
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
