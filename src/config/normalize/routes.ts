import { isHostname, normalHostname } from '../../resources/hostnames.ts';
import type { LocalRoute, LocalRouteBackend, LocalRouteMatch } from '../../resources/schema/index.ts';
import type { PathMatch, Route, RouteBackend, RouteMatch, ValueMatch } from '../../resources/types.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';
import { type KnownNames, normalizeTarget } from './targets.ts';

const ANY_PATH: PathMatch = { pathPrefix: '/' };
/** A path no request has: what a match that is `invalid` comes down to. */
const NO_PATH: PathMatch = { exact: '' };

/** Where routes are put: what they serve, and the name their keys begin with. */
export interface RoutePlace {
  scope: string;
  listenerKeys: string[];
  groupKey: string;
}

/** Turns routes into resources. Keys stay the same while names do; a route without a name is named by its place. */
export class Routes {
  readonly #context: Context;
  readonly #known: KnownNames;
  readonly #keys = new Set<string>();

  constructor(context: Context, known: KnownNames) {
    this.#context = context;
    this.#known = known;
  }

  add(section: Section<LocalRoute>, place: RoutePlace, order: number): void {
    const name = section.get('name') ?? `route${order}`;
    const ruleName = section.get('ruleName') ?? '';
    const namespace = section.get('namespace') ?? this.#context.identity.namespace;
    const backends = section.list('backends').map((backend) => this.#backend(backend));
    if (backends.length > 1 && backends.some(({ target }) => target.kind === 'routeGroup')) {
      this.#context.fault(section.at('backends'), 'a route that delegates to a route group has no other backend');
    }
    this.emit({
      name,
      namespace,
      ruleName,
      ...place,
      hostnames: this.#hostnames(section),
      matches: this.#matches(section),
      policies: this.#context.policies(section.section('policies'), 'route'),
      backends,
      order,
    });
  }

  /** Emits a route under a key of its own. */
  emit(route: RoutePlace & Omit<Route, 'kind' | 'key' | 'listenerKeys' | 'groupKey'>): void {
    const { scope, ...rest } = route;
    const base = `route/${scope}/${route.ruleName === '' ? route.name : `${route.name}/${route.ruleName}`}`;
    let key = base;
    for (let twin = 2; this.#keys.has(key); twin++) key = `${base}~${twin}`;
    this.#keys.add(key);
    this.#context.resources.push({ kind: 'route', key, ...rest });
  }

  #backend(section: Section<LocalRouteBackend>): RouteBackend {
    return {
      weight: section.get('weight'),
      target: normalizeTarget(this.#context, section, this.#known),
      policies: this.#context.policies(section.section('policies'), 'backend'),
    };
  }

  #hostnames(section: Section<LocalRoute>): string[] {
    const hostnames = (section.get('hostnames') ?? []).map(normalHostname);
    for (const [index, hostname] of hostnames.entries()) {
      if (isHostname(hostname)) continue;
      const hint = /:\d+$/.test(hostname) ? 'leave out the port' : undefined;
      this.#context.fault(section.at('hostnames', index), `"${hostname}" is not a host name or *.suffix`, hint);
    }
    return hostnames.includes('') ? [] : hostnames;
  }

  #matches(section: Section<LocalRoute>): RouteMatch[] {
    const matches = section.list('matches').map((match) => normalizeMatch(this.#context, match));
    return matches.length === 0 ? [{ path: ANY_PATH, method: '', headers: [], query: [] }] : matches;
  }
}

function normalizeMatch(context: Context, section: Section<LocalRouteMatch>): RouteMatch {
  const given = section.get('path');
  let path: PathMatch = given === 'invalid' ? NO_PATH : given;
  for (const kind of ['exact', 'pathPrefix'] as const) {
    const text = (path as Partial<Record<typeof kind, string>>)[kind];
    if (given !== 'invalid' && text !== undefined && !text.startsWith('/')) {
      context.fault(section.at('path', kind), `"${text}" matches no request: a path begins with /`);
    }
  }
  const headers = valueMatches(section.get('headers'), (name) => name.toLowerCase());
  const query = valueMatches(section.get('query'), (name) => name);
  if (headers === null || query === null) path = NO_PATH;
  return { path, method: (section.get('method') ?? '').toUpperCase(), headers: headers ?? [], query: query ?? [] };
}

/** Null where one of them matches nothing. */
export function valueMatches(
  given: readonly { name: string; value: ValueMatch | 'invalid' }[] | undefined,
  nameOf: (name: string) => string,
): { name: string; value: ValueMatch }[] | null {
  const matches: { name: string; value: ValueMatch }[] = [];
  for (const { name, value } of given ?? []) {
    if (value === 'invalid') return null;
    matches.push({ name: nameOf(name), value });
  }
  return matches;
}
