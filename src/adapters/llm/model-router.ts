import { GatewayError } from '../../errors/table.ts';
import type { Exchange } from '../../exchange.ts';
import type { LlmModel, LlmRouter, VirtualModel } from '../../resources/types.ts';
import { compileValueTest, type ValueTest } from '../../resources/value-match.ts';
import type { AdapterServices, RouteContext } from '../adapter.ts';
import { affinityFor, type Choice, choose } from './choice.ts';
import { type ConditionalModel, conditionalModels } from './conditional-models.ts';
import { type ContextPlan, ContextPlans } from './context-plan.ts';
import { type AccountOption, chooseAccount, forwardToAccount, onlyChoice } from './endpoints/account.ts';
import { readBody } from './endpoints/body.ts';
import { type Endpoint, endpointFor } from './endpoints/endpoint.ts';
import { forwardEndpoint, receiveEndpoint } from './endpoints/serve-endpoint.ts';
import { passUpload } from './endpoints/upload.ts';
import { detect } from './formats/detect.ts';
import { forwardJson } from './forward-json.ts';
import type { Asked, AskedBackend } from './issuers.ts';
import { isAllowed, matchesPattern } from './model-pattern.ts';
import { type ModelRules, modelRules } from './model-rules.ts';
import { ModelDirectory } from './models/directory.ts';
import { serveRouterModels } from './models/serve.ts';
import { multipartField } from './multipart.ts';
import { llmActivation, type ReadableBody } from './mutate/activation.ts';
import { routeByPath } from './paths.ts';
import type { ConversationKey } from './prefix-affinity.ts';
import { forwardCall, isRealtimeCall, readCall } from './realtime/calls.ts';
import { modelInQuery, opensSession } from './realtime/model-query.ts';
import { serveRealtime } from './realtime/serve.ts';
import { RequestBody } from './request-body.ts';
import { dialectByPath, forwardAsIs, holdRequest, type Incoming, isEditable, receive } from './serve.ts';
import { countResponseInput } from './stored-responses/input-tokens.ts';
import { serveResponse } from './stored-responses/others.ts';
import { asksInputTokens, responseRequest } from './stored-responses/paths.ts';
import { DEFAULT_HEALTH, ProviderTarget } from './target.ts';
import { TargetGroups } from './target-groups.ts';
import { found, virtualGroups } from './virtual-models.ts';

interface RoutedModel {
  readonly model: LlmModel;
  readonly target: ProviderTarget;
  /** The target alone, which may have several keys. */
  readonly groups: TargetGroups;
  readonly headers: readonly ValueTest[];
  readonly rules: ModelRules | null;
}

/** What is asked for. */
interface Wanted {
  readonly exchange: Exchange;
  /** What expressions may read of it. */
  readonly body: ReadableBody | null;
  readonly clientModel: string;
  readonly affinity: ConversationKey | null;
  /** An entry would have served it whose rules don't let the caller. */
  denied: boolean;
}

/** The `llm:` section: the model that a request names decides which provider it goes to. */
export class ModelRouter implements AskedBackend {
  readonly asked: readonly Asked[];
  readonly errorDialect = dialectByPath;
  readonly #services: AdapterServices;
  readonly #router: LlmRouter;
  /** In the router's order, the most specific pattern first. */
  readonly #models: readonly RoutedModel[];
  readonly #virtual: ReadonlyMap<string, VirtualModel>;
  readonly #conditional: ReadonlyMap<string, ConditionalModel>;
  /** Who serves a request may depend on all that its body says. */
  readonly #readsBodies: boolean;
  readonly #plans: ContextPlans;
  readonly #directory = new ModelDirectory();

  constructor(router: LlmRouter, scope: string, services: AdapterServices) {
    this.#services = services;
    this.#router = router;
    const standby = standbyModels(router);
    const planned = router.models.map((model, index) => {
      const health = standby.has(model) ? { health: DEFAULT_HEALTH } : {};
      // Who may use the model is asked before it is chosen.
      const { authorization: _, ...own } = model.policies;
      const policies = { ...health, ...model.provider.policies, ...own };
      const target = new ProviderTarget(model.provider, policies, `${scope}/${model.name}/${index}`, services);
      const headers = model.headers.map(({ name, value }) => compileValueTest(name, value));
      const groups = new TargetGroups([[{ target, model: '' }]]);
      const rules = modelRules(model, services.cel);
      return { model, target, groups, headers, rules, policies, models: askedModels(model, router) };
    });
    this.#models = planned;
    this.asked = planned;
    this.#virtual = new Map(router.virtualModels.map((virtual) => [virtual.name, virtual]));
    this.#conditional = conditionalModels(router.virtualModels, services.cel);
    this.#readsBodies = this.#conditional.size > 0 || this.#models.some(({ rules }) => rules !== null);
    this.#plans = new ContextPlans(planned, services.cel);
  }

  handle(exchange: Exchange, context: RouteContext): void | Promise<void> {
    const plan = this.#plans.of(context);
    const asked = responseRequest(exchange.method, exchange.path);
    if (asked !== null && asked.kind !== 'input_tokens') {
      const incoming = receive(exchange, context, 'passthrough');
      return serveResponse(incoming, asked, this.#accounts(exchange), plan, this.#services);
    }
    const configured = asked !== null ? undefined : plan.ai.routes?.routeOf(exchange.path);
    const route = configured ?? routeByPath(exchange.path) ?? 'passthrough';
    const incoming = receive(exchange, context, route);
    const endpoint = endpointFor(exchange, configured);
    if (endpoint !== null) return this.#serveEndpoint(incoming, endpoint, plan);
    if (route === 'models') {
      const visible = this.#models.filter(({ rules }) => rules?.list(exchange) !== false);
      const router = { ...this.#router, models: visible.map(({ model }) => model) };
      return serveRouterModels(incoming, router, visible, this.#directory);
    }
    if (configured === undefined && isRealtimeCall(exchange)) return this.#serveCall(incoming, plan);
    if (route === 'realtime' && opensSession(exchange)) return this.#serveRealtime(incoming, plan);
    return this.#serve(incoming, plan, configured !== undefined);
  }

  /** Throws `missing_model` for what names none: which provider a call is with is not remembered. */
  async #serveCall(incoming: Incoming, plan: ContextPlan): Promise<void> {
    const request = await readCall(incoming, this.#services);
    if (incoming.exchange.endCause !== null) return;
    const { model } = request;
    if (model === '')
      throw new GatewayError('missing_model', 'The request names no model, so that no provider can be chosen.');
    return forwardCall(incoming, request, this.#choose(incoming, plan, model), this.#services);
  }

  #serveRealtime(incoming: Incoming, plan: ContextPlan): void | Promise<void> {
    const { exchange, facts } = incoming;
    const model = modelInQuery(exchange.query);
    if (model === '') throw new GatewayError('missing_model', 'Name the model in the query: ?model=…');
    facts.clientModel = model;
    return serveRealtime(incoming, this.#choose(incoming, plan, model), this.#services);
  }

  async #serve(incoming: Incoming, plan: ContextPlan, configured: boolean): Promise<void> {
    const { exchange, context, facts, route, pathModel } = incoming;
    const bytes = await holdRequest(incoming, this.#services);
    if (exchange.endCause !== null) return;
    const type = exchange.headers.get('content-type') ?? '';
    let body: RequestBody | null = null;
    let model = pathModel;
    if (type.startsWith('multipart/')) model = multipartField(bytes, type, 'model') ?? pathModel;
    else if (bytes.length > 0) {
      body = new RequestBody(bytes, plan.members);
      // Google's bodies name it with its collection.
      model = body.model === '' || body.model === `models/${pathModel}` ? pathModel : body.model;
    }
    if (model === '') throw new GatewayError('missing_model');
    if (pathModel !== '' && model !== pathModel)
      throw new GatewayError('invalid_request_body', 'The path and the body name different models.');
    facts.clientModel = model;
    const affinity = affinityFor(exchange, context, plan, model, body === null ? null : bytes);
    const { groups, passthrough } = this.#groupsFor(incoming, model, body, affinity);
    const choice = choose(groups, context, plan, model, affinity);
    if (asksInputTokens(exchange)) return countResponseInput(incoming, bytes, choice, this.#services);
    // A virtual model's name means nothing to a provider: another takes its place.
    const renamed = choice.candidate.model !== '';
    if (body !== null && (renamed || isEditable(route))) return forwardJson(incoming, body, choice, this.#services);
    if (renamed) {
      throw new GatewayError(
        'unsupported_parameter',
        `The virtual model "${model}" can't be asked for in such a request.`,
      );
    }
    // What the path doesn't claim is handled as the model says, unless a policy named the path.
    const read = route === 'passthrough' ? !configured && passthrough === 'detect' : true;
    forwardAsIs(incoming, bytes, choice, this.#services, read ? detect : null);
  }

  async #serveEndpoint(incoming: Incoming, endpoint: Endpoint, plan: ContextPlan): Promise<void> {
    receiveEndpoint(incoming, endpoint);
    const { exchange } = incoming;
    if (!endpoint.asksModel)
      return forwardToAccount(incoming, endpoint, this.#accounts(exchange), plan, this.#services);
    const chooseFor = (model: string) => this.#choose(incoming, plan, model);
    if (!this.#readsBodies && (await passUpload(incoming, endpoint, chooseFor, this.#services))) return;
    const bytes = await holdRequest(incoming, this.#services);
    if (exchange.endCause !== null) return;
    const body = readBody(bytes, exchange.headers.get('content-type') ?? '', plan.members);
    if (body.model === '' && endpoint.name !== 'moderation') throw new GatewayError('missing_model');
    const choice =
      body.model === ''
        ? onlyChoice(chooseAccount(exchange, endpoint, this.#accounts(exchange)), plan)
        : this.#choose(incoming, plan, body.model, body);
    return forwardEndpoint(incoming, endpoint, body, choice, this.#services);
  }

  /** Who may be asked without a model: entries that this request could reach, and that nothing stands in front of. */
  #accounts(exchange: Exchange): readonly AccountOption[] {
    return this.#models
      .filter(({ model, headers, rules }) => {
        const reached = headers.every((test) => test.holds(exchange.headers.getJoined(test.name)));
        return reached && model.inactive.length === 0 && rules?.list(exchange) !== false;
      })
      .map(({ model, target }) => ({ target, model: model.name }));
  }

  /** Chooses for a request that is no conversation. Throws as `#groupsFor` does. */
  #choose(incoming: Incoming, plan: ContextPlan, model: string, body: ReadableBody | null = null): Choice {
    const { exchange, context } = incoming;
    const affinity = affinityFor(exchange, context, plan, model, null);
    return choose(this.#groupsFor(incoming, model, body, affinity).groups, context, plan, model, affinity);
  }

  /**
   * `body`: what conditions may read of it. Throws model_not_allowed, model_authorization_denied, model_not_found,
   * virtual_model_no_matching_target or not_active.
   */
  #groupsFor(
    { exchange }: Incoming,
    model: string,
    body: ReadableBody | null,
    affinity: ConversationKey | null,
  ): Pick<RoutedModel, 'groups'> & Pick<LlmModel, 'passthrough'> {
    if (!isAllowed(exchange.apiKey?.allowedModels ?? null, model)) throw new GatewayError('model_not_allowed');
    const wanted: Wanted = { exchange, body, clientModel: model, affinity, denied: false };
    try {
      return this.#resolve(wanted);
    } catch (error) {
      const missing = error instanceof GatewayError && error.code === 'model_not_found';
      throw missing && wanted.denied ? new GatewayError('model_authorization_denied') : error;
    }
  }

  #resolve(wanted: Wanted): Pick<RoutedModel, 'groups'> & Pick<LlmModel, 'passthrough'> {
    const { exchange, body, clientModel, affinity } = wanted;
    const virtual = this.#virtual.get(clientModel);
    if (virtual === undefined) {
      const routed = this.#find(wanted, clientModel, false);
      if (routed === null) throw new GatewayError('model_not_found');
      return { groups: routed.groups, passthrough: routed.model.passthrough };
    }
    const resolve = (name: string) => {
      const routed = this.#find(wanted, name, true);
      return routed === null ? null : { target: routed.target, model: name };
    };
    const { routing } = virtual;
    if (routing.kind !== 'conditional')
      return { groups: virtualGroups(routing, resolve, affinity), passthrough: 'detect' };
    const target = this.#conditional.get(clientModel)?.choose(llmActivation(exchange, body, clientModel)) ?? '';
    return { groups: new TargetGroups([[found(resolve(target))]]), passthrough: 'detect' };
  }

  /**
   * The entry that serves a concrete model, the first that matches and whose rules let the caller use it; `internal` ones only for
   * virtual models.
   */
  #find(wanted: Wanted, model: string, internal: boolean): RoutedModel | null {
    const { exchange, body, clientModel } = wanted;
    for (const routed of this.#models) {
      if (!internal && routed.model.visibility !== 'public') continue;
      if (!matchesPattern(routed.model.name, model)) continue;
      if (!routed.headers.every((test) => test.holds(exchange.headers.getJoined(test.name)))) continue;
      if (routed.model.inactive.length > 0) throw notServed(routed.model);
      if (routed.rules?.allow(exchange, body, clientModel, model) !== false) return routed;
      wanted.denied = true;
    }
    return null;
  }
}

/** What an entry is asked for: its own name or pattern, and what virtual models ask of it. */
function askedModels({ name, visibility }: LlmModel, { virtualModels }: LlmRouter): string[] {
  const virtual = virtualModels.flatMap(({ routing }) => routing.targets.map(({ model }) => model));
  const asked = virtual.filter((model) => matchesPattern(name, model));
  return visibility === 'public' ? [name, ...asked] : asked;
}

/** Models that have others beside them in a virtual model's failover. */
function standbyModels({ models, virtualModels }: LlmRouter): Set<LlmModel> {
  const standby = new Set<LlmModel>();
  for (const { routing } of virtualModels) {
    if (routing.kind !== 'failover' || routing.targets.length < 2) continue;
    for (const { model } of routing.targets) {
      for (const entry of models) if (matchesPattern(entry.name, model)) standby.add(entry);
    }
  }
  return standby;
}

function notServed({ name, inactive }: LlmModel): GatewayError {
  return new GatewayError(
    'not_active',
    `The model "${name}" is behind ${inactive.join(', ')}, which this version doesn't execute, so it is not served.`,
  );
}
