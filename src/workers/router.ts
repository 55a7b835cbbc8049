import { RE2JS } from 're2js';
import type { Exchange } from '../exchange.ts';
import type { RouteMatch } from '../resources/types.ts';
import { compileValueTest, type ValueTest } from '../resources/value-match.ts';
import { compareRanks, HostTable } from './hostnames.ts';

/**
 * Route selection with Gateway API precedence (HTTPRouteRule.matches): the most specific hostname first; within it an exact
 * path, then the longest prefix, then a regular expression; of equals the one with a method, then with more headers, then
 * with more query parameters, then the earlier route. Where nothing of a hostname matches, the next less specific one is tried.
 *
 * The tables are changed in place, bucket by bucket, so that one changed route costs one changed route. That is safe: selection is
 * synchronous and a request keeps the route it was given.
 */

/** What a router selects: anything with the identity of a route. */
export interface Routable {
  readonly key: string;
  readonly hostnames: readonly string[];
  readonly matches: readonly RouteMatch[];
  readonly order: number;
}

/** One match of a route, ready to be tested. */
interface Candidate<Target extends Routable> {
  readonly target: Target;
  readonly path: PathKind;
  /** '' = any. */
  readonly method: string;
  readonly headers: readonly ValueTest[];
  readonly query: readonly ValueTest[];
}

type PathKind = { exact: string } | { prefix: string } | { regex: RE2JS; source: string };

/** The selected route, and the prefix its path matched by ('/' for the root prefix, '' for other kinds of match). */
export interface Selection<Target extends Routable> {
  readonly target: Target;
  readonly prefix: string;
}

/** The routes of one listener. */
export class Router<Target extends Routable> {
  readonly #hosts = new HostTable<PathTable<Target>>();

  get size(): number {
    let size = 0;
    for (const table of this.#hosts.values()) size += table.size;
    return size;
  }

  get empty(): boolean {
    return this.#hosts.size === 0;
  }

  add(target: Target): void {
    for (const hostname of hostnamesOf(target)) {
      const table = this.#hosts.getOrAdd(hostname, () => new PathTable<Target>());
      for (const match of target.matches) table.add(compileMatch(target, match));
    }
  }

  remove(target: Target): void {
    for (const hostname of hostnamesOf(target)) {
      const table = this.#hosts.exactEntry(hostname);
      if (table === undefined) continue;
      for (const match of target.matches) table.remove(target.key, match);
      if (table.size === 0) this.#hosts.delete(hostname);
    }
  }

  /** The route for this request, or null. */
  select(exchange: Exchange): Selection<Target> | null {
    for (
      let table = this.#hosts.first(exchange.host);
      table !== undefined;
      table = this.#hosts.next(exchange.host, table)
    ) {
      const found = table.value.select(exchange);
      if (found !== null) return found;
    }
    return null;
  }
}

function hostnamesOf(target: Routable): readonly string[] {
  return target.hostnames.length === 0 ? [''] : target.hostnames;
}

/** The routes of one hostname, by path. */
class PathTable<Target extends Routable> {
  size = 0;
  readonly #exact = new Map<string, Candidate<Target>[]>();
  /** Prefixes without their trailing slash; the root is ''. */
  readonly #prefix = new Map<string, Candidate<Target>[]>();
  /** Prefixes other than the root: while there are none, the walk over path segments is skipped. */
  #deepPrefixes = 0;
  readonly #regex: Candidate<Target>[] = [];

  add(candidate: Candidate<Target>): void {
    this.size++;
    const path = candidate.path;
    if ('exact' in path) put(this.#exact, path.exact, candidate);
    else if ('prefix' in path) {
      if (path.prefix !== '') this.#deepPrefixes++;
      put(this.#prefix, path.prefix, candidate);
    } else insert(this.#regex, candidate);
  }

  remove(key: string, match: RouteMatch): void {
    if ('exact' in match.path) this.size -= removeFrom(this.#exact, match.path.exact, key);
    else if ('pathPrefix' in match.path) {
      const prefix = trimSlash(match.path.pathPrefix);
      const removed = removeFrom(this.#prefix, prefix, key);
      if (prefix !== '') this.#deepPrefixes -= removed;
      this.size -= removed;
    } else this.size -= filterOut(this.#regex, key);
  }

  select(exchange: Exchange): Selection<Target> | null {
    const path = exchange.path;
    if (this.#exact.size > 0) {
      const found = firstOf(this.#exact.get(path), exchange);
      if (found !== null) return { target: found.target, prefix: '' };
    }
    if (this.#deepPrefixes > 0) {
      // From the whole path down, cut at each slash: /a/b/c, /a/b, /a.
      let end = path.length;
      if (end > 1 && path.charCodeAt(end - 1) === SLASH) end--;
      while (end > 0) {
        const prefix = end === path.length ? path : path.slice(0, end);
        const found = firstOf(this.#prefix.get(prefix), exchange);
        if (found !== null) return { target: found.target, prefix };
        end = path.lastIndexOf('/', end - 1);
      }
    }
    const root = firstOf(this.#prefix.get(''), exchange);
    if (root !== null) return { target: root.target, prefix: '/' };
    for (const candidate of this.#regex) {
      if ('regex' in candidate.path && candidate.path.regex.matches(path) && applies(candidate, exchange)) {
        return { target: candidate.target, prefix: '' };
      }
    }
    return null;
  }
}

const SLASH = 47;

function trimSlash(prefix: string): string {
  return prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
}

function put<Target extends Routable>(
  map: Map<string, Candidate<Target>[]>,
  path: string,
  candidate: Candidate<Target>,
): void {
  const bucket = map.get(path);
  // Nearly all hold one: a literal has room for no more, where an array that is added to has room for many.
  if (bucket === undefined) map.set(path, [candidate]);
  else insert(bucket, candidate);
}

/** Keeps a bucket sorted, the most specific candidate first. */
function insert<Target extends Routable>(list: Candidate<Target>[], candidate: Candidate<Target>): void {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareCandidates(list[middle] as Candidate<Target>, candidate) <= 0) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, candidate);
}

function compareCandidates<Target extends Routable>(a: Candidate<Target>, b: Candidate<Target>): number {
  return (
    compareRanks(pathLength(b), pathLength(a)) ||
    compareRanks(Number(b.method !== ''), Number(a.method !== '')) ||
    compareRanks(b.headers.length, a.headers.length) ||
    compareRanks(b.query.length, a.query.length) ||
    compareRanks(a.target.order, b.target.order) ||
    (a.target.key < b.target.key ? -1 : a.target.key > b.target.key ? 1 : 0)
  );
}

/** Only regular expressions of different length share a bucket. */
function pathLength<Target extends Routable>(candidate: Candidate<Target>): number {
  return 'regex' in candidate.path ? candidate.path.source.length : 0;
}

function removeFrom<Target extends Routable>(map: Map<string, Candidate<Target>[]>, path: string, key: string): number {
  const list = map.get(path);
  if (list === undefined) return 0;
  const removed = filterOut(list, key);
  if (list.length === 0) map.delete(path);
  return removed;
}

function filterOut<Target extends Routable>(list: Candidate<Target>[], key: string): number {
  const before = list.length;
  let kept = 0;
  for (const candidate of list) if (candidate.target.key !== key) list[kept++] = candidate;
  list.length = kept;
  return before - kept;
}

function firstOf<Target extends Routable>(
  list: Candidate<Target>[] | undefined,
  exchange: Exchange,
): Candidate<Target> | null {
  if (list === undefined) return null;
  for (const candidate of list) if (applies(candidate, exchange)) return candidate;
  return null;
}

function applies<Target extends Routable>(candidate: Candidate<Target>, exchange: Exchange): boolean {
  if (candidate.method !== '' && candidate.method !== exchange.method) return false;
  for (const test of candidate.headers) if (!test.holds(headerValue(exchange, test.name))) return false;
  if (candidate.query.length > 0) {
    const query = new URLSearchParams(exchange.query);
    for (const test of candidate.query) if (!test.holds(query.get(test.name) ?? undefined)) return false;
  }
  return true;
}

/** Pseudo headers are allowed where agentgateway allows them. */
function headerValue(exchange: Exchange, name: string): string | undefined {
  switch (name) {
    case ':method':
      return exchange.method;
    case ':path':
      return exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`;
    case ':scheme':
      return exchange.scheme;
    case ':authority':
    case 'host':
      return exchange.authority;
    default:
      return exchange.headers.getJoined(name);
  }
}

function compileMatch<Target extends Routable>(target: Target, match: RouteMatch): Candidate<Target> {
  return {
    target,
    path: compilePath(match),
    method: match.method,
    headers: compileTests(match.headers),
    query: compileTests(match.query),
  };
}

const NO_TESTS: readonly ValueTest[] = [];

function compileTests(tests: RouteMatch['headers']): readonly ValueTest[] {
  return tests.length === 0 ? NO_TESTS : tests.map(({ name, value }) => compileValueTest(name, value));
}

function compilePath(match: RouteMatch): PathKind {
  if ('exact' in match.path) return { exact: match.path.exact };
  if ('pathPrefix' in match.path) return { prefix: trimSlash(match.path.pathPrefix) };
  return { regex: RE2JS.compile(match.path.regex), source: match.path.regex };
}
