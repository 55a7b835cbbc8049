import { describe, expect, it } from 'vitest';
import { backendAuth } from '../../../src/policies/backend-auth.ts';
import type { UpstreamCall } from '../../../src/upstream/call.ts';
import { callTo, fakeExchange } from '../upstream/helpers.ts';

function apply(value: unknown, more: Partial<UpstreamCall> = {}, times = 1): UpstreamCall {
  const policy = backendAuth.compile!(backendAuth.schema.parse(value), { key: 'b', level: 'backend' }, {} as never);
  const call = callTo({} as never, more);
  for (let i = 0; i < times; i++) policy.onUpstream?.(call, call.exchange);
  return call;
}

const header = (name: string, prefix?: string) => ({ header: prefix === undefined ? { name } : { name, prefix } });

describe('backendAuth key', () => {
  it.each([
    ['text', 'sk-1'],
    ['an object', { value: 'sk-1' }],
    ['an object without a place', { value: 'sk-1', location: null }],
    ['text that ends in a line break', 'sk-1\n'],
  ])('given as %s is a bearer token', (_name, key) => {
    expect(apply({ key }).headers).toEqual(['authorization', 'Bearer sk-1']);
  });

  it("replaces the client's own, and stays one over several attempts", () => {
    const call = apply(
      { key: 'sk-1' },
      { headers: ['authorization', 'Bearer mine', 'a', 'b', 'authorization', 'x'] },
      3,
    );
    expect(call.headers).toEqual(['authorization', 'Bearer sk-1', 'a', 'b']);
  });

  it.each([
    ['a header', header('X-Api-Key'), ['x-api-key', 'k&1'], '/p?a=1'],
    ['a header with a prefix', header('authorization', 'Token '), ['authorization', 'Token k&1'], '/p?a=1'],
    ['a query parameter', { queryParameter: { name: 'key' } }, [], '/p?a=1&key=k%261'],
    ['a cookie', { cookie: { name: 'sid' } }, ['cookie', 'sid=k&1'], '/p?a=1'],
  ])('is put into %s', (_name, location, headers, path) => {
    const call = apply({ key: { value: 'k&1', location } }, { path: '/p?a=1' }, 2);
    expect(call.headers).toEqual(headers);
    expect(call.path).toBe(path);
  });

  it('replaces a parameter or cookie of its name and leaves the others', () => {
    const query = apply(
      { key: { value: 'k', location: { queryParameter: { name: 'key' } } } },
      { path: '/p?k%65y=evil&b=2&key=x' },
    );
    expect(query.path).toBe('/p?b=2&key=k');
    expect(apply({ key: { value: 'k', location: { queryParameter: { name: 'key' } } } }, { path: '/p' }).path).toBe(
      '/p?key=k',
    );
    const cookie = apply(
      { key: { value: 'k', location: { cookie: { name: 'sid' } } } },
      { headers: ['cookie', 'a=1; sid=evil', 'x', 'y', 'cookie', 'b=2'] },
    );
    expect(cookie.headers).toEqual(['cookie', 'a=1; b=2; sid=k', 'x', 'y']);
  });
});

describe('backendAuth credentials', () => {
  it('are all put in place, alone or beside a key', () => {
    const credentials = [
      { location: header('dd-api-key'), key: 'one' },
      { location: header('dd-application-key'), key: 'two' },
    ];
    expect(apply({ credentials }).headers).toEqual(['dd-api-key', 'one', 'dd-application-key', 'two']);
    expect(apply({ key: { value: 'k' }, credentials: credentials.slice(0, 1) }).headers).toEqual([
      'authorization',
      'Bearer k',
      'dd-api-key',
      'one',
    ]);
  });
});

describe('backendAuth passthrough', () => {
  const exchange = () => {
    const made = fakeExchange(['authorization', 'Bearer client-token']);
    made.credentialHeader = 'authorization';
    return made;
  };

  it('gives back the credential that stopped here', () => {
    expect(apply({ passthrough: {} }, { exchange: exchange() }).headers).toEqual([
      'authorization',
      'Bearer client-token',
    ]);
  });

  it('puts the credential alone elsewhere', () => {
    const call = apply({ passthrough: { location: header('x-token') } }, { exchange: exchange() });
    expect(call.headers).toEqual(['x-token', 'client-token']);
  });

  it('changes nothing where nothing was taken', () => {
    const call = apply(
      { passthrough: {} },
      { exchange: fakeExchange(['authorization', 'x']), headers: ['authorization', 'x'] },
    );
    expect(call.headers).toEqual(['authorization', 'x']);
  });
});

describe('backendAuth of clouds', () => {
  /** The policy with credentials that say what they were asked for. */
  function asked(value: unknown) {
    const settings: unknown[] = [];
    const authorize = (kind: string) => (setting: unknown) => {
      settings.push({ [kind]: setting });
      return (call: UpstreamCall) => {
        call.headers.push('authorization', kind);
      };
    };
    const credentials = Object.fromEntries(['aws', 'gcp', 'azure', 'copilot'].map((kind) => [kind, authorize(kind)]));
    const parsed = backendAuth.schema.parse(value);
    const policy = backendAuth.compile!(parsed, { key: 'b', level: 'backend' }, { credentials } as never);
    const call = callTo({} as never);
    void policy.onUpstream?.(call, call.exchange);
    return { settings, policy, headers: call.headers };
  }

  const app = { tenant_id: 't', client_id: 'c', client_secret: 's' };
  it.each([
    ['copilot', { copilot: undefined }],
    [{ gcp: {} }, { gcp: { type: 'accessToken', audience: '', credential: '' } }],
    [
      { gcp: { type: 'idToken', audience: 'a', credential: '{}' } },
      { gcp: { type: 'idToken', audience: 'a', credential: '{}' } },
    ],
    [{ aws: {} }, { aws: { keys: null, region: '', service: '', role: null } }],
    [
      { aws: { accessKeyId: 'a', secretAccessKey: 's', sessionToken: 't', region: 'r', serviceName: 'x' } },
      {
        aws: {
          keys: { accessKeyId: 'a', secretAccessKey: 's', sessionToken: 't' },
          region: 'r',
          service: 'x',
          role: null,
        },
      },
    ],
    [
      { aws: { assumeRole: { roleArn: 'arn', sessionName: 'me', tags: [{ key: 'k', value: 'v' }] } } },
      {
        aws: {
          keys: null,
          region: '',
          service: '',
          role: { roleArn: 'arn', sessionName: 'me', tags: [{ key: 'k', value: 'v' }] },
        },
      },
    ],
    [{ azure: { implicit: {} } }, { azure: { kind: 'ambient' } }],
    [{ azure: { developerImplicit: {} } }, { azure: { kind: 'developer' } }],
    [{ azure: { explicitConfig: { workloadIdentity: {} } } }, { azure: { kind: 'workloadIdentity' } }],
    [
      { azure: { explicitConfig: { managedIdentity: {} } } },
      { azure: { kind: 'managedIdentity', userAssigned: null } },
    ],
    [
      { azure: { explicitConfig: { managedIdentity: { userAssignedIdentity: { clientId: 'i' } } } } },
      { azure: { kind: 'managedIdentity', userAssigned: { clientId: 'i' } } },
    ],
    [
      { azure: { explicitConfig: { clientSecret: app } } },
      { azure: { kind: 'clientSecret', tenantId: 't', clientId: 'c', clientSecret: 's' } },
    ],
  ])('%j', (value, settings) => {
    const { settings: found, headers } = asked(value);
    expect(found).toEqual([settings]);
    expect(headers).toEqual(['authorization', Object.keys(settings)[0]]);
  });

  it('holds the body where a signature covers it', () => {
    expect(asked({ aws: {} }).policy.holdBody).toBe(true);
    expect(asked({ aws: { serviceName: 'execute-api' } }).policy.holdBody).toBe(true);
    expect(asked({ aws: { serviceName: 's3' } }).policy.holdBody).toBe(false);
    expect(asked({ gcp: {} }).policy.holdBody).toBe(false);
  });

  it('takes the place of a signature that a more general place had in mind', () => {
    const call = callTo({} as never, { sign: () => Promise.reject(new Error('not this one')) });
    const policy = backendAuth.compile!(
      backendAuth.schema.parse({ key: 'k' }),
      { key: 'b', level: 'backend' },
      {} as never,
    );
    void policy.onUpstream?.(call, call.exchange);
    expect(call.sign).toBeNull();
  });
});

describe('backendAuth kinds that are not executed', () => {
  it.each([
    [
      'aws with a session name per request',
      { aws: { assumeRole: { roleArn: 'arn', sessionName: { expression: 'jwt.sub' } } } },
      ['aws', 'assumeRole', 'sessionName', 'expression'],
    ],
    [
      'aws with a session tag per request',
      { aws: { assumeRole: { roleArn: 'arn', tags: [{ key: 'a', expression: 'jwt.sub' }] } } },
      ['aws', 'assumeRole', 'tags', 0, 'expression'],
    ],
    ['jwtSign', { jwtSign: { signingKey: 'pem', claims: { iss: 'x' }, ttl: '60s' } }, ['jwtSign']],
    [
      'oauthTokenExchange',
      { oauthTokenExchange: { host: 'idp.example:443', clientAuth: { clientId: 'a', clientSecret: 'b' } } },
      ['oauthTokenExchange'],
    ],
    [
      'crossAppAccess',
      {
        crossAppAccess: {
          audience: 'a',
          identityProvider: { host: 'idp.example:443', clientAuth: { method: 'clientSecretPost', clientId: 'a' } },
          resourceAuthorizationServer: { host: 'as.example:443', clientAuth: { clientId: 'a', clientSecret: 'b' } },
        },
      },
      ['crossAppAccess'],
    ],
  ] as const)('%s protects: the route answers 503', (_name, value, path) => {
    const parsed = backendAuth.schema.parse(value);
    expect(backendAuth.inactiveParts!(parsed)).toEqual([{ path: [...path], protects: true }]);
  });

  it('leave no part inactive where all is executed', () => {
    const role = { roleArn: 'arn', sessionName: 'me', tags: [{ key: 'a', value: 'b' }] };
    const azure = { explicitConfig: { managedIdentity: { userAssignedIdentity: { clientId: 'x' } } } };
    const active = [{ gcp: {} }, { gcp: { type: 'idToken' } }, { aws: {} }, { aws: { assumeRole: role } }, { azure }];
    for (const value of [{ key: 'a' }, { passthrough: {} }, { credentials: [] }, 'copilot', ...active])
      expect(backendAuth.inactiveParts!(backendAuth.schema.parse(value))).toEqual([]);
  });
});

describe('backendAuth faults', () => {
  it.each([{}, { key: 'a', passthrough: {} }, { key: { value: 'a', unknown: 1 } }, { aws: { region: 1 } }, 'other'])(
    '%j',
    (value) => {
      expect(backendAuth.schema.safeParse(value).success).toBe(false);
    },
  );

  it.each([
    ['half a key pair', { aws: { accessKeyId: 'a' } }, ['aws']],
    [
      'a tag without a value',
      { aws: { assumeRole: { roleArn: 'a', tags: [{ key: 'k' }] } } },
      ['aws', 'assumeRole', 'tags', 0],
    ],
    ['text that is no credential', { gcp: { credential: 'sk-secret' } }, ['gcp', 'credential']],
    ['a credential of an unknown type', { gcp: { credential: '{"type":"other"}' } }, ['gcp', 'credential']],
  ])('%s is one', (_name, value, path) => {
    const faults = backendAuth.faults!(backendAuth.schema.parse(value));
    expect(faults.map((fault) => fault.path)).toEqual([path]);
    expect(JSON.stringify(faults)).not.toContain('sk-secret');
  });

  it('an expression is no place to put a credential', () => {
    const value = backendAuth.schema.parse({ key: { value: 'a', location: { expression: 'x' } } });
    expect(backendAuth.faults!(value)).toHaveLength(1);
  });

  it('show no secret', () => {
    const result = backendAuth.schema.safeParse({ key: { value: 'sk-secret', location: { header: {} } } });
    expect(JSON.stringify(result.error)).not.toContain('sk-secret');
  });
});
