import { connect, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import type { AdapterServices, RouteContext } from '../../../../src/adapters/adapter.ts';
import { CLOSE } from '../../../../src/adapters/llm/realtime/message-socket.ts';
import {
  RealtimeSession,
  type SessionParts,
  type SessionTimes,
} from '../../../../src/adapters/llm/realtime/session.ts';
import { StreamSocket } from '../../../../src/adapters/llm/realtime/stream-socket.ts';
import { frameSender } from '../../../../src/adapters/llm/realtime/ws-frames.ts';
import type { EndCause, Exchange } from '../../../../src/exchange.ts';
import type { LlmFacts } from '../../../../src/facts/llm.ts';
import type { MessageHook } from '../../../../src/facts/realtime.ts';
import type { DownstreamUpgrade, UpgradedConnection } from '../../../../src/facts/upgrade.ts';
import { BUDGET, MemoryBudget } from '../../../../src/state/shared/memory-budget.ts';
import { Metrics } from '../../../../src/telemetry/metrics.ts';
import { chooseDriver } from '../../../../src/workers/drivers/select.ts';
import { fakeExchange } from '../../../support/exchange.ts';
import { GET, hasUws, listen, type Port, uwsTitle } from '../../drivers/support.ts';

const TIMES: SessionTimes = { pingMs: 20, deadMs: 100, idleMs: 60_000, accountMs: 50, goodbyeMs: 50 };

/** Both ends of a connection. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const near = connect((server.address() as { port: number }).port, '127.0.0.1');
  const far = await new Promise<Socket>((resolve) => server.once('connection', resolve));
  server.close();
  near.on('error', () => {});
  far.on('error', () => {});
  return [near, far];
}

/** One side of a session, played by the test. */
class Side {
  readonly raw: Socket;
  readonly socket: StreamSocket;
  readonly messages: string[] = [];
  closed: { code: number; reason: string } | null = null;

  constructor(raw: Socket, role: 'server' | 'client') {
    this.raw = raw;
    this.socket = new StreamSocket(raw, role, 1 << 20, budget(1 << 24), {
      onMessage: (_, data) => this.messages.push(String(data)),
      onDrain: () => {},
      onClosed: (_, code, reason) => {
        this.closed = { code, reason: String(reason) };
      },
    });
    this.socket.begin();
  }

  say(text: string): void {
    this.socket.send(Buffer.from(text), false);
  }
}

const opened: Socket[] = [];
const ports: Port[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
  for (const { listening } of ports.splice(0)) listening.close();
});

const HANDSHAKE = GET(
  '/',
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
);

/** A client of a port of this driver, whose handshake is granted; `begin` gets the driver's end of it in that very turn. */
async function connected(driver: 'node' | 'uws', begin: (connection: UpgradedConnection) => void): Promise<Side> {
  const port = await listen(chooseDriver(driver), ({ downstream }) => {
    const connection = (downstream.upgrade as DownstreamUpgrade).accept([]);
    if (connection !== null) begin(connection);
  });
  ports.push(port);
  const raw = connect(port.listening.port, '127.0.0.1');
  opened.push(raw);
  raw.on('error', () => {});
  raw.write(HANDSHAKE);
  return new Promise((resolve) => {
    raw.once('data', (chunk: Buffer) => {
      expect(chunk.toString()).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\n$/);
      resolve(new Side(raw, 'client'));
    });
  });
}

function budget(bytes: number): MemoryBudget {
  return MemoryBudget.open(MemoryBudget.create({ bodies: bytes, drains: 1 }), BUDGET.bodies);
}

interface Stage {
  client: Side;
  provider: Side;
  exchange: Exchange;
  facts: LlmFacts;
  connection: UpgradedConnection;
  metrics: Metrics;
  bodies: MemoryBudget;
  ended: EndCause[];
}

async function stage(
  driver: 'node' | 'uws',
  options: { times?: Partial<SessionTimes>; hooks?: MessageHook[]; maxBytes?: number; bodies?: number } = {},
): Promise<Stage> {
  const [providerSide, provider] = await pair();
  opened.push(providerSide, provider);
  const metrics = new Metrics();
  const bodies = budget(options.bodies ?? 1 << 24);
  const ended: EndCause[] = [];
  const exchange = fakeExchange();
  const facts = { provider: 'openai', requestModel: 'm', responseModel: '', usage: null } as LlmFacts;
  const parts: Omit<SessionParts, 'client'> = {
    exchange,
    facts,
    context: {
      maxBufferBytes: options.maxBytes ?? null,
      reply: { finish: (_: Exchange, cause: EndCause) => ended.push(cause) },
    } as unknown as RouteContext,
    services: {
      metrics,
      bodies,
      log: { error() {}, warn() {}, info() {}, debug() {} },
      prices: { costOf: () => null },
    } as unknown as AdapterServices,
    provider: providerSide,
    hooks: options.hooks ?? [],
  };
  let connection: UpgradedConnection | null = null;
  const client = await connected(driver, (given) => {
    connection = given;
    new RealtimeSession({ ...parts, client: given }, { ...TIMES, ...options.times });
  });
  return {
    client,
    provider: new Side(provider, 'server'),
    exchange,
    facts,
    connection: connection as unknown as UpgradedConnection,
    metrics,
    bodies,
    ended,
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const open = (metrics: Metrics): number => {
  const delta = metrics.families.get('agentgateway_realtime_sessions_open')?.drain();
  return delta?.values[1] ?? Number.NaN;
};

function table(driver: 'node' | 'uws'): void {
  it('goes on while both sides answer pings, and says nothing of them', async () => {
    const { client, provider, ended } = await stage(driver);
    await new Promise((resolve) => setTimeout(resolve, 3 * TIMES.deadMs));
    client.say('{"type":"a"}');
    provider.say('{"type":"b"}');
    await until(() => client.messages.length === 1 && provider.messages.length === 1);
    expect([client.messages, provider.messages, ended]).toEqual([['{"type":"b"}'], ['{"type":"a"}'], []]);
  });

  it('reads frames that are split anywhere', async () => {
    const { client, provider } = await stage(driver, { times: { pingMs: 60_000 } });
    const bytes: Buffer[] = [];
    const sender = frameSender(new PassThrough().on('data', (chunk: Buffer) => bytes.push(chunk)));
    const said = ['{"type":"a"}', `{"type":"b","text":"${'ä€'.repeat(60)}"}`, '{"type":"c"}'];
    for (const text of said) {
      sender.ping(Buffer.from('ping'), true);
      sender.send(Buffer.from(text), { binary: false, mask: true, fin: true, compress: false });
    }
    await new Promise((resolve) => setImmediate(resolve));
    client.raw.setNoDelay(true);
    for (const byte of Buffer.concat(bytes)) {
      client.raw.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => provider.messages.length === 3);
    expect(provider.messages).toEqual(said);
  });

  it.each([
    ['client', 'request_timeout'],
    ['provider', 'upstream_timeout'],
  ] as const)('ends where the %s no longer answers', async (who, code) => {
    const { client, provider, exchange, ended, metrics } = await stage(driver);
    expect(open(metrics)).toBe(1);
    const [lost, other] = who === 'client' ? [client, provider] : [provider, client];
    lost.raw.pause();
    lost.raw.write = () => true;
    await until(() => ended.length > 0 && other.closed !== null);
    expect(ended).toEqual(['timeout']);
    expect(exchange.error?.code).toBe(code);
    expect(other.closed?.code).toBe(who === 'client' ? CLOSE.goingAway : CLOSE.badGateway);
    expect(open(metrics)).toBe(0);
  });

  it('ends where nothing is said for too long', async () => {
    const { client, provider, ended } = await stage(driver, { times: { idleMs: 50 } });
    await until(() => ended.length > 0 && client.closed !== null && provider.closed !== null);
    expect(ended).toEqual(['timeout']);
    expect([client.closed?.code, provider.closed?.code]).toEqual([1001, 1001]);
  });

  it('ends where a side takes nothing of what waits for it', async () => {
    const { client, provider, exchange, ended } = await stage(driver, { times: { pingMs: 50, deadMs: 200 } });
    client.socket.pause();
    const large = JSON.stringify({ type: 'x', audio: 'A'.repeat(1 << 19) });
    for (let i = 0; i < 100; i++) provider.say(large);
    await until(() => ended.length > 0);
    expect([ended, exchange.error?.code]).toEqual([['timeout'], 'request_timeout']);
  });

  it('says goodbye to a slow client behind all that was said', async () => {
    const { client, provider } = await stage(driver, { times: { deadMs: 60_000 } });
    client.socket.pause();
    const said = Array.from({ length: 20 }, (_, i) => JSON.stringify({ type: 'x', i, audio: 'A'.repeat(1 << 19) }));
    for (const text of said) provider.say(text);
    provider.socket.close(4001, 'enough');
    client.socket.resume();
    await until(() => client.closed !== null);
    expect(client.closed).toEqual({ code: 4001, reason: 'enough' });
    expect(client.messages).toEqual(said);
  });

  it('has no more to wait for when the provider does not say what an abandoned response cost', async () => {
    const { client, provider, facts, ended } = await stage(driver);
    provider.say('{"type":"response.created","response":{"id":"r"}}');
    await until(() => client.messages.length === 1);
    client.raw.destroy();
    await until(() => ended.length > 0 && provider.closed !== null);
    expect(provider.messages).toEqual(['{"type":"response.cancel","response_id":"r"}']);
    expect(ended).toEqual(['client_gone']);
    expect(facts.usageEstimated).toBe(true);
  });

  it('is closed by the gateway with a word to both sides', async () => {
    const { client, provider, connection, exchange, ended } = await stage(driver);
    connection.onClose?.();
    await until(() => client.closed !== null && provider.closed !== null);
    expect([client.closed?.code, provider.closed?.code]).toEqual([1001, 1001]);
    expect([ended, exchange.error?.code]).toEqual([['error'], 'draining']);
    await until(() => client.raw.destroyed && provider.raw.destroyed);
  });

  it.each([
    ['a message beyond the limit', { maxBytes: 1000 }, 1009] as const,
    // Of what the binding puts together itself, the budget knows nothing.
    ...(driver === 'uws' ? [] : [['a message beyond the budget of the process', { bodies: 1000 }, 1013] as const]),
  ])('ends at %s, and holds nothing afterwards', async (_, options, code) => {
    const { client, provider, ended, bodies } = await stage(driver, options);
    client.say(JSON.stringify({ type: 'x', audio: 'A'.repeat(1 << 19) }));
    await until(() => ended.length > 0 && client.closed !== null && provider.closed !== null);
    expect([client.closed?.code, provider.closed?.code, ended]).toEqual([code, 1001, ['error']]);
    expect(provider.messages).toEqual([]);
    expect(bodies.used).toBe(0);
  });

  it('tells the client where the provider sends what can not be passed on', async () => {
    const { client, provider, exchange, ended } = await stage(driver);
    // A text that is no UTF-8.
    provider.raw.write(Buffer.from([0x81, 0x01, 0xff]));
    await until(() => ended.length > 0 && client.closed !== null && provider.closed !== null);
    expect([provider.closed?.code, client.closed?.code]).toEqual([1007, 1014]);
    expect([ended, exchange.error?.code]).toEqual([['upstream_gone'], 'upstream_protocol']);
  });

  it('shows messages to hooks of policies, which may end it', async () => {
    const hook: MessageHook = {
      from: 'client',
      types: new Set(['bad']),
      onMessage: () => ({ close: 1008, reason: 'not here' }),
    };
    const { client, provider, ended } = await stage(driver, { hooks: [hook] });
    client.say('{"type":"good"}');
    client.say('{"type":"bad"}');
    await until(() => client.closed !== null);
    expect(client.closed).toEqual({ code: 1008, reason: 'not here' });
    expect(provider.messages).toEqual(['{"type":"good"}']);
    expect(ended).toEqual(['complete']);
  });

  it('ends where a hook fails', async () => {
    const hook: MessageHook = { from: 'provider', types: null, onMessage: () => Promise.reject(new Error('x')) };
    const { client, provider, exchange, ended } = await stage(driver, { hooks: [hook] });
    provider.say('{"type":"a"}');
    await until(() => client.closed !== null);
    expect([client.closed?.code, client.messages, exchange.error?.code, ended]).toEqual([
      1011,
      [],
      'internal',
      ['error'],
    ]);
  });

  it('answers pings without letting a flood of them pile up', async () => {
    const { client, connection, bodies, ended } = await stage(driver, { times: { pingMs: 10_000 } });
    client.socket.pause();
    const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 100, 0, 0, 0, 0]), Buffer.alloc(100)]);
    const many = Buffer.concat(Array.from({ length: 1000 }, () => ping));
    for (let i = 0; i < 200; i++)
      if (!client.raw.write(many)) await new Promise((resolve) => client.raw.once('drain', resolve));
    const waiting = 'stream' in connection ? connection.stream.writableLength : connection.webSocket.pendingBytes;
    expect(waiting).toBeLessThan(128 * 1024);
    expect(bodies.used).toBeLessThan(64 * 1024);
    expect(ended).toEqual([]);
  });
}

describe('a realtime session: node', () => table('node'));

describe.runIf(hasUws)(`a realtime session: ${uwsTitle}`, () => {
  table('uws');

  const HALF = JSON.stringify({ type: 'x', audio: 'A'.repeat(1 << 19) });

  it('holds what a client sends faster than the provider takes it, and hands it on in order, its end last', async () => {
    const { client, provider, bodies, ended } = await stage('uws', { times: { deadMs: 60_000 } });
    provider.socket.pause();
    for (let i = 0; i < 30; i++) client.say(JSON.stringify({ type: 'x', i, audio: 'A'.repeat(1 << 19) }));
    await until(() => bodies.used > 0);
    client.socket.close(1000, 'bye');
    await until(() => client.closed !== null);
    provider.socket.resume();
    await until(() => provider.closed !== null);
    expect(provider.messages.map((text) => JSON.parse(text).i)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect([provider.closed, ended, bodies.used]).toEqual([{ code: 1000, reason: 'bye' }, ['complete'], 0]);
  });

  it.each([
    ['than a message may have', { maxBytes: 1 << 20 }],
    ['than the process may hold', { bodies: 1 << 20 }],
  ])('sends a client away of which more waits %s', async (_, options) => {
    const { client, provider, bodies, ended } = await stage('uws', { times: { deadMs: 60_000 }, ...options });
    provider.socket.pause();
    for (let i = 0; i < 60; i++) client.say(HALF);
    await until(() => client.closed !== null);
    expect([client.closed?.code, ended, bodies.used]).toEqual([1013, ['error'], 0]);
  });

  it('tells of a message that the binding does not take', async () => {
    const { client, provider, exchange, ended } = await stage('uws', { maxBytes: 1 << 20 });
    // 1 GiB is announced.
    client.raw.write(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]));
    await until(() => client.closed !== null && provider.closed !== null);
    expect([client.closed?.code, provider.closed?.code, ended, exchange.error]).toEqual([1006, 1001, ['error'], null]);
  });
});
