import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, type OwnPorts, ownServers, until } from '../support/gateway.ts';
import { MockRealtime, type MockSession } from '../support/mock-realtime.ts';
import { RealtimeClient, type Refused } from '../support/realtime-client.ts';
import { hasUws, uwsTitle } from '../unit/drivers/support.ts';

const TLS = new URL('../fixtures/tls/', import.meta.url);
const MIB = 1024 * 1024;

function table(driver: 'node' | 'uws'): void {
  let mock: MockRealtime;
  let gateway: Gateway;
  let port = 0;
  let securePort = 0;
  let azurePort = 0;
  let url = '';

  const config = (ports: OwnPorts) => `${ownServers(ports)}  connectionTerminationDeadline: 1s
  connectionMinTerminationDeadline: 0s
  logging:
    format: json
llm:
  port: ${port}
  driver: ${driver}
  policies:
    apiKey:
      mode: strict
      keys:
      - key: gateway-key
        metadata: { name: everything }
      - key: narrow-key
        metadata: { name: narrow }
        allowedModels: ["gpt-*"]
  models:
  - name: voice
    provider: openAI
    params: { model: gpt-real, apiKey: sk-own, baseUrl: "http://127.0.0.1:${mock.port}/v1" }
  - name: claude
    provider: anthropic
    params: { apiKey: sk-own, baseUrl: "http://127.0.0.1:${mock.port}" }
  - name: "*"
    provider: openAI
    params: { apiKey: sk-own, baseUrl: "http://127.0.0.1:${mock.port}/v1" }
  virtualModels:
  - name: either
    routing:
      failover:
        targets:
        - { model: refuse-500, priority: 0 }
        - { model: gpt-second, priority: 1 }
binds:
- port: ${securePort}
  listeners:
  - protocol: HTTPS
    tls:
      cert: ${new URL('a.pem', TLS).pathname}
      key: ${new URL('a.key', TLS).pathname}
    routes:
    - backends:
      - ai:
          name: open
          provider: { openAI: {} }
          hostOverride: 127.0.0.1:${mock.port}
          policies: { backendAuth: { key: sk-own } }
- port: ${azurePort}
  driver: ${driver}
  listeners:
  - routes:
    - backends:
      - ai:
          name: azure
          provider: { azure: { resourceName: mine, resourceType: openAI, apiVersion: 2025-04-01-preview } }
          hostOverride: 127.0.0.1:${mock.port}
          policies: { backendAuth: { key: sk-azure } }
`;

  beforeAll(async () => {
    mock = await MockRealtime.start();
    [port = 0, securePort = 0, azurePort = 0] = await freePorts(3);
    url = `ws://127.0.0.1:${port}/v1/realtime`;
    gateway = await Gateway.start(config);
  });

  afterAll(async () => {
    await gateway?.stop();
    mock?.close();
  });

  const KEY = { headers: { authorization: 'Bearer gateway-key' } };
  const NARROW = { headers: { authorization: 'Bearer narrow-key' } };

  function open(model: string, options = KEY): Promise<RealtimeClient> {
    return RealtimeClient.open(`${url}?model=${model}`, [], options);
  }

  async function refusal(attempt: Promise<unknown>): Promise<Refused> {
    return attempt.then(
      () => Promise.reject(new Error('it was not refused')),
      (error: unknown) => error as Refused,
    );
  }

  /** The access-log line of the session of this model. */
  async function line(model: string): Promise<Record<string, unknown>> {
    let found: Record<string, unknown> | undefined;
    await until(() => {
      found = gateway.lines
        .filter((text) => text.includes(`"${model}"`))
        .map((text) => JSON.parse(text))
        .at(-1);
      return found !== undefined;
    });
    return found ?? {};
  }

  async function session(model: string): Promise<MockSession> {
    const find = () => mock.sessions.find(({ url: { search } }) => search === `?model=${model}`);
    await until(() => find() !== undefined);
    return find() as MockSession;
  }

  describe('a session', () => {
    it('passes text turns and accounts for all of them in one line', async () => {
      const model = 'gpt-4o-realtime-preview';
      const client = await open(model);
      client.send({ type: 'response.create' });
      await client.event('response.done');
      client.send({ type: 'response.create' });
      await client.event('response.done', 2);
      const deltas = client.events.filter(({ type }) => type === 'response.output_text.delta');
      expect(deltas.map(({ delta }) => delta)).toEqual(['Hel', 'lo', '!', 'Hel', 'lo', '!']);
      client.socket.close(1000, 'bye');
      expect(await client.ended()).toEqual({ code: 1000, reason: 'bye' });
      const asked = await session(model);
      const { headers } = asked;
      await until(() => asked.closed !== null);
      expect(asked.closed).toEqual({ code: 1000, reason: 'bye' });
      expect(headers.authorization).toBe('Bearer sk-own');
      expect(headers['sec-websocket-extensions']).toBeUndefined();
      const logged = await line(model);
      expect(logged).toMatchObject({
        'http.status': 101,
        'gen_ai.operation.name': 'realtime',
        'gen_ai.response.model': `${model}-2026`,
        'gen_ai.usage.input_tokens': 40,
        'gen_ai.usage.cache_read.input_tokens': 10,
        'gen_ai.usage.output_tokens': 20,
      });
      // (30 × 5 + 10 × 2.5 + 20 × 20) / 10^6
      expect(logged['agw.ai.usage.cost.total']).toBeCloseTo(0.000575, 9);
      expect(logged.reason).toBeUndefined();
    });

    it('counts audio, whose price is another than that of text', async () => {
      const client = await open('gpt-4o-realtime-preview-audio');
      client.send({ type: 'input_audio_buffer.append', audio: 'A'.repeat(64 * 1024) });
      client.send({ type: 'response.create', response: { output_modalities: ['audio'] } });
      await client.event('response.done');
      client.socket.close();
      await client.ended();
      const logged = await line('gpt-4o-realtime-preview-audio');
      expect(logged).toMatchObject({ 'gen_ai.usage.input_tokens': 80, 'gen_ai.usage.output_tokens': 50 });
      // (10 × 5 + 70 × 40 + 8 × 20 + 42 × 80) / 10^6
      expect(logged['agw.ai.usage.cost.total']).toBeCloseTo(0.00637, 9);
    });

    it('shows in metrics: sessions open now, messages by sender', async () => {
      const client = await open('gpt-metrics');
      const label = 'gen_ai_system="openai"';
      await until(async () => (await gateway.metric('agentgateway_realtime_sessions_open', label)) >= 1);
      const before = await gateway.metric('agentgateway_realtime_messages_total', 'from="client"');
      for (let i = 0; i < 5; i++) client.send({ type: 'mock.echo', text: 'x' });
      await client.event('mock.echoed', 5);
      await until(
        async () => (await gateway.metric('agentgateway_realtime_messages_total', 'from="client"')) >= before + 5,
      );
      client.socket.close();
      await client.ended();
      await until(async () => (await gateway.metric('agentgateway_realtime_sessions_open', label)) === 0);
    });

    it('passes large messages, fragments and binary frames whole, and answers pings', async () => {
      const client = await open('gpt-frames');
      const text = 'ä'.repeat(4 * MIB);
      client.send({ type: 'mock.echo', text });
      expect((await client.event('mock.echoed')).text).toBe(text);
      const event = JSON.stringify({ type: 'mock.echo', text: 'in three parts' });
      client.socket.send(event.slice(0, 5), { fin: false });
      client.socket.send(event.slice(5, 20), { fin: false });
      client.socket.ping('between');
      client.socket.send(event.slice(20));
      expect((await client.event('mock.echoed', 2)).text).toBe('in three parts');
      await client.until(() => client.pongs === 1);
      client.socket.send(Buffer.from([0, 1, 2, 255]));
      await client.until(() => client.binary.length === 1);
      expect(client.binary[0]).toEqual(Buffer.from([0, 1, 2, 255]));
      client.socket.terminate();
    });

    it('holds back the provider for a client that does not read', async () => {
      const slow = await open('gpt-slow-client');
      slow.socket.pause();
      slow.send({ type: 'mock.flood', count: 200, bytes: 256 * 1024 });
      const provider = (await session('gpt-slow-client')).socket;
      // All of it is 50 MiB: what the provider can't get rid of shows that nobody took it.
      await until(() => provider.bufferedAmount > 20 * MIB);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(provider.bufferedAmount).toBeGreaterThan(20 * MIB);
      slow.socket.resume();
      await slow.event('mock.piece', 200);
      expect(slow.events.filter(({ type }) => type === 'mock.piece').map(({ i }) => i)).toEqual(
        Array.from({ length: 200 }, (_, i) => i),
      );
      slow.socket.terminate();
    });

    it("holds back the client for a provider that does not read; one that it can't hold back is sent away", async () => {
      const fast = await open('gpt-slow-provider');
      fast.send({ type: 'mock.pause' });
      const behind = await session('gpt-slow-provider');
      await until(() => behind.socket.isPaused);
      for (let i = 0; i < 200; i++) fast.send({ type: 'input_audio_buffer.append', i, audio: 'A'.repeat(256 * 1024) });
      if (driver === 'uws') {
        expect((await fast.ended()).code).toBe(1013);
        return;
      }
      await until(() => fast.socket.bufferedAmount > 20 * MIB);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(fast.socket.bufferedAmount).toBeGreaterThan(20 * MIB);
      behind.socket.resume();
      await until(() => behind.received.length === 201);
      fast.socket.terminate();
    });
  });

  describe('clients', () => {
    it("OpenAI's own", async () => {
      // It insists on TLS, which is the load balancer's where uws serves.
      const front = createTlsServer({
        cert: readFileSync(new URL('a.pem', TLS)),
        key: readFileSync(new URL('a.key', TLS)),
      });
      front.on('secureConnection', (socket) => {
        const behind = connect(port, '127.0.0.1');
        socket.pipe(behind).pipe(socket);
        for (const side of [socket, behind]) side.on('error', () => side.destroy());
      });
      await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
      const tlsPort = driver === 'node' ? securePort : (front.address() as AddressInfo).port;
      const openai = new OpenAI({ apiKey: 'gateway-key', baseURL: `https://127.0.0.1:${tlsPort}/v1` });
      const options = { ca: readFileSync(new URL('ca.pem', TLS)), servername: 'a.test', headers: { host: 'a.test' } };
      const realtime = new OpenAIRealtimeWS({ model: 'gpt-official', options }, openai);
      const events: string[] = [];
      realtime.on('event', ({ type }) => events.push(type));
      let text = '';
      realtime.on('response.output_text.delta', ({ delta }) => {
        text += delta;
      });
      const failures: Error[] = [];
      realtime.on('error', (error) => failures.push(error));
      await new Promise<void>((resolve) => realtime.on('session.created', () => resolve()));
      realtime.send({ type: 'session.update', session: { type: 'realtime', instructions: 'Be brief.' } });
      realtime.send({ type: 'response.create' });
      await new Promise<void>((resolve) => realtime.on('response.done', () => resolve()));
      realtime.close();
      front.close();
      expect(text).toBe('Hello!');
      expect(events).toContain('session.updated');
      expect(failures).toEqual([]);
      const { headers } = await session('gpt-official');
      expect(headers.authorization).toBe('Bearer sk-own');
    });

    it('a browser, which brings its key as a subprotocol', async () => {
      const protocols = ['realtime', 'openai-insecure-api-key.gateway-key', 'openai-beta.realtime-v1'];
      const client = await RealtimeClient.open(`${url}?model=gpt-browser`, protocols);
      expect(client.socket.protocol).toBe('realtime');
      const { headers } = await session('gpt-browser');
      expect(headers['sec-websocket-protocol']).toBe('realtime, openai-beta.realtime-v1');
      expect(JSON.stringify(headers)).not.toContain('gateway-key');
      client.socket.close();
      await client.ended();
      expect(await line('gpt-browser')).toMatchObject({ 'agw.api_key.name': 'everything' });
      expect(gateway.stdout + gateway.stderr).not.toContain('gateway-key');
      const refused = await refusal(
        RealtimeClient.open(`${url}?model=gpt-browser`, ['realtime', 'openai-insecure-api-key.wrong']),
      );
      expect(refused.status).toBe(401);
    });

    it('one that keeps the beta header', async () => {
      const client = await open('gpt-beta', { headers: { ...KEY.headers, 'openai-beta': 'realtime=v1' } as never });
      expect((await session('gpt-beta')).headers['openai-beta']).toBe('realtime=v1');
      client.socket.terminate();
    });

    it("Azure's, by deployment", async () => {
      const query = 'api-version=2025-04-01-preview&deployment=mine-4o&api-key=client-secret';
      const client = await RealtimeClient.open(`ws://127.0.0.1:${azurePort}/openai/realtime?${query}`);
      const { url: asked, headers } = mock.sessions.at(-1) as MockSession;
      expect(`${asked.pathname}${asked.search}`).toBe(
        '/openai/realtime?api-version=2025-04-01-preview&deployment=mine-4o',
      );
      expect(headers['api-key']).toBe('sk-azure');
      client.socket.terminate();
    });

    it.runIf(driver === 'node')('WebSocket over HTTP/2', async () => {
      const http2 = connectHttp2(`https://127.0.0.1:${securePort}`, {
        ca: readFileSync(new URL('ca.pem', TLS)),
        servername: 'a.test',
      });
      await new Promise<void>((resolve) => http2.once('remoteSettings', () => resolve()));
      expect(http2.remoteSettings.enableConnectProtocol).toBe(true);
      const stream = http2.request({
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'https',
        ':authority': 'a.test',
        ':path': '/v1/realtime?model=gpt-h2',
        'sec-websocket-version': '13',
      });
      const status = await new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])));
      expect(status).toBe(200);
      const frames: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => frames.push(chunk));
      await until(() => Buffer.concat(frames).includes('session.created'));
      // A close frame, masked with zeros: 1000.
      stream.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
      await new Promise<void>((resolve) => stream.on('end', () => resolve()));
      const asked = await session('gpt-h2');
      await until(() => asked.closed !== null);
      expect(asked.closed?.code).toBe(1000);
      http2.close();
    });
  });

  describe('models', () => {
    it('pins and aliases go into the URL, and into events that name the model', async () => {
      const client = await open('voice');
      const { url: asked, received } = await session('gpt-real');
      expect(asked.searchParams.getAll('model')).toEqual(['gpt-real']);
      client.send({ type: 'session.update', event_id: 'e1', session: { model: 'voice', instructions: 'x' } });
      await client.event('session.updated');
      expect(received[0]).toEqual({
        type: 'session.update',
        event_id: 'e1',
        session: { model: 'gpt-real', instructions: 'x' },
      });
      client.send({ type: 'session.update', event_id: 'e2', session: { model: 'gpt-dear' } });
      expect(await client.event('error')).toMatchObject({
        error: { code: 'model_not_allowed', param: 'session.model', event_id: 'e2' },
      });
      client.socket.send('{"type":"session.update","session":{"model":"voice","model":"gpt-dear"}}');
      expect((await client.event('error', 2)).error.code).toBe('invalid_event');
      client.socket.send('{"type":"session.update","session":{"mod\\u0065l":"gpt-dear"}}');
      expect((await client.event('error', 3)).error.code).toBe('model_not_allowed');
      client.socket.send('{"type":"session.update"');
      expect((await client.event('error', 4)).error.code).toBe('invalid_json');
      client.send({ type: 'mock.echo', text: 'still here' });
      await client.event('mock.echoed');
      expect(received.length).toBe(2);
      client.socket.terminate();
    });

    it("keeps to a key's models, transcription included", async () => {
      const refused = await refusal(open('o-voice', NARROW));
      expect([refused.status, JSON.parse(refused.body).error.code]).toEqual([403, 'model_not_allowed']);
      const client = await open('gpt-narrow', NARROW);
      const transcription = (model: string) => ({ audio: { input: { transcription: { model } } } });
      client.send({ type: 'session.update', session: transcription('whisper-1') });
      expect((await client.event('error')).error.code).toBe('model_not_allowed');
      client.send({ type: 'session.update', session: transcription('gpt-4o-transcribe') });
      await client.event('session.updated');
      client.socket.terminate();
    });

    it('a virtual model falls over to the next provider while the handshake fails', async () => {
      const client = await open('either');
      expect((await session('gpt-second')).url.search).toBe('?model=gpt-second');
      client.socket.close();
      await client.ended();
      expect(await line('gpt-second')).toMatchObject({ 'http.status': 101 });
    });
  });

  describe('refusals before the switch', () => {
    it.each([
      ['no credential', () => RealtimeClient.open(`${url}?model=gpt-x`), 401, undefined],
      ['no model', () => RealtimeClient.open(url, [], KEY), 400, 'missing_model'],
      ['a provider without sessions', () => open('claude'), 400, 'unsupported_conversion'],
      ["the provider's 401", () => open('refuse-401'), 401, 'mock_refusal'],
      ["the provider's 500", () => open('refuse-500'), 500, 'mock_refusal'],
      ['an answer that is no switch', () => open('no-switch'), 502, 'upstream_protocol'],
      ['an answer that is no HTTP', () => open('garbage'), 502, 'upstream_protocol'],
      ['a switch for another key', () => open('wrong-key'), 502, 'upstream_protocol'],
    ])('%s', async (_, attempt, status, code) => {
      const refused = await refusal(attempt());
      expect(refused.status).toBe(status);
      if (code !== undefined) expect(JSON.parse(refused.body).error.code).toBe(code);
    });

    it('a request that is no handshake', async () => {
      const response = await fetch(`http://127.0.0.1:${port}/v1/realtime?model=gpt-x`, KEY);
      expect([response.status, response.headers.get('upgrade')]).toEqual([426, 'websocket']);
      const old = await refusal(RealtimeClient.open(`${url}?model=gpt-x`, [], { ...KEY, protocolVersion: 8 } as never));
      expect(old.status).toBe(426);
    });

    it('passes nothing on before the provider has agreed', async () => {
      const socket = connect(port, '127.0.0.1');
      socket.write(
        `GET /v1/realtime?model=refuse-403 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer gateway-key\r\nConnection: Upgrade\r\n` +
          'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n' +
          'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
      );
      let answer = '';
      socket.on('data', (chunk) => {
        answer += chunk.toString();
      });
      await new Promise((resolve) => socket.on('close', resolve));
      if (driver === 'uws') expect(answer).toBe('');
      else expect(answer).toMatch(/^HTTP\/1\.1 403 /);
      expect(answer.match(/HTTP\/1\.1/g) ?? []).toHaveLength(driver === 'uws' ? 0 : 1);
      expect(mock.handshakes.some((request) => request.url?.includes('smuggled'))).toBe(false);
    });

    it('ends the handshake with the provider when the client leaves', async () => {
      const before = mock.open.size;
      const client = new RealtimeClient(`${url}?model=hang`, [], KEY);
      await until(() => mock.handshakes.some((request) => request.url?.includes('model=hang')));
      client.socket.terminate();
      await until(() => mock.open.size <= before);
      expect(await line('hang')).toMatchObject({ reason: 'client_gone' });
    });
  });

  describe('ends', () => {
    it("a provider's close frame reaches the client", async () => {
      const client = await open('gpt-close');
      client.send({ type: 'mock.close', code: 4001, reason: 'session expired' });
      expect(await client.ended()).toEqual({ code: 4001, reason: 'session expired' });
      expect(await line('gpt-close')).toMatchObject({ 'http.status': 101, reason: 'upstream_closed' });
    });

    it('a provider that is lost', async () => {
      const client = await open('gpt-dies');
      client.send({ type: 'mock.die' });
      expect((await client.ended()).code).toBe(1014);
      expect(await line('gpt-dies')).toMatchObject({ reason: 'upstream_closed' });
    });

    it('a client that is lost in the middle of a response: it is cancelled and counted', async () => {
      const client = await open('gpt-lost');
      client.send({ type: 'response.create', response: { metadata: { kind: 'endless' } } });
      await client.event('response.created');
      client.socket.terminate();
      const logged = await line('gpt-lost');
      expect(logged).toMatchObject({ reason: 'client_gone', 'gen_ai.usage.output_tokens': 10 });
      expect(logged['gen_ai.usage.estimated']).toBeUndefined();
      const left = await session('gpt-lost');
      expect(left.received.at(-1)).toEqual({ type: 'response.cancel', response_id: 'resp_1' });
      await until(() => left.closed !== null);
    });

    it('a client that breaks the protocol', async () => {
      const client = await open('gpt-broken');
      // A frame with bits that no extension was agreed on for.
      (client.socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(
        Buffer.from([0xf1, 0x81, 0, 0, 0, 0, 0x41]),
      );
      // uws cuts it off without a word, to either side.
      expect((await client.ended()).code).toBe(driver === 'node' ? 1002 : 1006);
      await until(() => mock.sessions.at(-1)?.closed !== null);
      expect(await line('gpt-broken')).toMatchObject({ reason: driver === 'node' ? 'error' : 'client_gone' });
    });

    it('sessions outlive a change of configuration, and are told when the gateway goes', async () => {
      const clients = await Promise.all(Array.from({ length: 8 }, () => open('gpt-drain')));
      gateway.write(config(gateway.ports).replace('name: everything', 'name: everybody'));
      await until(() => gateway.stderr.includes('configuration') || gateway.stderr.length > 0);
      for (const client of clients) client.send({ type: 'mock.echo', text: 'x' });
      await Promise.all(clients.map((client) => client.event('mock.echoed')));
      gateway.signal('SIGTERM');
      expect(await Promise.all(clients.map((client) => client.ended()))).toEqual(
        clients.map(() => ({ code: 1001, reason: 'the gateway is shutting down' })),
      );
      expect(await gateway.exited).toBe(0);
      const ended = gateway.lines.filter((text) => text.includes('"gpt-drain"'));
      expect(ended).toHaveLength(8);
      for (const text of ended) expect(JSON.parse(text)).toMatchObject({ 'http.status': 101, reason: 'draining' });
    });
  });
}

describe('driver: node', () => table('node'));
describe.runIf(hasUws)(`driver: ${uwsTitle}`, () => table('uws'));
