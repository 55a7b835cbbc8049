import { describe, expect, test } from 'vitest';
import type { Backend, Listener, LlmRouter, Route, TargetedPolicy } from '../../../src/resources/types.ts';
import { Planned } from './plans.ts';
import { CERT, House, listening, policy, route } from './translate-support.ts';

/** What a request to / is answered by: the refusals of its listener and route, and of the route's first backend. */
function refusals(house: House): { listener: unknown; route: unknown; backend: unknown } {
  const { listener, route } = new Planned(house.all()).outcome('bind/8080/default/web', { host: 'example.com' }) as {
    listener: { program: { refusal: unknown } };
    route: { program: { refusal: unknown; backends: { refusal: unknown }[] } };
  };
  const { refusal, backends } = route.program;
  return { listener: listener.program.refusal, route: refusal, backend: backends[0]?.refusal };
}

function routed(more: object = {}): House {
  const house = new House();
  listening(house);
  house.put('r', route('r', more));
  return house;
}

const NONE = { listener: null, route: null, backend: null };
const unavailable = expect.objectContaining({ code: 'not_active' });
const gateway = { gateway: { name: 'web', namespace: 'default' } };
const NO_SUCH_MODE = { target: { backend: 'a' }, failure_mode: 7 };
const onRoute = { route: { kind: 'HTTPRoute', name: 'r', namespace: 'default' } };

describe('a policy that protects and can not be read', () => {
  test.each([
    ['an expression that is none', gateway, { traffic: { authorization: { deny: ['request.path =='] } } }, 'route'],
    ['before routing', gateway, { traffic: { phase: 'GATEWAY', jwt: { mode: 'STRICT' } } }, 'listener'],
    ['a failure mode that is none', onRoute, { traffic: { ext_authz: NO_SUCH_MODE } }, 'route'],
    ['an entry under a condition', onRoute, conditional({ ext_authz: NO_SUCH_MODE }), 'route'],
    ['a client certificate', onRoute, { backend: { backend_tls: { cert: Buffer.from('x'), key: CERT } } }, 'backend'],
    ['credentials', onRoute, { backend: { auth: { jwt_sign: { translation_error: 'no key' } } } }, 'backend'],
  ])('refuses what it covers until it can: %s', (_, target, more, where) => {
    const house = routed();
    expect(refusals(house)).toEqual(NONE);
    const { refusal, warnings } = house.put('p', policy('p', target, more));
    expect(refusal).toMatch(/^policy\./);
    expect(warnings).toEqual([expect.stringContaining(`${refusal}; what is left`)]);
    expect(refusals(house)).toEqual({ ...NONE, [where]: unavailable });

    house.put('p', policy('p', target, { traffic: { authorization: { allow: ['true'] } } }));
    expect(refusals(house)).toEqual(NONE);
  });

  test('stays what it was where it was something, and goes when it is removed', () => {
    const house = routed();
    house.put('p', policy('p', gateway, { traffic: { authorization: { deny: ['false'] } } }));
    const bad = policy('p', gateway, { traffic: { authorization: { deny: ['nonsense('] } } });
    expect(() => house.put('p', bad)).toThrow(/not an expression/);
    expect((house.get('policy/p') as TargetedPolicy).policies).toEqual({
      authorization: { rules: [{ deny: 'false' }] },
    });

    house.remove('p');
    house.put('p', bad);
    expect(house.put('p', bad).refusal).toMatch(/not an expression/);
    expect(refusals(house).route).toEqual(unavailable);
    house.remove('p');
    expect(refusals(house)).toEqual(NONE);
  });

  test('is left out where nobody is less protected without it', () => {
    const house = routed();
    expect(() => house.put('p', policy('p', onRoute, { traffic: { retry: { attempts: -1 } } }))).toThrow();
    expect(refusals(house)).toEqual(NONE);
  });
});

function conditional(traffic: object): object {
  return { conditional: { policies: [{ condition: 'true', traffic }] } };
}

test('an expression that is none fails, and the rest of its policy holds', () => {
  const house = routed();
  const set = [
    { name: 'x-bad', expression: 'nonsense(' },
    { name: 'x-good', expression: 'request.method' },
  ];
  const { refusal } = house.put('p', policy('p', onRoute, { traffic: { transformation: { request: { set } } } }));
  expect(refusal).toMatch(/^policy\.traffic\.transformation: request\.set\.x-bad: not an expression/);
  const { policies } = house.get('policy/p') as TargetedPolicy;
  expect(policies).toMatchObject({
    transformations: { request: { set: { 'x-bad': expect.stringMatching(/^fail\(/), 'x-good': 'request.method' } } },
  });
});

test('a match that can not be read matches nothing, and the others of its route hold', () => {
  const house = routed();
  const matches = [{ path: { regex: '/a(' } }, { path: { path_prefix: '/b' } }];
  expect(house.put('odd', route('odd', { matches })).refusal).toMatch(/^route\.matches\.0\.path: not a regular/);
  expect((house.get('route/odd') as Route).matches.map(({ path }) => path)).toEqual([
    { exact: '' },
    { pathPrefix: '/b' },
  ]);
  const planned = new Planned(house.all());
  const keyOf = (url: string) =>
    (planned.outcome('bind/8080/default/web', { url }) as { route: { key: string } }).route.key;
  expect(['/a', '/a(', '/b/c'].map(keyOf)).toEqual(['route/r', 'route/r', 'route/odd']);
});

test('a listener whose certificate can not be used keeps its host name to itself', () => {
  const house = new House();
  listening(house, { hostname: '*.example.com' });
  const name = { gateway_name: 'web', gateway_namespace: 'default', listener_name: 'https' };
  const { refusal } = house.put('https', {
    listener: {
      key: 'default/web.https',
      bind_key: '8080/default/web',
      name,
      hostname: 'shop.example.com',
      protocol: 'HTTPS',
      tls: { cert: Buffer.from('invalid'), private_key: Buffer.from('invalid') },
    },
  });
  expect(refusal).toMatch(/^listener\.tls: these certificates/);
  const listener = house.get('listener/default/web.https') as Listener;
  expect(listener).toMatchObject({ tls: null, inactive: ['tls'] });
  const { listener: found } = new Planned(house.all()).outcome('bind/8080/default/web', {
    host: 'shop.example.com',
  }) as {
    listener: { key: string; program: { refusal: unknown } };
  };
  expect(found).toMatchObject({ key: listener.key, program: { refusal: unavailable } });
});

test('a condition of a virtual model that is none is never true', () => {
  const house = new House();
  const targets = [{ model: 'a', when: 'nonsense(' }, { model: 'b' }];
  const { refusal } = house.put('m', {
    model_route: {
      key: 'm',
      router_key: '/llm:router:web',
      match: { model: 'smart' },
      virtual_model: { conditional: { targets } },
    },
  });
  expect(refusal).toMatch(/^model_route\.virtual_model\.conditional\.targets\.0\.when: not an expression/);
  const { virtualModels } = house.get('llm/web') as LlmRouter;
  expect(virtualModels[0]?.routing).toEqual({
    kind: 'conditional',
    targets: [
      { model: 'a', when: expect.stringMatching(/^fail\(/) },
      { model: 'b', when: '' },
    ],
  });
});

test('a backend with credentials that can not be read is none', () => {
  const house = new House();
  const backend = {
    key: 'default/app',
    name: { name: 'app', namespace: 'default' },
    static: { host: 'app.example.com', port: 80 },
  };
  const inline_policies = [{ auth: { gcp: { credential: 'not JSON' } } }];
  expect(() => house.put('b', { backend: { ...backend, inline_policies } })).toThrow(/not JSON/);
  house.put('b', { backend });
  expect((house.get('backend/default/app') as Backend).policies).toEqual({});
});
