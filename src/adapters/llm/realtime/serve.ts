import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import type { CallUpgrade, Flight, ResponseSink, UpstreamCall } from '../../../upstream/call.ts';
import type { AdapterServices, RouteContext } from '../../adapter.ts';
import { Attempts, type Directed } from '../attempts.ts';
import type { Choice } from '../choice.ts';
import { isAllowed } from '../model-pattern.ts';
import type { Incoming } from '../serve.ts';
import type { Destination } from '../target.ts';
import type { Candidate } from '../target-groups.ts';
import { Handshake } from './handshake.ts';
import { ModelGuard } from './model-guard.ts';
import { withModelQuery } from './model-query.ts';
import { RealtimeSession } from './session.ts';
import { modelFor } from './session-model.ts';

/**
 * Opens a realtime session (OpenAI's Realtime API over WebSocket, and what follows it): the provider is asked first, and only what it
 * grants is granted to the client. `facts.clientModel` is the model that the URL names; '' = the provider's own.
 *
 * Throws upgrade_required, bad_request, missing_model, model_not_allowed and what choosing a provider throws; what
 * the provider answers in place of a switch reaches the client as it is.
 */
export function serveRealtime(incoming: Incoming, choice: Choice, services: AdapterServices): void | Promise<void> {
  const { exchange, context, facts } = incoming;
  const handshake = new Handshake(exchange);
  const allowed = exchange.apiKey?.allowedModels ?? null;
  if (allowed !== null && facts.clientModel === '') throw new GatewayError('missing_model', NO_MODEL);
  if (!isAllowed(allowed, facts.clientModel)) throw new GatewayError('model_not_allowed');
  facts.operation = 'realtime';
  facts.streaming = true;
  const upgrade: CallUpgrade = { protocol: 'websocket', stream: null };
  const direct = (candidate: Candidate): Directed => {
    const { target } = candidate;
    const model = modelFor(candidate.model || facts.clientModel, target, choice.policyOf(target));
    if (target.formatFor('realtime', model) !== 'realtime') throw new GatewayError('unsupported_conversion');
    const to: Destination = { route: 'realtime', converted: false, throughHub: false, model, streaming: true };
    const call = target.call(exchange, context, to, false);
    call.path = withModelQuery(call.path, model);
    call.headers = handshake.request(call.headers);
    call.upgrade = upgrade;
    const commit = () => {
      facts.provider = target.provider.telemetryName;
      facts.requestModel = model;
    };
    return { call, commit };
  };
  facts.provider = choice.candidate.target.provider.telemetryName;
  const attempts = new Attempts(context, choice);
  if (context.hooks.onResponse !== null) exchange.onResponse(context.hooks.onResponse);
  exchange.onResponse((head, answered) => attempts.target.onResponse?.(head, answered));
  return attempts.begin(direct, (call) => new Opening(incoming, services, handshake, upgrade).send(call));
}

/** A session that is asked for: ends in a session, or in the provider's refusal. */
class Opening implements ResponseSink {
  readonly #incoming: Incoming;
  readonly #exchange: Exchange;
  readonly #context: RouteContext;
  readonly #services: AdapterServices;
  readonly #handshake: Handshake;
  readonly #upgrade: CallUpgrade;
  #flight: Flight | null = null;
  #switched: string[] | null = null;
  #failed = false;

  constructor(incoming: Incoming, services: AdapterServices, handshake: Handshake, upgrade: CallUpgrade) {
    this.#incoming = incoming;
    this.#exchange = incoming.exchange;
    this.#context = incoming.context;
    this.#services = services;
    this.#handshake = handshake;
    this.#upgrade = upgrade;
  }

  send(call: UpstreamCall): void {
    this.#exchange.downstream.onAbort = () => {
      this.#flight?.abort();
      this.#upgrade.stream?.destroy();
      this.#context.reply.finish(this.#exchange, 'client_gone');
    };
    this.#flight = this.#context.dispatch(call, this);
  }

  onHead(status: number, headers: string[]): void {
    if (status === 101) this.#switched = headers;
    else if (status >= 200 && status < 300) this.#giveUp(new GatewayError('upstream_protocol', NOT_SWITCHED));
    else this.#context.reply.head(this.#exchange, status, headers);
  }

  onData(chunk: Buffer): boolean {
    if (this.#failed || this.#context.reply.data(this.#exchange, chunk)) return true;
    this.#exchange.downstream.onDrain ??= () => this.#flight?.resume();
    return false;
  }

  onEnd(trailers: string[]): void {
    if (this.#failed) return;
    if (this.#switched === null) this.#context.reply.end(this.#exchange, trailers);
    else this.#begin(this.#switched);
  }

  onError(error: GatewayError): void {
    if (!this.#failed) this.#context.reply.error(this.#exchange, error);
  }

  #begin(headers: string[]): void {
    const exchange = this.#exchange;
    const provider = this.#upgrade.stream;
    if (provider === null) {
      this.#giveUp(new GatewayError('upstream_protocol', NOT_SWITCHED));
      return;
    }
    let fields: string[];
    try {
      fields = this.#handshake.response(headers);
    } catch (error) {
      this.#giveUp(error instanceof GatewayError ? error : new GatewayError('internal', undefined, { cause: error }));
      return;
    }
    const client = this.#context.reply.upgrade(exchange, this.#handshake.upgrade, fields);
    if (client === null) {
      // The client has left, or a policy failed on the response; either is accounted for.
      provider.destroy();
      this.#context.reply.finish(exchange, 'client_gone');
      return;
    }
    const { facts, context } = this.#incoming;
    const allowed = exchange.apiKey?.allowedModels ?? null;
    const guard = new ModelGuard({ client: facts.clientModel, provider: facts.requestModel, allowed });
    new RealtimeSession({ exchange, facts, context, services: this.#services, client, provider, hooks: [guard] });
  }

  #giveUp(error: GatewayError): void {
    this.#failed = true;
    this.#flight?.abort();
    this.#upgrade.stream?.destroy();
    this.#context.reply.error(this.#exchange, error);
  }
}

const NO_MODEL = 'Name the model in the query: ?model=…';
const NOT_SWITCHED = 'The provider did not switch to WebSocket.';
