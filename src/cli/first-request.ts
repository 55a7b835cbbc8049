import { bracketed } from '../resources/host-port.ts';
import type {
  AiProvider,
  BackendTarget,
  Bind,
  Listener,
  LlmModel,
  PolicyMap,
  Resource,
  Route,
} from '../resources/types.ts';

/** Models to try a provider with where the configuration leaves the name open. */
const USUAL_MODELS = ['gpt-5-mini', 'claude-haiku-4-5'];
/** Providers whose own API is Anthropic's. */
const ANTHROPIC = new Set(['anthropic', 'anthropicOrDemo']);
/** Policies that ask for a credential the gateway must not print. */
const CREDENTIAL_POLICIES = ['apiKey', 'jwtAuth', 'basicAuth'];

/**
 * A curl command for the first thing `resources` serve, a model rather than a plain route, that works as printed; null where
 * there is nothing that curl can ask for. A credential the gateway asks for is left for the reader to put in.
 */
export function firstRequest(resources: readonly Resource[]): string | null {
  const byKey = new Map(resources.map((resource) => [resource.key, resource]));
  const routes = resources.filter((resource) => resource.kind === 'route').sort((a, b) => a.order - b.order);
  const candidates = routes.flatMap((route) => candidatesOf(route, byKey));
  const chosen = candidates.find(({ model }) => model !== null) ?? candidates[0];
  return chosen === undefined ? null : commandOf(chosen);
}

interface Candidate {
  readonly bind: Bind;
  readonly listener: Listener;
  readonly route: Route;
  readonly model: { name: string; anthropic: boolean } | null;
  readonly policies: readonly PolicyMap[];
}

function candidatesOf(route: Route, byKey: ReadonlyMap<string, Resource>): Candidate[] {
  const found: Candidate[] = [];
  for (const key of route.listenerKeys) {
    const listener = byKey.get(key);
    if (listener?.kind !== 'listener' || !listener.protocol.startsWith('HTTP')) continue;
    const bind = byKey.get(listener.bindKey);
    if (bind?.kind !== 'bind' || pathOf(route) === null) continue;
    const served = modelOf(route.backends[0]?.target, byKey);
    const policies = [listener.policies, route.policies, ...(served?.policies ?? [])];
    found.push({ bind, listener, route, model: served?.model ?? null, policies });
  }
  return found;
}

function modelOf(
  target: BackendTarget | undefined,
  byKey: ReadonlyMap<string, Resource>,
): { model: { name: string; anthropic: boolean }; policies: PolicyMap[] } | null {
  switch (target?.kind) {
    case 'backend': {
      const backend = byKey.get(target.key);
      return backend?.kind === 'backend' ? modelOf(backend.target, byKey) : null;
    }
    case 'ai': {
      const provider = target.ai.groups[0]?.[0];
      if (provider === undefined) return null;
      return {
        model: { name: pinned(provider) ?? nameFor('*', provider), anthropic: isAnthropic(provider) },
        policies: [],
      };
    }
    case 'llm': {
      const router = byKey.get(target.key);
      const model = router?.kind === 'llmRouter' ? firstModel(router.models) : undefined;
      if (model === undefined) return null;
      const name = nameFor(model.name, model.provider);
      return { model: { name, anthropic: isAnthropic(model.provider) }, policies: [model.policies] };
    }
    default:
      return null;
  }
}

/** The first that anyone may ask for; one with a plain name before one with a pattern. */
function firstModel(models: readonly LlmModel[]): LlmModel | undefined {
  const open = models.filter(
    ({ visibility, headers, inactive }) => visibility === 'public' && headers.length === 0 && inactive.length === 0,
  );
  return open.find(({ name }) => !name.includes('*')) ?? open[0];
}

/** A model's name that `pattern` (at most one `*`) takes. */
function nameFor(pattern: string, provider: AiProvider): string {
  const star = pattern.indexOf('*');
  if (star === -1) return pattern;
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)];
  const usual = isAnthropic(provider) ? USUAL_MODELS.toReversed() : USUAL_MODELS;
  const fits = usual.find((name) => name.startsWith(head) && name.endsWith(tail) && name.length >= pattern.length - 1);
  return fits ?? `${head}demo${tail}`;
}

function pinned(provider: AiProvider): string | null {
  const model = provider.settings.model;
  return typeof model === 'string' && model !== '' ? model : null;
}

function isAnthropic(provider: AiProvider): boolean {
  return ANTHROPIC.has(provider.provider);
}

/** The path of the route's first match that says one; null where each is a regular expression. */
function pathOf(route: Route): string | null {
  for (const { path } of route.matches) {
    if ('exact' in path) return path.exact;
    if ('pathPrefix' in path) return path.pathPrefix;
  }
  return null;
}

function commandOf({ bind, listener, route, model, policies }: Candidate): string {
  const match = route.matches.find(({ path }) => !('regex' in path));
  const host = concrete(route.hostnames[0] ?? listener.hostname);
  const tls = listener.tls !== null;
  const parts = ['curl'];
  if (model !== null) parts.push('-N');
  else parts.push('-i');
  // The certificate may be anyone's: this is a try-out on the same machine.
  if (tls) parts.push('-k');
  if (match !== undefined && match.method !== '' && match.method !== 'GET' && model === null) {
    parts.push('-X', match.method);
  }
  const local = localName(bind.address);
  if (tls && host !== '')
    parts.push('--resolve', `${host}:${bind.port}:${local === 'localhost' ? '127.0.0.1' : local}`);
  const authority = tls && host !== '' ? host : local;
  const base = pathOf(route) ?? '/';
  const path = model === null ? base : modelPath(base, model.anthropic);
  const query = (match?.query ?? []).flatMap(({ name, value }) =>
    'exact' in value ? [`${encodeURIComponent(name)}=${encodeURIComponent(value.exact)}`] : [],
  );
  const url = `${tls ? 'https' : 'http'}://${authority}:${bind.port}${path}${query.length > 0 ? `?${query.join('&')}` : ''}`;
  parts.push(quote(url));
  if (!tls && host !== '') parts.push('-H', quote(`host: ${host}`));
  for (const { name, value } of match?.headers ?? []) {
    if ('exact' in value && !name.startsWith(':')) parts.push('-H', quote(`${name}: ${value.exact}`));
  }
  const asked = CREDENTIAL_POLICIES.find((name) => policies.some((map) => map[name] !== undefined));
  if (asked !== undefined) {
    parts.push(
      '-H',
      quote(asked === 'basicAuth' ? 'authorization: Basic YOUR-CREDENTIALS' : 'authorization: Bearer YOUR-KEY'),
    );
  }
  if (model !== null) parts.push('-H', quote('content-type: application/json'), '-d', quote(bodyFor(model)));
  return parts.join(' ');
}

/** Where chat is asked for below a route's own path. */
function modelPath(base: string, anthropic: boolean): string {
  const api = anthropic ? '/v1/messages' : '/v1/chat/completions';
  return base === '/' || api.startsWith(base)
    ? api
    : base.endsWith('/completions')
      ? base
      : `${base.replace(/\/$/, '')}${api}`;
}

function bodyFor(model: { name: string; anthropic: boolean }): string {
  const messages = [{ role: 'user', content: 'Say hello' }];
  return JSON.stringify({ model: model.name, ...(model.anthropic ? { max_tokens: 64 } : {}), messages, stream: true });
}

/** A name that a hostname pattern takes. */
function concrete(hostname: string): string {
  return hostname.startsWith('*') ? `www${hostname.slice(1)}` : hostname;
}

/** How a bind's address is reached from this machine. */
export function localName(address: string): string {
  if (address === '' || address === '::' || address === '0.0.0.0') return 'localhost';
  return bracketed(address);
}

/** `text` as one word of a POSIX shell. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
