import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';

/** Usage of one response with text alone, and of one with audio. */
export const TEXT_USAGE = {
  total_tokens: 30,
  input_tokens: 20,
  output_tokens: 10,
  input_token_details: {
    text_tokens: 20,
    audio_tokens: 0,
    cached_tokens: 5,
    cached_tokens_details: { text_tokens: 5 },
  },
  output_token_details: { text_tokens: 10, audio_tokens: 0 },
};
export const AUDIO_USAGE = {
  total_tokens: 130,
  input_tokens: 80,
  output_tokens: 50,
  input_token_details: { text_tokens: 10, audio_tokens: 70, cached_tokens: 0 },
  output_token_details: { text_tokens: 8, audio_tokens: 42 },
};

export interface MockSession {
  readonly socket: WebSocket;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  /** Events received, parsed; binary messages as buffers. */
  readonly received: (Record<string, unknown> | Buffer)[];
  closed: { code: number; reason: string } | null;
}

/**
 * A server that speaks OpenAI's Realtime API as far as a gateway can tell. A model's name decides what becomes of a handshake
 * (`refuse-401`, `refuse-500`, `hang`, `no-switch`, `wrong-key`); `mock.*` events make a session do what real ones do on their own.
 */
export class MockRealtime {
  readonly sessions: MockSession[] = [];
  readonly handshakes: IncomingMessage[] = [];
  /** Connections that were opened, and not closed. */
  readonly open = new Set<Duplex>();
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 * 1024 });

  private constructor() {
    this.#server = createServer((_, response) => response.writeHead(404).end());
    this.#server.on('connection', (socket: Duplex) => {
      this.open.add(socket);
      socket.on('close', () => this.open.delete(socket));
    });
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#sockets.on('connection', (socket, request) => this.#serve(socket, request));
  }

  static async start(): Promise<MockRealtime> {
    const mock = new MockRealtime();
    await new Promise<void>((resolve) => mock.#server.listen(0, '127.0.0.1', resolve));
    return mock;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    for (const { socket } of this.sessions) socket.terminate();
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.open) socket.destroy();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.handshakes.push(request);
    socket.on('error', () => socket.destroy());
    const model = new URL(request.url ?? '', 'http://mock').searchParams.get('model') ?? '';
    const refused = /^refuse-(\d+)$/.exec(model);
    if (refused !== null) {
      const body = JSON.stringify({
        error: { message: 'refused', type: 'invalid_request_error', code: 'mock_refusal' },
      });
      socket.end(
        `HTTP/1.1 ${refused[1]} Refused\r\ncontent-type: application/json\r\nx-request-id: req_1\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    } else if (model === 'no-switch') socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi');
    else if (model === 'garbage') socket.end('SSH-2.0-OpenSSH_9.9\r\n\r\n');
    else if (model === 'wrong-key') {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: AAAA\r\n\r\n',
      );
    } else if (model === 'hang') socket.resume().on('end', () => socket.end());
    else {
      this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#sockets.emit('connection', ws, request));
    }
  }

  #serve(socket: WebSocket, request: IncomingMessage): void {
    const url = new URL(request.url ?? '', 'http://mock');
    const session: MockSession = { socket, url, headers: request.headers, received: [], closed: null };
    this.sessions.push(session);
    const say = (event: object) => socket.send(JSON.stringify(event));
    const model = url.searchParams.get('model') ?? url.searchParams.get('deployment') ?? 'default';
    say({ type: 'session.created', event_id: 'event_0', session: { id: 'sess_1', model: `${model}-2026` } });
    socket.on('close', (code, reason) => {
      session.closed = { code, reason: reason.toString() };
    });
    socket.on('error', () => {});
    let responses = 0;
    socket.on('message', (data: RawData, binary: boolean) => {
      if (binary) {
        session.received.push(data as Buffer);
        socket.send(data, { binary: true });
        return;
      }
      const event = JSON.parse(String(data)) as Record<string, unknown> & { type: string };
      session.received.push(event);
      if (event.type === 'response.create') respond(say, `resp_${++responses}`, event.response);
      else if (event.type === 'response.cancel')
        say({ type: 'response.done', response: { id: event.response_id, status: 'cancelled', usage: TEXT_USAGE } });
      else if (event.type === 'session.update') say({ type: 'session.updated', session: event.session });
      else if (event.type === 'mock.close') socket.close(event.code as number, event.reason as string);
      else if (event.type === 'mock.die') socket.terminate();
      else if (event.type === 'mock.pause') socket.pause();
      else if (event.type === 'mock.resume') socket.resume();
      else if (event.type === 'mock.flood')
        for (let i = 0; i < (event.count as number); i++)
          say({ type: 'mock.piece', i, audio: 'A'.repeat(event.bytes as number) });
      else if (event.type === 'mock.echo')
        say({ type: 'mock.echoed', length: String(event.text).length, text: event.text });
    });
  }
}

function respond(say: (event: object) => void, id: string, options: unknown): void {
  const audio = JSON.stringify(options ?? {}).includes('"audio"');
  say({ type: 'response.created', response: { id, status: 'in_progress' } });
  if (JSON.stringify(options ?? {}).includes('"endless"')) return;
  const type = audio ? 'response.output_audio.delta' : 'response.output_text.delta';
  for (const delta of ['Hel', 'lo', '!']) say({ type, response_id: id, delta });
  say({
    type: 'response.done',
    response: { id, status: 'completed', output: [], usage: audio ? AUDIO_USAGE : TEXT_USAGE },
  });
}
