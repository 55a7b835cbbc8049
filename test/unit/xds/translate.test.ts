import { describe, expect, it } from 'vitest';
import type { Backend, Listener, Route } from '../../../src/resources/types.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../../../src/xds/wire/discovery.ts';
import { CERT, House, KEY, listening, refusal, route, translated } from './translate-support.ts';

describe('binds', () => {
  it('are ports', () => {
    expect(translated({ bind: { key: '80/ns/gw', port: 80, protocol: 'TLS' } }).resource).toEqual({
      kind: 'bind',
      key: 'bind/80/ns/gw',
      port: 80,
      address: '',
      protocol: 'tls',
      tunnelProtocol: 'direct',
      driver: 'auto',
    });
  });

  it('that are internal are nothing yet', () => {
    const { resource, warnings } = translated({ bind: { key: 'x', mode: 'INTERNAL' } });
    expect(resource).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('INTERNAL')]);
  });

  it.each([
    [{ port: 80 }, 'bind.key: is missing'],
    [{ key: 'x' }, 'bind.port: 0 is not a port'],
    [{ key: 'x', port: 70_000 }, 'bind.port: 70000 is not a port'],
    [{ key: 'x', port: 80, protocol: 9 }, 'bind.protocol: 9 is not known to this version'],
  ])('%j are refused', (bind, reason) => expect(refusal({ bind })).toBe(reason));
});

describe('listeners', () => {
  const name = { gateway_name: 'web', gateway_namespace: 'ns', listener_name: 'l' };
  const listener = (more: object) => ({ listener: { key: 'l', bind_key: '80', name, protocol: 'HTTP', ...more } });
  const tls = { cert: CERT, private_key: KEY };

  it('know their bind, gateway and host', () => {
    const set = { name: 'set', namespace: 'ns' };
    const { resource } = translated(listener({ hostname: '*.Example.COM.', name: { ...name, listener_set: set } }));
    expect(resource).toEqual({
      kind: 'listener',
      key: 'listener/l',
      bindKey: 'bind/80',
      name: 'l',
      gateway: 'web',
      namespace: 'ns',
      listenerSet: set,
      hostname: '*.example.com',
      protocol: 'HTTP',
      tls: null,
      policies: {},
      inactive: [],
    });
  });

  it('have TLS with defaults filled in', () => {
    const { resource } = translated(
      listener({ protocol: 'HTTPS', tls: { ...tls, min_version: 'TLS_V1_3', cipher_suites: [1] } }),
    );
    expect((resource as Listener).tls).toEqual({
      cert: CERT.toString(),
      key: KEY.toString(),
      root: '',
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      cipherSuites: ['TLS_AES_256_GCM_SHA384'],
      alpn: ['h2', 'http/1.1'],
    });
  });

  it.each([
    [{ protocol: 'HTTPS', tls: { certificate_source: 'SPIFFE' } }, 'tls.spiffe'],
    [{ protocol: 'HTTPS', tls: { certificate_source: 'DYNAMIC_CA', ...tls } }, 'tls.mode dynamicCa'],
    [{ protocol: 'HTTPS', tls: { certificate_source: 'ISTIO_WORKLOAD' } }, 'tls.certificateSource istioWorkload'],
    [
      { protocol: 'HTTPS', tls: { ...tls, root: CERT, mtls_mode: 'ALLOW_INSECURE_FALLBACK' } },
      'tls.mtlsMode allowInsecureFallback',
    ],
    [{ protocol: 'TCP' }, 'protocol TCP'],
    [{ protocol: 'HBONE' }, 'protocol HBONE'],
  ])('%# whose routes answer 503 say why', (more, reason) => {
    const { resource, warnings } = translated(listener(more));
    expect((resource as Listener).inactive).toEqual([reason]);
    expect(warnings).toEqual([expect.stringContaining(reason)]);
  });

  it('take on how their port is wrapped, whichever comes first', () => {
    const house = new House();
    house.put('l', listener({}));
    house.put('b', { bind: { key: '80', port: 80, tunnel_protocol: 'PROXY' } });
    expect((house.get('listener/l') as Listener).inactive).toEqual(['tunnelProtocol proxy']);
    house.remove('b');
    expect((house.get('listener/l') as Listener).inactive).toEqual([]);
  });

  it.each([
    [{ protocol: 'UNKNOWN' }, 'listener.protocol'],
    [{ protocol: 17 }, 'listener.protocol: 17 is not known'],
    [{ protocol: 'HTTPS' }, 'listener.tls: protocol HTTPS needs it'],
    [{ tls }, 'listener.tls: protocol HTTP takes none'],
    [
      { protocol: 'HTTPS', tls: { cert: CERT, private_key: Buffer.from('nonsense') } },
      'listener.tls: these certificates cannot be used',
    ],
    [{ protocol: 'HTTPS', tls: { ...tls, min_version: 9 } }, 'listener.tls.min_version: 9 is not known'],
    [{ name: undefined }, 'listener.name: is missing'],
    [{ hostname: 'a b' }, 'listener.hostname: "a b" is not a host name'],
  ])('%# are refused', (more, reason) => expect(refusal(listener(more))).toContain(reason));
});

describe('routes', () => {
  it('match what they say', () => {
    const { resource } = translated(
      route('r', {
        hostnames: ['API.example.com'],
        matches: [
          {
            path: { exact: '/a' },
            method: { exact: 'get' },
            headers: [{ name: 'X-Tenant', exact: '' }],
            query_params: [{ name: 'Q', regex: 'a+' }],
          },
          { path: { regex: '/b/[0-9]+' } },
          {},
        ],
      }),
    );
    expect((resource as Route).hostnames).toEqual(['api.example.com']);
    expect((resource as Route).matches).toEqual([
      {
        path: { exact: '/a' },
        method: 'GET',
        headers: [{ name: 'x-tenant', value: { exact: '' } }],
        query: [{ name: 'Q', value: { regex: 'a+' } }],
      },
      { path: { regex: '/b/[0-9]+' }, method: '', headers: [], query: [] },
      { path: { pathPrefix: '/' }, method: '', headers: [], query: [] },
    ]);
  });

  it('lead to what they name, there or not', () => {
    const { resource } = translated(
      route('r', {
        backends: [
          { backend: { service: { namespace: 'ns', hostname: 's' }, port: 80 }, weight: 2 },
          { backend: { backend: 'ns/b' }, weight: 1 },
          { backend: { backend: 'b' } },
          { weight: 1 },
          { backend: { inline: { hostname: 'h', port: 0 } }, weight: 1 },
        ],
      }),
    );
    expect((resource as Route).backends.map(({ weight, target }) => ({ weight, target }))).toEqual([
      { weight: 2, target: { kind: 'service', namespace: 'ns', name: 's', port: 80 } },
      { weight: 1, target: { kind: 'backend', key: 'backend/ns/b' } },
      { weight: 0, target: { kind: 'backend', key: 'backend//b' } },
      { weight: 1, target: { kind: 'invalid' } },
      { weight: 1, target: { kind: 'invalid' } },
    ]);
  });

  it('stand in groups and delegate to them', () => {
    const house = new House();
    house.put('g', { route_group: { key: 'a/b/c', name: 'c', namespace: 'a' } });
    house.put('parent', route('p', { backends: [{ route_group_key: 'a/b/c', weight: 1 }] }));
    house.put('child', route('c', { listener_key: '', route_group_key: 'a/b/c' }));
    expect(house.get('routeGroup/a/b/c')).toEqual({ kind: 'routeGroup', key: 'routeGroup/a/b/c', name: 'a/b/c' });
    expect((house.get('route/p') as Route).backends[0]?.target).toEqual({
      kind: 'routeGroup',
      key: 'routeGroup/a/b/c',
    });
    expect(house.get('route/c')).toMatchObject({ listenerKeys: [], groupKey: 'routeGroup/a/b/c' });
  });

  it('of services themselves serve nothing yet', () => {
    const { resource, warnings } = translated(route('r', { service_key: { namespace: 'ns', hostname: 'h' } }));
    expect((resource as Route).listenerKeys).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('service_key')]);
  });

  it('of kinds that share names keep their kind', () => {
    const { resource } = translated(route('r', { name: { kind: 'GRPCRoute', name: 'r', namespace: 'default' } }));
    expect((resource as Route).nameKind).toBe('GRPCRoute');
  });

  it('carry policies, the later of a name counting, in any phase', () => {
    const { resource, warnings } = translated(
      route('r', {
        traffic_policies: [
          { timeout: { request: { seconds: 1 } } },
          { timeout: { request: { seconds: 2 } } },
          { phase: 'GATEWAY', authorization: { allow: ['true'] } },
          { authorization: { deny: ['false'] } },
        ],
      }),
    );
    expect((resource as Route).policies).toEqual({
      timeout: { requestTimeout: '2s' },
      authorization: { rules: ['true', { deny: 'false' }] },
    });
    expect(warnings).toEqual([]);
  });

  it.each([
    [{ name: undefined }, 'route.name: is missing'],
    [{ matches: [{ path: { exact: 'x' } }] }, 'route.matches.0.path: "x" matches no request'],
    [{ matches: [{ path: {} }] }, 'route.matches.0.path: is of a kind'],
    [{ matches: [{ path: { regex: '(' } }] }, 'route.matches.0.path: not a regular expression'],
    [{ matches: [{}, { headers: [{ name: 'a' }] }] }, 'route.matches.1.headers.0: is of a kind'],
    [{ hostnames: ['ok', 'a b'] }, 'route.hostnames.1: "a b" is not a host name'],
    [{ backends: [{ weight: -1 }] }, 'route.backends.0.weight: is negative'],
    [{ backends: [{ weight: 1 }, { route_group_key: 'g' }] }, 'route.backends: a route that delegates'],
    [
      { traffic_policies: [{}, { authorization: { allow: ['1 +'] } }] },
      'route.traffic_policies.1.authorization: rules[0]',
    ],
    [{ traffic_policies: [{ retry: { attempts: -1 } }] }, 'route.traffic_policies.0.retry'],
  ])('%# are refused with the place', (more, reason) => expect(refusal(route('r', more))).toContain(reason));
});

describe('backends', () => {
  const backend = (more: object) => ({ backend: { key: 'ns/b', name: { name: 'b', namespace: 'ns' }, ...more } });

  it.each([
    [{ static: { host: 'h', port: 80 } }, { kind: 'host', host: 'h', port: 80 }],
    [{ static: { unix_path: '/run/s' } }, { kind: 'unix', path: '/run/s' }],
  ])('%# are somewhere', (more, target) => {
    expect(translated(backend(more)).resource).toEqual({
      kind: 'backend',
      key: 'backend/ns/b',
      name: 'b',
      namespace: 'ns',
      target,
      policies: {},
    });
  });

  it.each([
    [
      { mcp: { targets: [{ name: 't', backend: { backend: 'ns/s' }, protocol: 'SSE' }] } },
      'mcp',
      { targets: [{ name: 't', sse: { backend: 'ns/s' } }] },
    ],
    [{ aws: { agent_core: { agent_runtime_arn: 'arn' } } }, 'aws', { agentCore: { agentRuntimeArn: 'arn' } }],
    [{ dynamic: {} }, 'dynamic', {}],
    [{ guardrail: { openai_moderation: {} } }, 'guardrail', { openai_moderation: {} }],
  ])('%# that are not executed answer 503', (more, name, value) => {
    const { resource, warnings } = translated(backend(more));
    expect((resource as Backend).target).toEqual({ kind: 'inactive', name, value });
    expect(warnings).toEqual([`a backend of kind ${name}: accepted, not yet active; it answers 503`]);
  });

  it('have policies', () => {
    const { resource } = translated(
      backend({
        static: { host: 'h', port: 443 },
        inline_policies: [{ backend_tls: { hostname: 'sni.example.com' } }],
      }),
    );
    expect((resource as Backend).policies).toMatchObject({ backendTLS: { hostname: 'sni.example.com' } });
  });

  it.each([
    [{ static: { host: 'h' } }, 'backend.static.port: 0 is not a port'],
    [{ static: { port: 80 } }, 'backend.static.host: is missing'],
    [{}, 'backend: a backend of a kind that this version does not know'],
    [{ ai: {} }, 'backend.ai.provider_groups: is empty'],
    [{ name: undefined, static: { host: 'h', port: 80 } }, 'backend.name: is missing'],
  ])('%# are refused', (more, reason) => expect(refusal(backend(more))).toBe(reason));
});

describe('what is sent', () => {
  it('must be what it says it is', () => {
    const house = new House();
    expect(() => house.putBytes('x', Buffer.from([0x0a, 0xff]))).toThrow('not such a message');
    expect(() => house.putBytes('x', Buffer.alloc(0))).toThrow('of a kind that this version does not know');
    expect(() => house.putBytes('x', Buffer.alloc(0), ADDRESS_TYPE)).toThrow('neither a workload nor a service');
    expect(() => house.putBytes('x', Buffer.alloc(0), 'type.googleapis.com/other')).toThrow('a resource of type');
    // A field of a version to come.
    expect(() => house.putBytes('x', Buffer.from([0x9a, 0x06, 0x00]))).toThrow(
      'of a kind that this version does not know',
    );
  });

  it('never breaks the translator, whatever the bytes', () => {
    const house = new House();
    listening(house);
    const before = structuredClone(house.all());
    let seed = 1;
    const random = () => (seed = (seed * 48271) % 2147483647);
    for (let round = 0; round < 500; round++) {
      const bytes = Uint8Array.from({ length: random() % 64 }, () => random() & 255);
      try {
        house.putBytes('noise', bytes);
        house.remove('noise');
      } catch (error) {
        expect((error as Error).name).toBe('WireError');
      }
    }
    expect(house.all()).toEqual(before);
  });

  it('keeps its last good state where it is refused', () => {
    const house = new House();
    house.put('r', route('r'));
    expect(() => house.put('r', route('r', { hostnames: ['a b'] }))).toThrow();
    expect(house.get('route/r')).toMatchObject({ hostnames: [] });
    expect(house.remove('r')).toEqual(['route/r']);
  });

  it('is refused where another has said it already', () => {
    const house = new House();
    house.put('a', route('r'));
    expect(() => house.put('b', route('r'))).toThrow('is what "a" is already: route/r');
    house.remove('a');
    expect(house.put('b', route('r')).changed).toHaveLength(1);
  });

  it('goes and comes where a name means another thing', () => {
    const house = new House();
    house.put('a', route('r'));
    const { changed, removed } = house.put('a', route('s'));
    expect([changed.map(({ key }) => key), removed]).toEqual([['route/s'], ['route/r']]);
  });

  it('raw TCP is nothing yet', () => {
    const { resource, warnings } = translated({ tcp_route: { key: 't', listener_key: 'l' } });
    expect(resource).toBeUndefined();
    expect(warnings).toEqual(['raw TCP is not served by this version']);
  });
});

describe('removal', () => {
  const KINDS: [string, object, string][] = [
    ['bind', { bind: { key: 'x', port: 80 } }, 'bind/x'],
    ['listener', { listener: { key: 'x', name: {}, protocol: 'HTTP' } }, 'listener/x'],
    ['route', route('x'), 'route/x'],
    ['backend', { backend: { key: 'x/y', name: {}, static: { host: 'h', port: 1 } } }, 'backend/x/y'],
    ['policy', { policy: { key: 'x', target: { gateway: {} }, traffic: { timeout: {} } } }, 'policy/x'],
    ['route group', { route_group: { key: 'x' } }, 'routeGroup/x'],
    [
      'model',
      {
        model_route: {
          key: 'x',
          router_key: 'a/b',
          match: { model: 'm' },
          virtual_model: { conditional: { targets: [{ model: 'n' }] } },
        },
      },
      'llm/a/b',
    ],
    ['sluice', { sluice: Buffer.from('{"kind":"routeGroup","key":"routeGroup/x","name":"x"}') }, 'routeGroup/x'],
    ['service', { service: { namespace: 'n', hostname: 'h', name: 'h' } }, 'service/n/h'],
    ['workload', { workload: { uid: 'u' } }, 'workload/u'],
  ];

  it.each(KINDS)('of a %s', (_, message, key) => {
    const house = new House();
    house.put('it', message);
    expect(house.all().map((resource) => resource.key)).toContain(key);
    expect(house.remove('it')).toContain(key);
    expect(house.all()).toEqual([]);
    expect(house.remove('it')).toEqual([]);
  });

  it('of addresses, which have names of their own', () => {
    const house = new House();
    house.putAddress('it', { workload: { uid: 'u', addresses: [Buffer.from([127, 0, 0, 1])] } });
    house.put('it', { bind: { key: 'x', port: 80 } });
    expect(house.remove('it')).toEqual(['bind/x']);
    expect(house.remove('it', ADDRESS_TYPE)).toEqual(['workload/u']);
  });

  it('of what never was', () => expect(new House().remove('nothing')).toEqual([]));
});

describe("Sluice's own JSON", () => {
  const sluice = (value: unknown) => ({
    sluice: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  });
  const bind = {
    kind: 'bind',
    key: 'bind/80',
    port: 80,
    address: '',
    protocol: 'http',
    tunnelProtocol: 'direct',
    driver: 'uws',
  };
  const group = { kind: 'frontend', key: 'frontend' };

  it('is the resource itself', () => expect(translated(sluice(bind)).resource).toEqual(bind));

  it.each([
    ['no json', 'sluice: not JSON'],
    ['null', 'sluice: not a resource that this version knows'],
    [{ kind: 'toString', key: 'x' }, 'sluice: not a resource that this version knows'],
    [{ ...bind, key: 'route/80' }, 'sluice: not a resource that this version knows'],
    [{ ...group, policies: { accessLog: { filter: '1 +' } } }, 'sluice: accessLog: filter: not an expression'],
    [{ ...group, policies: { accessLog: { nonsense: 1 } } }, 'sluice: accessLog: nonsense: unknown field'],
  ])('%# is checked', (value, reason) => expect(refusal(sluice(value))).toContain(reason));

  it('keeps policies that only another version knows', () => {
    const frontend = { ...group, policies: { fromTheFuture: {} } };
    expect(translated(sluice(frontend)).resource).toEqual(frontend);
  });
});

describe('what a name stood for', () => {
  it('it stands for again, and so does what is made of it with others', () => {
    const house = new House();
    listening(house);
    house.put('r', route('r'));
    const before = house.all();
    const [heldBind, heldRoute] = ['bind', 'r'].map((name) => house.translator.held(RESOURCE_TYPE, name));
    house.put('bind', { bind: { key: '8080/default/web', port: 8080, tunnel_protocol: 'PROXY' } });
    house.put('r', route('other'));
    expect(house.all()).not.toEqual(before);
    const restored = [
      house.translator.restore(RESOURCE_TYPE, 'bind', heldBind ?? null),
      house.translator.restore(RESOURCE_TYPE, 'r', heldRoute ?? null),
    ];
    expect(restored.flatMap(({ changed }) => changed)).toEqual(before);
    expect(restored.flatMap(({ removed }) => removed)).toEqual(['route/other']);
  });

  it('is nothing again where it was nothing', () => {
    const house = new House();
    house.put('r', route('r'));
    const { changed, removed } = house.translator.restore(RESOURCE_TYPE, 'r', null);
    expect([changed, removed]).toEqual([[], ['route/r']]);
  });

  it('is as it was where no more than its key is remembered', () => {
    const house = new House();
    house.putAddress('w', { workload: { uid: 'w', name: 'w', namespace: 'ns' } });
    const held = house.translator.held(ADDRESS_TYPE, 'w');
    house.remove('w', ADDRESS_TYPE);
    const { changed, removed, asItWas } = house.translator.restore(ADDRESS_TYPE, 'w', held);
    expect([changed, removed, asItWas]).toEqual([[], [], ['workload/w']]);
  });

  it('can not be what another name stands for by now', () => {
    const house = new House();
    house.put('a', route('r'));
    const held = house.translator.held(RESOURCE_TYPE, 'a');
    house.remove('a');
    house.put('b', route('r'));
    expect(() => house.translator.restore(RESOURCE_TYPE, 'a', held)).toThrow('is what "b" is already: route/r');
  });
});
