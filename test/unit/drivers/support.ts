import * as net from 'node:net';
import type { Exchange } from '../../../src/exchange.ts';
import type { Driver, DriverLimits, Listening, ListenOptions } from '../../../src/workers/drivers/driver.ts';
import { uwsAvailability } from '../../../src/workers/drivers/select.ts';

const found = uwsAvailability();
/** The native binding has no binary for every Node and platform. */
export const hasUws = !('error' in found);
/** What tests of the binding stand under: where they are not run it says why. */
export const uwsTitle = 'error' in found ? `uws: not run, ${found.error}` : 'uws';

export const LIMITS: DriverLimits = {
  headTimeoutMs: 5000,
  bodyIdleTimeoutMs: 5000,
  keepAliveTimeoutMs: 5000,
  maxHeaderBytes: 32 * 1024,
  maxHeaderCount: 100,
  handshakeTimeoutMs: 5000,
  sendIdleTimeoutMs: 5000,
  maxMessageBytes: 1024 * 1024,
};

export interface Port {
  listening: Listening;
  rejected: [number, string][];
  connections: { opened: number; open: number };
}

/** A port of `driver` on the loopback interface that hands its exchanges to `onExchange`. */
export async function listen(
  driver: Driver,
  onExchange: (exchange: Exchange) => void,
  options: Partial<Omit<ListenOptions, 'limits'>> & { limits?: Partial<DriverLimits> } = {},
): Promise<Port> {
  const rejected: [number, string][] = [];
  const connections = { opened: 0, open: 0 };
  const listening = await driver.listen({
    address: '127.0.0.1',
    port: 0,
    ipv6: false,
    reusePort: false,
    tls: null,
    onExchange,
    onRejected: (status, reason) => rejected.push([status, reason]),
    onConnection: (delta) => {
      connections.open += delta;
      if (delta === 1) connections.opened++;
    },
    ...options,
    limits: { ...LIMITS, ...options.limits },
  });
  return { listening, rejected, connections };
}

export function answer(exchange: Exchange, body: string, headers: string[] = []): void {
  exchange.downstream.writeHead(200, ['content-length', String(Buffer.byteLength(body)), ...headers]);
  exchange.downstream.end(body);
}

export function readAll(exchange: Exchange): Promise<{ body: Buffer; trailers: string[] }> {
  const parts: Buffer[] = [];
  return new Promise((resolve, reject) => {
    exchange.downstream.readBody({
      onChunk: (chunk) => parts.push(chunk),
      onEnd: (trailers) => resolve({ body: Buffer.concat(parts), trailers }),
      onError: reject,
    });
  });
}

/** A raw client: everything it is sent, and whether the connection still stands. */
export class RawClient {
  readonly socket: net.Socket;
  text = '';
  bytes = 0;
  closed = false;
  #waiting: (() => void)[] = [];

  constructor(port: number, host = '127.0.0.1') {
    this.socket = net.connect(port, host);
    this.socket.on('data', (chunk) => {
      this.bytes += chunk.length;
      if (this.text.length < 65_536) this.text += chunk.toString('latin1');
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  #wake(): void {
    for (const check of this.#waiting.splice(0)) check();
  }

  send(text: string | Buffer): this {
    this.socket.write(text);
    return this;
  }

  /** Resolves once `condition` holds; looked at when something arrives or the connection ends. */
  until(condition: (client: RawClient) => boolean): Promise<this> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (condition(this)) resolve(this);
        else this.#waiting.push(check);
      };
      check();
    });
  }
}

/** Resolves once `condition` holds; for what no event tells. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

export const GET = (path = '/', fields = '') => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`;
export const POST = (fields: string, body = '', path = '/') =>
  `POST ${path} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n${body}`;
