/** Paths and queries of requests to providers. */

const USUAL_BASE = '/v1';

/** A path of no known API keeps its name; a prefix takes the place of a leading `/v1`, or goes in front. */
export function withPrefix(path: string, prefix: string): string {
  if (prefix === '' || prefix === USUAL_BASE) return path;
  if (path.startsWith(`${prefix}/`)) return path;
  return prefix + (path.startsWith(`${USUAL_BASE}/`) ? path.slice(USUAL_BASE.length) : path);
}

/** A parameter that the path brings along stands, whatever the client's is. */
export function withQuery(path: string, query: string): string {
  if (query === '') return path;
  const question = path.indexOf('?');
  if (question < 0) return `${path}?${query}`;
  const own = new Set(
    path
      .slice(question + 1)
      .split('&')
      .map(nameOf),
  );
  return [path, ...query.split('&').filter((pair) => !own.has(nameOf(pair)))].join('&');
}

export function withoutParameter(query: string, name: string): string {
  if (!query.includes(name)) return query;
  return query
    .split('&')
    .filter((pair) => nameOf(pair) !== name)
    .join('&');
}

function nameOf(pair: string): string {
  return pair.split('=', 1)[0] as string;
}
