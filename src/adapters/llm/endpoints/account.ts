import { GatewayError } from '../../../errors/table.ts';
import type { ApiKeyIdentity, Exchange } from '../../../exchange.ts';
import { HeaderList } from '../../../headers.ts';
import type { Dispatch } from '../../../upstream/call.ts';
import type { AdapterServices } from '../../adapter.ts';
import type { Choice } from '../choice.ts';
import type { ContextPlan } from '../context-plan.ts';
import { matchesPattern } from '../model-pattern.ts';
import { type Incoming, send } from '../serve.ts';
import type { ProviderTarget } from '../target.ts';
import { convertingDispatch } from './converting-dispatch.ts';
import type { Endpoint } from './endpoint.ts';
import { keepResultsHere, keepUploadsHere } from './own-addresses.ts';
import { kindsWith, LABELS, refuseUnlessTaken, supportOf } from './support.ts';

/** A provider that a request may be sent to which names no model. */
export interface AccountOption {
  readonly target: ProviderTarget;
  /** The model it is configured for, which may be a pattern; ''. */
  readonly model: string;
}

/** Where a client says which provider it means: files and batches name no model. */
const HEADER = 'x-sluice-provider';
const PARAMETER = 'provider';

/**
 * The provider that a request without a model goes to: the one the client names (its kind, its name, or a model it serves), else the
 * only account that has such an API.
 *
 * Throws `ambiguous_provider` where there are several, `unsupported_conversion` where there is none.
 */
export function chooseAccount(
  exchange: Exchange,
  endpoint: Endpoint,
  options: readonly AccountOption[],
): ProviderTarget {
  const wanted = takeWanted(exchange);
  const usable = options.filter(({ target }) => target.active);
  if (wanted !== '') {
    const named = namedAccounts(usable, wanted);
    const [only] = named;
    if (only === undefined)
      throw new GatewayError('ambiguous_provider', 'No provider here has the name that the request asks for.');
    if (named.length > 1) throw ambiguous(named, endpoint);
    refuseUnlessTaken(only, endpoint);
    return only;
  }
  for (const support of ['yes', 'maybe'] as const) {
    const found = distinct(usable.filter(({ target }) => supportOf(target.kind, endpoint.name) === support));
    const [only] = found;
    if (only !== undefined && found.length === 1) return only;
    if (found.length > 1) throw ambiguous(found, endpoint);
  }
  throw new GatewayError(
    'unsupported_conversion',
    `No provider here has ${LABELS[endpoint.name]}. Kinds that have it: ${kindsWith(endpoint.name).join(', ')}.`,
  );
}

/** All accounts of the kind that is named, else the one that has the name, or that the model is asked of. */
function namedAccounts(options: readonly AccountOption[], wanted: string): ProviderTarget[] {
  const ofKind = options.filter(({ target }) => target.kind.toLowerCase() === wanted.toLowerCase());
  if (ofKind.length > 0) return distinct(ofKind);
  const one = options.find(({ target, model }) => target.name === wanted || matchesPattern(model, wanted));
  return one === undefined ? [] : [one.target];
}

/** One target an account. */
function distinct(options: readonly AccountOption[]): ProviderTarget[] {
  const accounts = new Map<string, ProviderTarget>();
  for (const { target } of options) if (!accounts.has(target.accountName)) accounts.set(target.accountName, target);
  return [...accounts.values()];
}

function ambiguous(found: readonly ProviderTarget[], { name }: Endpoint): GatewayError {
  const kinds = new Set(found.map(({ kind }) => kind));
  const names = kinds.size === found.length ? [...kinds] : found.map((target) => target.name);
  return new GatewayError('ambiguous_provider', `Several providers have ${LABELS[name]}: ${names.join(', ')}.`);
}

/** What the client says, and takes it out of what is sent on; '' where it says nothing. */
function takeWanted(exchange: Exchange): string {
  const header = exchange.headers.get(HEADER);
  exchange.headers.remove(HEADER);
  let parameter = '';
  const rest: string[] = [];
  for (const pair of exchange.query.split('&')) {
    if (pair.startsWith(`${PARAMETER}=`)) parameter = decoded(pair.slice(PARAMETER.length + 1));
    else rest.push(pair);
  }
  exchange.query = rest.join('&');
  return header ?? parameter;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Throws `forbidden` for a key that is limited to some models: a batch may ask any, and an account's files are everybody's. The key's
 * `allowBatches` lets it.
 */
function refuseLimitedKey(key: ApiKeyIdentity | null): void {
  if (key === null || key.allowedModels === null || key.allowsBatches === true) return;
  throw new GatewayError(
    'forbidden',
    'This key is limited to some models, so it may not use files and batches, which can ask any.',
  );
}

/** Sends a request for what is kept in a provider's account on as it is, body and answer as streams. */
export function forwardToAccount(
  incoming: Incoming,
  endpoint: Endpoint,
  options: readonly AccountOption[],
  plan: ContextPlan,
  services: AdapterServices,
): void {
  const { exchange, context, facts } = incoming;
  refuseLimitedKey(exchange.apiKey);
  const target = chooseAccount(exchange, endpoint, options);
  facts.provider = target.provider.telemetryName;
  if (endpoint.name === 'geminiFiles') keepUploadsHere(exchange);
  const route = 'passthrough';
  const to = { route, converted: false, throughHub: false, model: '', streaming: false, endpoint } as const;
  const call = target.call(exchange, context, to, false);
  // Of several keys the first: each might be of an account of its own, and what is kept has to be found again.
  call.credential = 0;
  call.body = exchange.heldBody ?? (exchange.downstream.hasBody ? exchange.downstream.bodyStream() : null);
  const onClientAbort = plan.onClientAbortOf(target);
  const answer = { format: null, hideUsage: false, onClientAbort, conversion: null };
  // The results themselves are no JSON, but lines of it.
  const batches = endpoint.name === 'messageBatches' && !endpoint.path.endsWith('/results');
  const moved = batches ? keepResultsHere(exchange) : null;
  // What is read can't be compressed.
  if (moved !== null) new HeaderList(call.headers).set('accept-encoding', 'identity');
  const wrap = (dispatch: Dispatch) =>
    moved === null ? dispatch : convertingDispatch(dispatch, () => moved, context.maxBufferBytes);
  send(incoming, call, { target }, services, answer, wrap);
}

/** A choice of one provider, for a request that asks a model without naming it. */
export function onlyChoice(target: ProviderTarget, plan: ContextPlan): Choice {
  return {
    candidate: { target, model: '', account: null },
    model: '',
    affinity: null,
    others: null,
    issuers: plan.issuers,
    policyOf: (one) => plan.policyOf(one),
    onClientAbortOf: (one) => plan.onClientAbortOf(one),
  };
}
