import { RE2JS } from 're2js';
import { isHostname, normalHostname } from '../../resources/hostnames.ts';
import type { PathMatch, Route, RouteBackend, RouteMatch, ValueMatch } from '../../resources/types.ts';
import { WireError, type WireMessage } from '../../resources/wire.ts';
import { inlineBackendName, nameOf, orderedName, reachName, readOrdered, readReach } from './keys.ts';
import { below, messageIn, messagesIn, type Notes, numberIn, required, textIn } from './notes.ts';
import { Packed, type Piece } from './pieces.ts';
import type { PolicySpecs } from './policies.ts';
import { readReference, writeReference } from './references.ts';

const ANY: RouteMatch = { path: { pathPrefix: '/' }, method: '', headers: [], query: [] };
/** An empty path is one that no request has. */
const NOTHING: RouteMatch = { ...ANY, path: { exact: '' } };
/** The kind that routes are of where nothing else is said. */
const USUAL_KIND = 'HTTPRoute';

/** Throws WireError. */
export function readRoute(wire: WireMessage, specs: PolicySpecs, notes: Notes): Piece {
  const { name: fullKey, order, ordered } = readOrdered(required(wire, 'key'));
  const { name: ownKey, index } = ordered ? readReach(fullKey) : { name: fullKey, index: 0 };
  const name = messageIn(wire, 'name');
  if (name === undefined) throw new WireError('is missing', ['name']);
  const group = textIn(wire, 'route_group_key');
  const service = messageIn(wire, 'service_key');
  const mesh = service !== undefined && (textIn(service, 'hostname') !== '' || textIn(service, 'namespace') !== '');
  if (mesh) notes.warn('service_key: routes of services themselves are not served by this version');
  const listener = textIn(wire, 'listener_key');
  if (index > 0) {
    return {
      kind: 'reach',
      key: `route/${fullKey}`,
      owner: `route/${ownKey}`,
      listener: `listener/${listener}`,
      order: index,
    };
  }
  const matches = messagesIn(wire, 'matches').map((match, index) => readMatchOrNothing(match, index, notes));
  const backends = messagesIn(wire, 'backends').map((backend, index) =>
    below(['backends', index], () => readBackend(backend, specs, notes)),
  );
  if (backends.length > 1 && backends.some(({ target }) => target.kind === 'routeGroup')) {
    throw new WireError('a route that delegates to a route group has no other backend', ['backends']);
  }
  const nameKind = textIn(name, 'kind');
  const route: Route = {
    kind: 'route',
    key: `route/${ownKey}`,
    listenerKeys: group !== '' || mesh || listener === '' ? [] : [`listener/${listener}`],
    groupKey: group === '' ? '' : `routeGroup/${group}`,
    name: textIn(name, 'name'),
    namespace: textIn(name, 'namespace'),
    ruleName: textIn(name, 'rule_name'),
    ...(nameKind !== '' && nameKind !== USUAL_KIND && { nameKind }),
    hostnames: readHostnames((wire.hostnames ?? []) as string[]),
    matches: matches.length === 0 ? [ANY] : matches,
    policies: specs.readAll('traffic', 'traffic_policies', messagesIn(wire, 'traffic_policies'), 'route', notes),
    backends,
    order,
  };
  return { kind: 'route', key: route.key, route: new Packed(route) };
}

function readHostnames(given: readonly string[]): string[] {
  const hostnames = given.map(normalHostname);
  const odd = hostnames.findIndex((hostname) => !isHostname(hostname));
  if (odd >= 0) throw new WireError(`"${hostnames[odd]}" is not a host name or *.suffix`, ['hostnames', odd]);
  return hostnames.includes('') ? [] : hostnames;
}

/** A match that can't be read matches nothing; the route's others still hold. */
function readMatchOrNothing(wire: WireMessage, index: number, notes: Notes): RouteMatch {
  try {
    return below(['matches', index], () => readMatch(wire));
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    notes.refuse(error);
    return NOTHING;
  }
}

function readMatch(wire: WireMessage): RouteMatch {
  const path = messageIn(wire, 'path');
  return {
    path: path === undefined ? ANY.path : below(['path'], () => readPath(path)),
    method: textIn(messageIn(wire, 'method'), 'exact').toUpperCase(),
    headers: readValues(wire, 'headers', (name) => name.toLowerCase()),
    query: readValues(wire, 'query_params', (name) => name),
  };
}

function readPath(wire: WireMessage): PathMatch {
  const { exact, path_prefix: pathPrefix, regex } = wire as { exact?: string; path_prefix?: string; regex?: string };
  if (regex !== undefined) return { regex: checkedRegex(regex) };
  const text = exact ?? pathPrefix;
  if (text === undefined) throw new WireError('is of a kind that this version does not know');
  // An empty path is one that no request has; agentgateway has no other word for a match that matches nothing.
  if (!text.startsWith('/') && exact !== '') throw new WireError(`"${text}" matches no request: a path begins with /`);
  return exact !== undefined ? { exact } : { pathPrefix: text };
}

function readValues(wire: WireMessage, field: string, nameOf: (name: string) => string): RouteMatch['headers'] {
  return messagesIn(wire, field).map((match, index) =>
    below([field, index], () => {
      const { exact, regex } = match as { exact?: string; regex?: string };
      const name = nameOf(required(match, 'name'));
      if (regex !== undefined) return { name, value: { regex: checkedRegex(regex) } };
      if (exact === undefined) throw new WireError('is of a kind that this version does not know');
      return { name, value: { exact } };
    }),
  );
}

function checkedRegex(regex: string): string {
  try {
    RE2JS.compile(regex);
    return regex;
  } catch (error) {
    throw new WireError(
      `not a regular expression in RE2 syntax: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function readBackend(wire: WireMessage, specs: PolicySpecs, notes: Notes): RouteBackend {
  const weight = numberIn(wire, 'weight');
  if (weight < 0) throw new WireError('is negative', ['weight']);
  const group = textIn(wire, 'route_group_key');
  return {
    weight,
    target:
      group === ''
        ? below(['backend'], () => readReference(messageIn(wire, 'backend')))
        : { kind: 'routeGroup', key: `routeGroup/${group}` },
    policies: specs.readAll('backend', 'backend_policies', messagesIn(wire, 'backend_policies'), 'backend', notes),
  };
}

/** A route with these of its policies, for each of its listeners. Of backends that stand in it it says the names. Throws WireError. */
export function writeRoute(route: Route, trafficPolicies: readonly WireMessage[], specs: PolicySpecs): WireMessage[] {
  const { key, listenerKeys, groupKey, name, namespace, ruleName, nameKind, hostnames, matches, backends, order } =
    route;
  const message = {
    ...(groupKey !== '' && { route_group_key: nameOf(groupKey) }),
    name: { name, namespace, kind: nameKind ?? USUAL_KIND, ...(ruleName !== '' && { rule_name: ruleName }) },
    hostnames,
    matches: matches.map(writeMatch),
    backends: backends.map((backend, index) => writeBackend(backend, inlineBackendName(key, index), specs)),
    traffic_policies: trafficPolicies,
  };
  const listeners = listenerKeys.length === 0 ? [''] : listenerKeys;
  return listeners.map((listener, index) => {
    const name = reachName(nameOf(key), index);
    return { key: orderedName(order, name), listener_key: nameOf(listener), ...message };
  });
}

function writeMatch({ path, method, headers, query }: RouteMatch): WireMessage {
  return {
    path: 'pathPrefix' in path ? { path_prefix: path.pathPrefix } : path,
    headers: headers.map(writeValue),
    ...(method !== '' && { method: { exact: method } }),
    query_params: query.map(writeValue),
  };
}

function writeValue({ name, value }: { name: string; value: ValueMatch }): WireMessage {
  return { name, ...value };
}

function writeBackend({ weight, target, policies }: RouteBackend, inlineName: string, specs: PolicySpecs): WireMessage {
  const backend_policies = specs.writeAll('backend', policies);
  if (target.kind === 'routeGroup') return { route_group_key: nameOf(target.key), weight, backend_policies };
  const backend = isInline(target) ? { backend: inlineName } : writeReference(target);
  return { ...(backend && { backend }), weight, backend_policies };
}

/** True for a target that is a backend by itself and needs a message of its own. */
export function isInline({ kind }: RouteBackend['target']): boolean {
  return kind === 'ai' || kind === 'unix' || kind === 'inactive';
}
