import { describe, expect, it } from 'vitest';
import type { Frontend, Listener, Route, TargetedPolicy } from '../../../src/resources/types.ts';
import { Planned } from './plans.ts';
import { CERT, House, KEY, listening, policy, refusal, route, translated } from './translate-support.ts';

const GATEWAY = { gateway: { name: 'web', namespace: 'default' } };
const TIMEOUT = { traffic: { timeout: { request: { seconds: 5 } } } };

interface Outcome {
  listener: { program: { refusal: { message: string } | null } };
  route: { key: string; program: { refusal: { code: string; message: string } | null; backends: Backend[] } };
}
interface Backend {
  refusal: { message: string } | null;
  effective: { policies: Record<string, unknown> };
  backend: unknown;
}

/** What becomes of `GET /` at the listener. */
function served(house: House): Outcome {
  return new Planned(house.all()).outcome('bind/8080/default/web', {}) as Outcome;
}

function effective(house: House): Record<string, unknown> | undefined {
  return served(house).route.program.backends[0]?.effective.policies;
}

describe('policies attached from outside', () => {
  it.each([
    [GATEWAY, { kind: 'gateway', gateway: 'web', namespace: 'default', listener: '', port: 0 }],
    [
      { gateway: { name: 'web', namespace: 'default', listener: 'http', port: 80 } },
      { kind: 'gateway', gateway: 'web', namespace: 'default', listener: 'http', port: 80 },
    ],
    [
      { listener_set: { name: 's', namespace: 'n', section: 'l' } },
      { kind: 'listenerSet', name: 's', namespace: 'n', listener: 'l' },
    ],
    [{ route: { name: 'r', namespace: 'n' } }, { kind: 'route', name: 'r', namespace: 'n', ruleName: '' }],
    [
      { route: { name: 'r', namespace: 'n', route_rule: 'one', kind: 'GRPCRoute' } },
      { kind: 'route', name: 'r', namespace: 'n', ruleName: 'one', nameKind: 'GRPCRoute' },
    ],
  ])('%j', (target, expected) => {
    expect(translated(policy('p', target, TIMEOUT)).resource).toEqual({
      kind: 'policy',
      key: 'policy/p',
      name: 'p',
      target: expected,
      phase: 'route',
      policies: { timeout: { requestTimeout: '5s' } },
      order: 0,
    });
  });

  it.each([
    [
      { backend: { name: 'b', namespace: 'n', section: 'x' } },
      { kind: 'backend', name: 'b', namespace: 'n', section: 'x' },
    ],
    [
      { service: { hostname: 'h', namespace: 'n', port: 80 } },
      { kind: 'service', hostname: 'h', namespace: 'n', port: 80 },
    ],
  ])('%j', (target, expected) => {
    const { resource } = translated(policy('p', target, { backend: { backend_tls: {} } }));
    expect(resource).toMatchObject({ target: expected, phase: 'route', policies: { backendTLS: {} } });
  });

  it.each([
    [{}, TIMEOUT, 'policy.target: is of a kind that this version does not know'],
    [undefined, TIMEOUT, 'policy.target: is missing'],
    [{ route: {} }, { traffic: { phase: 'GATEWAY', cors: {} } }, 'policy.traffic.phase: GATEWAY needs a gateway'],
    [GATEWAY, { traffic: { phase: 7, cors: {} } }, 'policy.traffic.phase: 7 is not known'],
    [
      GATEWAY,
      { traffic: { phase: 'GATEWAY', timeout: {} } },
      'policy.traffic.timeout: timeout before a route is chosen has no effect',
    ],
    [GATEWAY, { inheritance: 5, ...TIMEOUT }, 'policy.inheritance: 5 is not known'],
    [{ route: {} }, { frontend: { http: {} } }, 'policy.target: takes no frontend policies'],
    [
      GATEWAY,
      { traffic: { authorization: { allow: ['1 +'] } } },
      'policy.traffic.authorization: rules[0]: not an expression',
    ],
    [GATEWAY, { conditional: { policies: [] } }, 'policy.conditional.policies: is empty'],
    [
      GATEWAY,
      { conditional: { policies: [{ condition: 'a(', traffic: { transformation: {} } }] } },
      'policy.conditional.transformation: conditional[0].condition: not an expression',
    ],
    [
      GATEWAY,
      {
        conditional: { policies: [{ condition: 'true', traffic: { transformation: {} } }, { traffic: { cors: {} } }] },
      },
      'policy.conditional.policies.1.traffic: is not a transformation policy',
    ],
  ])('%# are refused with the place', (target, more, reason) => {
    expect(refusal(policy('p', target as object, more))).toContain(reason);
  });

  it('of services and backends are policies of the way there; traffic of their own nothing serves', () => {
    const target = { service: { hostname: 'h', namespace: 'n' } };
    const { resource, warnings } = translated(policy('p', target, TIMEOUT));
    expect(resource).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('applies to nothing that this version serves')]);
  });

  it('have conditions', () => {
    const policies = [
      {
        condition: 'request.path == "/"',
        traffic: { local_rate_limit: { max_tokens: 1, tokens_per_fill: 1, fill_interval: { seconds: 1 } } },
      },
      { traffic: { local_rate_limit: { max_tokens: 2, tokens_per_fill: 2, fill_interval: { seconds: 1 } } } },
    ];
    const { resource } = translated(policy('p', GATEWAY, { conditional: { policies } }));
    expect((resource as TargetedPolicy).policies.localRateLimit).toEqual({
      conditional: [
        { maxTokens: 1, tokensPerFill: 1, fillInterval: '1s', type: 'requests', condition: 'request.path == "/"' },
        { maxTokens: 2, tokensPerFill: 2, fillInterval: '1s', type: 'requests' },
      ],
    });
  });
});

describe('what a program is made of', () => {
  const house = (...messages: object[]): House => {
    const built = new House();
    for (const [index, message] of messages.entries()) built.put(`m${index}`, message);
    built.put('route', route('r'));
    listening(built);
    return built;
  };
  const timeout = (key: string, target: object, seconds: number, more: object = {}) =>
    policy(key, target, { traffic: { timeout: { request: { seconds } } }, ...more });
  const requestTimeout = (built: House) => (effective(built)?.timeout as { requestTimeout?: string })?.requestTimeout;

  it('the more specific target counts', () => {
    const built = house(
      timeout('a', { route: { name: 'r', namespace: 'default' } }, 3),
      timeout('b', { gateway: { name: 'web', namespace: 'default', port: 8080 } }, 2),
      timeout('c', GATEWAY, 1),
    );
    expect(requestTimeout(built)).toBe('3s');
    built.remove('m0');
    expect(requestTimeout(built)).toBe('2s');
    built.remove('m1');
    expect(requestTimeout(built)).toBe('1s');
  });

  it('unless the more general overrides', () => {
    const built = house(
      timeout('a', { route: { name: 'r', namespace: 'default' } }, 3),
      timeout('c', GATEWAY, 1, { inheritance: 'OVERRIDE' }),
    );
    expect(requestTimeout(built)).toBe('1s');
  });

  it('of equal targets the first of their names counts, whatever came first', () => {
    expect(requestTimeout(house(timeout('b', GATEWAY, 2), timeout('a', GATEWAY, 1)))).toBe('1s');
    expect(requestTimeout(house(timeout('a', GATEWAY, 1), timeout('b', GATEWAY, 2)))).toBe('1s');
  });

  it('policies of another port, listener, kind of route or gateway count for nothing', () => {
    const built = house(
      timeout('a', { gateway: { name: 'web', namespace: 'default', port: 9 } }, 1),
      timeout('b', { gateway: { name: 'web', namespace: 'default', listener: 'other' } }, 1),
      timeout('c', { route: { name: 'r', namespace: 'default', kind: 'GRPCRoute' } }, 1),
      timeout('d', { gateway: { name: 'other', namespace: 'default' } }, 1),
      timeout('e', { listener_set: { name: 'set', namespace: 'default' } }, 1),
    );
    expect(requestTimeout(built)).toBeUndefined();
  });

  it('policies of the set that a listener comes from count', () => {
    const built = house(timeout('e', { listener_set: { name: 'set', namespace: 'default', section: 'http' } }, 7));
    const name = { gateway_name: 'web', gateway_namespace: 'default', listener_name: 'http' };
    listening(built, { name: { ...name, listener_set: { name: 'set', namespace: 'default' } } });
    expect(requestTimeout(built)).toBe('7s');
  });

  it('backend policies of a gateway give way to those of the backend, and those to the route’s', () => {
    const tls = (key: string, target: object, hostname: string) =>
      policy(key, target, { backend: { backend_tls: { hostname } } });
    const built = house(tls('a', GATEWAY, 'gateway'));
    const backend = { key: 'n/b', name: { name: 'b', namespace: 'n' }, static: { host: 'h', port: 443 } };
    built.put('b', { backend });
    built.put('route', route('r', { backends: [{ backend: { backend: 'n/b' }, weight: 1 }] }));
    const hostname = () => (effective(built)?.backendTLS as { hostname?: string } | undefined)?.hostname;
    expect(hostname()).toBe('gateway');
    built.put('x', tls('b', { backend: { name: 'b', namespace: 'n' } }, 'backend'));
    expect(hostname()).toBe('backend');
    built.put('y', tls('c', { route: { name: 'r', namespace: 'default' } }, 'route'));
    expect(hostname()).toBe('route');
  });
});

describe('what this version does not execute', () => {
  const house = (message: object): { house: House; warnings: string[] } => {
    const built = new House();
    listening(built);
    built.put('route', route('r'));
    return { house: built, warnings: built.put('it', message).warnings };
  };

  it('protects by refusing: a policy of an unknown kind', () => {
    const { house: built, warnings } = house(policy('p', GATEWAY, { traffic: {} }));
    expect(warnings).toEqual([expect.stringContaining('what it covers answers 503')]);
    expect(served(built).route.program.refusal?.code).toBe('not_active');
  });

  it('protects by refusing: before a route is chosen, and where nothing at all is known of it', () => {
    expect(
      served(house(policy('p', GATEWAY, { traffic: { phase: 'GATEWAY' } })).house).listener.program.refusal,
    ).not.toBeNull();
    expect(served(house(policy('p', GATEWAY, {})).house).listener.program.refusal).not.toBeNull();
  });

  it('protects by refusing: a backend', () => {
    const { house: built } = house(policy('p', GATEWAY, { backend: {} }));
    expect(served(built).route.program.refusal).toBeNull();
    expect(served(built).route.program.backends[0]?.refusal?.message).toContain('a backend policy');
  });

  it('protects by refusing: all connections', () => {
    const { house: built } = house(policy('p', GATEWAY, { frontend: {} }));
    expect(served(built).listener.program.refusal).not.toBeNull();
  });

  it('protects by refusing: inline', () => {
    const { house: built, warnings } = house({ bind: { key: 'other', port: 1 } });
    expect(warnings).toEqual([]);
    built.put('route', route('r', { traffic_policies: [{}] }));
    expect(served(built).route.program.refusal?.message).toContain('a traffic policy of a kind');
  });

  it('protects by refusing: a policy that Sluice describes only', () => {
    const { house: built, warnings } = house(
      policy('p', GATEWAY, { frontend: { network_authorization: { allow: ['true'] } } }),
    );
    expect(warnings).toEqual(['networkAuthorization: accepted, not yet active; what it protects answers 503']);
    expect(served(built).listener.program.refusal?.message).toContain('networkAuthorization');
  });

  it('protects by refusing: a policy under conditions that it can not have here', () => {
    const conditional = { policies: [{ condition: 'true', traffic: { api_key_auth: { api_keys: [{ key: 'k' }] } } }] };
    const { house: built, warnings } = house(policy('p', GATEWAY, { conditional }));
    expect(warnings).toEqual([expect.stringContaining('apiKey under a condition')]);
    expect(served(built).route.program.refusal?.message).toContain('apiKey under a condition');
  });

  it('is refused where nothing is less protected without it', () => {
    const conditional = { policies: [{ condition: 'true', traffic: { request_header_modifier: {} } }] };
    expect(refusal(policy('p', GATEWAY, { conditional }))).toContain(
      'requestHeaderModifier under a condition is not executed',
    );
  });
});

describe('policies of all connections', () => {
  const http = (key: string, target: object, size: number) =>
    policy(key, target, { frontend: { http: { max_buffer_size: size } } });

  it('of a whole gateway are the limits of the process', () => {
    const house = new House();
    house.put('a', http('a', GATEWAY, 4096));
    expect((house.get('frontend') as Frontend).policies).toEqual({
      'frontend.http': expect.objectContaining({ maxBufferSize: 4096 }),
    });
    expect(house.remove('a')).toEqual(['frontend']);
  });

  it('are warned of by name', () => {
    const { warnings } = translated(policy('a', GATEWAY, { frontend: { http: { http2_frame_size: 16_384 } } }));
    expect(warnings).toEqual(['frontend.http.http2FrameSize: accepted, not yet active']);
  });

  it('of a part of a gateway are left out where only the process has them', () => {
    const { resource, warnings } = translated(
      http('a', { gateway: { name: 'web', namespace: 'default', port: 80 } }, 1),
    );
    expect(resource).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('whole gateway')]);
  });

  it('set the TLS of the listeners under them, whichever comes first', () => {
    const house = new House();
    const tls = { tls: { cert: CERT, private_key: KEY }, protocol: 'HTTPS' };
    const alpn = (key: string, target: object, protocol: string) =>
      policy(key, target, { frontend: { tls: { alpn: { protocols: [protocol] }, min_version: 'TLS_V1_3' } } });
    house.put('a', alpn('a', GATEWAY, 'h2'));
    listening(house, tls);
    const shown = () => {
      const listener = house.get('listener/default/web.http') as Listener;
      return [listener.tls?.alpn, listener.tls?.minVersion];
    };
    expect(shown()).toEqual([['h2'], 'TLSv1.3']);
    house.put('b', alpn('b', { gateway: { name: 'web', namespace: 'default', port: 8080 } }, 'http/1.1'));
    expect(shown()).toEqual([['http/1.1'], 'TLSv1.3']);
    house.remove('b');
    house.remove('a');
    expect(shown()).toEqual([['h2', 'http/1.1'], 'TLSv1.2']);
  });
});

describe('policies that are part of another resource', () => {
  const part = (policies: object) => ({
    policy: { key: 'route/r#ai', target: { route: { name: 'r', namespace: 'default' } }, ...policies },
  });

  it('are found in it, whichever comes first', () => {
    for (const order of [0, 1]) {
      const house = new House();
      const messages: [string, object][] = [
        ['r', route('r')],
        ['p', part({ backend: { ai: { model_aliases: { a: 'b' } } } })],
      ];
      for (const [name, message] of order === 0 ? messages : messages.reverse()) house.put(name, message);
      expect((house.get('route/r') as Route).policies.ai).toMatchObject({ modelAliases: { a: 'b' } });
      house.remove('p');
      expect((house.get('route/r') as Route).policies).toEqual({});
    }
  });
});
