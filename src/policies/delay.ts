import { z } from 'zod';
import type { Exchange } from '../exchange.ts';
import { celExpression, parseDuration } from '../resources/schema/common.ts';
import { definePolicy } from './definition.ts';

const schema = z.strictObject({
  duration: celExpression().describe(
    'How long to wait before the request is forwarded: a duration such as `2s`, a number of milliseconds, or a CEL expression that gives either.',
  ),
});

/** A number standing alone is the simplest expression: milliseconds. */
const MILLISECONDS = /^-?[0-9]+(?:\.[0-9]+)?$/;
/** What a timer can hold. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Fault injection: latency before the backend is called. A client that leaves meanwhile ends the wait. */
export const delay = definePolicy({
  name: 'delay',
  schema,
  summary: 'Waits before forwarding a request, to inject latency.',
  levels: ['route'],
  phase: 'fault',
  protects: false,
  inactiveParts: (value) => (literalDelay(value.duration) === null ? [{ path: ['duration'], protects: false }] : []),
  faults: (value) =>
    (literalDelay(value.duration) ?? 0) > MAX_DELAY_MS
      ? [{ path: ['duration'], message: 'a delay is at most 24 days' }]
      : [],
  compile(value) {
    const ms = literalDelay(value.duration);
    if (ms === null || ms <= 0) return {};
    return { onRequest: (exchange) => wait(exchange, ms) };
  },
});

/** Milliseconds of a literal duration or number; null where it is an expression. */
function literalDelay(text: string): number | null {
  const trimmed = text.trim();
  if (MILLISECONDS.test(trimmed)) return Number(trimmed);
  try {
    return parseDuration(trimmed);
  } catch {
    return null;
  }
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
