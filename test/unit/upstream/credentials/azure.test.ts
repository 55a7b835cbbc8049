import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AzureIdentity, azureToken } from '../../../../src/upstream/credentials/azure/tokens.ts';
import { type Asked, around, type Said, START, type TokenServer, tokenServer } from './helpers.ts';

const SCOPE = 'https://cognitiveservices.azure.com/.default';
const RESOURCE = 'https://cognitiveservices.azure.com';

let folder: string;
const servers: TokenServer[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-azure-'));
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

/** Without tools in the path, and nobody at the metadata address unless a test says so. */
function token(identity: AzureIdentity, env: Record<string, string> = {}, imds = 'http://127.0.0.1:1') {
  return azureToken(around({ PATH: folder, ...env }, folder, { azureImds: imds }), identity, SCOPE, START);
}

const granted = (value: string) => ({ access_token: value, expires_in: 3599, token_type: 'Bearer' });
const APP = { kind: 'clientSecret', tenantId: 'my-tenant', clientId: 'app', clientSecret: 's3cret' } as const;

describe('a client secret', () => {
  it('is exchanged for a token', async () => {
    const entra = await serve(() => granted('eyJ.a.b'));
    expect(await token(APP, { AZURE_AUTHORITY_HOST: `${entra.url}/` })).toEqual({
      value: 'eyJ.a.b',
      expiresAt: START + 3_599_000,
    });
    expect(entra.asked[0]?.path).toBe('/my-tenant/oauth2/v2.0/token');
    expect(Object.fromEntries(entra.asked[0]!.form)).toEqual({
      grant_type: 'client_credentials',
      client_id: 'app',
      client_secret: 's3cret',
      scope: SCOPE,
    });
  });

  it.each([
    [
      'refuses',
      { status: 401, body: { error: 'invalid_client', error_description: 'AADSTS7000215: s3cret' } },
      'AADSTS7000215',
    ],
    ['breaks down', { status: 500 }, 'Entra ID answered 500'],
    ['lies', 'garbage', 'is no JSON object'],
  ] as [string, Said, string][])('is not shown in an error where Entra ID %s', async (_name, said, message) => {
    const entra = await serve(() => said);
    const asked = token(APP, { AZURE_AUTHORITY_HOST: entra.url });
    await expect(asked).rejects.toThrow(message);
    await expect(asked).rejects.not.toThrow('s3cret');
  });
});

describe('workload identity', () => {
  it("shows the pod's token as it stands in its file", async () => {
    const entra = await serve(() => granted('t'));
    const path = join(folder, 'token');
    await writeFile(path, 'one\n');
    const env = {
      AZURE_FEDERATED_TOKEN_FILE: path,
      AZURE_TENANT_ID: 'tenant',
      AZURE_CLIENT_ID: 'client',
      AZURE_AUTHORITY_HOST: entra.url,
    };
    expect(await token({ kind: 'workloadIdentity' }, env)).toMatchObject({ value: 't' });
    await writeFile(path, 'two\n');
    await token({ kind: 'workloadIdentity' }, env);
    expect(entra.asked.map(({ form }) => form.get('client_assertion'))).toEqual(['one', 'two']);
    expect(entra.asked[0]?.form.get('client_assertion_type')).toBe(
      'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    );
  });

  it('must be set up', async () => {
    await expect(token({ kind: 'workloadIdentity' })).rejects.toThrow('no Azure credentials; tried: workload identity');
  });
});

describe('a managed identity', () => {
  it.each([
    [null, {}],
    [{ clientId: 'c' }, { client_id: 'c' }],
    [{ objectId: 'o' }, { object_id: 'o' }],
    [{ resourceId: '/r' }, { msi_res_id: '/r' }],
  ])('of a machine: %j', async (userAssigned, parameters) => {
    const imds = await serve(() => ({ access_token: 'vm', expires_in: '86399', expires_on: '1' }));
    expect(await token({ kind: 'managedIdentity', userAssigned }, {}, imds.url)).toEqual({
      value: 'vm',
      expiresAt: START + 86_399_000,
    });
    const { path, query, headers } = imds.asked[0]!;
    expect(path).toBe('/metadata/identity/oauth2/token');
    expect(Object.fromEntries(query)).toEqual({ 'api-version': '2018-02-01', resource: RESOURCE, ...parameters });
    expect(headers.metadata).toBe('true');
  });

  it('of App Service', async () => {
    const end = START / 1000 + 600;
    const service = await serve(() => ({ access_token: 'app', expires_on: String(end) }));
    const env = { IDENTITY_ENDPOINT: `${service.url}/msi/token`, IDENTITY_HEADER: 'proof' };
    const identity = { kind: 'managedIdentity', userAssigned: { objectId: 'o' } } as const;
    expect(await token(identity, env)).toEqual({ value: 'app', expiresAt: end * 1000 });
    expect(service.asked[0]?.headers['x-identity-header']).toBe('proof');
    expect(Object.fromEntries(service.asked[0]!.query)).toEqual({
      'api-version': '2019-08-01',
      resource: RESOURCE,
      principal_id: 'o',
    });
  });

  it.each([
    ['nobody answers', null, 'no Azure credentials; tried: the managed identity'],
    ['there is none', { status: 400, body: { error: 'invalid_request' } }, 'answered 400 (invalid_request)'],
    ['the service lies', 'garbage', 'is no JSON object'],
  ] as [string, Said | null, string][])('is an error where %s', async (_name, said, message) => {
    const url = said === null ? undefined : (await serve(() => said)).url;
    await expect(token({ kind: 'managedIdentity', userAssigned: null }, {}, url)).rejects.toThrow(message);
  });
});

describe("the developer's login", () => {
  async function tool(name: string, script: string): Promise<void> {
    const path = join(folder, name);
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
  }
  const env = () => ({ PATH: `${folder}${delimiter}/usr/bin${delimiter}/bin` });

  it('is asked of Azure CLI', async () => {
    const end = START / 1000 + 60;
    await tool('az', `[ "$1 $2" = "account get-access-token" ] && echo '{"accessToken":"az","expires_on":${end}}'`);
    expect(await token({ kind: 'developer' }, env())).toEqual({ value: 'az', expiresAt: end * 1000 });
  });

  it('is asked of Azure Developer CLI where the other has none', async () => {
    await tool('az', 'echo "secret prose" >&2; exit 1');
    await tool('azd', `echo '{"token":"azd","expiresOn":"2026-01-02T04:04:05Z"}'`);
    expect(await token({ kind: 'developer' }, env())).toEqual({ value: 'azd', expiresAt: START + 3_600_000 });
    await rm(join(folder, 'azd'));
    await expect(token({ kind: 'developer' }, env())).rejects.toThrow('Azure CLI gave no token');
  });

  it('may not exist', async () => {
    await expect(token({ kind: 'developer' })).rejects.toThrow('tried: the developer tools');
  });
});

describe('ambient credentials', () => {
  const AMBIENT = { kind: 'ambient' } as const;

  it('are the secret of the environment, else workload identity, else the machine', async () => {
    const entra = await serve(({ form }) => granted(form.has('client_secret') ? 'by-secret' : 'by-assertion'));
    const imds = await serve(() => granted('by-machine'));
    const path = join(folder, 'token');
    await writeFile(path, 'jwt');
    const app = { AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_AUTHORITY_HOST: entra.url };
    const pod = { ...app, AZURE_FEDERATED_TOKEN_FILE: path };
    expect(await token(AMBIENT, { ...pod, AZURE_CLIENT_SECRET: 's' }, imds.url)).toMatchObject({ value: 'by-secret' });
    expect(await token(AMBIENT, pod, imds.url)).toMatchObject({ value: 'by-assertion' });
    expect(await token(AMBIENT, app, imds.url)).toMatchObject({ value: 'by-machine' });
    expect(imds.asked[0]?.query.get('client_id')).toBe('c');
  });

  it('name everything that was tried', async () => {
    await expect(token(AMBIENT)).rejects.toThrow(
      'no Azure credentials; tried: the environment, workload identity, the managed identity, the developer tools',
    );
  });
});
