import { built } from '../lib/build.mjs';

const { makeService, makeWorkload } = await import(built('resources/discovery.js'));
const { fromResources } = await import(built('xds/translate/index.js'));
const { buildCatalogue } = await import(built('catalogue.js'));

const ROUTES = 10_000;
const POLICIES = 2_000;
const SERVICES = 2_000;
const WORKLOADS = 20_000;
const HOSTS = 100;
export const COUNT = ROUTES + POLICIES + SERVICES + WORKLOADS + 2;

const namespaceOf = (service) => `team-${service % 50}`;
const hostnameOf = (service) => `service-${service}.${namespaceOf(service)}.svc.cluster.local`;

/** A path that leads to a service of ten workloads, and one to the service of a single workload whose health changes. */
export const BUSY_PATH = '/services/1/items';
export const FLIPPED_PATH = '/services/0/items';

/** The workload behind FLIPPED_PATH. */
export function flippedWorkload(upstreamPort, healthy) {
  return workload(0, 0, upstreamPort, 0, healthy);
}

/**
 * All of it as a control plane sends it. `edition`: what differs from one full set to the next, in every resource but the port's own.
 * Every workload is at an address of its own in 127.0.0.0/8.
 */
export function everything({ port, upstreamPort, edition }) {
  const resources = [
    {
      kind: 'bind',
      key: `bind/${port}`,
      port,
      address: '',
      protocol: 'http',
      tunnelProtocol: 'direct',
      driver: 'auto',
    },
    {
      kind: 'listener',
      key: 'listener/all',
      bindKey: `bind/${port}`,
      name: 'all',
      gateway: 'bench',
      namespace: 'bench',
      hostname: '',
      protocol: 'HTTP',
      tls: null,
      policies: {},
      inactive: [],
    },
  ];
  for (let i = 0; i < SERVICES; i++) resources.push(service(i, edition));
  // The first service has one workload; the others share the rest.
  for (let i = 0; i < WORKLOADS; i++) {
    resources.push(workload(i, i === 0 ? 0 : 1 + (i % (SERVICES - 1)), upstreamPort, edition, true));
  }
  for (let i = 0; i < POLICIES; i++) resources.push(policy(i, edition));
  for (let i = 0; i < ROUTES; i++) resources.push(route(i, edition));
  return fromResources(resources, buildCatalogue());
}

/** One resource on the wire. */
export function onWire(resource) {
  return fromResources([resource], buildCatalogue())[0];
}

function service(i, edition) {
  return makeService({
    namespace: namespaceOf(i),
    name: `service-${i}`,
    hostname: hostnameOf(i),
    ports: { 80: 8080 },
    vips: [`/10.96.${i >> 8}.${i & 255}`],
    subjectAltNames: [`spiffe://cluster.local/ns/${namespaceOf(i)}/sa/edition-${edition}`],
    loadBalancer: { routingPreferences: ['Network', 'Region', 'Zone'], mode: 'Failover', healthPolicy: 'OnlyHealthy' },
  });
}

function workload(i, service, upstreamPort, edition, healthy) {
  const name = `service-${service}-7d4b9c8f6d-${i.toString(36).padStart(5, '0')}`;
  return makeWorkload(`Kubernetes//Pod/${namespaceOf(service)}/${name}`, {
    name,
    namespace: namespaceOf(service),
    addresses: [`127.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`],
    healthy,
    services: [
      {
        service: `service/${namespaceOf(service)}/${hostnameOf(service)}`,
        ports: [{ port: 80, target: upstreamPort }],
      },
    ],
    node: `node-${(i + edition) % 200}`,
    locality: { region: 'us-east-1', zone: `us-east-1${'abc'[i % 3]}`, subzone: '' },
    serviceAccount: `service-${service}`,
  });
}

function policy(i, edition) {
  return {
    kind: 'policy',
    key: `policy/bench/policy-${i}`,
    name: `policy-${i}`,
    target: { kind: 'route', name: `route-${i}`, namespace: 'bench', ruleName: '' },
    phase: 'route',
    policies: { requestHeaderModifier: { set: { 'x-edition': `${edition}` } } },
    order: i,
  };
}

function route(i, edition) {
  const service = i % SERVICES;
  return {
    kind: 'route',
    key: `route/bench/route-${i}`,
    listenerKeys: ['listener/all'],
    groupKey: '',
    name: `route-${i}`,
    namespace: 'bench',
    ruleName: '',
    hostnames: i < SERVICES ? [] : [`host-${i % HOSTS}.example.com`],
    matches: [{ path: { pathPrefix: `/services/${i}` }, method: '', headers: [], query: [] }],
    policies: { timeout: { requestTimeout: `${30 + edition}s` } },
    backends: [
      {
        weight: 1,
        target: { kind: 'service', namespace: namespaceOf(service), name: hostnameOf(service), port: 80 },
        policies: {},
      },
    ],
    order: i,
  };
}
