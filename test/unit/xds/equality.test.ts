import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildCatalogue } from '../../../src/catalogue.ts';
import { ConfigError } from '../../../src/config/index.ts';
import type { Resource } from '../../../src/resources/types.ts';
import { equivalent } from '../../../src/xds/translate/equivalent.ts';
import { fromResources, Translator } from '../../../src/xds/translate/index.ts';
import { PolicySpecs } from '../../../src/xds/translate/policies.ts';
import { messageType } from '../../../src/xds/wire/protos.ts';
import { configurations, resourcesOf } from './configurations.ts';
import { Planned, requestsFor } from './plans.ts';

/**
 * A configuration that went over the wire is the one that it was: the same resources, and the same plan of them.
 */

const CATALOGUE = buildCatalogue();
const SPECS = new PolicySpecs(CATALOGUE, '');
const RESOURCE = messageType('agentgateway.dev.resource.Resource');

const ROUTE = 'route/3000/listener0/route0';

/** What agentgateway's messages have no words for, by configuration: all else is said in them. */
const IN_JSON: Readonly<Record<string, readonly string[]>> = {
  // Sluice's own: a provider that falls back to the demo, a driver.
  'config.yaml': ['llm/default'],
  'binds.yaml': ['bind/3000'],
  // Of guards: what jailbreaks are looked for by, headers of a rejection.
  'llm-prompt-guard--azure-content-safety-config.yaml': [ROUTE],
  'llm-prompt-guard.yaml': [ROUTE],
  // An endpoint picker that is trusted with any address.
  'llm-standalone-epp.yaml': ['route/8081/default/standalone-epp'],
  // Of models: prompts that are counted ahead, conditions on headers, failover from one to another.
  'local--llm_provider_reference_config.yaml': ['llm/default'],
  'local--llm_simple_config.yaml': ['llm/default'],
  'local--llm_virtual_model_failover_config.yaml': ['llm/default'],
  // Of MCP servers: programs, OpenAPI documents, URLs.
  'local--basic_config.yaml': [ROUTE],
  'local--mcp_config.yaml': [ROUTE],
  'local--mcp_simple_config.yaml': ['backend//mcp'],
  'mcp-apps--config-multiplex.yaml': ['backend//mcp'],
  'mcp-apps.yaml': ['backend//mcp'],
  'mcp-authorization.yaml': ['backend//mcp'],
  'mcp-basic.yaml': ['backend//mcp'],
  'mcp-multiplex.yaml': [ROUTE],
  'mcp-openapi.yaml': [ROUTE],
  'mcp-telemetry--logging--otel.yaml': [ROUTE],
  'mcp-telemetry.yaml': [ROUTE],
  'mcp-tls.yaml': ['route/3000/default/route0'],
  // Key sets that are fetched.
  'mcp-authentication.yaml': [ROUTE, 'route/3000/listener0/route1', 'route/3000/listener0/route2'],
  'traffic-cross-app-access--keycloak--gateway.yaml': ['route/3030/listener0/route0'],
  'traffic-cross-app-access--okta-auth0--gateway.yaml': ['route/3032/listener0/route0'],
  'traffic-cross-app-access--xaa-dev--gateway.yaml': ['route/3031/listener0/route0'],
  // A port taken away from the authority, a log-in with OpenID Connect, a service behind a Unix socket.
  'traffic-http.yaml': ['route/3000/listener0/policy-example'],
  'traffic-oidc.yaml': ['route/3000/default/app'],
  'traffic-tailscale-auth.yaml': ['route/3000/default/application'],
};

/** Configurations made for catalogues of other tests. */
const REFUSED = ['gateways.yaml', 'llm.yaml'];

async function load(path: string): Promise<Resource[] | null> {
  try {
    return await resourcesOf(path, CATALOGUE);
  } catch (error) {
    if (error instanceof ConfigError && REFUSED.includes(basename(path))) return null;
    throw error;
  }
}

/** Resources as they are on the other side, and the names of those that went as JSON. */
function sent(resources: readonly Resource[]): { received: Resource[]; inJson: string[] } {
  const translator = new Translator(CATALOGUE);
  const received = new Map<string, Resource>();
  const inJson: string[] = [];
  for (const { typeUrl, resource } of fromResources(resources, CATALOGUE)) {
    const { changed, removed } = translator.put(typeUrl, resource);
    for (const one of changed) received.set(one.key, one);
    for (const key of removed) received.delete(key);
    if (typeUrl.endsWith('.Resource') && 'sluice' in RESOURCE.decode(resource.bytes)) inJson.push(resource.name);
  }
  return { received: [...received.values()], inJson };
}

const byKey = (resources: readonly Resource[]) => new Map(resources.map((resource) => [resource.key, resource]));
const samePolicy = (name: string, a: unknown, b: unknown): boolean => {
  const said = [a, b].map((value) => JSON.stringify(SPECS.said({ name, value })));
  return said[0] !== undefined && said[0] === said[1];
};

const { own, agentgateway } = configurations();

describe.each([...own, ...agentgateway])('%s', (path) => {
  it('means the same on the other side', async () => {
    const resources = await load(path);
    if (resources === null) return;
    const { received, inJson } = sent(resources);
    expect(inJson).toEqual(IN_JSON[basename(path)] ?? []);
    expect([...byKey(received).keys()].sort()).toEqual([...byKey(resources).keys()].sort());
    const others = byKey(received);
    const different = resources.filter((resource) => !equivalent(resource, others.get(resource.key), samePolicy));
    expect(different).toEqual([]);
  });

  it('serves the same', async () => {
    const resources = await load(path);
    if (resources === null) return;
    const [before, after] = [new Planned(resources), new Planned(sent(resources).received)];
    const requests = requestsFor(resources);
    for (const { bindKey, request } of requests) {
      const [first, second] = [before.outcome(bindKey, request), after.outcome(bindKey, request)];
      if (!equivalent(first, second, samePolicy)) expect(second).toEqual(first);
    }
    expect(requests.length).toBeGreaterThanOrEqual(resources.some(({ kind }) => kind === 'bind') ? 2 : 0);
  });
});
