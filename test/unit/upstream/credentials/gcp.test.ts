import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ambientToken, tokenByCredential } from '../../../../src/upstream/credentials/gcp/tokens.ts';
import type { Wanted } from '../../../../src/upstream/credentials/gcp/wanted.ts';
import { type Asked, around, type Said, START, type TokenServer, tokenServer } from './helpers.ts';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const ACCESS: Wanted = { kind: 'access', scopes: ['https://www.googleapis.com/auth/cloud-platform'] };
const ID: Wanted = { kind: 'id', audience: 'https://service.example' };
const EXPIRES = Math.floor(START / 1000) + 1800;
const JWT = `e30.${Buffer.from(JSON.stringify({ exp: EXPIRES })).toString('base64url')}.sig`;

let folder: string;
const servers: TokenServer[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-gcp-'));
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

const serviceAccount = (url: string) => ({
  type: 'service_account',
  client_email: 'me@project.iam',
  private_key_id: 'kid-1',
  private_key: PEM,
  token_uri: `${url}/token`,
});
const by = (credential: object, wanted: Wanted = ACCESS) =>
  tokenByCredential(JSON.stringify(credential), wanted, START);

/** Header and claims of a JWT whose signature is right. */
function opened(jwt: string): [Record<string, unknown>, Record<string, unknown>] {
  const [header = '', claims = '', signature = ''] = jwt.split('.');
  const data = Buffer.from(`${header}.${claims}`);
  const valid = verify('sha256', data, createPublicKey(privateKey), Buffer.from(signature, 'base64url'));
  expect(valid).toBe(true);
  return [header, claims].map((part) => JSON.parse(Buffer.from(part, 'base64url').toString())) as never;
}

describe('a service account', () => {
  it('has access tokens by a signed assertion', async () => {
    const google = await serve(() => ({ access_token: 'ya29.a', expires_in: 3599, token_type: 'Bearer' }));
    expect(await by(serviceAccount(google.url))).toEqual({ value: 'ya29.a', expiresAt: START + 3_599_000 });
    const { form, path } = google.asked[0]!;
    expect(path).toBe('/token');
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
    const [header, claims] = opened(form.get('assertion') ?? '');
    expect(header).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'kid-1' });
    const issued = START / 1000;
    expect(claims).toEqual({
      iss: 'me@project.iam',
      sub: 'me@project.iam',
      aud: `${google.url}/token`,
      iat: issued,
      exp: issued + 3600,
      scope: 'https://www.googleapis.com/auth/cloud-platform',
    });
  });

  it('has ID tokens for an audience', async () => {
    const google = await serve(() => ({ id_token: JWT }));
    expect(await by(serviceAccount(google.url), ID)).toEqual({ value: JWT, expiresAt: EXPIRES * 1000 });
    const [, claims] = opened(google.asked[0]?.form.get('assertion') ?? '');
    expect(claims).toMatchObject({ target_audience: 'https://service.example' });
    expect(claims).not.toHaveProperty('scope');
  });

  it.each([
    ['garbage', 'garbage', 'is no JSON object'],
    ['no token', { expires_in: 1 }, 'has no "access_token"'],
    ['what no header can hold', { access_token: 'a\r\nb: c', expires_in: 9 }, 'something that is no token'],
    ['an error', { status: 400, body: { error: 'invalid_grant' } }, 'answered 400 (invalid_grant)'],
  ] as [string, Said, string][])('gets no token from %s', async (_name, said, message) => {
    const google = await serve(() => said);
    await expect(by(serviceAccount(google.url))).rejects.toThrow(message);
  });

  it('needs its key, and never shows it', async () => {
    const broken = by({ ...serviceAccount('http://127.0.0.1:1'), private_key: 'secret-pem' });
    await expect(broken).rejects.toThrow('is no PEM key');
    await expect(broken).rejects.not.toThrow('secret-pem');
  });
});

describe('a user', () => {
  const user = (url: string) => ({
    type: 'authorized_user',
    client_id: 'id',
    client_secret: 'secret',
    refresh_token: 'refresh',
    token_uri: url,
  });

  it('has tokens by the refresh token', async () => {
    const google = await serve(() => ({ access_token: 'ya29.u', expires_in: '100', id_token: JWT }));
    expect(await by(user(google.url))).toEqual({ value: 'ya29.u', expiresAt: START + 100_000 });
    expect(await by(user(google.url), ID)).toMatchObject({ value: JWT });
    expect(Object.fromEntries(google.asked[0]!.form)).toEqual({
      grant_type: 'refresh_token',
      client_id: 'id',
      client_secret: 'secret',
      refresh_token: 'refresh',
    });
  });
});

describe('an external account', () => {
  const external = (url: string, source: object, more: object = {}) => ({
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${url}/sts`,
    credential_source: source,
    ...more,
  });
  const google = () =>
    serve(({ path }) => {
      if (path === '/sts') return { access_token: 'federated', expires_in: 3600 };
      if (path.endsWith(':generateAccessToken'))
        return { accessToken: 'impersonated', expireTime: '2026-01-02T04:04:05Z' };
      if (path.endsWith(':generateIdToken')) return { token: JWT };
      return { status: 404 };
    });

  it("exchanges a file's token, as it stands", async () => {
    const server = await google();
    const credential = external(server.url, { file: await file('token', 'one\n') });
    expect(await by(credential)).toEqual({ value: 'federated', expiresAt: START + 3_600_000 });
    await file('token', 'two');
    await by(credential);
    expect(server.asked.map(({ form }) => form.get('subject_token'))).toEqual(['one', 'two']);
    expect(Object.fromEntries(server.asked[0]!.form)).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      scope: ACCESS.scopes[0],
    });
  });

  it("exchanges a service's token", async () => {
    const issuer = await serve(({ headers }) => ({ nested: headers['x-flavor'] }));
    const server = await google();
    const format = { type: 'json', subject_token_field_name: 'nested' };
    await by(external(server.url, { url: issuer.url, headers: { 'x-flavor': 'sweet' }, format }));
    expect(server.asked[0]?.form.get('subject_token')).toBe('sweet');
  });

  it('may impersonate a service account, for both kinds of tokens', async () => {
    const server = await google();
    const url = `${server.url}/v1/projects/-/serviceAccounts/x:generateAccessToken`;
    const credential = external(
      server.url,
      { file: await file('token', 'one') },
      { service_account_impersonation_url: url, service_account_impersonation: { token_lifetime_seconds: 600 } },
    );
    expect(await by(credential)).toEqual({ value: 'impersonated', expiresAt: START + 3_600_000 });
    expect(server.asked[1]?.headers.authorization).toBe('Bearer federated');
    expect(JSON.parse(server.asked[1]?.body ?? '')).toMatchObject({ scope: ACCESS.scopes, lifetime: '600s' });
    expect(await by(credential, ID)).toMatchObject({ value: JWT });
    expect(JSON.parse(server.asked[3]?.body ?? '')).toMatchObject({ audience: 'https://service.example' });
  });

  it.each([
    ['without a source', 1, 'no "credential_source"'],
    ['with a program', { executable: { command: 'x' } }, 'only those with a file or a URL'],
    ['of AWS', { environment_id: 'aws1', url: 'http://x' }, 'only those with a file or a URL'],
    ['whose file is missing', { file: '/nonexistent/x' }, 'does not exist'],
  ])('%s is an error that says so', async (_name, source, message) => {
    await expect(by(external('http://127.0.0.1:1', source as object))).rejects.toThrow(message);
  });

  it('needs a service account for ID tokens', async () => {
    const credential = external('http://127.0.0.1:1', { file: 'x' });
    await expect(by(credential, ID)).rejects.toThrow('only by impersonation');
  });
});

describe('an impersonated service account', () => {
  it("has tokens by its source's", async () => {
    const server = await serve(({ path }) =>
      path === '/token'
        ? { access_token: 'source', expires_in: 60 }
        : { accessToken: 'impersonated', expireTime: '2026-01-02T04:04:05Z' },
    );
    const credential = {
      type: 'impersonated_service_account',
      service_account_impersonation_url: `${server.url}/x:generateAccessToken`,
      delegates: ['projects/-/serviceAccounts/d'],
      source_credentials: serviceAccount(server.url),
    };
    expect(await by(credential)).toMatchObject({ value: 'impersonated' });
    expect(JSON.parse(server.asked[1]?.body ?? '').delegates).toEqual(['projects/-/serviceAccounts/d']);
    const circle = { ...credential, source_credentials: credential };
    await expect(by(circle)).rejects.toThrow('no source credentials of another type');
  });
});

describe('ambient credentials', () => {
  const metadata = (said: Said) => serve(() => said);
  const found = (env: Record<string, string>, wanted: Wanted = ACCESS) =>
    ambientToken(around(env, folder), wanted, START);
  const google = { 'metadata-flavor': 'Google' };

  it('are those of the file that is named, as it stands', async () => {
    const server = await serve(({ path }) => ({ access_token: path.slice(1), expires_in: 60 }));
    const path = await file('adc.json', JSON.stringify(serviceAccount(server.url)));
    expect(await found({ GOOGLE_APPLICATION_CREDENTIALS: path })).toMatchObject({ value: 'token' });
    await file('adc.json', JSON.stringify({ ...serviceAccount(server.url), token_uri: `${server.url}/rotated` }));
    expect(await found({ GOOGLE_APPLICATION_CREDENTIALS: path })).toMatchObject({ value: 'rotated' });
    await expect(found({ GOOGLE_APPLICATION_CREDENTIALS: join(folder, 'none') })).rejects.toThrow('does not exist');
  });

  it("are gcloud's own", async () => {
    const server = await serve(() => ({ access_token: 'gcloud', expires_in: 60 }));
    await mkdir(join(folder, '.config/gcloud'), { recursive: true });
    await file('.config/gcloud/application_default_credentials.json', JSON.stringify(serviceAccount(server.url)));
    expect(await found({})).toMatchObject({ value: 'gcloud' });
  });

  it('are those of the metadata server', async () => {
    const server = await serve(({ path }) => ({
      status: 200,
      headers: google,
      body: path.endsWith('/identity') ? `${JWT}\n` : { access_token: 'vm', expires_in: 1200 },
    }));
    const env = { GCE_METADATA_HOST: server.host };
    expect(await found(env)).toEqual({ value: 'vm', expiresAt: START + 1_200_000 });
    expect(await found(env, ID)).toEqual({ value: JWT, expiresAt: EXPIRES * 1000 });
    expect(server.asked[0]?.headers['metadata-flavor']).toBe('Google');
    expect(server.asked[1]?.query.get('audience')).toBe('https://service.example');
  });

  it.each([
    ["is somebody else's", { access_token: 'x', expires_in: 9 }, 'no Google credentials; tried: GOOGLE_APP'],
    ['breaks down', { status: 500, headers: google }, 'answered 500'],
    ['lies', { status: 200, headers: google, body: '<html>' }, 'is no JSON object'],
  ] as [string, Said, string][])('are none where the metadata server %s', async (_name, said, message) => {
    const { host } = await metadata(said);
    await expect(found({ GCE_METADATA_HOST: host })).rejects.toThrow(message);
  });

  it('are none where nobody is there', async () => {
    const server = await metadata('');
    await server.close();
    await expect(found({ GCE_METADATA_HOST: server.host })).rejects.toThrow('no Google credentials');
  });
});
