import type { Answer, AnswerChoice, TokenLogprob } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { ReplyContext } from '../codec.ts';
import { finishReason } from '../openai-chat/stop.ts';
import { writeUsage } from '../openai-chat/usage.ts';
import { textOfPart } from '../prompt.ts';

/** Whole answers; `echo`: the prompt, where the text is to begin with it. */
export function encodeAnswer(answer: Answer, context: ReplyContext, echo: string): JsonObject {
  return {
    id: answer.id || madeUpId(),
    object: 'text_completion',
    created: answer.created || context.now,
    model: answer.model || context.model,
    choices: answer.choices.map((choice) => encodeChoice(choice, echo)),
    ...(answer.usage === null ? {} : { usage: writeUsage(answer.usage) }),
  };
}

function encodeChoice({ index, parts, stop, logprobs }: AnswerChoice, echo: string): JsonObject {
  return {
    text: echo + parts.map(textOfPart).join(''),
    index,
    logprobs: writeLegacyLogprobs(logprobs, echo.length)?.json ?? null,
    finish_reason: stop === null ? null : finishReason(stop, { calls: false, refusal: false }, false),
  };
}

export function madeUpId(): string {
  return `cmpl-${crypto.randomUUID().replaceAll('-', '')}`;
}

/** Log-probabilities as the legacy format has them; `offset`: characters of the text before the first. Null without any. */
export function writeLegacyLogprobs(
  tokens: readonly TokenLogprob[] | undefined,
  offset: number,
): { readonly json: JsonObject; readonly end: number } | null {
  if (tokens === undefined) return null;
  let end = offset;
  const offsets = tokens.map(({ token }) => {
    const start = end;
    end += token.length;
    return start;
  });
  const json = {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) => Object.fromEntries((top ?? []).map((one) => [one.token, one.logprob]))),
    text_offset: offsets,
  };
  return { json, end };
}
