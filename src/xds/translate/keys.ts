/**
 * Names on the wire ↔ keys of resources. A control plane's name of a thing stands in the key as it is, behind the kind
 * (`listener/default/gateway.http`), so that what refers to it is found without a table, whichever of the two comes first.
 *
 * Conventions of Sluice's own say what no field says:
 * - `#0000000000000003/api/users`: the name `api/users`, third in its source. Data planes decide between equals by the
 *   order of their names, so they follow the source's order too.
 * - `#0000000000000003/api/users@1`: the same route once more, for the second of its listeners, as messages have room for one.
 * - `route/api/users#cors`: a policy that is part of that route (or listener, or of `frontend`), not attached from outside.
 * - `route/api/users#backend0`: the backend that stands in that route (or, `#model0`, in a model router).
 */

const DIGITS = 16;
const ORDERED = new RegExp(`^#(\\d{${DIGITS}})/`);

/** A name that sorts by its place. */
export function orderedName(order: number, name: string): string {
  return `#${String(order).padStart(DIGITS, '0')}/${name}`;
}

/** The name and the place it says; 0 where it says none. */
export function readOrdered(text: string): { order: number; name: string; ordered: boolean } {
  const [head, digits] = ORDERED.exec(text) ?? [];
  if (head === undefined) return { order: 0, name: text, ordered: false };
  return { order: Number(digits), name: text.slice(head.length), ordered: true };
}

const REACH = /^(.+)@(\d+)$/s;

/** The name of a route as it is for its listener at `index`. */
export function reachName(name: string, index: number): string {
  return index === 0 ? name : `${name}@${index}`;
}

/** The route, and the place of the listener among the route's, that an ordered name says. */
export function readReach(name: string): { name: string; index: number } {
  const [, route, index] = REACH.exec(name) ?? [];
  return route === undefined ? { name, index: 0 } : { name: route, index: Number(index) };
}

/** What follows the kind in a resource's key. */
export function nameOf(key: string): string {
  return key.slice(key.indexOf('/') + 1);
}

/** The name of the policy `policy` that is part of the resource `owner`. */
export function partName(owner: string, policy: string): string {
  return `${owner}#${policy}`;
}

/** The owner of a copy of a policy of all connections, for one more gateway: other data planes look for them by gateway. */
export function copyOwner(gateway: string, namespace: string): string {
  return `frontend@${namespace}/${gateway}`;
}

const PART = /^(?:((?:listener|route)\/.+|frontend)|frontend@.*)#[^#]+$/s;

/** Key of what a policy is part of, 'copy' where that is told the same elsewhere; null for a policy that stands for itself. */
export function ownerOfPolicy(name: string): string | null {
  const found = PART.exec(name);
  return found === null ? null : (found[1] ?? 'copy');
}

/** The name of a backend that stands within a route, at `index`. */
export function inlineBackendName(route: string, index: number): string {
  return `${route}#backend${index}`;
}

/** The name of the backend of a model router's model. */
export function modelBackendName(router: string, index: number): string {
  return `${router}#model${index}`;
}

const INLINE = /^(route\/.+)#backend\d+$|^(llm\/.+)#model\d+$/s;

/** Key of the route or model router that the backend of this name stands in; null for one that stands for itself. */
export function ownerOfBackend(name: string): string | null {
  const [, route, router] = INLINE.exec(name) ?? [];
  return route ?? router ?? null;
}

/** How model routers are named among backends, as agentgateway names its own. */
const ROUTER = '/llm:router:';

/** Key of the LlmRouter that a control plane calls `router`. */
export function routerKey(router: string): string {
  return `llm/${router.startsWith(ROUTER) ? router.slice(ROUTER.length) : router}`;
}

/** What a control plane calls an LlmRouter. */
export function routerName(key: string): string {
  return `${ROUTER}${nameOf(key)}`;
}

/** True for a backend reference that can only mean a model router. */
export function isRouterName(reference: string): boolean {
  return reference.startsWith(ROUTER);
}
