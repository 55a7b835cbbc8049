import { built } from '../lib/build.mjs';

const { buildCatalogue } = await import(built('catalogue.js'));
const { ConfigSource } = await import(built('config/source-file.js'));

const HOSTS = 100;

/** Path and host of the route with this number: exact paths, deep prefixes and a header match by turns. */
export function target(index) {
  return { host: `h${index % HOSTS}.example`, path: `/team${index % 997}/service${index}/v1` };
}

/** A configuration of `count` routes on one listener; `mark` is what route 0 answers. */
export function configText(count, { port, mark }) {
  const lines = [
    'config: {adminAddr: "off", statsAddr: "off", readinessAddr: "off"}',
    'binds:',
    `- port: ${port}`,
    '  listeners:',
    '  - name: bench',
    '    routes:',
  ];
  for (let index = 0; index < count; index++) {
    const { host, path } = target(index);
    const match = index % 3 === 0 ? `exact: ${path}` : `pathPrefix: ${path}`;
    lines.push(
      `    - name: route${index}`,
      `      hostnames: [${host}]`,
      '      matches:',
      `      - path: {${match}}`,
      ...(index % 7 === 0
        ? ['      - path: {pathPrefix: /shared}', `        headers: [{name: x-team, value: {exact: "${index}"}}]`]
        : []),
      '      policies:',
      `        directResponse: {status: 200, body: "${index === 0 ? mark : index}"}`,
    );
  }
  return lines.join('\n');
}

/** Loads a configuration as the gateway does: {resources, settings}. */
export async function load(text) {
  return new ConfigSource('bench', buildCatalogue(), { text }).load();
}
