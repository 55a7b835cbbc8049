import { GatewayError } from '../../errors/table.ts';
import type { Exchange } from '../../exchange.ts';
import type { RouteType } from '../../facts/llm.ts';
import { HeaderList } from '../../headers.ts';
import type { AiProvider, PolicyMap } from '../../resources/types.ts';
import type { BackendHooks, UpstreamCall } from '../../upstream/call.ts';
import type { Cluster, UpstreamTls } from '../../upstream/cluster.ts';
import type { AmbientCloud } from '../../upstream/credentials/credentials.ts';
import type { AdapterServices, RouteContext } from '../adapter.ts';
import { forwardedHeaders } from '../forwarded-headers.ts';
import { Account, fingerprintOf } from './account.ts';
import { spokenFormat } from './convert/choose.ts';
import type { Endpoint } from './endpoints/endpoint.ts';
import { type FormatName, isFormatName } from './formats/route-types.ts';
import { PROVIDERS } from './providers/index.ts';
import type { FormatPath, OpenProvider, ProviderDefinition, ProviderOrigin } from './providers/provider.ts';
import { parseHostPort } from './providers/settings.ts';
import { credentialOf, hasLocation, isShared, keysOf, replacesCredential } from './target-auth.ts';
import { CREDENTIAL_FIELDS, droppedFields, withoutApiFields } from './target-fields.ts';
import { withoutParameter, withPrefix, withQuery } from './target-path.ts';

/** TLS to a provider where nothing else is configured: verified against the system's authorities. */
const SYSTEM_TLS: UpstreamTls = {
  hostname: '',
  root: '',
  cert: '',
  key: '',
  insecure: false,
  insecureHost: false,
  alpn: [],
  subjectAltNames: [],
};

/** After this many failures in a row a provider that has alternatives is left alone for a while, where no policy says otherwise. */
export const DEFAULT_HEALTH = { eviction: { duration: '10s', consecutiveFailures: 3 } };

/** Policies that make a connection of its own kind: targets that have one don't share endpoints. */
const CONNECTION_POLICIES = ['health', 'tcp', 'http', 'backendTunnel', 'backendTLS'] as const;

/** What a request becomes on its way to a target. */
export interface Destination {
  /** The format it is sent in, or how it is handled. */
  readonly route: RouteType | FormatName;
  /** It was converted: nothing of the client's own API goes along. */
  readonly converted: boolean;
  /** Its answer is read and written anew, which a request in the client's own format may need too. */
  readonly throughHub: boolean;
  readonly model: string;
  readonly streaming: boolean;
  /** In place of a format, an API beside those of conversations. */
  readonly endpoint?: Pick<Endpoint, 'path' | 'asksModel'>;
}

/** What a route context adds to a target. */
interface Prepared {
  readonly cluster: Cluster;
  readonly prepare: UpstreamCall['prepare'];
  readonly ownKey: boolean;
}

/** One provider of a backend or model, compiled: where its requests go and what they look like. */
export class ProviderTarget {
  readonly name: string;
  readonly #provider: AiProvider;
  readonly #definition: ProviderDefinition | undefined;
  readonly #open: OpenProvider | null;
  readonly #hooks: BackendHooks;
  readonly #scope: string;
  readonly #services: AdapterServices;
  readonly #configuredLocation: boolean;
  readonly #auth: unknown;
  readonly #prepared = new WeakMap<RouteContext, Prepared>();
  readonly #accounts = new WeakMap<RouteContext, readonly Account[]>();

  /**
   * @param policies backend-level policies: the provider's own and, for a model, the model's
   * @param scope unique and stable
   */
  constructor(provider: AiProvider, policies: PolicyMap, scope: string, services: AdapterServices) {
    this.name = provider.name;
    this.#provider = provider;
    this.#definition = PROVIDERS.get(provider.provider);
    this.#open = this.#definition?.open?.(provider) ?? null;
    this.#hooks = services.hooks(policies, scope);
    this.#scope = scope;
    this.#services = services;
    this.#configuredLocation = hasLocation(policies.backendAuth);
    this.#auth = policies.backendAuth;
  }

  /** False where the provider is only described by this version. */
  get active(): boolean {
    return this.#open !== null;
  }

  /** Throws `not_active` for a provider that this version doesn't execute. */
  get provider(): OpenProvider {
    if (this.#open !== null) return this.#open;
    throw new GatewayError(
      'not_active',
      `The provider "${this.#provider.provider}" is configured but not executed by this version.`,
    );
  }

  /** What it is registered as: `openAI`, `gemini` … */
  get kind(): string {
    return this.#provider.provider;
  }

  /** Says whose account it asks as: targets that have the same one see the same files. Never shown, for it holds the key. */
  get accountName(): string {
    const { provider, settings, hostOverride, hostOverrideTls, pathPrefix } = this.#provider;
    const address = [hostOverride, hostOverrideTls, pathPrefix];
    return JSON.stringify([provider, { ...settings, model: null }, address, this.#auth ?? null]);
  }

  /** True where it says the same to whoever asks: to the operator's credential, or in clear text (a server nearby) to none. */
  listsForAll(context: RouteContext): boolean {
    const auth = this.#auth ?? context.values.backendAuth ?? this.#defaultAuth(context);
    if (auth === undefined || auth === null) return !this.#address().tls;
    return isShared(auth as object | string);
  }

  get onResponse(): BackendHooks['onResponse'] {
    return this.#hooks.onResponse;
  }

  get dispatch(): OpenProvider['dispatch'] {
    return this.#open?.dispatch;
  }

  /** What it takes for a model; '' = none is known. */
  formats(model: string): ReadonlyMap<FormatName, FormatPath> {
    return this.provider.formatsFor?.(model) ?? this.provider.formats;
  }

  /** True where it speaks the responses API for a model and has a memory of what it answered. */
  remembersResponses(model: string): boolean {
    return this.formats(model).has('responses') && this.provider.statelessResponses !== true;
  }

  /** Whose signatures a model of it takes, and makes. */
  issuer(model: string): string {
    return this.provider.issuerOf?.(model) ?? this.provider.telemetryName;
  }

  /**
   * Tells those of one issuer apart who can't read each other's signatures; '' where all can. `key`: the fingerprint of the key that is
   * asked with, where there are several.
   */
  reach(key: string | null, context: RouteContext): string {
    const { readableBy, origin } = this.provider;
    if (readableBy === undefined) return '';
    const { hostOverride, pathPrefix } = this.#provider;
    const auth = key ?? credentialOf(this.#auth === undefined ? context.values.backendAuth : this.#auth);
    const who = [origin?.host, hostOverride, pathPrefix, readableBy === 'account' ? auth : null];
    return fingerprintOf(JSON.stringify(who));
  }

  /** True where its requests may be signed, so that their bodies must be there before they leave. */
  get signs(): boolean {
    if (this.#auth === undefined) return this.#definition?.defaultAuth === 'aws';
    return typeof this.#auth === 'object' && this.#auth !== null && 'aws' in this.#auth;
  }

  /** True where a body must be there before it leaves, for a signature or for a policy on the provider. */
  get needsBody(): boolean {
    return this.signs || this.#hooks.holdBody === true;
  }

  /**
   * The format a request of type `route` for `model` is sent in: the client's own where the provider takes it, else one it can be
   * converted to. Throws `unsupported_conversion` where there is none.
   */
  formatFor(route: RouteType, model: string): RouteType | FormatName {
    const formats = this.formats(model);
    if (!isFormatName(route) || formats.has(route)) return route;
    const spoken = spokenFormat(route, formats);
    if (spoken !== null) return spoken;
    throw new GatewayError(
      'unsupported_conversion',
      `The provider "${this.name}" does not take "${route}" requests; it takes: ${[...formats.keys()].join(', ')}.`,
    );
  }

  /** A body in the client's own format, with what the provider's settings insist on. */
  shapeNative(bytes: Buffer, { route, model }: Destination): Buffer {
    const { shapeNative } = this.provider;
    return shapeNative !== undefined && isFormatName(route) ? shapeNative(bytes, route, model) : bytes;
  }

  cluster(context: RouteContext): Cluster {
    return this.#prepare(context).cluster;
  }

  /** Prompts are counted before they are sent, for token limits. */
  get tokenizes(): boolean {
    return this.#provider.tokenize;
  }

  /** Keys that the operator gave for it, where they are several to choose from. */
  keys(context: RouteContext): readonly string[] {
    return keysOf(this.#auth === undefined ? context.values.backendAuth : this.#auth);
  }

  /** Who it can be asked as: one account a key, or whoever its one credential belongs to. */
  accounts(context: RouteContext): readonly Account[] {
    let accounts = this.#accounts.get(context);
    if (accounts === undefined) {
      const keys = this.keys(context).map((key, index) => ({ index, fingerprint: fingerprintOf(key) }));
      const each = keys.length === 0 ? [null] : keys;
      accounts = each.map((key) => new Account(this.name, this.#scope, key, this.#services));
      this.#accounts.set(context, accounts);
    }
    return accounts;
  }

  /** False where the provider is shown the caller's own credential: what it limits is the caller's, and tells nothing of others. */
  asksForItself({ headers, credentialHeader }: Exchange, context: RouteContext): boolean {
    if (this.#prepare(context).ownKey) return true;
    return !CREDENTIAL_FIELDS.some((name) => name !== credentialHeader && headers.has(name));
  }

  /** A call with the request's fields, without its body. */
  call(exchange: Exchange, context: RouteContext, to: Destination, held: boolean): UpstreamCall {
    const prepared = this.#prepare(context);
    const call: UpstreamCall = {
      exchange,
      method: exchange.method,
      path: '',
      authority: '',
      headers: [],
      body: null,
      cluster: prepared.cluster,
      prepare: prepared.prepare,
      headTimeoutMs: 0,
    };
    this.address(call, context, to, held);
    return call;
  }

  /** Directs a call to this target; a call that was directed to another one before is directed anew. */
  address(call: UpstreamCall, context: RouteContext, to: Destination, held: boolean): void {
    const prepared = this.#prepare(context);
    const { exchange } = call;
    call.headers = forwardedHeaders(exchange, droppedFields(held, prepared.ownKey));
    if (to.converted) call.headers = withoutApiFields(call.headers);
    // An answer in an encoding can't be read as it passes.
    if (held) call.headers.push('accept-encoding', 'identity');
    call.path = this.#path(exchange, to, prepared.ownKey);
    call.cluster = this.#clusterOf(to, context) ?? prepared.cluster;
    call.signingScope = this.provider.signingScope ?? null;
  }

  /** Runs this target's part of what happens before an attempt. */
  runPrepare(call: UpstreamCall, context: RouteContext): void | Promise<void> {
    return this.#prepare(context).prepare?.(call, call.exchange);
  }

  #prepare(context: RouteContext): Prepared {
    let prepared = this.#prepared.get(context);
    if (prepared === undefined) {
      prepared = {
        cluster: this.#cluster(context),
        prepare: this.#combine(context),
        ownKey:
          replacesCredential(this.#auth) ||
          replacesCredential(context.values.backendAuth) ||
          this.#defaultAuth(context) !== undefined,
      };
      this.#prepared.set(context, prepared);
    }
    return prepared;
  }

  #cluster(context: RouteContext): Cluster {
    return this.#clusterAt(this.#address(), context);
  }

  #clusterAt({ host, port, tls: usesTls }: ProviderOrigin, context: RouteContext): Cluster {
    const tls = this.#hooks.tls ?? context.hooks.tls ?? (usesTls ? SYSTEM_TLS : null);
    const policies = { ...context.hooks.policies, ...this.#hooks.policies };
    const shared = !CONNECTION_POLICIES.some((name) => policies[name] !== undefined);
    const own = host === this.#address().host ? this.#scope : `${this.#scope}/${host}`;
    const key = shared ? `llm/${tls === null ? 'http' : 'https'}/${host}:${port}` : own;
    return this.#services.cluster({ key, target: { kind: 'host', host, port }, tls, policies });
  }

  /** Where a format is served by another host than the provider's usual one; null where it isn't, or the operator said where it is. */
  #clusterOf({ route, model }: Destination, context: RouteContext): Cluster | null {
    const origin = isFormatName(route) ? this.formats(model).get(route)?.origin : undefined;
    return origin === undefined || this.#provider.hostOverride !== '' ? null : this.#clusterAt(origin, context);
  }

  #address(): ProviderOrigin {
    const { hostOverride, hostOverrideTls } = this.#provider;
    if (hostOverride !== '') {
      const tls = hostOverrideTls;
      const parsed = parseHostPort(hostOverride, tls);
      if (parsed === null) throw new GatewayError('invalid_backend', `"${this.name}" has no valid host override.`);
      return { ...parsed, tls };
    }
    const origin = this.provider.origin;
    if (origin === null) throw new GatewayError('invalid_backend', `The provider "${this.name}" has no host.`);
    return origin;
  }

  /** The provider's own way to authenticate, where neither it nor the route has been given another. */
  #defaultAuth(context: RouteContext): AmbientCloud | undefined {
    const configured = this.#auth !== undefined || context.values.backendAuth !== undefined;
    return configured ? undefined : this.#definition?.defaultAuth;
  }

  /** The route's hooks, then the provider's, then its corrections of fields; null where there is nothing to do. */
  #combine(context: RouteContext): UpstreamCall['prepare'] {
    const steps = [context.hooks.prepare, this.#hooks.prepare].filter((step) => step !== null);
    const cloud = this.#defaultAuth(context);
    if (cloud !== undefined) steps.push(this.#services.credentials.ambient(cloud));
    const fix = this.provider.fixHeaders;
    if (fix !== undefined) {
      const located = this.#configuredLocation || hasLocation(context.values.backendAuth);
      steps.push((call) => fix(new HeaderList(call.headers), located, call.path));
    }
    if (steps.length <= 1) return steps[0] ?? null;
    return (call, exchange) => runSteps(steps, 0, call, exchange);
  }

  #path(exchange: Exchange, to: Destination, ownKey: boolean): string {
    const { pathOverride, pathPrefix, hostOverride } = this.#provider;
    if (pathOverride !== '') return pathOverride;
    const { basePath, keepsPathOnHostOverride, keyParameter } = this.provider;
    const own = isFormatName(to.route) ? this.formats(to.model).get(to.route) : undefined;
    const path = own?.pathOf?.(to.model, to.streaming, to.throughHub) ?? own?.path ?? '';
    // What was converted has a path of its new format, wherever it goes, and none of the client's query.
    const sent = to.converted ? '' : exchange.query;
    const query = ownKey && keyParameter !== undefined ? withoutParameter(sent, keyParameter) : sent;
    if (own?.verbatim === true) return withQuery(path, query);
    if (hostOverride !== '' && pathPrefix === '' && keepsPathOnHostOverride && !to.converted)
      return withQuery(exchange.path, query);
    if (to.endpoint !== undefined && to.endpoint.path !== '') {
      const asked = this.provider.endpointPath?.(to.endpoint, to.model);
      if (asked !== undefined) return withQuery(pathPrefix + asked, query);
      return withQuery((pathPrefix === '' ? basePath : pathPrefix) + to.endpoint.path, query);
    }
    if (path !== '') return withQuery((pathPrefix === '' ? (own?.basePath ?? basePath) : pathPrefix) + path, query);
    const other = this.provider.otherPath?.(exchange.path);
    if (other !== undefined) return withQuery(pathPrefix + other, query);
    return withQuery(withPrefix(exchange.path, pathPrefix === '' ? basePath : pathPrefix), query);
  }
}

/** Synchronous while every step is. */
function runSteps(
  steps: readonly NonNullable<UpstreamCall['prepare']>[],
  start: number,
  call: UpstreamCall,
  exchange: Exchange,
): void | Promise<void> {
  for (let i = start; i < steps.length; i++) {
    const pending = steps[i]?.(call, exchange);
    if (pending instanceof Promise) return pending.then(() => runSteps(steps, i + 1, call, exchange));
  }
}
