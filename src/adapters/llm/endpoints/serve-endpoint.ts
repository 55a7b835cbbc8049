import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import type { LlmOperation } from '../../../facts/llm.ts';
import type { Dispatch } from '../../../upstream/call.ts';
import type { AdapterServices } from '../../adapter.ts';
import type { CompiledAiPolicy } from '../ai-policy.ts';
import { Attempts, type Directed } from '../attempts.ts';
import type { Choice } from '../choice.ts';
import type { Format } from '../formats/format.ts';
import { isAllowed } from '../model-pattern.ts';
import { llmActivation } from '../mutate/activation.ts';
import { computeMembers, type MemberValues, NO_MEMBERS } from '../mutate/expressions.ts';
import type { AnswerPlan } from '../relay.ts';
import { type Incoming, send } from '../serve.ts';
import type { Destination } from '../target.ts';
import type { Candidate } from '../target-groups.ts';
import type { EndpointBody, Final } from './body.ts';
import { convertingDispatch } from './converting-dispatch.ts';
import type { Endpoint } from './endpoint.ts';
import { type ImageConversion, imageConversion } from './images/conversion.ts';
import { refuseUnlessTaken } from './support.ts';
import { mediaFormat } from './usage.ts';

/** States what a request is, where its path names one of these APIs. */
export function receiveEndpoint({ exchange, facts }: Incoming, endpoint: Endpoint): void {
  facts.operation = endpoint.operation;
  exchange.errorDialect = endpoint.dialect;
}

/**
 * Sends a request for images, audio or moderation on: in the client's bytes but for the model and members that policies set; images to
 * Google's models converted. Further attempts go to other providers, each with a body of its own.
 *
 * Throws `missing_model`, `model_not_allowed`, `unsupported_conversion` and `unsupported_parameter`.
 */
export function forwardEndpoint(
  incoming: Incoming,
  endpoint: Endpoint,
  body: EndpointBody,
  choice: Choice,
  services: AdapterServices,
): void | Promise<void> {
  const { exchange, context, facts } = incoming;
  const allowed = exchange.apiKey?.allowedModels ?? null;
  if (allowed !== null && body.model === '') throw new GatewayError('missing_model');
  if (!isAllowed(allowed, body.model)) throw new GatewayError('model_not_allowed');
  facts.clientModel = body.model;
  facts.streaming = body.streaming;
  const answer: AnswerPlan = {
    format: formatOf(endpoint.operation),
    hideUsage: false,
    onClientAbort: 'cancel',
    conversion: null,
  };
  let converting: ImageConversion | null = null;
  const direct = (candidate: Candidate): Directed => {
    const { target } = candidate;
    const policy = choice.policyOf(target);
    const { transformations, strict } = policy;
    const asked = target.provider.model || candidate.model || body.model;
    const computed =
      transformations.length === 0
        ? NO_MEMBERS
        : computeMembers(transformations, llmActivation(exchange, body, body.model, asked));
    const changes = body.changes(policy, computed, asked);
    const model = modelFor(asked, changes, policy);
    const conversion = imageConversion(endpoint, target.kind, model);
    if (conversion === null) refuseUnlessTaken(target, endpoint);
    // Others have a model of their own for who names none.
    if (model === '' && (conversion !== null || target.kind === 'azure')) throw new GatewayError('missing_model');
    const to: Destination = {
      route: conversion === null ? 'detect' : 'generateContent',
      converted: conversion !== null,
      throughHub: conversion !== null,
      model,
      streaming: false,
      ...(conversion === null && { endpoint }),
    };
    const call = target.call(exchange, context, to, true);
    const final = finalOf(policy, exchange, body.model);
    if (conversion === null) call.body = body.encode(model, changes, final);
    else {
      const converted = conversion.encode(body.encode(model, changes, null), strict);
      call.body = final === null ? converted : final.apply(converted);
      call.path = conversion.pathFrom(call.path);
    }
    const commit = () => {
      facts.provider = target.provider.telemetryName;
      facts.requestModel = model;
      answer.onClientAbort = choice.onClientAbortOf(target);
      converting = conversion;
    };
    return { call, commit };
  };
  facts.provider = choice.candidate.target.provider.telemetryName;
  const attempts = new Attempts(context, choice);
  const limit = context.maxBufferBytes;
  const wrap = (dispatch: Dispatch) => convertingDispatch(dispatch, () => converting, limit);
  return attempts.begin(direct, (call) => send(incoming, call, attempts, services, answer, wrap));
}

/** The model that a request with these changes goes to, as `RequestBody.modelFor` says. */
function modelFor(asked: string, changes: MemberValues, { aliases }: CompiledAiPolicy): string {
  const set = changes.get('model');
  const value: unknown = set === undefined ? asked : JSON.parse(set ?? '""');
  const model = typeof value === 'string' ? value : '';
  return aliases === null ? model : aliases.resolve(model);
}

function finalOf({ finalTransformations: final }: CompiledAiPolicy, exchange: Exchange, named: string): Final | null {
  if (final === null) return null;
  return {
    values: (body) => final.values(body, exchange, named),
    apply: (bytes) => final.apply(bytes, exchange, named),
  };
}

const formats = new Map<LlmOperation, Format>();

function formatOf(operation: LlmOperation): Format {
  let format = formats.get(operation);
  if (format === undefined) {
    format = mediaFormat(operation);
    formats.set(operation, format);
  }
  return format;
}
