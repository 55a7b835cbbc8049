import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ambientKeys, ambientRegion } from '../../../../src/upstream/credentials/aws/chain.ts';
import { staticKeys } from '../../../../src/upstream/credentials/aws/keys.ts';
import { assumeRole } from '../../../../src/upstream/credentials/aws/sts.ts';
import { type Asked, around, type Said, START, type TokenServer, tokenServer } from './helpers.ts';
import { verify } from './sigv4-reference.ts';

let folder: string;
const servers: TokenServer[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-aws-'));
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  await rm(folder, { recursive: true });
});

async function serve(say: (asked: Asked, index: number) => Said): Promise<TokenServer> {
  const server = await tokenServer(say);
  servers.push(server);
  return server;
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const NO_INSTANCE = { AWS_EC2_METADATA_DISABLED: 'true' };
const keys = (env: Record<string, string>) => ambientKeys(around(env, folder), () => START);

/** STS as it answers, in XML. */
function stsAnswer(action: string, id: string): string {
  return `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials>
    <AccessKeyId>${id}</AccessKeyId><SecretAccessKey>sts/secret+</SecretAccessKey>
    <SessionToken>sts-token==</SessionToken><Expiration>2026-01-02T04:04:05Z</Expiration>
  </Credentials></${action}Result></${action}Response>`;
}

const HOUR_LATER = START + 3_600_000;
const METADATA = {
  Code: 'Success',
  AccessKeyId: 'ROLE',
  SecretAccessKey: 'role-secret',
  Token: 'role-token',
  Expiration: '2026-01-02T04:04:05Z',
};
const ROLE_KEYS = {
  accessKeyId: 'ROLE',
  secretAccessKey: 'role-secret',
  sessionToken: 'role-token',
  expiresAt: HOUR_LATER,
};

describe('keys of the environment', () => {
  it('come first', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'ENV', AWS_SECRET_ACCESS_KEY: 's', AWS_SESSION_TOKEN: 't' };
    await file('credentials', '[default]\naws_access_key_id = FILE\naws_secret_access_key = f\n');
    expect(await keys({ ...env, AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') })).toEqual(
      staticKeys('ENV', 's', 't'),
    );
  });

  it('go together', async () => {
    await expect(keys({ AWS_ACCESS_KEY_ID: 'ENV', ...NO_INSTANCE })).rejects.toThrow('go together');
  });
});

describe('keys of the shared files', () => {
  const profiles = async (credentials: string, config = '') => ({
    ...NO_INSTANCE,
    AWS_SHARED_CREDENTIALS_FILE: await file('credentials', credentials),
    AWS_CONFIG_FILE: await file('config', config),
  });

  it('are read from either file, comments and all, and again after a while', async () => {
    const env = await profiles(
      '# note\n[default]\r\naws_access_key_id=A ; mine\n  nested = x\naws_secret_access_key = a/b+c=\n[other]\naws_access_key_id = B\n',
      '[profile other]\naws_secret_access_key = b\nregion = eu-west-3\n',
    );
    expect(await keys(env)).toEqual(staticKeys('A', 'a/b+c=', null, START + 900_000));
    expect(await keys({ ...env, AWS_PROFILE: 'other' })).toMatchObject({ accessKeyId: 'B', secretAccessKey: 'b' });
    expect(await ambientRegion(around({ ...env, AWS_PROFILE: 'other' }, folder))).toBe('eu-west-3');
    await file('credentials', '[default]\naws_access_key_id = ROTATED\naws_secret_access_key = r\n');
    expect(await keys(env)).toMatchObject({ accessKeyId: 'ROTATED' });
  });

  it('may be those of a role, by those of another profile', async () => {
    const sts = await serve(() => stsAnswer('AssumeRole', 'ASSUMED'));
    const env = await profiles(
      '[base]\naws_access_key_id = BASE\naws_secret_access_key = base-secret\n',
      '[profile a]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = base\nexternal_id = ext\nregion = eu-west-1\nrole_session_name = me\n',
    );
    expect(await keys({ ...env, AWS_PROFILE: 'a', AWS_ENDPOINT_URL_STS: sts.url })).toEqual({
      accessKeyId: 'ASSUMED',
      secretAccessKey: 'sts/secret+',
      sessionToken: 'sts-token==',
      expiresAt: HOUR_LATER,
    });
    expect(Object.fromEntries(sts.asked[0]!.form)).toMatchObject({
      Action: 'AssumeRole',
      RoleArn: 'arn:aws:iam::1:role/a',
      RoleSessionName: 'me',
      ExternalId: 'ext',
    });
    expect(sts.asked[0]?.headers.authorization).toContain('Credential=BASE/20260102/eu-west-1/sts/aws4_request');
  });

  it('may be those of a role that the profile itself assumes', async () => {
    const sts = await serve(() => stsAnswer('AssumeRole', 'ASSUMED'));
    const env = await profiles(
      '[a]\naws_access_key_id = SELF\naws_secret_access_key = s\nrole_arn = arn\nsource_profile = a\n',
    );
    expect(await keys({ ...env, AWS_PROFILE: 'a', AWS_ENDPOINT_URL_STS: sts.url })).toMatchObject({
      accessKeyId: 'ASSUMED',
    });
    expect(sts.asked[0]?.headers.authorization).toContain('Credential=SELF/');
  });

  it.each([
    ['that nobody wrote', '', 'there is no profile "a"'],
    ['in a circle', '[a]\nrole_arn = x\nsource_profile = b\n[b]\nrole_arn = y\nsource_profile = a\n', 'leads back'],
    ['with nobody to assume the role', '[a]\nrole_arn = x\n', 'nobody to assume it'],
    ['that runs a program', '[a]\ncredential_process = /bin/x\n', 'uses credential_process'],
  ])('a profile %s is an error that says so', async (_name, credentials, message) => {
    const env = await profiles(credentials);
    await expect(keys({ ...env, AWS_PROFILE: 'a' })).rejects.toThrow(message);
  });
});

describe('keys by web identity', () => {
  it('are asked for with the token as it stands in its file', async () => {
    const sts = await serve((_asked, index) => stsAnswer('AssumeRoleWithWebIdentity', `WEB${index}`));
    const tokenFile = await file('token', 'first-jwt\n');
    const env = {
      ...NO_INSTANCE,
      AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
      AWS_ROLE_ARN: 'arn:aws:iam::1:role/pod',
      AWS_ENDPOINT_URL_STS: sts.url,
    };
    expect(await keys(env)).toMatchObject({ accessKeyId: 'WEB0', expiresAt: HOUR_LATER });
    await file('token', 'second-jwt');
    expect(await keys(env)).toMatchObject({ accessKeyId: 'WEB1' });
    expect(sts.asked.map(({ form }) => form.get('WebIdentityToken'))).toEqual(['first-jwt', 'second-jwt']);
    expect(sts.asked[0]?.headers.authorization).toBeUndefined();
  });

  it.each([
    [
      'refuses',
      { status: 403, body: '<Error><Code>AccessDenied</Code><Message>first-jwt</Message></Error>' },
      'answered 403 (AccessDenied)',
    ],
    ['breaks down', { status: 500, body: 'oops' }, 'answered 500'],
    ['lies', '<html>hello</html>', 'holds no credentials'],
    ['gives half', '<Credentials><AccessKeyId>A</AccessKeyId></Credentials>', 'holds no credentials'],
  ] as [string, Said, string][])('end the search where STS %s', async (_name, said, message) => {
    const sts = await serve(() => said);
    const env = {
      AWS_WEB_IDENTITY_TOKEN_FILE: await file('token', 'first-jwt'),
      AWS_ROLE_ARN: 'arn',
      AWS_ENDPOINT_URL_STS: sts.url,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1',
    };
    const asked = keys(env);
    await expect(asked).rejects.toThrow('AWS credentials from web identity: ');
    await expect(asked).rejects.toThrow(message);
    await expect(asked).rejects.not.toThrow('first-jwt');
  });

  it('need their file', async () => {
    const env = { AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'none'), AWS_ROLE_ARN: 'arn' };
    await expect(keys(env)).rejects.toThrow('does not exist');
  });
});

describe('keys of a container', () => {
  it('are those of the task', async () => {
    const ecs = await serve(() => METADATA);
    const env = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/1' };
    expect(await ambientKeys(around(env, folder, { ecs: ecs.url }), () => START)).toEqual(ROLE_KEYS);
    expect(ecs.asked[0]?.url).toBe('/v2/credentials/1');
  });

  it("are those of the pod, with its token's file as it stands", async () => {
    const agent = await serve(() => METADATA);
    const env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agent.url}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: await file('token', 'one\n'),
    };
    await keys(env);
    await file('token', 'two\n');
    await keys(env);
    expect(agent.asked.map(({ headers }) => headers.authorization)).toEqual(['one', 'two']);
  });

  it.each([
    ['garbage', '{', 'is no JSON object'],
    ['half', { AccessKeyId: 'A' }, 'has no "SecretAccessKey"'],
    ['an odd date', { ...METADATA, Expiration: 'soon' }, 'no valid "Expiration"'],
    ['an error', { status: 500 }, 'answered 500'],
  ] as [string, Said, string][])('are not taken from %s', async (_name, said, message) => {
    const agent = await serve(() => said);
    await expect(keys({ AWS_CONTAINER_CREDENTIALS_FULL_URI: agent.url })).rejects.toThrow(message);
  });
});

describe('keys of an instance', () => {
  const imds = (role: Said, credentials: Said) =>
    serve(({ method, path }) => {
      if (method === 'PUT' && path === '/latest/api/token') return 'session-1';
      if (path === '/latest/meta-data/iam/security-credentials/') return role;
      return path === '/latest/meta-data/iam/security-credentials/my-role' ? credentials : { status: 404 };
    });
  const at = ({ url }: TokenServer) => keys({ AWS_EC2_METADATA_SERVICE_ENDPOINT: `${url}/` });

  it('are asked for within a session', async () => {
    const service = await imds('my-role\n', METADATA);
    expect(await at(service)).toEqual(ROLE_KEYS);
    expect(service.asked[0]?.headers['x-aws-ec2-metadata-token-ttl-seconds']).toBe('21600');
    expect(service.asked.slice(1).map(({ headers }) => headers['x-aws-ec2-metadata-token'])).toEqual([
      'session-1',
      'session-1',
    ]);
  });

  it.each([
    ['without a role', { status: 404 }, METADATA, 'no AWS credentials; tried: the environment, the shared files, web'],
    ['whose role has none', 'my-role', { Code: 'AssumeRoleUnauthorizedAccess' }, '(AssumeRoleUnauthorizedAccess)'],
    ['that answers garbage', 'my-role', 'garbage', 'is no JSON object'],
    ['that breaks down', { status: 500 }, METADATA, 'answered 500'],
  ] as [string, Said, Said, string][])('are not those of one %s', async (_name, role, credentials, message) => {
    await expect(at(await imds(role, credentials))).rejects.toThrow(message);
  });

  it('are not waited for where there is no instance: everything tried is named', async () => {
    const silent = await serve(() => 'hang');
    await expect(at(silent)).rejects.toThrow(
      'no AWS credentials; tried: the environment, the shared files, web identity, the container, the instance metadata',
    );
    await expect(keys(NO_INSTANCE)).rejects.toThrow('no AWS credentials');
  });
});

describe('assumeRole', () => {
  it('is signed, and carries session name and tags', async () => {
    const sts = await serve(() => stsAnswer('AssumeRole', 'ASSUMED'));
    const role = { roleArn: 'arn:x', tags: [{ key: 'team', value: 'a b' }] };
    const by = staticKeys('AKID', 'the-secret', 'session');
    await assumeRole(around({ AWS_ENDPOINT_URL_STS: sts.url }), role, by, 'eu-west-1', new Date(START));
    const { headers, body, form } = sts.asked[0]!;
    const fields = Object.entries(headers).map(([name, value]) => [name, String(value)] as const);
    const request = { method: 'POST', target: '/', headers: fields, body: Buffer.from(body) };
    expect(verify(request, 'the-secret')).toMatchObject({ service: 'sts', region: 'eu-west-1', valid: true });
    expect(headers['x-amz-security-token']).toBe('session');
    expect(form.get('RoleSessionName')).toBe('sluice');
    expect(form.get('Tags.member.1.Value')).toBe('a b');
  });
});
