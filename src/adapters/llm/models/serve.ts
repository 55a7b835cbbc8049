import type { ErrorDialect } from '../../../errors/render.ts';
import { GatewayError } from '../../../errors/table.ts';
import type { Exchange } from '../../../exchange.ts';
import type { LlmModel, LlmRouter } from '../../../resources/types.ts';
import type { RouteContext } from '../../adapter.ts';
import { dialectOfClient } from '../endpoints/endpoint.ts';
import { isAllowed, matchesPattern } from '../model-pattern.ts';
import type { Incoming } from '../serve.ts';
import type { ProviderTarget } from '../target.ts';
import type { ModelDirectory } from './directory.ts';
import type { ModelInfo } from './model-info.ts';
import { listedModels, named } from './names.ts';
import { modelOfListPath, renderModel, renderModels } from './render.ts';

/**
 * `GET /v1/models` and `/v1/models/{id}`, for Gemini's clients `/v1beta/models`: what the caller may ask for, in the client's format.
 *
 * Throws `model_not_found`, and `bad_request` (405) for another method.
 */
export async function serveRouterModels(
  { exchange, context }: Incoming,
  router: LlmRouter,
  entries: readonly { readonly model: LlmModel; readonly target: ProviderTarget }[],
  directory: ModelDirectory,
): Promise<void> {
  refuseOtherMethods(exchange);
  const allowed = exchange.apiKey?.allowedModels ?? null;
  const patterns = entries.filter(({ model, target }) => isOpenPattern(model, target));
  const lists = await Promise.all(patterns.map(({ target }) => directory.modelsOf(target, exchange, context)));
  if (exchange.endCause !== null) return;
  const discovered = new Map(patterns.map(({ model }, i) => [model, lists[i] ?? null]));
  const models = listedModels(router, allowed, (entry) => discovered.get(entry) ?? null);
  reply(exchange, context, models);
}

/** A pattern whose models the provider chooses among: not one whose every model is another. */
function isOpenPattern({ name, visibility, inactive }: LlmModel, target: ProviderTarget): boolean {
  return (
    visibility === 'public' &&
    inactive.length === 0 &&
    name.includes('*') &&
    target.active &&
    target.provider.model === ''
  );
}

/** In which language a kind of provider lists its models. */
function dialectOfList(kind: string): ErrorDialect {
  if (kind === 'anthropic') return 'anthropic';
  return kind === 'gemini' ? 'google' : 'openai';
}

/**
 * The same of an `ai` backend: what its providers have, together. False where nothing is served: one provider lists its models in the
 * client's own format, to which its own answer says most, or none of them can tell.
 */
export async function serveBackendModels(
  { exchange, context }: Incoming,
  targets: readonly ProviderTarget[],
  directory: ModelDirectory,
): Promise<boolean> {
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') return false;
  const allowed = exchange.apiKey?.allowedModels ?? null;
  const active = targets.filter((target) => target.active);
  const [only] = active;
  if (
    allowed === null &&
    only !== undefined &&
    active.length === 1 &&
    dialectOfList(only.kind) === dialectOfClient(exchange)
  )
    return false;
  const lists = await Promise.all(
    active.map((target) =>
      target.provider.model === ''
        ? directory.modelsOf(target, exchange, context)
        : [named(target.provider.model, target.provider.telemetryName)],
    ),
  );
  if (exchange.endCause !== null) return true;
  const known = lists.flatMap((list) => list ?? []);
  if (allowed === null && known.length === 0) return false;
  const models = new Map(known.filter(({ id }) => isAllowed(allowed, id)).map((model) => [model.id, model]));
  // What can't be told may still be asked for.
  if (lists.includes(null))
    for (const id of allowed ?? []) if (!id.includes('*') && !models.has(id)) models.set(id, named(id, 'openai'));
  reply(exchange, context, [...models.values()]);
  return true;
}

function reply(exchange: Exchange, context: RouteContext, models: readonly ModelInfo[]): void {
  const dialect = dialectOfClient(exchange);
  const wanted = modelOfListPath(exchange.path);
  let body = '';
  if (wanted === '') body = renderModels(models, dialect);
  else {
    const found =
      models.find(({ id }) => id === wanted) ??
      // A pattern stands for what can't be listed.
      models.find(({ id }) => id.includes('*') && matchesPattern(id, wanted));
    if (found === undefined) throw new GatewayError('model_not_found');
    body = renderModel({ ...found, id: wanted }, dialect);
  }
  context.reply.local(exchange, 200, ['content-type', 'application/json'], body);
}

function refuseOtherMethods({ method }: Exchange): void {
  if (method === 'GET' || method === 'HEAD') return;
  throw new GatewayError('bad_request', 'Models can be listed here, and no more.', {
    status: 405,
    headers: ['allow', 'GET, HEAD'],
  });
}
