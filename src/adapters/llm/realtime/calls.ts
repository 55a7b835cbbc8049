import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import type { AdapterServices } from '../../adapter.ts';
import { Attempts, type Directed } from '../attempts.ts';
import type { Choice } from '../choice.ts';
import { isAllowed } from '../model-pattern.ts';
import { MultipartForm } from '../multipart.ts';
import { holdRequest, type Incoming, send } from '../serve.ts';
import type { Destination } from '../target.ts';
import type { Candidate } from '../target-groups.ts';
import { modelInQuery, withModelQuery } from './model-query.ts';
import { type NamedModels, namedModels, withModels } from './named-models.ts';
import { modelFor } from './session-model.ts';

/**
 * What surrounds sessions, over plain HTTP: client secrets (and the beta's `sessions`), and calls, whose media goes from the client
 * to the provider directly (WebRTC, SIP). https://platform.openai.com/docs/api-reference/realtime-sessions, …/realtime-calls
 */
const CALL_PATHS = [
  /^(?:.*\/(?:v1|openai))?\/realtime$/,
  /\/realtime\/(?:client_secrets|sessions|transcription_sessions|calls)$/,
  /\/realtime\/calls\/[^/]+\/(?:accept|hangup|refer|reject)$/,
];
const SECRETS = /\/realtime\/(?:client_secrets|sessions|transcription_sessions)$/;
/** A call that has begun: which model it asks was decided then. */
const CALL_CONTROL = /\/realtime\/calls\/[^/]+\/(?:hangup|refer|reject)$/;
/** Longest session description in a form, bytes. */
const MAX_SESSION_BYTES = 256 * 1024;

/** True for a request that belongs to realtime sessions and opens none itself. */
export function isRealtimeCall({ method, path }: Exchange): boolean {
  if (method !== 'POST' || !(path.includes('realtime') || path.includes('%'))) return false;
  const plain = plainPath(path);
  return CALL_PATHS.some((pattern) => pattern.test(plain));
}

/** The path as the most lenient provider could read it, so that no spelling of it goes past what is checked here. */
function plainPath(path: string): string {
  let decoded = path;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    // What can't be decoded has no other spelling.
  }
  return decoded.replaceAll(/\/+/g, '/').replace(/\/$/, '');
}

/** A held request: the model it asks for, and itself for another. */
export interface CallRequest {
  /** '' where it names none. */
  readonly model: string;
  encode(model: string): Buffer;
}

/**
 * Reads such a request.
 *
 * Throws `forbidden` for a client secret asked for by a key that is limited to some models (who holds the secret speaks to the provider
 * without the gateway), `missing_model`, `model_not_allowed`, and `invalid_request_body` for what can't be read for sure.
 */
export async function readCall(incoming: Incoming, services: AdapterServices): Promise<CallRequest> {
  const { exchange, facts } = incoming;
  facts.operation = 'realtime';
  const allowed = exchange.apiKey?.allowedModels ?? null;
  const path = plainPath(exchange.path);
  if (allowed !== null && SECRETS.test(path))
    throw new GatewayError(
      'forbidden',
      'This key is limited to some models, and a client secret would open sessions past the gateway.',
    );
  const bytes = await holdRequest(incoming, services);
  const request = parse(bytes, exchange);
  if (allowed !== null && (request.model === '' ? !CALL_CONTROL.test(path) : !isAllowed(allowed, request.model)))
    throw new GatewayError(request.model === '' ? 'missing_model' : 'model_not_allowed');
  facts.clientModel = request.model;
  return request;
}

function parse(bytes: Buffer, exchange: Exchange): CallRequest {
  const type = exchange.headers.get('content-type') ?? '';
  if (/^multipart\/form-data\b/i.test(type)) return parseForm(bytes, type, exchange);
  if (bytes.length === 0 || !/^application\/json\b/i.test(type))
    return { model: modelInQuery(exchange.query), encode: () => bytes };
  const { model, encode } = parseJson(bytes, exchange);
  return { model: model || modelInQuery(exchange.query), encode };
}

function parseForm(bytes: Buffer, type: string, exchange: Exchange): CallRequest {
  const form = MultipartForm.read(bytes, type);
  if (form === null) throw new GatewayError('invalid_request_body', 'The request body is not a well-formed form.');
  if (!form.has('session')) return { model: modelInQuery(exchange.query), encode: () => bytes };
  const text = form.text('session', MAX_SESSION_BYTES);
  if (text === null)
    throw new GatewayError('invalid_request_body', 'The field "session" is too long, or occurs more than once.');
  const session = parseJson(Buffer.from(text), exchange);
  return {
    model: session.model,
    encode: (model) => {
      const value = session.encode(model).toString();
      return value === text ? bytes : form.encode([{ name: 'session', value }]);
    },
  };
}

function parseJson(bytes: Buffer, exchange: Exchange): CallRequest {
  const named = namedModels(bytes);
  if ('code' in named) throw new GatewayError('invalid_request_body', named.message);
  const allowed = exchange.apiKey?.allowedModels ?? null;
  if (named.transcribers.some(({ model }) => !isAllowed(allowed, model))) throw new GatewayError('model_not_allowed');
  const asked = mainOf(named);
  const model = asked[0]?.model ?? '';
  if (asked.some((one) => one.model !== model))
    throw new GatewayError('invalid_request_body', 'The request names several models.');
  return { model, encode: (other) => (other === model || other === '' ? bytes : withModels(bytes, asked, other)) };
}

/** A session that only transcribes has no model but the one it does that with. */
function mainOf({ session, transcribers }: NamedModels): NamedModels['session'] {
  return session.length > 0 ? session : transcribers;
}

/** Sends it on, for the model that the chosen provider is asked for; its answer passes as it is. */
export function forwardCall(
  incoming: Incoming,
  request: CallRequest,
  choice: Choice,
  services: AdapterServices,
): void | Promise<void> {
  const { exchange, context, facts } = incoming;
  const direct = (candidate: Candidate): Directed => {
    const { target } = candidate;
    const model = modelFor(candidate.model || request.model, target, choice.policyOf(target));
    // Who has no sessions has nothing of what surrounds them.
    target.formatFor('realtime', model);
    const to: Destination = { route: 'detect', converted: false, throughHub: false, model, streaming: false };
    const call = target.call(exchange, context, to, true);
    const named = modelInQuery(exchange.query) !== '';
    if (named) call.path = withModelQuery(call.path, model);
    call.body = request.encode(model);
    const commit = () => {
      facts.provider = target.provider.telemetryName;
      facts.requestModel = model;
    };
    return { call, commit };
  };
  const attempts = new Attempts(context, choice);
  const answer = { format: null, hideUsage: false, onClientAbort: 'cancel', conversion: null } as const;
  return attempts.begin(direct, (call) => send(incoming, call, attempts, services, answer));
}
