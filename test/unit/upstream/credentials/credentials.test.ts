import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { UpstreamCall } from '../../../../src/upstream/call.ts';
import type { AwsAuth } from '../../../../src/upstream/credentials/credentials.ts';
import { callTo, cluster, hostSpec, type Rig, rig, send } from '../helpers.ts';
import { around, bench, callTowards, fieldOf, START, type TokenServer, tokenServer } from './helpers.ts';
import { type ArrivedRequest, verify } from './sigv4-reference.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function service(...arguments_: Parameters<typeof tokenServer>): Promise<TokenServer> {
  const server = await tokenServer(...arguments_);
  closing.push(server.close);
  return server;
}

const STATIC: AwsAuth = {
  keys: { accessKeyId: 'AKID', secretAccessKey: 'the-secret', sessionToken: null },
  region: '',
  service: '',
  role: null,
};

describe('AWS credentials', () => {
  const arrived: ArrivedRequest[] = [];
  let server: Server;
  let upstream: Rig;

  beforeEach(async () => {
    arrived.length = 0;
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const headers: [string, string][] = [];
        for (let i = 0; i < request.rawHeaders.length; i += 2)
          headers.push([(request.rawHeaders[i] as string).toLowerCase(), request.rawHeaders[i + 1] as string]);
        arrived.push({ method: request.method ?? '', target: request.url ?? '', headers, body: Buffer.concat(chunks) });
        response.end('ok');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    upstream = rig();
    closing.push(async () => {
      upstream.clusters.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    });
  });

  const call = (more: Partial<UpstreamCall> = {}): UpstreamCall => {
    const to = cluster(upstream, hostSpec('127.0.0.1', (server.address() as AddressInfo).port));
    return callTo(to, {
      method: 'POST',
      path: '/model/a%3A0/converse?b=1&a=x+y',
      body: Buffer.from('{"q":1}'),
      ...more,
    });
  };

  it('sign what is sent, after everything else has had its way with it', async () => {
    const { credentials } = bench(around());
    const authorize = credentials.aws({ ...STATIC, region: 'eu-west-1' });
    const prepare = (attempt: UpstreamCall) => {
      void authorize(attempt);
      attempt.headers.push('x-amz-late', 'yes', 'content-type', 'application/json');
      attempt.path += '&late=1';
      attempt.body = Buffer.from('{"q":2}');
    };
    expect((await send(upstream.dispatch, call({ prepare, authority: 'other.example' }))).body).toBe('ok');
    const verdict = verify(arrived[0]!, 'the-secret');
    expect(verdict).toMatchObject({ accessKeyId: 'AKID', region: 'eu-west-1', service: 'bedrock', valid: true });
    expect(verdict.signed).toContain('x-amz-late');
    expect(arrived[0]?.body.toString()).toBe('{"q":2}');
  });

  it('sign every attempt anew, and only those that are for AWS', async () => {
    const { credentials } = bench(around());
    const authorize = credentials.aws({ ...STATIC, region: 'r', service: 's' });
    let forAws = true;
    const prepare = (attempt: UpstreamCall) => {
      if (forAws) void authorize(attempt);
    };
    const tried = call({ prepare });
    await send(upstream.dispatch, tried);
    await send(upstream.dispatch, tried);
    forAws = false;
    tried.headers = [];
    await send(upstream.dispatch, tried);
    expect(arrived.slice(0, 2).map((request) => verify(request, 'the-secret').valid)).toEqual([true, true]);
    expect(arrived[2]?.headers.some(([name]) => name === 'authorization')).toBe(false);
  });

  it('say the region of the configuration, else of who directs the call, else of the host, else of the environment', async () => {
    const { credentials } = bench(around({ AWS_REGION: 'sa-east-1', AWS_EC2_METADATA_DISABLED: 'true' }));
    const scopes: unknown[] = [];
    const host = 'bedrock-runtime.eu-north-1.amazonaws.com';
    for (const [auth, more] of [
      [
        { ...STATIC, region: 'ap-south-1', service: 'x' },
        { signingScope: { region: 'us-east-1', service: 'bedrock' } },
      ],
      [STATIC, { signingScope: { region: 'us-east-1', service: 'agent' } }],
      [STATIC, { authority: host }],
    ] as [AwsAuth, Partial<UpstreamCall>][]) {
      const authorize = credentials.aws(auth);
      await send(upstream.dispatch, call({ ...more, prepare: (attempt) => authorize(attempt) }));
      const { region, service: name, valid } = verify(arrived.at(-1)!, 'the-secret');
      scopes.push([region, name, valid]);
    }
    const towards = callTowards(host);
    void credentials.aws(STATIC)(towards);
    await towards.sign?.(towards);
    scopes.push(/AKID\/\d+\/([^/]+)\/([^/]+)/.exec(fieldOf(towards, 'authorization') ?? '')?.slice(1));
    expect(scopes).toEqual([
      ['ap-south-1', 'x', true],
      ['us-east-1', 'agent', true],
      // The Host field is the client's: it decides nothing.
      ['sa-east-1', 'bedrock', true],
      ['eu-north-1', 'bedrock'],
    ]);
  });

  it('may be those of a role, asked for once', async () => {
    const sts = await service(
      () =>
        '<Credentials><AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-01-02T04:04:05Z</Expiration></Credentials>',
    );
    const { credentials } = bench(around({ AWS_ENDPOINT_URL_STS: sts.url }));
    const auth = { ...STATIC, region: 'eu-west-1', role: { roleArn: 'arn:x' } };
    for (let i = 0; i < 3; i++) {
      const authorize = credentials.aws(auth);
      await send(upstream.dispatch, call({ prepare: (attempt) => authorize(attempt) }));
    }
    expect(arrived.map((request) => verify(request, 'role-secret').valid)).toEqual([true, true, true]);
    expect(sts.asked).toHaveLength(1);
  });

  it('are missing: nothing is sent, and the client is told no more than that', async () => {
    const { credentials, watch } = bench(around({ AWS_REGION: 'x', AWS_EC2_METADATA_DISABLED: 'true' }));
    const authorize = credentials.ambient('aws');
    const sink = await send(upstream.dispatch, call({ prepare: (attempt) => authorize(attempt) }));
    expect(sink.error).toMatchObject({ code: 'backend_credentials', status: 503 });
    expect(sink.error?.message).not.toContain('environment');
    expect(watch.warned.join()).toContain('no AWS credentials; tried: the environment');
    expect(arrived).toHaveLength(0);
  });

  it('are given up on when the client is', async () => {
    const silent = await service(() => 'hang');
    const { credentials } = bench(around({ AWS_CONTAINER_CREDENTIALS_FULL_URI: silent.url, AWS_REGION: 'x' }));
    const authorize = credentials.ambient('aws');
    const flight = upstream.dispatch(call({ prepare: (attempt) => authorize(attempt) }), {
      onHead: () => expect.unreachable(),
      onData: () => expect.unreachable(),
      onEnd: () => expect.unreachable(),
      onError: () => expect.unreachable(),
    });
    while (silent.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    flight.abort();
    await silent.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(arrived).toHaveLength(0);
  });
});

const granted = (value: string, life = 3600) => ({ access_token: value, expires_in: life });

describe('tokens', () => {
  it('are waited for once, then at hand', async () => {
    const metadata = await service(() => ({
      status: 200,
      headers: { 'metadata-flavor': 'Google' },
      body: granted('t1'),
    }));
    const { credentials } = bench(around({ GCE_METADATA_HOST: metadata.host }));
    const [first, second] = [credentials.ambient('gcp'), credentials.ambient('gcp')];
    const call = callTowards('x', { headers: ['authorization', 'Bearer theirs', 'a', 'b'] });
    const pending = first(call);
    expect(pending).toBeInstanceOf(Promise);
    await pending;
    expect(call.headers).toEqual(['authorization', 'Bearer t1', 'a', 'b']);
    const another = callTowards('y');
    expect(second(another)).toBeUndefined();
    expect(fieldOf(another, 'authorization')).toBe('Bearer t1');
    expect(metadata.asked).toHaveLength(1);
  });

  it('are exchanged when they near their end', async () => {
    let value = 'old';
    const entra = await service(() => granted(value));
    const { credentials, watch } = bench(around({ AZURE_AUTHORITY_HOST: entra.url }));
    const authorize = credentials.azure({ kind: 'clientSecret', tenantId: 't', clientId: 'c', clientSecret: 's' });
    const shown = async () => {
      const call = callTowards('x.openai.azure.com');
      await authorize(call);
      return fieldOf(call, 'authorization');
    };
    expect(await shown()).toBe('Bearer old');
    value = 'new';
    watch.time = START + 3_600_000;
    expect(await shown()).toBe('Bearer new');
  });

  it('are for the audience of the service called', async () => {
    const entra = await service(({ form }) => granted(form.get('scope') ?? ''));
    const azure = bench(around({ AZURE_AUTHORITY_HOST: entra.url })).credentials.azure({
      kind: 'clientSecret',
      tenantId: 't',
      clientId: 'c',
      clientSecret: 's',
    });
    for (const [host, scope] of [
      ['x.openai.azure.com', 'https://cognitiveservices.azure.com/.default'],
      ['x.services.ai.azure.com:443', 'https://ai.azure.com/.default'],
      ['private.example', 'https://cognitiveservices.azure.com/.default'],
    ] as const) {
      const call = callTowards(host);
      await azure(call);
      expect(fieldOf(call, 'authorization')).toBe(`Bearer ${scope}`);
    }
    // One a scope.
    expect(entra.asked).toHaveLength(2);
  });

  it('of the ID kind are for the host called, unless another audience is given', async () => {
    const jwt = (audience: string) =>
      `e30.${Buffer.from(JSON.stringify({ aud: audience, exp: START / 1000 + 3600 })).toString('base64url')}.s`;
    const metadata = await service(({ query }) => ({
      status: 200,
      headers: { 'metadata-flavor': 'Google' },
      body: jwt(query.get('audience') ?? ''),
    }));
    const { credentials } = bench(around({ GCE_METADATA_HOST: metadata.host }));
    const shown = async (audience: string, host: string) => {
      const call = callTowards(host);
      await credentials.gcp({ type: 'idToken', audience, credential: '' })(call);
      return fieldOf(call, 'authorization');
    };
    expect(await shown('', 'svc.run.app:443')).toBe(`Bearer ${jwt('https://svc.run.app')}`);
    const elsewhere = callTowards('svc.run.app', { authority: 'evil.example' });
    await credentials.gcp({ type: 'idToken', audience: '', credential: '' })(elsewhere);
    expect(fieldOf(elsewhere, 'authorization')).toBe(`Bearer ${jwt('https://svc.run.app')}`);
    expect(await shown('https://other', 'svc.run.app')).toBe(`Bearer ${jwt('https://other')}`);
  });

  it("are beside the editor's fields for Copilot, which a client that is an editor keeps", async () => {
    const github = await service(() => ({ token: 'copilot-token', expires_at: START / 1000 + 1500 }));
    const { credentials } = bench(around({ GH_COPILOT_TOKEN: 'ghu' }, '/nonexistent', { github: github.url }));
    const call = callTowards('api.githubcopilot.com', { headers: ['editor-version', 'mine/1'] });
    await credentials.copilot()(call);
    expect(fieldOf(call, 'authorization')).toBe('Bearer copilot-token');
    expect(fieldOf(call, 'editor-version')).toBe('mine/1');
    expect(fieldOf(call, 'copilot-integration-id')).toBe('vscode-chat');
    expect(github.asked).toHaveLength(1);
  });

  it('are missing: the call is refused, and asked for again only after a pause', async () => {
    const entra = await service(() => ({ status: 500 }));
    const { credentials, watch } = bench(around({ AZURE_AUTHORITY_HOST: entra.url }));
    const authorize = credentials.azure({ kind: 'clientSecret', tenantId: 't', clientId: 'c', clientSecret: 's' });
    await expect(authorize(callTowards('x'))).rejects.toMatchObject({ code: 'backend_credentials' });
    expect(() => authorize(callTowards('x'))).toThrow(expect.objectContaining({ code: 'backend_credentials' }));
    expect(entra.asked).toHaveLength(1);
    watch.time += 1_000;
    await expect(authorize(callTowards('x'))).rejects.toMatchObject({ code: 'backend_credentials' });
    expect(entra.asked).toHaveLength(2);
  });
});
