import { z } from 'zod';
import { activationOf } from '../cel/index.ts';
import type { Exchange } from '../exchange.ts';
import { HeaderList } from '../headers.ts';
import { celExpression, duration, httpStatus, parseDuration } from '../resources/schema/common.ts';
import { duration as durationMessage, int32, list, message, otherwise, text } from '../resources/wire.ts';
import type { RetryRules } from '../upstream/call.ts';
import { sendWithRetries } from '../upstream/retried-flight.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';
import { readsRequestBody } from './expressions.ts';

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

const DEFAULT_BACKOFF_MS = 25;
/** What a timer can hold, ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const retryMessage = message({
  codes: ['retry_status_codes', otherwise(list(int32), [])],
  attempts: int32,
  backoff: durationMessage,
  precondition: text,
  condition: text,
});

/**
 * Tries a request again whose attempt failed, as long as nothing of a response has reached the client. Each attempt picks its
 * endpoint anew, one that has not failed this request where there is one, and has `timeout.backendRequestTimeout` to itself. A request
 * whose body is a stream is sent once.
 */
export const retry = definePolicy({
  name: 'retry',
  schema,
  summary:
    'Sends a request again when an attempt fails. On LLM routes it takes the place of the failover that is made by default.',
  levels: ['route'],
  phase: 'dispatch',
  protects: false,
  wire: [{ spec: 'traffic', field: 'retry', message: retryMessage }],
  faults: (value) =>
    value.backoff && parseDuration(value.backoff) > MAX_TIMER_MS
      ? [{ path: ['backoff'], message: 'a delay is at most 24 days' }]
      : [],
  compile(value, _, { cel }): CompiledPolicy {
    if (value.attempts <= 1) return {};
    const precondition = value.precondition ? cel.compile(value.precondition, 'retry.precondition') : null;
    const condition = value.condition ? cel.compile(value.condition, 'retry.condition') : null;
    const codes = new Set(value.codes);
    const rules: RetryRules = {
      attempts: value.attempts,
      backoffMs: value.backoff ? parseDuration(value.backoff) : DEFAULT_BACKOFF_MS,
      refuses: (status) => codes.has(status),
    };
    /** The rules with the condition, which is asked of each response. */
    const rulesFor = (exchange: Exchange): RetryRules => {
      if (condition === null) return rules;
      const refuses = (status: number, headers: readonly string[]) =>
        codes.has(status) ||
        condition.holds(activationOf(exchange, { response: { status, headers: new HeaderList([...headers]) } }));
      return { ...rules, refuses };
    };
    return {
      holdBody: true,
      readsBody: readsRequestBody(...[precondition, condition].filter((one) => one !== null)),
      wrapDispatch: (next) => (call, sink) =>
        // A precondition that fails might be false: then one attempt is what it asks for.
        precondition?.holds(activationOf(call.exchange)) === false
          ? next(call, sink)
          : sendWithRetries(call, sink, next, rulesFor(call.exchange)),
    };
  },
});
