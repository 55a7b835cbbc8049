import { built } from '../lib/build.mjs';
import { configText, load, target } from './routes.mjs';

const { Router } = await import(built('workers/router.js'));
const { Exchange } = await import(built('exchange.js'));
const { HeaderList } = await import(built('headers.js'));

const ROUTES = 10_000;
const BATCH = 64;
const BATCHES = 8_000;

function exchange(index) {
  const { host, path } = target(index);
  const deeper = index % 3 === 0 ? path : `${path}/items/42`;
  const headers = new HeaderList(['accept', '*/*', 'user-agent', 'bench', 'content-type', 'application/json']);
  return new Exchange(null, { method: 'GET', path: deeper, query: '', scheme: 'http', authority: host, host, headers });
}

/** Matching one of 10,000 routes: median and tail of batches, microseconds a match. */
export async function run() {
  const { resources } = await load(configText(ROUTES, { port: 8080, mark: 'a' }));
  const router = new Router();
  for (const resource of resources) if (resource.kind === 'route') router.add(resource);
  const requests = Array.from({ length: 4096 }, (_, i) => exchange((i * 7919) % ROUTES));
  const unknown = requests.slice(0, 256).map((one) => {
    const { host, headers } = one;
    return new Exchange(null, {
      method: 'GET',
      path: '/no/such/path/at/all',
      query: '',
      scheme: 'http',
      authority: host,
      host,
      headers,
    });
  });
  for (const request of requests) {
    const found = router.select(request);
    if (
      found === null ||
      !request.path.startsWith(found.target.matches[0].path.exact ?? found.target.matches[0].path.pathPrefix)
    ) {
      throw new Error(`the wrong route for ${request.host}${request.path}`);
    }
  }
  const hit = time(router, requests);
  const miss = time(router, unknown);
  return [
    [`match, ${ROUTES} routes, p50`, `${hit.p50.toFixed(2)} µs`, '≤ 3 µs', hit.p50 <= 3],
    [`match, ${ROUTES} routes, p99`, `${hit.p99.toFixed(2)} µs`, '', null],
    [`no match, ${ROUTES} routes, p50`, `${miss.p50.toFixed(2)} µs`, '', null],
  ];
}

function time(router, requests) {
  const times = [];
  let found = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    const start = performance.now();
    for (let i = 0; i < BATCH; i++)
      if (router.select(requests[(batch * BATCH + i) % requests.length]) !== null) found++;
    times.push(((performance.now() - start) * 1000) / BATCH);
  }
  if (found !== 0 && found !== BATCHES * BATCH) throw new Error('some matched and some did not');
  // The first quarter warms up.
  const settled = times.slice(BATCHES / 4).sort((a, b) => a - b);
  return { p50: settled[settled.length >> 1], p99: settled[Math.floor(settled.length * 0.99)] };
}
