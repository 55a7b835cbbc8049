import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, MAIN, ownServers, type TestUpstream, until, upstream } from '../support/gateway.ts';

/** A chat completion of a text and a call. */
function tell(stream: boolean, response: ServerResponse): void {
  const usage = {
    prompt_tokens: 10,
    completion_tokens: 5,
    total_tokens: 15,
    prompt_tokens_details: { cached_tokens: 4 },
  };
  const head = { id: 'x', model: 'm', service_tier: 'default' };
  const call = { id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } };
  if (!stream) {
    const message = { role: 'assistant', content: 'Let me see.', tool_calls: [call] };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...head, choices: [{ index: 0, message, finish_reason: 'tool_calls' }], usage }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const chunks = [
    { choices: [{ index: 0, delta: { role: 'assistant', content: 'Let me' } }] },
    { choices: [{ index: 0, delta: { content: ' see.' } }] },
    { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, ...call }] } }] },
    { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
    { choices: [], usage },
  ];
  for (const chunk of chunks) response.write(`data: ${JSON.stringify({ ...head, ...chunk })}\n\n`);
  response.end('data: [DONE]\n\n');
}

/** CEL in policies, over real sockets: bodies held where an expression reads them, rules, fields of the log, models. */
describe('expressions', () => {
  let gateway: Gateway;
  let target: TestUpstream;
  let origin = '';
  let llm = '';

  beforeAll(async () => {
    target = await upstream((incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        if (incoming.url?.startsWith('/told/')) return tell(JSON.parse(body).stream === true, response);
        if (incoming.url === '/big') return response.end('x'.repeat(20_000));
        if (incoming.url === '/half') {
          response.writeHead(200, { 'content-length': '100' });
          response.write('half');
          return setTimeout(() => response.destroy(), 20);
        }
        response.writeHead(200, { 'content-type': 'application/json' });
        const { 'x-tier': tier, 'accept-encoding': coding } = incoming.headers;
        response.end(JSON.stringify({ method: incoming.method, url: incoming.url, body, tier, coding }));
      });
    });
    const [port = 0, llmPort = 0] = await freePorts(2);
    gateway = await Gateway.start(
      (ports) => `${ownServers(ports)}  logging: {format: json}
frontendPolicies:
  http: {maxBufferSize: 10000}
  accessLog:
    filter: request.path != "/quiet"
    remove: [http.version, src.addr]
    add:
      tier: default(metadata.tier, "none")
      code: response.code
      parts: 'flatten({"a": 1, "b": [2]})'
      nothing: jwt.sub
      tokens: llm.totalTokens
      asked: llm.prompt
      temperature: llm.params.temperature
      told: llm.completion
      calls: llm.toolCalls
      counted: '[llm.inputTokens, llm.providerInputTokens, llm.providerTotalTokens]'
      served: llm.serviceTier
      http.host: 'request.host + "!"'
llm:
  port: ${llmPort}
  models:
  - name: s*
    provider: {custom: {formats: [{type: completions}], model: open}}
    params: {baseUrl: "http://127.0.0.1:${target.port}/open"}
  - name: secret-*
    visibility: public
    provider: {custom: {formats: [{type: completions}]}}
    params: {baseUrl: "http://127.0.0.1:${target.port}/secret"}
    authorization: {rules: ['request.headers["x-team"] == "a" && llmRequest.max_tokens < 10']}
  - name: told
    provider: {custom: {formats: [{type: completions}]}}
    params: {baseUrl: "http://127.0.0.1:${target.port}/told"}
  - name: closed
    provider: {custom: {formats: [{type: completions}]}}
    params: {baseUrl: "http://127.0.0.1:${target.port}/closed"}
    authorization: {rules: [{deny: "true"}]}
binds:
- port: ${port}
  listeners:
  - policies:
      transformations:
        request:
          metadata: {tier: 'request.headers[?"x-plan"].orValue("") == "pro" ? "gold" : "basic"'}
          set: {":path": 'request.path == "/old" ? "/new" : request.pathAndQuery'}
    routes:
    - name: body
      matches: [{path: {exact: /body}}]
      policies:
        authorization: {rules: ['json(request.body).kind == "public"']}
        transformations:
          request: {body: 'toJson(json(request.body).with(b, {"kind": b.kind, "tier": metadata.tier}))'}
      backends: [{host: "127.0.0.1:${target.port}"}]
    - name: response
      matches: [{path: {exact: /response}}, {path: {exact: /big}}, {path: {exact: /half}}]
      policies:
        transformations:
          response:
            set: {":status": 'response.code == 200 ? 201 : response.code', x-url: json(response.body).url}
            body: json(response.body).method
      backends: [{host: "127.0.0.1:${target.port}"}]
    - name: rules
      matches: [{path: {pathPrefix: /rules}}]
      policies:
        authorization: {rules: [{deny: 'request.headers["x-bad"] == "1"'}, {require: 'request.method == "GET"'}]}
      backends:
      - host: "127.0.0.1:${target.port}"
        policies:
          authorization: {rules: ['request.path != "/rules/backend"']}
          transformations: {request: {set: {x-tier: metadata.tier}}}
    - name: backend-body
      matches: [{path: {exact: /backend-body}}]
      backends:
      - host: "127.0.0.1:${target.port}"
        policies:
          authorization: {rules: [{require: 'json(request.body).kind == "public"'}, {deny: json(request.body).bad}]}
    - name: answer
      matches: [{path: {exact: /answer}}]
      policies:
        directResponse:
          conditional:
          - condition: request.headers["x-ask"] == "json"
            status: 202
            bodyExpression: '{"path": request.path}'
            headers: {content-type: '"application/json"'}
          - status: 404
      backends: [{host: "127.0.0.1:${target.port}"}]
    - name: rest
      backends: [{host: "127.0.0.1:${target.port}"}]
`,
    );
    origin = `http://127.0.0.1:${port}`;
    llm = `http://127.0.0.1:${llmPort}`;
  });
  afterAll(async () => {
    await gateway?.stop();
    target?.close();
  });

  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${origin}${path}`, { method: 'POST', body, headers });

  it('allow by a body, and write it anew', async () => {
    const response = await post('/body', '{"kind":"public"}', { 'x-plan': 'pro' });
    expect(await response.json()).toMatchObject({ body: '{"kind":"public","tier":"gold"}' });
    expect((await post('/body', '{"kind":"private"}')).status).toBe(403);
    expect((await post('/body', 'no json')).status).toBe(403);
    expect((await fetch(`${origin}/body`)).status).toBe(403);
  });

  it('hold a body to the limit where they read it, and none where they do not', async () => {
    const large = JSON.stringify({ kind: 'public', pad: 'x'.repeat(10_000) });
    expect((await post('/body', large)).status).toBe(413);
    const passed = (await (await post('/rest', large)).json()) as { body: string };
    expect(passed.body).toBe(large);
  });

  it('route by what they set', async () => {
    expect(await (await fetch(`${origin}/old?a=1`)).json()).toMatchObject({ url: '/new' });
  });

  it('write a response anew, its status and headers too, and ask for it uncoded', async () => {
    const response = await fetch(`${origin}/response`, { headers: { 'accept-encoding': 'gzip' } });
    expect([response.status, response.headers.get('x-url'), await response.text()]).toEqual([201, '/response', 'GET']);
    expect(response.headers.get('content-length')).toBe('3');
  });

  it('say so where a response is too large to be held, or breaks off', async () => {
    const large = await fetch(`${origin}/big`);
    expect(large.status).toBe(502);
    expect(await large.text()).toContain('maxBufferSize');
    expect((await fetch(`${origin}/half`)).status).toBeGreaterThanOrEqual(500);
    expect((await fetch(`${origin}/response`)).status).toBe(201);
  });

  it.each([
    ['/rules', {}, 200],
    ['/rules', { 'x-bad': '1' }, 403],
    ['/rules/backend', {}, 403],
  ])('decide over %s with %j', async (path, headers, status) => {
    expect((await fetch(`${origin}${path}`, { headers })).status).toBe(status);
  });

  it('require', async () => {
    expect((await post('/rules', 'x')).status).toBe(403);
  });

  it('decide over calls of a backend by their body', async () => {
    const passed = await post('/backend-body', '{"kind":"public"}');
    expect([passed.status, await passed.json()]).toMatchObject([200, { body: '{"kind":"public"}' }]);
    expect((await post('/backend-body', '{"kind":"public","bad":true}')).status).toBe(403);
    expect((await post('/backend-body', '{"kind":"private"}')).status).toBe(403);
    expect((await fetch(`${origin}/backend-body`)).status).toBe(403);
  });

  it('change calls of a backend', async () => {
    expect(await (await fetch(`${origin}/rules`)).json()).toMatchObject({ tier: 'basic' });
  });

  it('answer', async () => {
    const response = await fetch(`${origin}/answer`, { headers: { 'x-ask': 'json' } });
    expect([response.status, response.headers.get('content-type')]).toEqual([202, 'application/json']);
    expect(await response.json()).toEqual({ path: '/answer' });
    expect((await fetch(`${origin}/answer`)).status).toBe(404);
  });

  it('say who may use a model; the next pattern serves others', async () => {
    const ask = (model: string, headers: Record<string, string> = {}, more: object = {}) =>
      fetch(`${llm}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }], ...more }),
      });
    const url = async (response: Response) => ((await response.json()) as { url: string }).url;
    expect(await url(await ask('secret-1', { 'x-team': 'a' }, { max_tokens: 5 }))).toContain('/secret/');
    expect(await url(await ask('secret-1', { 'x-team': 'a' }, { max_tokens: 50 }))).toContain('/open/');
    expect(await url(await ask('secret-1'))).toContain('/open/');
    const closed = await ask('closed');
    expect(closed.status).toBe(403);
    expect(await closed.json()).toMatchObject({ error: { code: 'model_authorization_denied' } });
    const listed = (await (await fetch(`${llm}/v1/models`)).json()) as { data: { id: string }[] };
    expect(listed.data.map(({ id }) => id)).not.toContain('closed');
    expect((await ask('nothing')).status).toBe(404);
  });

  it('add fields to the log, leave some out, and choose the lines', async () => {
    await fetch(`${origin}/quiet`);
    await fetch(`${origin}/logged`, { headers: { 'x-plan': 'pro' } });
    const line = () => gateway.lines.find((one) => one.includes('"/logged"'));
    await until(() => line() !== undefined);
    const record = JSON.parse(line() ?? '');
    expect(record).toMatchObject({ tier: 'gold', code: 200, 'parts.a': 1, 'parts.b': [2], 'http.status': 200 });
    expect(record['http.host']).toMatch(/^127\.0\.0\.1:\d+!$/);
    for (const name of ['http.version', 'src.addr', 'nothing', 'tokens']) expect(record).not.toHaveProperty(name);
    expect(gateway.stdout).not.toContain('"/quiet"');
  });

  it.each([
    ["in the provider's format", '/v1/chat/completions', false],
    ['as a stream', '/v1/chat/completions', true],
    ['converted', '/v1/messages', false],
    ['converted, as a stream', '/v1/messages', true],
  ])('log what a model was asked and has answered: %s', async (_, path, stream) => {
    const before = gateway.lines.length;
    const response = await fetch(`${llm}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-no': `${path} ${stream}` },
      body: JSON.stringify({
        model: 'told',
        stream,
        max_tokens: 9,
        temperature: 0.5,
        messages: [{ role: 'user', content: 'What is the weather?' }],
      }),
    });
    await response.text();
    const line = () => gateway.lines.slice(before).find((one) => one.includes('"told":'));
    await until(() => line() !== undefined);
    expect(JSON.parse(line() ?? '')).toMatchObject({
      asked: [{ role: 'user', content: 'What is the weather?' }],
      temperature: 0.5,
      told: ['Let me see.'],
      calls: [{ id: 'c1', name: 'weather', arguments: { city: 'Oslo' } }],
      counted: [10, 10, 15],
      served: 'default',
    });
  });

  it('count what failed, by who asked', async () => {
    await until(async () => (await gateway.metric('agentgateway_cel_errors_total', 'policy="authorization"')) > 0);
    await until(async () => (await gateway.metric('agentgateway_cel_errors_total', 'policy="accessLog.add"')) > 0);
  });
});

it('sluice check names the line and the column of what is no expression', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-'));
  try {
    const file = join(directory, 'c.yaml');
    writeFileSync(file, 'frontendPolicies:\n  accessLog:\n    filter: request.path == "/" && respons.code == 200\n');
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'check', '-f', file], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain('c.yaml:3:36: frontendPolicies.accessLog.filter: not an expression: ');
    expect(stderr).toContain('respons');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
