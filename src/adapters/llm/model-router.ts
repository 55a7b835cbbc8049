import { GatewayError } from '../../errors/table.ts';
import type { Exchange } from '../../exchange.ts';
import type { LlmModel, LlmRouter } from '../../resources/types.ts';
import { compileValueTest, type ValueTest } from '../../resources/value-match.ts';
import type { AdapterServices, CompiledBackend, RouteContext } from '../adapter.ts';
import { type ContextPlan, ContextPlans } from './context-plan.ts';
import { detect } from './formats/detect.ts';
import { isAllowed, matchesPattern } from './model-pattern.ts';
import { listedModels, modelOfListPath, renderModel, renderModels, speaksAnthropic } from './models.ts';
import { multipartField } from './multipart.ts';
import { modelInPath, routeByPath } from './paths.ts';
import { RequestBody } from './request-body.ts';
import {
  type Choice,
  dialectByPath,
  forwardAsIs,
  forwardJson,
  holdRequest,
  type Incoming,
  isEditable,
  receive,
} from './serve.ts';
import { ProviderTarget } from './target.ts';

interface RoutedModel {
  readonly model: LlmModel;
  readonly target: ProviderTarget;
  readonly headers: readonly ValueTest[];
}

/** The `llm:` section: the model that a request names decides which provider it goes to. */
export class ModelRouter implements CompiledBackend {
  readonly errorDialect = dialectByPath;
  readonly #services: AdapterServices;
  readonly #router: LlmRouter;
  /** In the router's order, the most specific pattern first. */
  readonly #models: readonly RoutedModel[];
  readonly #virtual: ReadonlySet<string>;
  readonly #plans: ContextPlans;

  constructor(router: LlmRouter, scope: string, services: AdapterServices) {
    this.#services = services;
    this.#router = router;
    const planned = router.models.map((model, index) => {
      const policies = { ...model.provider.policies, ...model.policies };
      const target = new ProviderTarget(model.provider, policies, `${scope}/${model.name}/${index}`, services);
      const headers = model.headers.map(({ name, value }) => compileValueTest(name, value));
      return { model, target, headers, policies };
    });
    this.#models = planned;
    this.#virtual = new Set(router.virtualModels.map(({ name }) => name));
    this.#plans = new ContextPlans(planned);
  }

  handle(exchange: Exchange, context: RouteContext): void | Promise<void> {
    const plan = this.#plans.of(context);
    const configured = plan.ai.routes?.routeOf(exchange.path);
    const route = configured ?? routeByPath(exchange.path) ?? 'passthrough';
    const incoming = receive(exchange, context, route);
    if (route === 'models') return this.#listModels(incoming);
    if (route === 'realtime') throw new GatewayError('not_active', 'Realtime sessions are not served by this version.');
    return this.#serve(incoming, plan, configured !== undefined);
  }

  #listModels({ exchange, context }: Incoming): void {
    const names = listedModels(this.#router.models, exchange.apiKey?.allowedModels ?? null);
    const anthropic = speaksAnthropic(exchange);
    const wanted = modelOfListPath(exchange.path);
    if (wanted !== '' && !names.includes(wanted)) throw new GatewayError('model_not_found');
    const body = wanted === '' ? renderModels(names, anthropic) : renderModel(wanted, anthropic);
    context.reply.local(exchange, 200, ['content-type', 'application/json'], body);
  }

  async #serve(incoming: Incoming, plan: ContextPlan, configured: boolean): Promise<void> {
    const { exchange, facts, route } = incoming;
    const bytes = await holdRequest(incoming, this.#services);
    if (exchange.endCause !== null) return;
    const pathModel = modelInPath(exchange.path);
    const type = exchange.headers.get('content-type') ?? '';
    let body: RequestBody | null = null;
    let model = pathModel;
    if (type.startsWith('multipart/')) model = multipartField(bytes, type, 'model') ?? pathModel;
    else if (bytes.length > 0) {
      body = new RequestBody(bytes, plan.members);
      model = body.model === '' ? pathModel : body.model;
    }
    if (model === '') throw new GatewayError('missing_model');
    if (pathModel !== '' && model !== pathModel)
      throw new GatewayError('invalid_request_body', 'The path and the body name different models.');
    facts.clientModel = model;
    const routed = this.#route(exchange, model);
    const choice = choose(routed.target, plan);
    if (body !== null && isEditable(route)) return forwardJson(incoming, body, choice, this.#services);
    // What the path doesn't claim is handled as the model says, unless a policy named the path.
    const read = route === 'passthrough' ? !configured && routed.model.passthrough === 'detect' : true;
    forwardAsIs(incoming, bytes, choice, this.#services, read ? detect : null);
  }

  /** Throws model_not_allowed, model_not_found or not_active. */
  #route(exchange: Exchange, model: string): RoutedModel {
    if (!isAllowed(exchange.apiKey?.allowedModels ?? null, model)) throw new GatewayError('model_not_allowed');
    if (this.#virtual.has(model))
      throw new GatewayError(
        'not_active',
        `The virtual model "${model}" is configured but not executed by this version.`,
      );
    for (const routed of this.#models) {
      if (routed.model.visibility !== 'public' || !matchesPattern(routed.model.name, model)) continue;
      if (!routed.headers.every((test) => test.holds(exchange.headers.getJoined(test.name)))) continue;
      if (routed.model.inactive.length > 0) throw notServed(routed.model);
      return routed;
    }
    throw new GatewayError('model_not_found');
  }
}

function notServed({ name, inactive }: LlmModel): GatewayError {
  return new GatewayError(
    'not_active',
    `The model "${name}" is behind ${inactive.join(', ')}, which this version doesn't execute, so it is not served.`,
  );
}

function choose(target: ProviderTarget, plan: ContextPlan): Choice {
  return {
    target,
    policyOf: (other) => plan.policyOf(other),
    onClientAbortOf: (other) => plan.onClientAbortOf(other),
    next: null,
  };
}
