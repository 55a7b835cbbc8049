import type { Exchange } from '../../exchange.ts';
import type { RouteType } from '../../facts/llm.ts';
import type { AiBackend } from '../../resources/types.ts';
import type { AdapterServices, RouteContext } from '../adapter.ts';
import { affinityFor, type Choice, choose } from './choice.ts';
import { type ContextPlan, ContextPlans } from './context-plan.ts';
import { type AccountOption, forwardToAccount } from './endpoints/account.ts';
import { readBody } from './endpoints/body.ts';
import { type Endpoint, endpointFor } from './endpoints/endpoint.ts';
import { forwardEndpoint, receiveEndpoint } from './endpoints/serve-endpoint.ts';
import { passUpload } from './endpoints/upload.ts';
import { detect } from './formats/detect.ts';
import { forwardJson } from './forward-json.ts';
import type { Asked, AskedBackend } from './issuers.ts';
import { ModelDirectory } from './models/directory.ts';
import { serveBackendModels } from './models/serve.ts';
import { multipartField } from './multipart.ts';
import { routeByPath } from './paths.ts';
import { forwardCall, isRealtimeCall, readCall } from './realtime/calls.ts';
import { modelInQuery, opensSession } from './realtime/model-query.ts';
import { serveRealtime } from './realtime/serve.ts';
import { RequestBody } from './request-body.ts';
import { dialectByPath, forwardAsIs, holdRequest, type Incoming, isEditable, receive } from './serve.ts';
import { countResponseInput } from './stored-responses/input-tokens.ts';
import { serveResponse } from './stored-responses/others.ts';
import { type ResponseRequest, responseRequest } from './stored-responses/paths.ts';
import { DEFAULT_HEALTH, ProviderTarget } from './target.ts';
import { TargetGroups } from './target-groups.ts';

/** An `ai` backend: one provider, or several in priority groups. */
export class AiBackendServer implements AskedBackend {
  readonly asked: readonly Asked[];
  readonly errorDialect = dialectByPath;
  readonly #services: AdapterServices;
  readonly #groups: TargetGroups;
  readonly #plans: ContextPlans;
  readonly #directory = new ModelDirectory();
  /** Who may be asked without a model. */
  readonly #accounts: readonly AccountOption[];
  /** One of the providers is shown signatures, which cover the body. */
  readonly #holdsBody: boolean;

  constructor(backend: AiBackend, scope: string, services: AdapterServices) {
    this.#services = services;
    const several = backend.groups.flat().length > 1;
    const groups = backend.groups.map((group) =>
      group.map((provider) => {
        const policies =
          several && provider.policies.health === undefined
            ? { ...provider.policies, health: DEFAULT_HEALTH }
            : provider.policies;
        const target = new ProviderTarget(provider, policies, `${scope}/${provider.name}`, services);
        return { target, policies, models: [''] };
      }),
    );
    this.#groups = new TargetGroups(groups.map((group) => group.map(({ target }) => ({ target, model: '' }))));
    this.#accounts = groups.flat().map(({ target }) => ({ target, model: '' }));
    this.asked = groups.flat();
    this.#plans = new ContextPlans(groups.flat(), services.cel);
    this.#holdsBody = groups.flat().some(({ target }) => target.signs);
  }

  handle(exchange: Exchange, context: RouteContext): void | Promise<void> {
    const plan = this.#plans.of(context);
    const asked = responseRequest(exchange.method, exchange.path);
    if (asked !== null) return this.#serveResponse(receive(exchange, context, 'passthrough'), asked, plan);
    const configured = plan.ai.routes?.routeOf(exchange.path);
    const endpoint = endpointFor(exchange, configured);
    if (endpoint !== null) return this.#serveEndpoint(receive(exchange, context, 'detect'), endpoint, plan);
    let route = configured ?? routeByPath(exchange.path) ?? otherRoute(exchange);
    // Listing what was stored (GET /v1/chat/completions) asks no model.
    if (isEditable(route) && exchange.method !== 'POST' && !exchange.downstream.hasBody) route = 'passthrough';
    const incoming = receive(exchange, context, route);
    if (configured === undefined && isRealtimeCall(exchange)) return this.#serveCall(incoming, plan);
    if (route === 'realtime' && opensSession(exchange)) {
      incoming.facts.clientModel = modelInQuery(exchange.query);
      const choice = this.#choose(incoming, plan, incoming.facts.clientModel, null);
      return serveRealtime(incoming, choice, this.#services);
    }
    if (route === 'models') return this.#serveModels(incoming, plan);
    if (isEditable(route)) return this.#serveJson(incoming, plan);
    const needed = context.holdBody || this.#holdsBody || route !== 'passthrough';
    if (exchange.downstream.hasBody && needed) return this.#serveHeld(incoming, plan);
    this.#passOn(incoming, plan);
  }

  async #serveModels(incoming: Incoming, plan: ContextPlan): Promise<void> {
    const targets = this.#accounts.map(({ target }) => target);
    if (!(await serveBackendModels(incoming, targets, this.#directory))) this.#passOn(incoming, plan);
  }

  #passOn(incoming: Incoming, plan: ContextPlan): void {
    const { exchange } = incoming;
    const body = exchange.heldBody ?? (exchange.downstream.hasBody ? exchange.downstream.bodyStream() : null);
    forwardAsIs(incoming, body, this.#choose(incoming, plan, '', null), this.#services, null);
  }

  async #serveEndpoint(incoming: Incoming, endpoint: Endpoint, plan: ContextPlan): Promise<void> {
    receiveEndpoint(incoming, endpoint);
    const { exchange } = incoming;
    if (!endpoint.asksModel) return forwardToAccount(incoming, endpoint, this.#accounts, plan, this.#services);
    const chooseFor = (model: string) => this.#choose(incoming, plan, model, null);
    if (await passUpload(incoming, endpoint, chooseFor, this.#services)) return;
    const bytes = await holdRequest(incoming, this.#services);
    if (exchange.endCause !== null) return;
    const body = readBody(bytes, exchange.headers.get('content-type') ?? '', plan.members);
    return forwardEndpoint(incoming, endpoint, body, chooseFor(body.model), this.#services);
  }

  #serveResponse(incoming: Incoming, asked: ResponseRequest, plan: ContextPlan): void | Promise<void> {
    if (asked.kind === 'input_tokens') return this.#countInput(incoming, plan);
    return serveResponse(incoming, asked, this.#accounts, plan, this.#services);
  }

  async #countInput(incoming: Incoming, plan: ContextPlan): Promise<void> {
    const bytes = await holdRequest(incoming, this.#services);
    if (incoming.exchange.endCause !== null) return;
    await countResponseInput(incoming, bytes, this.#choose(incoming, plan, '', null), this.#services);
  }

  async #serveCall(incoming: Incoming, plan: ContextPlan): Promise<void> {
    const request = await readCall(incoming, this.#services);
    if (incoming.exchange.endCause !== null) return;
    return forwardCall(incoming, request, this.#choose(incoming, plan, request.model, null), this.#services);
  }

  async #serveJson(incoming: Incoming, plan: ContextPlan): Promise<void> {
    const bytes = await holdRequest(incoming, this.#services);
    if (incoming.exchange.endCause !== null) return;
    const body = new RequestBody(bytes, plan.members);
    const model = incoming.pathModel || body.model;
    await forwardJson(incoming, body, this.#choose(incoming, plan, model, bytes), this.#services);
  }

  /** A body that is held but not changed: for a retry, or to see which model it names. */
  async #serveHeld(incoming: Incoming, plan: ContextPlan): Promise<void> {
    const { exchange, facts, route } = incoming;
    const bytes = await holdRequest(incoming, this.#services);
    if (exchange.endCause !== null) return;
    if (route !== 'passthrough') facts.clientModel = namedModel(incoming, bytes, plan);
    const format = route === 'passthrough' ? null : detect;
    forwardAsIs(incoming, bytes, this.#choose(incoming, plan, facts.clientModel, null), this.#services, format);
  }

  #choose({ exchange, context }: Incoming, plan: ContextPlan, model: string, body: Buffer | null): Choice {
    return choose(this.#groups, context, plan, model, affinityFor(exchange, context, plan, model, body));
  }
}

/**
 * A path that no API claims is passed on. But agentgateway takes every path of such a backend for a chat completion, so a JSON
 * body posted to a path outside the APIs' own (`/v1/…`) is read as one.
 */
function otherRoute(exchange: Exchange): RouteType {
  if (exchange.method !== 'POST' || exchange.path.includes('/v1/')) return 'passthrough';
  return exchange.headers.get('content-type')?.startsWith('application/json') === true ? 'completions' : 'passthrough';
}

/** The model that a request of unknown API names, or ''. */
function namedModel({ exchange, pathModel }: Incoming, bytes: Buffer, plan: ContextPlan): string {
  if (pathModel !== '') return pathModel;
  const type = exchange.headers.get('content-type') ?? '';
  if (type.startsWith('multipart/')) return multipartField(bytes, type, 'model') ?? '';
  try {
    return new RequestBody(bytes, plan.members).model;
  } catch {
    return '';
  }
}
