import type { Answer } from '../../../../facts/answer.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { AnswerContext, ReplyContext } from '../codec.ts';
import { Fields } from '../fields.ts';
import { given } from '../openai-chat/own.ts';
import { withUncounted } from '../uncounted.ts';
import { ownUsage, responsesUsage } from './native.ts';
import { Output } from './output.ts';
import { extraOf, ownExtra } from './own.ts';
import { decodeStop, encodeStop, encodeUsage, RESPONSE, responseObject, telling } from './response.ts';
import { TurnReader } from './turn.ts';

/** Whole answers (https://platform.openai.com/docs/api-reference/responses/object). */

/** Takes whatever comes. */
export function decodeAnswer(json: JsonObject, context: AnswerContext): Answer {
  const body = Fields.ofAnswer(json);
  const reader = new TurnReader(context.issuer, true);
  for (const item of body.objects('output')) reader.item(item);
  const { parts, logprobs } = reader;
  const error = body.json('error');
  const usage = body.json('usage');
  const rest = { ...body.rest(RESPONSE), ...given('error', error), ...given('usage', ownUsage(usage)) };
  return {
    id: body.string('id') ?? '',
    model: body.string('model') ?? context.model,
    created: body.number('created_at') ?? 0,
    choices: [{ index: 0, parts, stop: decodeStop(body, telling(parts)), ...(logprobs.length > 0 && { logprobs }) }],
    usage: usage === undefined ? null : responsesUsage(usage),
    ...given('serviceTier', body.string('service_tier')),
    ...extraOf(Object.keys(rest).length > 0 ? rest : undefined),
  };
}

/** The format has one choice; no client of it asks for more. */
export function encodeAnswer(answer: Answer, context: ReplyContext): JsonObject {
  const output = new Output(context.request, Number.POSITIVE_INFINITY, () => {});
  const [choice] = answer.choices;
  if (choice?.logprobs !== undefined) output.logprobs(choice.logprobs);
  for (const part of choice?.parts ?? []) output.begin(part)?.end();
  const { usage, ...own } = ownExtra(answer);
  const stop = encodeStop(choice?.stop ?? null);
  output.settle(stop.status === 'incomplete');
  return {
    ...responseObject(answer, context),
    ...stop,
    completed_at: stop.status === 'completed' ? context.now : null,
    output: output.items,
    usage: answer.usage && withUncounted(encodeUsage(answer.usage), usage),
    ...own,
  };
}
