import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Resource, Route, RouteBackend, RouteMatch, TargetedPolicy } from '../../../src/resources/types.ts';
import { fromResources, Translator } from '../../../src/xds/translate/index.ts';
import { messageType } from '../../../src/xds/wire/protos.ts';
import { CATALOGUE } from './translate-support.ts';

/** Whatever resources there are, they are the same on the other side, in whatever order they go. */

const RESOURCE = messageType('agentgateway.dev.resource.Resource');

const name = fc.stringMatching(/^[a-zA-Z0-9@#/._~-]{1,12}$/);
const host = fc.stringMatching(/^[a-z]{1,6}\.example\.com$/);
const port = fc.integer({ min: 1, max: 65535 });
const text = fc.string({ maxLength: 20, unit: 'grapheme' });

const value = fc.oneof(fc.record({ exact: text }), fc.constant({ regex: '[a-z]+' }));
const match: fc.Arbitrary<RouteMatch> = fc.record({
  path: fc.oneof(
    name.map((one) => ({ exact: `/${one}` })),
    name.map((one) => ({ pathPrefix: `/${one}` })),
    fc.constant({ regex: '/v[0-9]+/.*' }),
    fc.constant({ exact: '' }),
  ),
  method: fc.constantFrom('', 'GET', 'POST'),
  headers: fc.array(fc.record({ name: fc.constantFrom('x-a', ':authority'), value }), { maxLength: 2 }),
  query: fc.array(fc.record({ name, value }), { maxLength: 2 }),
});

/** Policies as files have them, with defaults filled in. */
const routePolicies = fc.record(
  {
    timeout: fc.integer({ min: 1, max: 1e6 }).map((ms) => ({ requestTimeout: `${ms}ms` })),
    authorization: fc
      .array(
        name.map((one) => `request.path != "/${one}"`),
        { minLength: 1 },
      )
      .map((rules) => ({ rules })),
    localRateLimit: fc
      .integer({ min: 1, max: 1e6 })
      .map((tokens) => [{ maxTokens: tokens, tokensPerFill: 1, fillInterval: '1s', type: 'requests' }]),
    requestHeaderModifier: fc
      .dictionary(fc.constantFrom('x-a', 'x-b'), fc.stringMatching(/^[ -~]{1,12}$/), { minKeys: 1 })
      .map((set) => ({ set })),
    onClientAbort: fc.constant('cancel'),
  },
  { requiredKeys: [] },
);

const target: fc.Arbitrary<RouteBackend['target']> = fc.oneof(
  fc.record({ kind: fc.constant('host' as const), host, port }),
  fc.record({ kind: fc.constant('service' as const), namespace: name, name: host, port }),
  fc.record({
    kind: fc.constant('backend' as const),
    key: name.filter((one) => one !== '/').map((one) => `backend/${one.includes('/') ? one : `/${one}`}`),
  }),
  fc.record({ kind: fc.constant('unix' as const), path: name.map((one) => `/run/${one}`) }),
  fc.constant({ kind: 'invalid' as const }),
  fc.constant<RouteBackend['target']>({
    kind: 'ai',
    ai: {
      groups: [
        [
          {
            name: 'one',
            provider: 'openAI',
            settings: { model: 'gpt-5' },
            hostOverride: 'h.example.com:8443',
            hostOverrideTls: true,
            pathOverride: '',
            pathPrefix: '/v2',
            tokenize: false,
            policies: {},
          },
        ],
      ],
    },
  }),
);

const route: fc.Arbitrary<Route> = fc.record({
  kind: fc.constant('route' as const),
  key: name.map((one) => `route/${one}`),
  listenerKeys: fc.uniqueArray(
    name.map((one) => `listener/${one}`),
    { maxLength: 3 },
  ),
  groupKey: fc.constant(''),
  name,
  namespace: name,
  ruleName: fc.oneof(fc.constant(''), name),
  hostnames: fc.uniqueArray(host, { maxLength: 2 }),
  matches: fc.array(match, { minLength: 1, maxLength: 3 }),
  policies: routePolicies,
  backends: fc.array(fc.record({ weight: fc.nat(1000), target, policies: fc.constant({}) }), { maxLength: 3 }),
  order: fc.oneof(fc.nat(100), fc.constant(Number.MAX_SAFE_INTEGER)),
});

const policyTarget: fc.Arbitrary<TargetedPolicy['target']> = fc.oneof(
  fc.record({
    kind: fc.constant('gateway' as const),
    gateway: name,
    namespace: name,
    listener: fc.oneof(fc.constant(''), name),
    port: fc.oneof(fc.constant(0), port),
  }),
  fc.record({ kind: fc.constant('route' as const), name, namespace: name, ruleName: fc.oneof(fc.constant(''), name) }),
  fc.record({
    kind: fc.constant('listenerSet' as const),
    name,
    namespace: name,
    listener: fc.oneof(fc.constant(''), name),
  }),
);

const policy: fc.Arbitrary<TargetedPolicy> = fc
  .record({
    key: name,
    name,
    target: policyTarget,
    order: fc.nat(100),
    requestTimeout: fc.nat(1e6),
    override: fc.boolean(),
  })
  .map(({ key, name, target, order, requestTimeout, override }) => ({
    kind: 'policy' as const,
    key: `policy/${key}`,
    name,
    target,
    phase: 'route' as const,
    policies: { timeout: { requestTimeout: `${requestTimeout}ms` } },
    order,
    ...(override && { override: true as const }),
  }));

const resources: fc.Arbitrary<Resource[]> = fc.uniqueArray(fc.oneof(route, policy), {
  selector: ({ key }) => key,
  maxLength: 6,
});

/** Durations are as long as they are, however they are put. */
function normal(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, one) =>
      key === 'requestTimeout' ? Number.parseFloat(one) * (/ms$/.test(one) ? 1 : 1000) : one,
    ),
  );
}

describe('random resources', () => {
  it('are what they were', () => {
    fc.assert(
      fc.property(resources, fc.infiniteStream(fc.nat()), (given, random) => {
        const sent = fromResources(given, CATALOGUE)
          .map((one) => ({ one, place: random.next().value as number }))
          .sort((a, b) => a.place - b.place)
          .map(({ one }) => one);
        const translator = new Translator(CATALOGUE);
        const received = new Map<string, Resource>();
        for (const { typeUrl, resource } of sent) {
          const { changed, removed } = translator.put(typeUrl, resource);
          for (const one of changed) received.set(one.key, one);
          for (const key of removed) received.delete(key);
        }
        expect(normal([...received.values()].sort((a, b) => (a.key < b.key ? -1 : 1)))).toEqual(
          normal([...given].sort((a, b) => (a.key < b.key ? -1 : 1))),
        );
        for (const { typeUrl, resource } of sent) translator.remove(typeUrl, resource.name);
      }),
      { numRuns: 300, seed: 20 },
    );
  });

  it('go in agentgateway’s words, where Sluice has none of its own', () => {
    const plain = fc.sample(route, { numRuns: 100, seed: 3 }).map((one, index) => {
      const { onClientAbort: _, ...policies } = one.policies as Record<string, unknown>;
      return { ...one, key: `route/r${index}`, policies };
    });
    const inJson = fromResources(plain, CATALOGUE).filter(
      ({ resource }) => 'sluice' in RESOURCE.decode(resource.bytes),
    );
    expect(inJson.map(({ resource }) => resource.name)).toEqual([]);
  });

  it('have versions that say whether they changed', () => {
    const [first] = fc.sample(route, { numRuns: 1, seed: 5 });
    if (first === undefined) throw new Error('no sample');
    const versions = (one: Route) => fromResources([one], CATALOGUE).map(({ resource }) => resource.version);
    expect(versions(first)).toEqual(versions(structuredClone(first)));
    expect(versions({ ...first, name: 'another' })).not.toEqual(versions(first));
    expect(versions(first)[0]).toMatch(/^[0-9a-f]{16}$/);
  });
});
