import { z } from 'zod';
import { activationOf, type Expressions } from '../cel/index.ts';
import type { Conditional } from '../resources/conditional.ts';
import { celExpression } from '../resources/schema/common.ts';
import type { CompiledPolicy } from './definition.ts';
import { readsRequestBody } from './expressions.ts';

/** agentgateway's bound on the entries of a conditional policy. */
const MAX_ENTRIES = 64;

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

/** A policy's value as it is, or in its conditional form. */
export function explicitOrConditional<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>) {
  return z.union([conditional(schema), schema]);
}

/**
 * A policy in its conditional form, of entries that `compile` compiles: for each request the first whose condition holds applies, to its
 * response too. `owner`: the policy's name.
 */
export function compileConditional<Entry>(
  { conditional: entries }: Conditional<Entry>,
  owner: string,
  cel: Expressions,
  compile: (entry: Entry, index: number) => CompiledPolicy,
): CompiledPolicy {
  const choices = entries.map((entry, index) => ({
    condition: entry.condition ? cel.compile(entry.condition, `${owner}.condition`) : null,
    policy: compile(entry, index),
  }));
  const conditions = choices.flatMap((choice) => choice.condition ?? []);
  const responseBodies = choices.flatMap((choice) => choice.policy.responseBody ?? []);
  const responseBody = responseBodies.includes('read') ? 'read' : responseBodies[0];
  return {
    readsBody: readsRequestBody(...conditions) || choices.some((choice) => choice.policy.readsBody === true),
    ...(responseBody !== undefined && { responseBody }),
    onRequest(exchange) {
      const activation = activationOf(exchange);
      for (const { condition, policy } of choices) {
        if (condition !== null && !condition.holds(activation)) continue;
        if (policy.onResponse !== undefined) exchange.onResponse(policy.onResponse.bind(policy));
        return policy.onRequest?.(exchange);
      }
      return undefined;
    },
  };
}
