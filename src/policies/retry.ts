import { z } from 'zod';
import { celExpression, duration, httpStatus, parseDuration } from '../resources/schema/common.ts';
import type { RetryRules } from '../upstream/call.ts';
import { sendWithRetries } from '../upstream/retried-flight.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';

const schema = z.strictObject({
  attempts: z.int().min(1).max(255).default(1).describe('Attempts in all, the first included.'),
  backoff: duration()
    .nullish()
    .describe('Delay before the first retry; it doubles with each further one, with jitter.'),
  codes: z.array(httpStatus()).describe('Response status codes that are tried again.'),
  precondition: celExpression()
    .nullish()
    .describe('CEL expression on the request: where it is false, only one attempt is made.'),
  condition: celExpression().nullish().describe('CEL expression on the response: where it is true, it is tried again.'),
});

type Value = z.infer<typeof schema>;

const DEFAULT_BACKOFF_MS = 25;
/** What a timer can hold, ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Tries a request again whose attempt failed, as long as nothing of a response has reached the client. Each attempt picks its
 * endpoint anew, one that has not failed this request where there is one, and has `timeout.backendRequestTimeout` to itself. A request
 * whose body is a stream is sent once.
 */
export const retry = definePolicy({
  name: 'retry',
  schema,
  summary: 'Sends a request again when an attempt fails.',
  levels: ['route'],
  phase: 'dispatch',
  protects: false,
  inactiveParts: (value: Value) =>
    (['precondition', 'condition'] as const)
      .filter((part) => value[part] !== undefined && value[part] !== null)
      .map((part) => ({ path: [part], protects: false })),
  faults: (value) =>
    value.backoff && parseDuration(value.backoff) > MAX_TIMER_MS
      ? [{ path: ['backoff'], message: 'a delay is at most 24 days' }]
      : [],
  compile(value): CompiledPolicy {
    // A precondition that can't be evaluated might be false: then one attempt is what it asks for.
    const unsure = value.precondition !== undefined && value.precondition !== null;
    if (value.attempts <= 1 || unsure) return {};
    const codes = new Set(value.codes);
    const rules: RetryRules = {
      attempts: value.attempts,
      backoffMs: value.backoff ? parseDuration(value.backoff) : DEFAULT_BACKOFF_MS,
      refuses: (status) => codes.has(status),
    };
    return { holdBody: true, wrapDispatch: (next) => (call, sink) => sendWithRetries(call, sink, next, rules) };
  },
});
