import type { TokenLogprob } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import { inputTokens, outputTokens, totalTokens, type Usage } from '../../../../facts/llm.ts';
import { Fields, isObject } from '../fields.ts';
import { type Counted, uncounted } from '../uncounted.ts';
import { chatUsage } from './native.ts';
import { given } from './own.ts';

/** What an answer reports beside its parts: token counts and log-probabilities. */

/** The usage of an answer or a stream's event; null without one. Groq's streams have it in a member of their own. */
export function readUsage(body: JsonObject): Usage | null {
  if (isObject(body.usage)) return chatUsage(body.usage);
  return isObject(body.x_groq) && isObject(body.x_groq.usage) ? chatUsage(body.x_groq.usage) : null;
}

const COUNTED: Counted = new Map([
  ['prompt_tokens', null],
  ['completion_tokens', null],
  ['total_tokens', null],
  ['prompt_tokens_details', new Set(['cached_tokens', 'cache_write_tokens'])],
  ['completion_tokens_details', new Set(['reasoning_tokens'])],
]);

/** `usage` of a body, as far as it is more than the counts: tokens of audio and of predictions, prices. */
export function ownUsage(body: JsonObject): JsonObject | undefined {
  return isObject(body.usage) ? uncounted(body.usage, COUNTED) : undefined;
}

/** The counts as OpenAI has them: what was cached is part of the prompt, reasoning part of the completion. */
export function writeUsage(usage: Usage): JsonObject {
  return {
    prompt_tokens: inputTokens(usage),
    completion_tokens: outputTokens(usage),
    total_tokens: totalTokens(usage),
    prompt_tokens_details: {
      cached_tokens: usage.cachedInput,
      ...(usage.cacheWrite > 0 ? { cache_write_tokens: usage.cacheWrite } : {}),
    },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}

/** Those of the text, and those of a refusal behind them; undefined without any. */
export function readLogprobs(logprobs: unknown): TokenLogprob[] | undefined {
  if (!isObject(logprobs)) return undefined;
  const fields = Fields.ofAnswer(logprobs);
  const tokens = [...fields.objects('content'), ...fields.objects('refusal')].map(readLogprob);
  return tokens.length === 0 ? undefined : tokens;
}

function readLogprob(token: Fields): TokenLogprob {
  const bytes = token.array('bytes').filter((byte) => typeof byte === 'number');
  return {
    token: token.string('token') ?? '',
    logprob: token.number('logprob') ?? 0,
    ...given('bytes', token.has('bytes') ? bytes : undefined),
    ...given('top', token.has('top_logprobs') ? token.objects('top_logprobs').map(readLogprob) : undefined),
  };
}

/** `refusal`: they are a refusal's. */
export function writeLogprobs(tokens: readonly TokenLogprob[] | undefined, refusal: boolean): JsonObject | null {
  const written = tokens?.map(writeLogprob);
  if (written === undefined) return null;
  return refusal ? { content: null, refusal: written } : { content: written, refusal: null };
}

function writeLogprob({ token, logprob, bytes, top }: TokenLogprob): JsonObject {
  const alternatives = (top ?? []).map((one) => ({
    token: one.token,
    logprob: one.logprob,
    bytes: one.bytes ?? null,
  }));
  return { token, logprob, bytes: bytes ?? null, top_logprobs: alternatives };
}
