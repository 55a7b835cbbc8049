import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Definition } from '../../../src/cel/definitions.ts';
import { activationOfConnection, compileCel, gatewayEnvironment, toJs } from '../../../src/cel/index.ts';
import { HeaderList } from '../../../src/headers.ts';
import { evaluate, exchangeOf, failure, references } from './support.ts';

/** The variables of agentgateway and their fields, as its schema (schema/cel.json) has them; `*`: any. */
const SCHEMA: Readonly<Record<string, string>> = {
  request: 'method uri host scheme path pathAndQuery version headers body bodyPrefix startTime endTime',
  response: 'code grpcStatus headers body bodyPrefix',
  proxy: 'bind gateway listener route requestProcessingDuration upstreamDuration responseProcessingDuration',
  'proxy.gateway': 'namespace name',
  'proxy.listener': 'name',
  'proxy.route': 'namespace name kind rule',
  env: 'podName namespace gateway',
  jwt: '*',
  apiKey: '*',
  basicAuth: 'username',
  llm: `streaming requestModel responseModel provider inputTokens providerInputTokens inputImageTokens inputTextTokens
    inputAudioTokens cachedInputTokens cacheCreationInputTokens outputTokens outputImageTokens outputTextTokens outputAudioTokens
    reasoningTokens totalTokens providerTotalTokens serviceTier timeToFirstToken timePerOutputToken countTokens prompt completion
    toolCalls params cost costRates`,
  'llm.params': 'temperature top_p frequency_penalty presence_penalty seed max_tokens encoding_format dimensions',
  'llm.cost': 'total input output cacheRead cacheWrite reasoning inputAudio outputAudio',
  'llm.costRates': 'input output cacheRead cacheWrite reasoning inputAudio outputAudio',
  llmRequest: '*',
  source: `address port rawAddress rawPort identity spiffeId subjectAltNames issuer subject subjectCn certificate unverifiedWorkload
    connectHeaders`,
  'source.identity': 'trustDomain namespace serviceAccount',
  'source.unverifiedWorkload': 'name namespace serviceAccount',
  destination: 'address port hostname',
  mcp: 'methodName sessionId tool prompt resource task',
  'mcp.tool': 'target name arguments result error',
  'mcp.prompt': 'target name',
  'mcp.resource': 'target name',
  'mcp.task': 'target name',
  backend: 'name type protocol',
  extauthz: '*',
  extproc: '*',
  mcpGuardrails: '*',
  metadata: '*',
};

type Fields = ReadonlyMap<string, Definition<never>>;

function declared(fields: Fields, prefix = ''): [string, string[]][] {
  return [...fields].flatMap(([name, { fields: inner }]): [string, string[]][] => {
    const path = prefix + name;
    if (inner !== undefined) return [[path, [...inner.keys()]], ...declared(inner, `${path}.`)];
    return prefix === '' ? [[path, ['*']]] : [];
  });
}

it("declares agentgateway's variables and their fields, no more and no less", () => {
  const expected = Object.entries(SCHEMA).map(([name, fields]) => [name, fields.split(/\s+/).sort()] as const);
  const found = declared(gatewayEnvironment().variables as Fields).map(
    ([name, fields]) => [name, fields.sort()] as const,
  );
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
});

describe('request', () => {
  const request = exchangeOf({ method: 'POST', path: '/api/test', query: 'foo=bar&foo=baz', headers: ['x-a', '1'] });

  it('reads what the exchange holds, as policies have changed it', () => {
    expect(
      toJs(
        evaluate(
          '[request.method, request.uri, request.host, request.scheme, request.path, request.pathAndQuery, request.version]',
          {},
          request,
        ),
      ),
    ).toEqual([
      'POST',
      'http://example.com/api/test?foo=bar&foo=baz',
      'example.com',
      'http',
      '/api/test',
      '/api/test?foo=bar&foo=baz',
      'HTTP/1.1',
    ]);
    request.path = '/rewritten';
    expect(evaluate('request.path', {}, request)).toBe('/rewritten');
    expect(
      evaluate('request.startTime <= timestamp("9000-01-01T00:00:00Z") && request.endTime == null', {}, request),
    ).toBe(true);
  });

  it('reads a body that was held, and refuses one that was not held whole', () => {
    const body = { bytes: Buffer.from('{"model":"m"}'), complete: true };
    expect(evaluate('json(request.body).model', { requestBody: body })).toBe('m');
    const cut = { bytes: Buffer.from('{"mod'), complete: false };
    expect(failure('request.body', { requestBody: cut }).message).toBe('request.body is longer than the gateway holds');
    expect(evaluate('string(request.bodyPrefix)', { requestBody: cut })).toBe('{"mod');
    expect(evaluate('request.body')).toBe(null);
  });

  it('reads the response once there is one', () => {
    const response = { status: 503, headers: new HeaderList(['retry-after', '3']), grpcStatus: 14 };
    expect(
      evaluate('response.code >= 500 && response.headers["retry-after"] == "3" && response.grpcStatus == 14', {
        response,
      }),
    ).toBe(true);
    const head = { status: 200, headers: new HeaderList(['grpc-status', '5']) };
    expect(toJs(evaluate('response.grpcStatus', { response: head }))).toBe(5);
    const trailed = exchangeOf();
    trailed.grpcStatus = 7;
    expect(toJs(evaluate('response.grpcStatus', { response: { ...head, headers: new HeaderList() } }, trailed))).toBe(
      7,
    );
    expect(evaluate('response == null && !has(response.code)')).toBe(true);
    expect(failure('response.code')).toMatchObject({
      code: 'no_such_key',
      message: 'no such key: response.code (not known here)',
    });
  });

  it('knows where it was routed', () => {
    const exchange = exchangeOf();
    Object.assign(exchange.routed, {
      bind: 'bind/8080',
      gateway: 'default/gw',
      listener: 'l',
      route: 'r',
      routeRule: '',
    });
    exchange.upstreamStartMs = 1.5;
    exchange.upstreamHeadMs = 101.5;
    exchange.headSentMs = 102.5;
    expect(
      toJs(
        evaluate(
          '[proxy.gateway, proxy.listener.name, proxy.route, string(proxy.upstreamDuration), string(proxy.responseProcessingDuration)]',
          {},
          exchange,
        ),
      ),
    ).toEqual([{ namespace: 'default', name: 'gw' }, 'l', { namespace: '', name: 'r' }, '0.1s', '0.001s']);
  });
});

describe('who asks', () => {
  it('reads claims, and null where nobody was verified', () => {
    const jwt = { claims: { sub: 'a', groups: ['x', 'y'], nested: { n: 1 } }, rawToken: 'fake.jwt.token' };
    expect(
      evaluate('jwt.sub == "a" && "y" in jwt.groups && jwt.nested.n == 1 && has(jwt.sub) && !has(jwt.email)', { jwt }),
    ).toBe(true);
    expect(evaluate('jwt == null && !has(jwt.sub) && jwt.?sub.orValue("") == ""')).toBe(true);
    expect(failure('jwt.sub')).toMatchObject({ code: 'no_such_key' });
  });

  it('shows credentials only to who asks for them', () => {
    const jwt = { claims: { sub: 'a' }, rawToken: 'fake.jwt.token' };
    expect(toJs(evaluate('jwt', { jwt }))).toEqual({ rawToken: '<redacted>', sub: 'a' });
    expect(evaluate('string(jwt.rawToken) + toJson(jwt)', { jwt })).not.toContain('fake');
    expect(evaluate('jwt.rawToken.unredacted()', { jwt })).toBe('fake.jwt.token');
    const exchange = exchangeOf();
    exchange.apiKey = { id: 'k', metadata: { group: 'dev' }, allowedModels: null };
    expect(toJs(evaluate('[apiKey.group, apiKey.key]', {}, exchange))).toEqual(['dev', '<redacted>']);
    expect(failure('apiKey.key.unredacted()', {}, exchange).message).toBe('this credential is not kept');
    exchange.apiKeySecret = 'sk';
    expect(evaluate('apiKey.key.unredacted()', {}, exchange)).toBe('sk');
    expect(failure('jwt.rawToken + "x"', { jwt }).message).toBe('no such overload: _+_(secret, string)');
  });

  it('reads the connection, also before there is a request', () => {
    const tls = {
      sni: 'gw.example.com',
      alpn: 'h2',
      clientSans: ['DNS:a.example', 'URI:spiffe://td/ns/default/sa/web'],
    };
    const connection = { remoteAddress: '10.1.2.3', remotePort: 5, localAddress: '10.0.0.1', localPort: 443, tls };
    const see = (source: string) =>
      toJs(compileCel(source, gatewayEnvironment()).evaluate(activationOfConnection(connection)));
    expect(see('[source.address, source.port, source.spiffeId, source.identity, source.subjectAltNames]')).toEqual([
      '10.1.2.3',
      5,
      'spiffe://td/ns/default/sa/web',
      { trustDomain: 'td', namespace: 'default', serviceAccount: 'web' },
      ['a.example', 'spiffe://td/ns/default/sa/web'],
    ]);
    const clientCertificate = new X509Certificate(
      readFileSync(new URL('../../fixtures/tls/client.pem', import.meta.url)),
    );
    const certified = activationOfConnection({ ...connection, tls: { ...tls, clientCertificate } });
    expect(
      toJs(
        compileCel(
          '[source.subject, source.subjectCn, source.certificate.startsWith("-----BEGIN CERTIFICATE"), source.issuer != ""]',
          gatewayEnvironment(),
        ).evaluate(certified),
      ),
    ).toEqual([clientCertificate.subject.replaceAll('\n', ', '), 'test client', true, true]);
    expect(see('destination')).toEqual({ address: '10.0.0.1', port: 443, hostname: 'gw.example.com' });
    expect(see('[request == null, "x" in source.connectHeaders, has(source.certificate)]')).toEqual([
      true,
      false,
      false,
    ]);
    expect(
      evaluate(
        'source.identity == null && !has(source.identity.namespace) && cidr("192.0.2.0/24").containsIP(source.address)',
      ),
    ).toBe(true);
    const client = { address: '203.0.113.9', port: 1 };
    expect(toJs(evaluate('[source.address, source.rawAddress]', { client }))).toEqual(['203.0.113.9', '192.0.2.7']);
  });
});

describe('protocols', () => {
  it('reads an LLM request and its usage', () => {
    const exchange = exchangeOf();
    exchange.llm = {
      operation: 'chat',
      provider: 'openai',
      clientModel: 'fast',
      requestModel: 'gpt-4o',
      responseModel: '',
      streaming: true,
      requestBytes: 1,
      usage: { input: 10, cachedInput: 5, cacheWrite: 1, output: 20, reasoning: 4 },
      usageEstimated: false,
      cost: {
        total: 3,
        input: 0.75,
        cacheRead: 0.25,
        cacheWrite: 0,
        output: 2,
        reasoning: 0,
        inputAudio: 0,
        outputAudio: 0,
        rates: { input: 1.5 },
      },
      firstTokenMs: 250,
      lastTokenMs: 1450,
    };
    let asked = 0;
    const prompt = () => {
      asked++;
      return [{ role: 'user', content: 'hi' }];
    };
    const llm = { prompt, params: () => ({ temperature: 0.5, max_tokens: 100 }) };
    const see = (source: string) => toJs(evaluate(source, { llm }, exchange));
    expect(
      see(
        '[llm.requestModel, llm.inputTokens, llm.cachedInputTokens, llm.outputTokens, llm.totalTokens, llm.responseModel]',
      ),
    ).toEqual(['gpt-4o', 16, 5, 24, 40, null]);
    expect(
      see('[string(llm.timeToFirstToken), string(llm.timePerOutputToken), llm.params.temperature, llm.params.seed]'),
    ).toEqual(['0.25s', '0.05s', 0.5, null]);
    expect(
      evaluate(
        'type(llm.cost.total) == double && llm.cost.total == 3.0 && llm.cost.cacheRead == 0.25 && llm.costRates.input == 1.5',
        { llm },
        exchange,
      ),
    ).toBe(true);
    expect(asked).toBe(0);
    expect(see('llm.prompt.exists(m, llm.prompt[0].role == m.role)')).toBe(true);
    expect(asked).toBe(1);
    expect(evaluate('llm == null && llmRequest == null')).toBe(true);
    expect(evaluate('llmRequest.messages[0].content', { llmRequest: { messages: [{ content: 'x' }] } })).toBe('x');
  });

  it('reads an MCP call', () => {
    const mcp = { methodName: 'tools/call', tool: { target: 't', name: 'add', arguments: { a: 1 } } };
    expect(
      evaluate(
        'mcp.tool.name == "add" && mcp.tool.arguments.a == 1 && mcp.tool.result == null && !has(mcp.prompt.name)',
        { mcp },
      ),
    ).toBe(true);
    expect(failure('mcp.prompt.name', { mcp })).toMatchObject({ code: 'no_such_key' });
  });

  it('reads what other policies found', () => {
    const facts = {
      extauthz: { user: 'u' },
      metadata: { tier: 'gold' },
      backend: { name: 'b', type: 'ai', protocol: 'llm' },
    };
    expect(evaluate('extauthz.user + metadata.tier + backend.type', facts)).toBe('ugoldai');
    expect(evaluate('has(extproc.x) || has(mcpGuardrails.y)', facts)).toBe(false);
    expect(evaluate('env.podName')).toBe('sluice-0');
    expect(evaluate('env.gateway')).toBe(null);
  });

  it('gives all variables that are set', () => {
    const all = toJs(evaluate('variables()', { metadata: { a: 1 } })) as Record<string, unknown>;
    expect(Object.keys(all).sort()).toEqual(['destination', 'env', 'metadata', 'proxy', 'request', 'source']);
    expect(all.request).toMatchObject({ method: 'GET', headers: {} });
  });
});

describe('references', () => {
  it.each<[string, string[]]>([
    ['request.method == "GET"', ['request.method']],
    ['request.headers["x-a"] == "1"', ['request.headers.x-a']],
    ['request["body"]', ['request.body']],
    ['jwt.sub + jwt.a.b', ['jwt.sub', 'jwt.a.b']],
    ['has(request.body)', ['request.body']],
    ['request.?body', ['request.body']],
    ['jwt.groups.exists(g, g == metadata.group)', ['jwt.groups', 'metadata.group']],
    ['json(request.body).with(b, b.request)', ['request.body']],
    ['[1].map(request, request.body)', []],
    ['jwt[request.path]', ['jwt', 'request.path']],
    ['true ? 1 : 2', []],
  ])('%s', (source, paths) => {
    expect([...references(source).paths].sort()).toEqual(paths.sort());
  });

  it('say whether a body must be held', () => {
    const holds = (source: string) => references(source).reads('request.body');
    expect(
      [
        'request.body',
        'request["body"]',
        'json(request.body).a',
        'request',
        'toJson(request)',
        'variables()',
        'request.with(r, r.body)',
      ].map(holds),
    ).not.toContain(false);
    expect(['request.bodyPrefix', 'request.method', 'response.body', 'jwt.body', 'jwt', '1'].map(holds)).not.toContain(
      true,
    );
    expect(references('response.body').variables).toEqual(new Set(['response']));
  });
});
