import type { Readable } from 'node:stream';
import type { ErrorDialect } from '../../errors/render.ts';
import { GatewayError } from '../../errors/table.ts';
import type { Exchange } from '../../exchange.ts';
import type { LlmFacts, LlmOperation, RouteType } from '../../facts/llm.ts';
import type { Dispatch, UpstreamCall } from '../../upstream/call.ts';
import type { AdapterServices, RouteContext } from '../adapter.ts';
import { holdBody } from '../hold-body.ts';
import { Attempts, type Directed } from './attempts.ts';
import type { Choice } from './choice.ts';
import { BodyContents } from './contents.ts';
import { isUnary, isWireFormat } from './convert/choose.ts';
import { ConvertibleRequest, putConverted } from './convert/convertible-request.ts';
import { fanOut } from './convert/fan-out.ts';
import { textsForTokens } from './convert/token-inputs.ts';
import { putUnary } from './convert/unary-request.ts';
import { bedrockCountBody, bedrockCountDispatch } from './count-on-bedrock.ts';
import { canCount, countLocally, countTokens } from './count-tokens.ts';
import { decodeBody } from './decode-body.ts';
import { dialectOfClient } from './endpoints/endpoint.ts';
import { isClaude } from './formats/bedrock-converse/models.ts';
import { detect } from './formats/detect.ts';
import type { Format } from './formats/format.ts';
import { FORMATS } from './formats/index.ts';
import { isFormatName } from './formats/route-types.ts';
import { bearsMark } from './formats/signatures.ts';
import { LLM_MAX_BUFFER_BYTES } from './limits.ts';
import { namesRefusedUrls } from './media-fetch/refused-urls.ts';
import { llmActivation } from './mutate/activation.ts';
import { computeMembers, NO_MEMBERS } from './mutate/expressions.ts';
import { finishBody } from './mutate/finish-body.ts';
import { modelInPath, routeByPath, saysStreamInPath, streamInPath } from './paths.ts';
import { countPrompt } from './prompt-count.ts';
import { type AnswerPlan, Relay } from './relay.ts';
import type { RequestBody } from './request-body.ts';
import { type ResponseTurn, withHistory } from './stored-responses/history.ts';
import { isKeptHere } from './stored-responses/turn.ts';
import type { Destination, ProviderTarget } from './target.ts';
import type { Candidate } from './target-groups.ts';

/** What both kinds of backend know of a request before a provider is chosen. */
export interface Incoming {
  readonly exchange: Exchange;
  readonly context: RouteContext;
  readonly facts: LlmFacts;
  route: RouteType;
  /** Of the responses API, once the body is held. */
  turn: ResponseTurn | null;
}

/** Begins the facts of a request and sets the language of its errors, before anything can go wrong. */
export function receive(exchange: Exchange, context: RouteContext, route: RouteType): Incoming {
  const format = FORMATS.get(route);
  exchange.errorDialect = dialectOf(exchange, route);
  const facts: LlmFacts = {
    operation: format?.operation ?? operationOf(route),
    provider: '',
    clientModel: '',
    requestModel: '',
    responseModel: '',
    streaming: false,
    requestBytes: 0,
    usage: null,
    usageEstimated: false,
    cost: null,
    firstTokenMs: -1,
    lastTokenMs: -1,
  };
  exchange.llm = facts;
  return { exchange, context, facts, route, turn: null };
}

/** The client's language before anything but the path it asked for is known. */
export function dialectByPath(exchange: Exchange): ErrorDialect {
  return dialectOf(exchange, routeByPath(exchange.originalPath));
}

/** The client's language on a route: its format's, else what its headers say. */
function dialectOf(exchange: Exchange, route: RouteType | null): ErrorDialect {
  const format = route === null ? undefined : FORMATS.get(route);
  return format?.dialect ?? dialectOfClient(exchange);
}

function operationOf(route: RouteType): LlmOperation {
  if (route === 'models') return 'models';
  if (route === 'generateContent') return 'chat';
  return route === 'geminiCountTokens' ? 'count_tokens' : 'passthrough';
}

/** True where the request's body names its model and the gateway may set members of it. */
export function isEditable(route: RouteType): boolean {
  return FORMATS.has(route);
}

/**
 * Holds the request's body and takes a content coding off it, so that it can be read; a response kept here that it goes on from makes
 * way for what was said.
 *
 * Throws as `holdBody`, `decodeBody` and `withHistory` do.
 */
export async function holdRequest(incoming: Incoming, services: AdapterServices): Promise<Buffer> {
  const { exchange, context, facts } = incoming;
  const limit = context.maxBufferBytes ?? LLM_MAX_BUFFER_BYTES;
  const sent = await holdDecoded(incoming, limit, services);
  if (incoming.route !== 'responses' || exchange.endCause !== null) return sent;
  const { body, turn } = await withHistory(incoming, sent, limit, services);
  incoming.turn = turn;
  facts.requestBytes = body.length;
  return body;
}

async function holdDecoded(incoming: Incoming, limit: number, services: AdapterServices): Promise<Buffer> {
  const { exchange, facts } = incoming;
  const body = await holdBody(exchange, limit, services.bodies);
  facts.requestBytes = body.length;
  const coding = exchange.headers.get('content-encoding');
  if (coding === undefined || coding === 'identity' || exchange.endCause !== null) return body;
  const decoded = await decodeBody(exchange, body, coding, limit, services.bodies);
  facts.requestBytes = decoded.length;
  return decoded;
}

/**
 * Sends a request on. Where the provider takes the client's format, in the client's bytes but for the model, members that policies set,
 * and the request for usage in a stream; else converted.
 */
export function forwardJson(
  incoming: Incoming,
  body: RequestBody,
  choice: Choice,
  services: AdapterServices,
): void | Promise<void> {
  const { exchange, context, facts, route } = incoming;
  const format: Format = FORMATS.get(route) ?? detect;
  const inPath = modelInPath(exchange.path);
  const named = inPath === '' ? body.model : inPath;
  facts.clientModel = named;
  facts.contents = new BodyContents(route, { bytes: body.bytes, headers: exchange.headers, model: named });
  const pathStreams = streamInPath(exchange.path);
  const pathDecides = saysStreamInPath(route);
  facts.streaming = pathStreams || (!pathDecides && body.streaming);
  /** What the policies of a target make of the body's members. */
  const changed = ({ target, model }: Candidate) => {
    const policy = choice.policyOf(target);
    const asked = target.provider.model || model || named;
    const { transformations } = policy;
    const computed =
      transformations.length === 0
        ? NO_MEMBERS
        : computeMembers(transformations, llmActivation(exchange, body, named, asked));
    const changes = body.changes(policy, computed, asked);
    return { policy, changes, model: body.modelFor(asked, changes, policy) };
  };
  if (canCount(route) && isFormatName(route)) {
    const first = choice.candidate.target;
    const { model } = changed(choice.candidate);
    facts.provider = first.provider.telemetryName;
    const formats = first.formats(model);
    if (route === 'anthropicTokenCount' && formats.has('bedrockCountTokens') && isClaude(model))
      return countOnBedrock(incoming, body, model, choice, services);
    if (!formats.has(route)) return countTokens(incoming, body, model, services);
  }
  if (route === 'embeddings' && !choice.candidate.target.formats(changed(choice.candidate).model).has(route)) {
    const texts = textsForTokens(body.bytes, services);
    if (texts !== null)
      return texts.then((bytes) => {
        if (exchange.endCause === null) return forwardJson(incoming, body.with(bytes), choice, services);
      });
  }
  const wantsUsage = !format.usageOnRequest || !body.lacksUsageOption();
  const answer: AnswerPlan = { format, hideUsage: false, onClientAbort: 'drain', conversion: null };
  let convertible: ConvertibleRequest | null = null;
  const direct = (candidate: Candidate): Directed | Promise<Directed> => {
    const { target } = candidate;
    const { policy, changes, model } = changed(candidate);
    if (model === '') throw new GatewayError('missing_model');
    const own = target.formatFor(route, model);
    // A model's own API is only passed on: what bears others' signatures goes by way of the one that is written anew.
    const spoken = own === 'invoke' && bearsMark(body.bytes) ? 'converse' : own;
    const converted = spoken !== route;
    const streaming = !pathDecides && body.streamingWith(changes);
    const includeUsage = !converted && streaming && !wantsUsage;
    const edited = body.encode(inPath === '' ? model : '', changes, includeUsage);
    const bytes = policy.prompts === null ? edited : policy.prompts.apply(edited, route);
    const keptHere = isKeptHere(incoming, target.provider);
    const { mediaFetch } = policy;
    const mayNeedMedia = mediaFetch !== null && !converted && namesRefusedUrls(bytes, route, target.provider, model);
    const throughHub = converted || keptHere || (isWireFormat(route) && (bearsMark(bytes) || mayNeedMedia));
    const to: Destination = { route: spoken, converted, throughHub, model, streaming: streaming || pathStreams };
    const call = target.call(exchange, context, to, true);
    const finish = (one: Buffer) => finishBody(one, to, policy, exchange);
    const directed = ({ conversion, further = null }: Pick<AnswerPlan, 'conversion' | 'further'>): Directed => {
      if (Buffer.isBuffer(call.body)) call.body = finish(call.body);
      const commit = () => {
        facts.provider = target.provider.telemetryName;
        facts.requestModel = model;
        facts.streaming = to.streaming;
        answer.format = FORMATS.get(spoken) ?? format;
        answer.hideUsage = includeUsage;
        // No more calls are made for a client that has left.
        answer.onClientAbort = further !== null ? 'cancel' : choice.onClientAbortOf(target);
        answer.conversion = conversion;
        answer.further = further;
      };
      return { call, commit };
    };
    if (converted && isUnary(route))
      return directed(putUnary(call, incoming, bytes, target, to, policy.strict, finish));
    if (throughHub) {
      convertible ??= new ConvertibleRequest(incoming, wantsUsage, services);
      const request = convertible;
      const convert = () => {
        const conversion = request.convert(bytes, target, to, policy.strict);
        putConverted(call, conversion, to);
        return directed({ conversion });
      };
      const fetching = mediaFetch === null ? null : request.fetchMedia(bytes, target, to, mediaFetch);
      return fetching === null ? convert() : fetching.then(convert);
    }
    call.body = target.shapeNative(bytes, to);
    return directed({ conversion: null });
  };
  const attempts = new Attempts(context, choice);
  const launch = (call: UpstreamCall): void | Promise<void> => {
    const further = isUnary(route)
      ? (dispatch: Dispatch) => fanOut(dispatch, () => answer.further ?? null, choice.others !== null)
      : undefined;
    const sendNow = () => send(incoming, call, attempts, services, answer, further);
    const counted = countPrompt(incoming, body, attempts.target, services);
    if (counted === null) return sendNow();
    return counted.then(() => {
      if (exchange.endCause === null) sendNow();
    });
  };
  facts.provider = choice.candidate.target.provider.telemetryName;
  return attempts.begin(direct, launch);
}

/** Has Bedrock count the tokens of a request to Claude. */
function countOnBedrock(
  incoming: Incoming,
  body: RequestBody,
  model: string,
  { candidate }: Choice,
  services: AdapterServices,
): void {
  const { exchange, context, facts } = incoming;
  facts.requestModel = model;
  const route = 'bedrockCountTokens';
  const call = candidate.target.call(
    exchange,
    context,
    { route, converted: true, throughHub: true, model, streaming: false },
    true,
  );
  call.body = bedrockCountBody(body.bytes, exchange);
  const answer = { format: null, hideUsage: false, onClientAbort: 'cancel', conversion: null } as const;
  const locally = () => countLocally(incoming, body, model, services);
  send(incoming, call, candidate, services, answer, (next) => bedrockCountDispatch(next, locally));
}

/** Sends a request on as it is; `format` reads its answer's usage, null leaves it unread. */
export function forwardAsIs(
  incoming: Incoming,
  body: Buffer | Readable | null,
  choice: Choice,
  services: AdapterServices,
  format: Format | null,
): void {
  const { exchange, context, facts, route } = incoming;
  const { target } = choice.candidate;
  const spoken = target.formatFor(route, facts.clientModel);
  if (spoken !== route) throw new GatewayError('unsupported_conversion');
  facts.provider = target.provider.telemetryName;
  facts.requestModel = facts.clientModel;
  const to = { route, converted: false, throughHub: false, model: facts.requestModel, streaming: facts.streaming };
  const call = target.call(exchange, context, to, Buffer.isBuffer(body));
  call.body = body;
  const attempts = new Attempts(context, choice);
  attempts.plan(call);
  const onClientAbort = choice.onClientAbortOf(target);
  send(incoming, call, attempts, services, { format, hideUsage: false, onClientAbort, conversion: null });
}

/** Sends a call and relays its answer, which is that of the target `asked` names then. `wrap` may put something between the two. */
export function send(
  incoming: Incoming,
  call: UpstreamCall,
  asked: { readonly target: ProviderTarget },
  services: AdapterServices,
  answer: AnswerPlan,
  wrap: (dispatch: Dispatch) => Dispatch = (dispatch) => dispatch,
): void {
  const { exchange, context, facts } = incoming;
  if (context.hooks.onResponse !== null) exchange.onResponse(context.hooks.onResponse);
  exchange.onResponse((head, answered) => asked.target.onResponse?.(head, answered));
  const relay = new Relay(exchange, facts, context, services, answer);
  relay.send(call, wrap(asked.target.dispatch ?? context.dispatch));
}
