import { z } from 'zod';
import { activationOf, CelDuration, type CelValue } from '../cel/index.ts';
import type { Exchange } from '../exchange.ts';
import { celExpression, duration, parseDuration } from '../resources/schema/common.ts';
import { duration as durationMessage, mapped, message, required, text } from '../resources/wire.ts';
import { definePolicy } from './definition.ts';
import { readsRequestBody } from './expressions.ts';

const schema = z.strictObject({
  duration: z
    .union([duration(), celExpression()])
    .describe(
      'How long to wait before the request is forwarded: a duration such as `2s`, a number of milliseconds, or a CEL expression that gives either.',
    ),
});

/** What a timer can hold. */
const MAX_DELAY_MS = 2 ** 31 - 1;

const LITERAL = /^duration\("([^"\\]+)"\)$/;

/** Control planes send an expression, into which they wrap literal durations. */
const delayMessage = message({
  duration: required(
    mapped(text, {
      read: (expression) => {
        const [, literal] = LITERAL.exec(expression) ?? [];
        return literal !== undefined && literalDelay(literal) !== null ? literal : expression;
      },
      // CEL knows no days.
      write: (value: string) =>
        literalDelay(value) === null ? value : `duration("${durationMessage.read(durationMessage.write(value))}")`,
    }),
  ),
});

/** Fault injection: latency before the backend is called. A client that leaves meanwhile ends the wait. */
export const delay = definePolicy({
  name: 'delay',
  schema,
  summary: 'Waits before forwarding a request, to inject latency.',
  levels: ['route'],
  phase: 'fault',
  protects: false,
  wire: [{ spec: 'traffic', field: 'delay', message: delayMessage }],
  faults: (value) =>
    (literalDelay(value.duration) ?? 0) > MAX_DELAY_MS
      ? [{ path: ['duration'], message: 'a delay is at most 24 days' }]
      : [],
  compile(value, _, { cel }) {
    const ms = literalDelay(value.duration);
    if (ms !== null) return ms <= 0 ? {} : { onRequest: (exchange) => wait(exchange, ms) };
    const expression = cel.compile(value.duration, 'delay');
    return {
      readsBody: readsRequestBody(expression),
      onRequest(exchange) {
        const wanted = expression.as(activationOf(exchange), milliseconds) ?? 0;
        return wanted > 0 ? wait(exchange, Math.min(wanted, MAX_DELAY_MS)) : undefined;
      },
    };
  },
});

/** Milliseconds of a literal duration; null where it is an expression. */
function literalDelay(text: string): number | null {
  return duration().safeParse(text).success ? parseDuration(text) : null;
}

/** What an expression gives: a duration, or a number of milliseconds. Anything else is no delay. */
function milliseconds(value: CelValue): number {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  return value instanceof CelDuration ? Number(value.nanos) / 1e6 : 0;
}

function wait(exchange: Exchange, ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, undefined);
    exchange.onEnd(() => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}
