import type { AdapterServices } from '../../adapter.ts';
import type { ContextPlan } from '../context-plan.ts';
import { type AccountOption, onlyChoice } from '../endpoints/account.ts';
import { forwardAsIs, type Incoming } from '../serve.ts';
import { isOwnResponseId } from './ids.ts';
import { responseNotFound } from './records.ts';
import { type OfOneResponse, serveStored } from './serve.ts';

/**
 * Answers what is asked of one response: here where it is kept here, else by the only provider that may have it. It names no model: a
 * key that is limited to some can't be held to them at a provider.
 *
 * Throws as `serveStored` does, and `response_not_found` where no provider has responses of its own, or several have.
 */
export function serveResponse(
  incoming: Incoming,
  request: OfOneResponse,
  accounts: readonly AccountOption[],
  plan: ContextPlan,
  services: AdapterServices,
): void | Promise<void> {
  if (isOwnResponseId(request.id)) return serveStored(incoming, request, services);
  const { apiKey, downstream, heldBody } = incoming.exchange;
  const keepers = accounts.map(({ target }) => target).filter((one) => one.active && one.remembersResponses(''));
  const [target] = keepers;
  const isLimited = apiKey !== null && apiKey.allowedModels !== null;
  if (target === undefined || isLimited || new Set(keepers.map(({ accountName }) => accountName)).size > 1) {
    throw responseNotFound(request.id);
  }
  const body = heldBody ?? (downstream.hasBody ? downstream.bodyStream() : null);
  forwardAsIs(incoming, body, onlyChoice(target, plan), services, null);
}
