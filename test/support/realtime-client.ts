import type { ClientOptions, RawData } from 'ws';
import { WebSocket } from 'ws';

/** A realtime client that remembers what it was sent. */
export class RealtimeClient {
  readonly socket: WebSocket;
  readonly events: (Record<string, unknown> & { type: string })[] = [];
  readonly binary: Buffer[] = [];
  pongs = 0;
  closed: { code: number; reason: string } | null = null;
  #waiting: (() => void)[] = [];

  constructor(url: string, protocols: string[] = [], options: ClientOptions = {}) {
    this.socket = new WebSocket(url, protocols, { maxPayload: 64 * 1024 * 1024, perMessageDeflate: false, ...options });
    this.socket.on('message', (data: RawData, binary: boolean) => {
      if (binary) this.binary.push(data as Buffer);
      else this.events.push(JSON.parse(String(data)));
      this.#wake();
    });
    this.socket.on('pong', () => {
      this.pongs++;
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
  }

  /** Resolves once the session's first event is there; rejects with the refusal where there is no session. */
  static async open(url: string, protocols?: string[], options?: ClientOptions): Promise<RealtimeClient> {
    const client = new RealtimeClient(url, protocols, options);
    await new Promise<void>((resolve, reject) => {
      client.socket.on('open', resolve);
      client.socket.on('error', reject);
      client.socket.on('unexpected-response', (_, response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on('end', () => reject(new Refused(response.statusCode ?? 0, response.headers, body)));
      });
    });
    await client.event('session.created');
    return client;
  }

  #wake(): void {
    for (const check of this.#waiting.splice(0)) check();
  }

  send(event: object): void {
    this.socket.send(JSON.stringify(event));
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (condition()) resolve();
        else this.#waiting.push(check);
      };
      check();
    });
  }

  /** The `count`-th event of a type. */
  async event(type: string, count = 1): Promise<Record<string, any>> {
    const found = () => this.events.filter((event) => event.type === type)[count - 1];
    await this.until(() => found() !== undefined);
    return found() as Record<string, any>;
  }

  async ended(): Promise<{ code: number; reason: string }> {
    await this.until(() => this.closed !== null);
    return this.closed as { code: number; reason: string };
  }
}

/** A handshake that was answered with something else than a switch. */
export class Refused extends Error {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;

  constructor(status: number, headers: Record<string, string | string[] | undefined>, body: string) {
    super(`refused with ${status}: ${body}`);
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}
