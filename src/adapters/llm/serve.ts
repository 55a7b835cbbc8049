import type { Readable } from 'node:stream';
import type { ErrorDialect } from '../../errors/render.ts';
import { GatewayError } from '../../errors/table.ts';
import type { Exchange } from '../../exchange.ts';
import type { LlmFacts, LlmOperation, RouteType } from '../../facts/llm.ts';
import type { Dispatch, UpstreamCall } from '../../upstream/call.ts';
import type { AdapterServices, RouteContext } from '../adapter.ts';
import { holdBody } from '../hold-body.ts';
import { Attempts } from './attempts.ts';
import type { Choice } from './choice.ts';
import { bedrockCountBody, bedrockCountDispatch, UNCOUNTED } from './count-on-bedrock.ts';
import { countOrLocally } from './count-or-locally.ts';
import { countLocally } from './count-tokens.ts';
import { decodeBody } from './decode-body.ts';
import { dialectOfClient } from './endpoints/endpoint.ts';
import type { Format } from './formats/format.ts';
import { FORMATS } from './formats/index.ts';
import { LLM_MAX_BUFFER_BYTES } from './limits.ts';
import { modelInPath, routeByPath } from './paths.ts';
import { type AnswerPlan, Relay } from './relay.ts';
import type { RequestBody } from './request-body.ts';
import { type ResponseTurn, withHistory } from './stored-responses/history.ts';
import type { ProviderTarget } from './target.ts';

/** What both kinds of backend know of a request before a provider is chosen. */
export interface Incoming {
  readonly exchange: Exchange;
  readonly context: RouteContext;
  readonly facts: LlmFacts;
  route: RouteType;
  /** The model that the path names; ''. */
  readonly pathModel: string;
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
  return { exchange, context, facts, route, pathModel: modelInPath(exchange.path), turn: null };
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

/** Has Bedrock count the tokens of a request to Claude. */
export function countOnBedrock(
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
  send(incoming, call, candidate, services, answer, (next) =>
    countOrLocally(bedrockCountDispatch(next), UNCOUNTED, locally),
  );
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
