import { type BodyBytes, grpcStatusOf } from '../../exchange.ts';
import type { Definition } from '../definitions.ts';
import { invalidArgument } from '../errors.ts';
import { HeaderView } from '../values/headers.ts';
import { CelDuration, CelTimestamp } from '../values/time.ts';
import type { CelValue } from '../values/value.ts';
import type { GatewayActivation } from './activation.ts';
import { fieldOf, integer, record, text } from './fields.ts';

type GatewayDefinition = Definition<GatewayActivation>;

const ofRequest = fieldOf(({ exchange }) => exchange);
const ofResponse = fieldOf((activation) => activation.response);

const VERSIONS = { '1.0': 'HTTP/1.0', '1.1': 'HTTP/1.1', '2': 'HTTP/2' } as const;

function whole(body: BodyBytes | null | undefined, name: string): CelValue {
  if (body === null || body === undefined) return null;
  if (!body.complete) throw invalidArgument(`${name} is longer than the gateway holds`);
  return body.bytes;
}

function pathAndQuery(exchange: { path: string; query: string }): string {
  return exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`;
}

export const request: GatewayDefinition = record(
  'The request as it came from the client, with what policies have changed in it since.',
  ({ exchange }) => exchange !== null,
  {
    method: ofRequest('`GET`, `POST` …', ({ method }) => method),
    uri: ofRequest('The whole URI: `http://example.com/path?a=b`.', (exchange) => {
      return `${exchange.scheme}://${exchange.authority}${pathAndQuery(exchange)}`;
    }),
    host: ofRequest('The host the request is for, with its port where it names one.', ({ authority }) =>
      text(authority),
    ),
    scheme: ofRequest('`http` or `https`.', ({ scheme }) => scheme),
    path: ofRequest('The path, undecoded: `/path`.', ({ path }) => path),
    pathAndQuery: ofRequest('The path and the query: `/path?a=b`.', pathAndQuery),
    version: ofRequest('`HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.', ({ downstream }) => VERSIONS[downstream.httpVersion]),
    headers: {
      description: 'The headers, by lower-case name.',
      read: (activation) => activation.requestHeaders ?? undefined,
    },
    body: ofRequest(
      'The body, as bytes. The route holds it to `maxBufferSize`; a longer one is an error.',
      (_, { requestBody }) => whole(requestBody, 'request.body'),
    ),
    bodyPrefix: ofRequest(
      'The body, or as much of it as the route holds.',
      (_, { requestBody }) => requestBody?.bytes ?? null,
    ),
    startTime: ofRequest('When the request began, a timestamp.', ({ startedAtUnixMs }) =>
      CelTimestamp.fromMs(startedAtUnixMs),
    ),
    endTime: ofRequest('When the request was complete, a timestamp; in logs.', (_, { facts }) =>
      typeof facts.endTimeMs === 'number' ? CelTimestamp.fromMs(facts.endTimeMs) : null,
    ),
  },
);

export const response: GatewayDefinition = record(
  'The response, once there is one.',
  ({ response }) => response !== null,
  {
    code: ofResponse('The status code.', ({ status }) => BigInt(status)),
    grpcStatus: ofResponse('The gRPC status, where there is one.', ({ grpcStatus, headers }, { exchange }) =>
      integer(grpcStatus ?? exchange?.grpcStatus ?? grpcStatusOf(headers.get('grpc-status'))),
    ),
    headers: ofResponse('The headers, by lower-case name.', ({ headers }) => new HeaderView(headers, null)),
    body: ofResponse(
      'The body, as bytes. It is held to `maxBufferSize`; a longer one is an error.',
      (_, { responseBody }) => whole(responseBody, 'response.body'),
    ),
    bodyPrefix: ofResponse(
      'The body, or as much of it as is held.',
      (_, { responseBody }) => responseBody?.bytes ?? null,
    ),
  },
);

/** `namespace/name`, or a name alone. */
function nameOf(key: string): { namespace: string; name: string } | null {
  if (key === '') return null;
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, Math.max(0, slash)), name: key.slice(slash + 1) };
}

const gatewayOf = ({ exchange }: GatewayActivation) => (exchange === null ? null : nameOf(exchange.routed.gateway));
const listenerOf = ({ exchange }: GatewayActivation) => (exchange === null ? null : text(exchange.routed.listener));
const routeOf = ({ exchange }: GatewayActivation) => (exchange === null ? null : nameOf(exchange.routed.route));
const ofGateway = fieldOf(gatewayOf);
const ofListener = fieldOf(listenerOf);
const ofRoute = fieldOf(routeOf);

export const proxy: GatewayDefinition = record(
  'What the gateway does with the request.',
  ({ exchange }) => exchange !== null,
  {
    bind: ofRequest('The bind that accepted it.', ({ routed }) => text(routed.bind)),
    gateway: record('The gateway.', (activation) => gatewayOf(activation) !== null, {
      namespace: ofGateway('Its namespace.', ({ namespace }) => namespace),
      name: ofGateway('Its name.', ({ name }) => name),
    }),
    listener: record('The listener.', (activation) => listenerOf(activation) !== null, {
      name: ofListener('Its name.', (name) => name),
    }),
    route: record('The route.', (activation) => routeOf(activation) !== null, {
      namespace: ofRoute('Its namespace.', ({ namespace }) => namespace),
      name: ofRoute('Its name.', ({ name }) => name),
      kind: ofRoute('Its kind, `HTTPRoute` for one.', (_, { facts }) => text(facts.routeKind)),
      rule: ofRoute('Its rule, where that has a name.', (_, { exchange }) => text(exchange?.routed.routeRule)),
    }),
    requestProcessingDuration: ofRequest('From the request to its hand-over to the backend.', ({ upstreamStartMs }) =>
      upstreamStartMs < 0 ? null : CelDuration.fromMs(upstreamStartMs),
    ),
    upstreamDuration: ofRequest(
      'From the hand-over to the head of the answer.',
      ({ upstreamStartMs, upstreamHeadMs }) =>
        upstreamHeadMs < 0 || upstreamStartMs < 0 ? null : CelDuration.fromMs(upstreamHeadMs - upstreamStartMs),
    ),
    responseProcessingDuration: ofRequest(
      'From the head of the answer to the head of ours; in logs.',
      ({ headSentMs, upstreamHeadMs }) =>
        headSentMs < 0 || upstreamHeadMs < 0 ? null : CelDuration.fromMs(headSentMs - upstreamHeadMs),
    ),
  },
);
