import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import type { LlmOperation } from '../../../facts/llm.ts';
import { HeaderList } from '../../../headers.ts';
import type { Dispatch, UpstreamCall } from '../../../upstream/call.ts';
import type { AdapterServices } from '../../adapter.ts';
import type { CompiledAiPolicy } from '../ai-policy.ts';
import { Attempts, type Directed } from '../attempts.ts';
import type { Choice } from '../choice.ts';
import type { Format } from '../formats/format.ts';
import { LLM_MAX_BUFFER_BYTES } from '../limits.ts';
import { isAllowed } from '../model-pattern.ts';
import { llmActivation } from '../mutate/activation.ts';
import { computeMembers, type MemberValues, NO_MEMBERS } from '../mutate/expressions.ts';
import type { AnswerPlan } from '../relay.ts';
import { type Incoming, send } from '../serve.ts';
import type { Destination } from '../target.ts';
import type { Candidate } from '../target-groups.ts';
import type { EndpointBody, Final } from './body.ts';
import type { EndpointContent } from './content.ts';
import { conversionFor, type EndpointConversion } from './conversions.ts';
import { convertingDispatch } from './converting-dispatch.ts';
import type { Endpoint } from './endpoint.ts';
import { refuseUnlessTaken } from './support.ts';
import { mediaFormat, statedFormat } from './usage.ts';

/** States what a request is, where its path names one of these APIs. */
export function receiveEndpoint({ exchange, facts }: Incoming, endpoint: Endpoint): void {
  facts.operation = endpoint.operation;
  exchange.errorDialect = endpoint.dialect;
}

/**
 * Sends a request for images, audio or moderation on: in the client's bytes but for the model and members that policies set; to Google's
 * models converted. Further attempts go to other providers, each with a body of its own.
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
    format: formatOf(endpoint.operation, false),
    hideUsage: false,
    onClientAbort: 'cancel',
    conversion: null,
  };
  const limit = context.maxBufferBytes ?? LLM_MAX_BUFFER_BYTES;
  let converting: EndpointConversion | null = null;
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
    const conversion = conversionFor(endpoint.name, target, model, facts, limit);
    if (conversion === null) refuseUnlessTaken(target, endpoint);
    // Others have a model of their own for who names none.
    if (model === '' && (conversion !== null || target.kind === 'azure')) throw new GatewayError('missing_model');
    const final = finalOf(policy, exchange, body.model);
    const call =
      conversion === null
        ? target.call(exchange, context, asItIs(endpoint, model), true)
        : convertedCall(conversion, model, body.content(changes), strict, (to) =>
            target.call(exchange, context, to, true),
          );
    if (conversion === null) call.body = body.encode(model, changes, final);
    else if (final !== null && Buffer.isBuffer(call.body)) call.body = final.apply(call.body);
    const commit = () => {
      facts.provider = target.provider.telemetryName;
      facts.requestModel = model;
      answer.onClientAbort = choice.onClientAbortOf(target);
      answer.format = formatOf(endpoint.operation, conversion !== null);
      converting = conversion;
    };
    return { call, commit };
  };
  facts.provider = choice.candidate.target.provider.telemetryName;
  const attempts = new Attempts(context, choice);
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

function asItIs(endpoint: Endpoint, model: string): Destination {
  return { route: 'detect', converted: false, throughHub: false, model, streaming: false, endpoint };
}

function convertedCall(
  conversion: EndpointConversion,
  model: string,
  content: EndpointContent,
  strict: boolean,
  callTo: (to: Destination) => UpstreamCall,
): UpstreamCall {
  const bytes = Buffer.from(JSON.stringify(conversion.encode(content, strict)));
  const streaming = conversion.streams;
  const call = callTo({ route: 'generateContent', converted: true, throughHub: true, model, streaming });
  call.body = bytes;
  call.path = conversion.pathFrom(call.path);
  new HeaderList(call.headers).set('content-type', 'application/json');
  return call;
}

const formats = new Map<LlmOperation, readonly [passed: Format, converted: Format]>();

function formatOf(operation: LlmOperation, converted: boolean): Format {
  let both = formats.get(operation);
  if (both === undefined) {
    both = [mediaFormat(operation), statedFormat(operation)];
    formats.set(operation, both);
  }
  return both[converted ? 1 : 0];
}
