import { request } from 'node:http';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers, type TestUpstream, until, upstream } from '../support/gateway.ts';
import { MockLlm, WORDS } from '../support/mock-llm.ts';

const ANSWER = WORDS.join('');
const messages = [{ role: 'user' as const, content: 'hello' }];

describe('LLM traffic with providers that fail', () => {
  let well: MockLlm;
  let faulty: TestUpstream;
  let gateway: Gateway;
  let openai: OpenAI;
  let anthropic: Anthropic;
  let ports: number[];
  /** Keys and models the faulty provider was asked with. */
  const asked: { key: string; model: string }[] = [];

  beforeAll(async () => {
    well = await MockLlm.start();
    faulty = await upstream((incoming, response) => {
      let text = '';
      incoming.on('data', (chunk) => {
        text += chunk;
      });
      incoming.on('end', () => {
        const { model, stream } = JSON.parse(text);
        const key = String(incoming.headers.authorization).replace('Bearer ', '');
        asked.push({ key, model });
        if (key === 'sk-good') {
          const choices = [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }];
          const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
          response.setHeader('content-type', 'application/json');
          response.end(JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model, choices, usage }));
        } else if (model === 'dies') response.destroy();
        else if (model === 'endless' && stream) {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          const choices = [{ index: 0, delta: { content: 'one two three four five six seven eight ' } }];
          for (let i = 0; i < 10; i++) response.write(`data: ${JSON.stringify({ id: 'c', model, choices })}\n\n`);
        } else if (model !== 'hangs') {
          const [status = 500] = [Number(model.replace('status-', ''))];
          response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '60' });
          response.end(JSON.stringify({ error: { message: `no ${model}`, type: 'x', param: null, code: null } }));
        }
      });
    });
    ports = await freePorts(4);
    const [llm, hanging, counting, closed] = ports;
    const model = (name: string, at: number) =>
      `  - {name: "${name}", provider: openAI, params: {apiKey: sk-1, baseUrl: "http://127.0.0.1:${at}/v1"}, ${servedBy('faulty')}}\n`;
    const servedBy = (who: string) => `responseHeaders: {set: {x-served-by: ${who}}}`;
    const failing = ['status-500', 'status-429', 'status-529', 'dies', 'closed'];
    gateway = await Gateway.start(
      (own) => `${ownServers(own)}  logging: {format: json}
llm:
  port: ${llm}
  policies:
    onClientAbort: cancel
  models:
${failing.map((name) => model(name, name === 'closed' ? (closed as number) : faulty.port)).join('')}${model('endless', faulty.port)}
  - {name: "ok-*", provider: anthropic, params: {apiKey: sk-2, baseUrl: "http://127.0.0.1:${well.port}"}, ${servedBy('well')}}
  - name: keyed
    provider: openAI
    params: {apiKeys: [sk-limited, sk-good], model: status-429, baseUrl: "http://127.0.0.1:${faulty.port}/v1"}
  - name: refused
    provider: openAI
    params: {apiKeys: [sk-very-secret, sk-good], model: status-401, baseUrl: "http://127.0.0.1:${faulty.port}/v1"}
  - {name: plain, provider: openAI, params: {apiKey: sk-good, baseUrl: "http://127.0.0.1:${faulty.port}/v1"}, ${servedBy('plain')}}
  virtualModels:
  - {name: back, routing: {failover: {targets: [{model: ok-claude, priority: 0}, {model: plain, priority: 1}]}}}
${failing
  .map(
    (name) =>
      `  - {name: "over-${name}", routing: {failover: {targets: [{model: "${name}", priority: 0}, {model: ok-claude, priority: 1}]}}}`,
  )
  .join('\n')}
binds:
- port: ${hanging}
  listeners:
  - routes:
    - policies: {timeout: {backendRequestTimeout: 200ms}}
      backends:
      - ai:
          groups:
          - providers:
            - {name: a, provider: {openAI: {model: hangs}}, hostOverride: "127.0.0.1:${faulty.port}", policies: {backendAuth: {key: sk-1}}}
          - providers:
            - {name: b, provider: {openAI: {model: ok-chat}}, hostOverride: "127.0.0.1:${well.port}", policies: {backendAuth: {key: sk-2}}}
- port: ${counting}
  listeners:
  - routes:
    - policies:
        localRateLimit: [{maxTokens: 60, tokensPerFill: 1, fillInterval: 1h, type: tokens}]
      backends:
      - ai: {name: c, provider: {openAI: {}}, hostOverride: "127.0.0.1:${well.port}", tokenize: true}
`,
    );
    const options = { apiKey: 'client-key', maxRetries: 0, timeout: 10_000 };
    openai = new OpenAI({ baseURL: `http://127.0.0.1:${llm}/v1`, ...options });
    anthropic = new Anthropic({ baseURL: `http://127.0.0.1:${llm}`, ...options });
  });

  afterAll(async () => {
    await gateway?.stop();
    await well?.close();
    faulty?.close();
  });

  const client = (port: number | undefined) =>
    new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'k', maxRetries: 0, timeout: 10_000 });

  it.each(['status-500', 'status-429', 'status-529', 'dies', 'closed'])(
    'fails over from one that answers %s, in its own format and another, whole and streamed',
    async (fault) => {
      const model = `over-${fault}`;
      const whole = await openai.chat.completions.create({ model, messages });
      expect(whole.choices[0]?.message.content).toBe(ANSWER);
      let text = '';
      for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true }))
        text += chunk.choices[0]?.delta.content ?? '';
      expect(text).toBe(ANSWER);
      const message = await anthropic.messages.create({ model, messages, max_tokens: 100 });
      expect(message.content).toMatchObject([{ type: 'text', text: ANSWER }]);
      const stream = anthropic.messages.stream({ model, messages, max_tokens: 100 });
      expect(await stream.finalText()).toBe(ANSWER);
    },
  );

  it('changes the head of an answer as the model says that gave it', async () => {
    const { response } = await openai.chat.completions.create({ model: 'over-dies', messages }).withResponse();
    expect(response.headers.get('x-served-by')).toBe('well');
    const refused = await openai.chat.completions.create({ model: 'status-500', messages }).catch((error) => error);
    expect(refused.headers.get('x-served-by')).toBe('faulty');
  });

  it('passes over who can not take a request, and gives the client an answer nobody else could better', async () => {
    // Anthropic has no second answer to give.
    const twice = { messages, n: 2 };
    const limited = await openai.chat.completions
      .create({ model: 'over-status-429', ...twice })
      .catch((error) => error);
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '60']);
    const { response } = await openai.chat.completions.create({ model: 'back', ...twice }).withResponse();
    expect([response.status, response.headers.get('x-served-by')]).toEqual([200, 'plain']);
  });

  it('fails over from one that hangs', async () => {
    const answer = await client(ports[1]).chat.completions.create({ model: 'any', messages });
    expect(answer.choices[0]?.message.content).toBe(ANSWER);
  });

  /** One request on a connection of its own, which either worker may get. */
  function ask(model: string, content: string): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', connection: 'close' };
      const sent = request(
        { port: ports[0], host: '127.0.0.1', method: 'POST', path: '/v1/chat/completions', headers, agent: false },
        (response) => {
          response.resume().on('end', () => resolve(response.statusCode));
        },
      ).on('error', reject);
      sent.end(JSON.stringify({ model, messages: [{ role: 'user', content }] }));
    });
  }

  it('rests a limited key in both workers after its first 429', async () => {
    asked.length = 0;
    for (let i = 0; i < 40; i++) expect(await ask('keyed', `Question ${i}`)).toBe(200);
    expect(asked.filter(({ key }) => key === 'sk-limited')).toHaveLength(1);
    await until(async () => (await gateway.metric('agentgateway_gen_ai_provider_attempts_total', 'limited')) >= 1);
  });

  it('rests a refused key, and names it without showing it', async () => {
    asked.length = 0;
    for (let i = 0; i < 20; i++) expect(await ask('refused', `Question ${i}`)).toBe(200);
    expect(asked.filter(({ key }) => key === 'sk-very-secret')).toHaveLength(1);
    await until(() => gateway.stderr.includes('refused a key') || gateway.stdout.includes('refused a key'));
    const dump = await (await gateway.get('admin', '/config_dump')).text();
    expect(dump).toContain('127.0.0.1');
    for (const text of [gateway.stdout, gateway.stderr, dump]) expect(text).not.toContain('sk-very-secret');
  });

  it('holds a counted prompt against a token limit before it is sent', async () => {
    const before = well.requests.length;
    const to = client(ports[2]);
    const long = [{ role: 'user' as const, content: 'word '.repeat(80) }];
    const refused = await to.chat.completions.create({ model: 'gpt-4o', messages: long }).catch((error) => error);
    expect(refused.status).toBe(429);
    expect(refused.message).toMatch(/The prompt has 8\d tokens; the token limit of this route holds 60 at most/);
    expect(well.requests).toHaveLength(before);
    expect((await to.chat.completions.create({ model: 'gpt-4o', messages })).usage?.total_tokens).toBe(31);
  });

  it('estimates a stream whose client left by the tokens of its text', async () => {
    const stream = await openai.chat.completions.create({ model: 'endless', messages, stream: true });
    let pieces = 0;
    for await (const _ of stream) if (++pieces === 10) break;
    stream.controller.abort();
    let line = '';
    await until(() => {
      line = gateway.lines.find((text) => text.includes('"endless"')) ?? '';
      return line !== '';
    });
    const logged = JSON.parse(line);
    expect(logged).toMatchObject({ reason: 'client_gone', 'gen_ai.usage.estimated': true });
    // Ten pieces of eight words each.
    expect(logged['gen_ai.usage.output_tokens']).toBeGreaterThanOrEqual(80);
    expect(logged['gen_ai.usage.output_tokens']).toBeLessThanOrEqual(100);
  });
});
