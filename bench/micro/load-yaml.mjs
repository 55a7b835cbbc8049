import { configText, load } from './routes.mjs';

const ROUTES = 10_000;

/** Reading, validating and normalising 10,000 routes, as at a start: the first load of a process. */
export async function run() {
  const text = configText(ROUTES, { port: 8080, mark: 'a' });
  const start = performance.now();
  const { resources } = await load(text);
  const ms = performance.now() - start;
  const routes = resources.filter(({ kind }) => kind === 'route').length;
  if (routes !== ROUTES) throw new Error(`${routes} routes came of ${ROUTES}`);
  const size = (text.length / 2 ** 20).toFixed(1);
  return [[`load ${ROUTES} routes from YAML (${size} MiB)`, `${ms.toFixed(0)} ms`, '< 5000 ms', ms < 5000]];
}
