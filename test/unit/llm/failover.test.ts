import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../../src/adapters/llm/account.ts';
import { retry } from '../../../src/policies/retry.ts';
import { timeout } from '../../../src/policies/timeout.ts';
import type { AiProvider, PolicyMap } from '../../../src/resources/types.ts';
import { chatEvents, type LlmBench, type LlmExchange, llmBench, model, provider, serve } from '../../support/llm.ts';
import { type Rig, rig, until } from '../upstream/helpers.ts';

const CHAT = '/v1/chat/completions';
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const conversation = (number: number, more: object = {}) =>
  JSON.stringify({ model: 'm', messages: [{ role: 'user', content: `Question ${number}` }], ...more });

/** What a mock provider does with a request. */
type Behaviour = (response: ServerResponse, request: IncomingMessage, body: any) => void;

const fails =
  (status: number, headers: Record<string, string> = {}, body: unknown = { error: { message: 'no' } }): Behaviour =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
const dies: Behaviour = (response) => response.destroy();
const hangs: Behaviour = () => {};
const answers: Behaviour = (response, request, body) => {
  if (body.stream === true && request.url === CHAT) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of chatEvents(['Hel', 'lo'], USAGE)) response.write(event);
    response.end();
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json' });
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: body.model,
    content: [{ type: 'text', text: 'Hello' }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 3, output_tokens: 2 },
  };
  const choices = [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }];
  const chat = { id: 'c', object: 'chat.completion', created: 1, model: body.model, choices, usage: USAGE };
  response.end(JSON.stringify(request.url === '/v1/messages' ? message : chat));
};

class Mock {
  readonly #server: Server;
  behaviour: Behaviour;
  readonly requests: { key: string; url: string; body: any }[] = [];

  constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    const key = request.headers.authorization ?? String(request.headers['x-api-key'] ?? '');
    this.requests.push({ key: key.replace('Bearer ', ''), url: request.url ?? '', body });
    this.behaviour(response, request, body);
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe('a request with several who can serve it', () => {
  let from: Rig;
  const mocks: Mock[] = [];
  let log: { message: string; fields: Record<string, unknown> }[] = [];

  beforeEach(() => {
    from = rig();
    log = [];
  });
  afterEach(() => {
    from.clusters.close();
    for (const mock of mocks.splice(0)) mock.close();
  });

  async function mock(behaviour: Behaviour): Promise<Mock> {
    const made = new Mock(behaviour);
    mocks.push(made);
    await made.listen();
    return made;
  }

  function bench(options: Parameters<typeof llmBench>[0]): LlmBench {
    const warn = (message: string, fields: Record<string, unknown> = {}) => void log.push({ message, fields });
    return llmBench({
      ...options,
      upstream: {
        dispatch: from.dispatch,
        cluster: (spec) => from.clusters.get(spec),
        endpoints: from.services.endpoints,
        log: { ...from.services.log, warn },
      },
    });
  }

  /** Providers in groups of one, the first asked first. */
  function inOrder(servers: Mock[], options: { values?: PolicyMap; wrap?: any; more?: Partial<AiProvider> } = {}) {
    const { more, ...rest } = options;
    const at = (server: Mock, i: number) =>
      provider('openAI', { name: `p${i}`, hostOverride: server.address, settings: { model: `m${i}` }, ...more });
    return bench({ providers: servers.map((server, i) => [at(server, i)]), ...rest });
  }

  /** One provider with several keys. */
  function keyed(server: Mock, keys: string[], values: PolicyMap = {}): LlmBench {
    const policies = { backendAuth: { keys } };
    return bench({ providers: [[provider('openAI', { hostOverride: server.address, policies })]], values });
  }

  async function ask(llm: LlmBench, body: string, url = CHAT): Promise<LlmExchange> {
    const exchange = await serve(llm, { url, body, headers: ['content-type', 'application/json'] });
    await until(() => exchange.endCause !== null);
    return exchange;
  }

  it.each<[string, Behaviour]>([
    ['fails', fails(500)],
    ['is overloaded', fails(529)],
    ['is limited', fails(429, { 'retry-after': '30' })],
    ['dies', dies],
  ])('is served by the next where one %s', async (_, behaviour) => {
    const servers = [await mock(behaviour), await mock(answers)];
    for (const stream of [false, true]) {
      const exchange = await ask(inOrder(servers), conversation(1, { stream }));
      expect(exchange.status).toBe(200);
      expect(exchange.downstream.text).toContain('Hel');
      expect(exchange.llm.requestModel).toBe('m1');
      expect(exchange.llm.usage).not.toBeNull();
    }
    expect(servers[1]!.requests.map(({ body }) => body.model)).toEqual(['m1', 'm1']);
  });

  it('is served by the next where one cannot be reached', async () => {
    const gone = await mock(answers);
    const well = await mock(answers);
    const llm = inOrder([gone, well]);
    gone.close();
    expect((await ask(llm, conversation(1))).status).toBe(200);
    expect(well.requests).toHaveLength(1);
  });

  it('is served by the next where one says nothing for the time an attempt has', async () => {
    const servers = [await mock(hangs), await mock(answers)];
    const wrap = timeout.compile?.(
      { backendRequestTimeout: '80ms' },
      { key: 't', level: 'route' },
      {} as never,
    ).wrapDispatch;
    const exchange = await ask(inOrder(servers, { wrap }), conversation(1));
    expect(exchange.status).toBe(200);
    expect(exchange.attempts).toBe(2);
  });

  it('is converted anew for a provider of another format, and the answer back', async () => {
    const [bad, good] = [await mock(fails(503)), await mock(answers)];
    const llm = bench({
      providers: [
        [provider('openAI', { name: 'a', hostOverride: bad.address })],
        [provider('anthropic', { name: 'b', hostOverride: good.address, settings: { model: 'claude-x' } })],
      ],
    });
    const exchange = await ask(llm, conversation(1));
    expect(exchange.status).toBe(200);
    expect(JSON.parse(exchange.downstream.text).choices[0].message.content).toBe('Hello');
    expect(good.requests[0]).toMatchObject({ url: '/v1/messages', body: { model: 'claude-x' } });
    const back = await ask(llm, JSON.stringify({ ...JSON.parse(conversation(2)), max_tokens: 9 }), '/v1/messages');
    expect(JSON.parse(back.downstream.text)).toMatchObject({ type: 'message', content: [{ text: 'Hello' }] });
  });

  it('passes over a provider that cannot be asked this', async () => {
    const [bad, good] = [await mock(fails(503)), await mock(answers)];
    const custom = { formats: [{ type: 'embeddings' }] };
    const llm = bench({
      providers: [
        [provider('openAI', { name: 'a', hostOverride: bad.address })],
        [provider('custom', { name: 'b', hostOverride: bad.address, settings: custom })],
        [provider('openAI', { name: 'c', hostOverride: good.address })],
      ],
    });
    expect((await ask(llm, conversation(1))).status).toBe(200);
    expect(bad.requests).toHaveLength(1);
  });

  describe('where some cannot take it', () => {
    const refused = JSON.stringify({ model: 'm', n: 2, messages: [{ role: 'user', content: 'Twice' }] });
    const embeds = { formats: [{ type: 'embeddings' }] };
    const openAI = (server: Mock, name = 'o') => provider('openAI', { name, hostOverride: server.address });
    const anthropic = (server: Mock) => provider('anthropic', { name: 'a', hostOverride: server.address });
    const embedding = (server: Mock) =>
      provider('custom', { name: 'e', hostOverride: server.address, settings: embeds });

    it.each<[string, (server: Mock) => AiProvider]>([
      ['its format', embedding],
      ['a field of it', anthropic],
    ])('begins with the next where the first does not take %s', async (_, first) => {
      const [unasked, good] = [await mock(answers), await mock(answers)];
      const exchange = await ask(bench({ providers: [[first(unasked)], [openAI(good)]] }), refused);
      expect([exchange.status, exchange.attempts, exchange.llm?.provider]).toEqual([200, 1, 'openai']);
      expect(unasked.requests).toEqual([]);
      expect(good.requests).toHaveLength(1);
    });

    it('goes on from the next to the one after it', async () => {
      const [bad, good] = [await mock(fails(503)), await mock(answers)];
      const providers = [[embedding(bad)], [openAI(bad)], [anthropic(bad)], [openAI(good, 'p')]];
      const exchange = await ask(bench({ providers }), refused);
      expect([exchange.status, exchange.attempts]).toEqual([200, 2]);
      expect(bad.requests).toHaveLength(1);
    });

    it('is refused as by the first where nobody takes it', async () => {
      const server = await mock(answers);
      const exchange = await ask(bench({ providers: [[anthropic(server)], [embedding(server)]] }), refused);
      expect(exchange.status).toBe(400);
      expect(JSON.parse(exchange.downstream.text).error.message).toMatch(/\bn\b/);
      expect(server.requests).toEqual([]);
    });

    it.each([429, 500])('leaves the client an answer %i that nobody else could better', async (status) => {
      const bad = await mock(fails(status, { 'retry-after': '30' }));
      for (const other of [embedding, anthropic]) {
        const exchange = await ask(bench({ providers: [[openAI(bad)], [other(bad)]] }), refused);
        expect([exchange.status, exchange.attempts, exchange.llm?.provider]).toEqual([status, 1, 'openai']);
        expect(JSON.parse(exchange.downstream.text)).toEqual({ error: { message: 'no' } });
      }
    });

    it('is not taken over by the demo, which is there while nobody else is', async () => {
      const bad = await mock(fails(500));
      const llm = bench({ providers: [[openAI(bad)], [provider('demo')]] });
      for (let i = 0; i < 3; i++) expect((await ask(llm, conversation(i))).status).toBe(500);
      expect((await ask(llm, conversation(4))).status).toBe(200);
      expect(bad.requests).toHaveLength(3);
    });

    it('is tried again with who takes it, where a retry policy has more attempts', async () => {
      const bad = await mock(fails(503));
      const value = retry.schema.parse({ attempts: 3, codes: [503], backoff: '1ms' });
      const wrap = retry.compile?.(value, { key: 'r', level: 'route' }, {} as never).wrapDispatch;
      const values = { retry: value as object };
      for (const providers of [
        [[embedding(bad)], [openAI(bad)]],
        [[openAI(bad)], [anthropic(bad)]],
      ]) {
        const exchange = await ask(bench({ providers, values, ...(wrap && { wrap }) }), refused);
        expect([exchange.status, exchange.attempts]).toEqual([503, 3]);
      }
    });
  });

  it('is not sent again where the request itself is refused', async () => {
    for (const status of [400, 401, 404, 422]) {
      const servers = [await mock(fails(status)), await mock(answers)];
      const exchange = await ask(inOrder(servers), conversation(1));
      expect(exchange.status).toBe(status);
      expect(servers[1]!.requests).toEqual([]);
    }
  });

  it('is not sent again once the answer has begun', async () => {
    const breaks: Behaviour = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chatEvents(['Hel'], null)[1]);
      setTimeout(() => response.destroy(), 20);
    };
    const servers = [await mock(breaks), await mock(answers)];
    const exchange = await ask(inOrder(servers), conversation(1, { stream: true }));
    expect(exchange.endCause).toBe('upstream_gone');
    expect(servers[1]!.requests).toEqual([]);
  });

  it('is sent three times at most, and the last answer is the client’s', async () => {
    const servers = await Promise.all([502, 503, 500, 500].map((status) => mock(fails(status))));
    const exchange = await ask(inOrder(servers), conversation(1));
    expect(exchange.status).toBe(500);
    expect(exchange.attempts).toBe(3);
    expect(servers[3]!.requests).toEqual([]);
  });

  it('is sent as often as a retry policy says, where there is one', async () => {
    const servers = [await mock(fails(503)), await mock(answers)];
    const once = inOrder(servers, { values: { retry: { attempts: 1, codes: [] } } });
    expect((await ask(once, conversation(1))).status).toBe(503);
    const value = retry.schema.parse({ attempts: 2, codes: [503], backoff: '1ms' });
    const wrap = retry.compile?.(value, { key: 'r', level: 'route' }, {} as never).wrapDispatch;
    const twice = await ask(inOrder(servers, { values: { retry: value as object }, wrap }), conversation(1));
    expect(twice.status).toBe(200);
    expect(twice.attempts).toBe(2);
  });

  it('leaves a provider alone for as long as its limit lasts, for the model that was limited', async () => {
    const servers = [await mock(fails(429, { 'retry-after': '30' })), await mock(answers)];
    const at = (server: Mock, name: string) => provider('openAI', { name, hostOverride: server.address });
    const llm = bench({ providers: servers.map((server, i) => [at(server, `p${i}`)]) });
    await ask(llm, conversation(1));
    await ask(llm, conversation(2));
    expect(servers.map(({ requests }) => requests.length)).toEqual([1, 2]);
    servers[0]!.behaviour = answers;
    await ask(llm, conversation(3, { model: 'other' }));
    expect(servers.map(({ requests }) => requests.length)).toEqual([2, 2]);
  });

  it('asks who is back first where everybody is limited', async () => {
    const servers = [await mock(fails(429, { 'retry-after': '60' })), await mock(fails(429, { 'retry-after': '20' }))];
    const at = (server: Mock, name: string) => provider('openAI', { name, hostOverride: server.address });
    const llm = bench({ providers: [servers.map((server, i) => at(server, `p${i}`))] });
    await ask(llm, conversation(1));
    servers[1]!.behaviour = answers;
    for (let i = 2; i < 6; i++) expect((await ask(llm, conversation(i))).status).toBe(200);
    expect(servers[0]!.requests).toHaveLength(1);
  });

  it("reads from Google's details how long a limit lasts", async () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '40s' }];
    const limited = await mock(fails(429, {}, { error: { code: 429, status: 'RESOURCE_EXHAUSTED', details } }));
    const llm = keyed(limited, ['k1', 'k2']);
    await ask(llm, conversation(1));
    for (const key of ['k1', 'k2']) {
      const row = from.services.endpoints.endpoint(`account/test/openAI/${fingerprintOf(key)}/m`);
      await until(() => row.evictedUntil > Date.now() + 30_000);
    }
    // Nobody is left to fail over to.
    expect((await ask(llm, conversation(1))).attempts).toBe(1);
  });

  it('takes what is limited of a caller’s own key for the caller’s', async () => {
    const servers = [await mock(fails(429, { 'retry-after': '30' })), await mock(answers)];
    const llm = inOrder(servers);
    const headers = ['content-type', 'application/json', 'authorization', 'Bearer mine'];
    for (let i = 0; i < 3; i++) {
      const exchange = await serve(llm, { url: CHAT, body: conversation(i), headers });
      await until(() => exchange.endCause !== null);
      expect(exchange.status).toBe(200);
    }
    expect(servers[0]!.requests).toHaveLength(3);
  });

  it('keeps a conversation with one provider, and spreads conversations over all', async () => {
    const servers = [await mock(answers), await mock(answers), await mock(answers)];
    const at = (server: Mock, i: number) => provider('openAI', { name: `p${i}`, hostOverride: server.address });
    const llm = bench({ providers: [servers.map(at)] });
    const turn = { role: 'assistant', content: 'Hello' };
    for (let i = 0; i < 24; i++) {
      const first = JSON.parse(conversation(i));
      await ask(llm, JSON.stringify(first));
      await ask(
        llm,
        JSON.stringify({ ...first, messages: [...first.messages, turn, { role: 'user', content: 'go' }] }),
      );
    }
    for (const { requests } of servers) {
      const questions = requests.map(({ body }) => body.messages[0].content);
      expect(requests.length).toBeGreaterThan(0);
      expect(requests.length).toBe(new Set(questions).size * 2);
    }
  });

  it('goes by what a session affinity policy says, in place of the conversation', async () => {
    const servers = [await mock(answers), await mock(answers), await mock(answers)];
    const at = (server: Mock, i: number) => provider('openAI', { name: `p${i}`, hostOverride: server.address });
    const values = { sessionAffinity: { source: 'request.headers["x-session"]' } };
    const llm = bench({ providers: [servers.map(at)], values });
    for (let i = 0; i < 12; i++) {
      const headers = ['content-type', 'application/json', 'x-session', 'one'];
      const exchange = await serve(llm, { url: CHAT, body: conversation(i), headers });
      await until(() => exchange.endCause !== null);
    }
    expect(servers.map(({ requests }) => requests.length).sort()).toEqual([0, 0, 12]);
    // Without the header the conversation decides.
    for (let i = 0; i < 12; i++) await ask(llm, conversation(i));
    expect(servers.filter(({ requests }) => requests.length > 0).length).toBeGreaterThan(1);
  });

  describe('with several keys', () => {
    it('uses another where one is limited, and rests that', async () => {
      const limits: Behaviour = (response, request, body) =>
        request.headers.authorization === 'Bearer k1'
          ? fails(429, { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '6m0s' })(
              response,
              request,
              body,
            )
          : answers(response, request, body);
      const server = await mock(limits);
      const llm = keyed(server, ['k1', 'k2', 'k3']);
      for (let i = 0; i < 30; i++) expect((await ask(llm, conversation(i))).status).toBe(200);
      const used = server.requests.map(({ key }) => key);
      expect(used.filter((key) => key === 'k1')).toHaveLength(1);
      expect(new Set(used)).toEqual(new Set(['k1', 'k2', 'k3']));
    });

    it.each([401, 402, 403])(
      'uses another where one is refused with %i, and says so without showing it',
      async (status) => {
        const secret = 'sk-very-secret';
        const server = await mock((response, request, body) =>
          request.headers.authorization === `Bearer ${secret}`
            ? fails(status)(response, request, body)
            : answers(response, request, body),
        );
        const llm = keyed(server, [secret, 'k2']);
        for (let i = 0; i < 20; i++) expect((await ask(llm, conversation(i))).status).toBe(200);
        expect(server.requests.filter(({ key }) => key === secret)).toHaveLength(1);
        const [entry, ...more] = log;
        expect(more).toEqual([]);
        expect(entry?.fields).toMatchObject({
          provider: 'openAI',
          status,
          key: expect.stringMatching(/^[0-9a-f]{8}$/),
        });
        const text = JSON.stringify(log) + (await from.metrics.registry.metrics());
        expect(text).not.toContain(secret);
      },
    );

    it('gives the client the refusal where all are refused, after each was tried once', async () => {
      const server = await mock(fails(401));
      const llm = keyed(server, ['k1', 'k2']);
      const exchange = await ask(llm, conversation(1));
      expect(exchange.status).toBe(401);
      expect(server.requests.map(({ key }) => key).sort()).toEqual(['k1', 'k2']);
    });

    it('counts answers by key and outcome', async () => {
      const server = await mock(answers);
      const llm = keyed(server, ['k1', 'k2']);
      await ask(llm, conversation(1));
      server.behaviour = fails(429);
      await ask(llm, conversation(1));
      const samples = (await llm.metrics.providerAttempts.get()).values;
      expect(samples.map(({ labels }) => labels.outcome).sort()).toEqual(['limited', 'limited', 'ok']);
      expect(new Set(samples.map(({ labels }) => labels.key)).size).toBe(2);
    });

    it('works for a single model of the llm section', async () => {
      const server = await mock((response, request, body) =>
        request.headers.authorization === 'Bearer k1'
          ? fails(429)(response, request, body)
          : answers(response, request, body),
      );
      const policies = { backendAuth: { keys: ['k1', 'k2'] } };
      const llm = bench({
        models: [model('*', { provider: provider('openAI', { hostOverride: server.address, policies }) })],
      });
      for (let i = 0; i < 10; i++) expect((await ask(llm, conversation(i))).status).toBe(200);
    });
  });

  it('leaves nothing in flight behind', async () => {
    const servers = [await mock(fails(500)), await mock(answers)];
    const llm = inOrder(servers);
    for (let i = 0; i < 5; i++) await ask(llm, conversation(i));
    const rows = ['account/test/p0/', 'account/test/p1/'].map((key) => from.services.endpoints.endpoint(key));
    await until(() => rows.every(({ inFlight }) => inFlight === 0));
  });
});
