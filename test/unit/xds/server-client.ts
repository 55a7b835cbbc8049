import { type ClientHttp2Session, type ClientHttp2Stream, connect, type SecureClientSessionOptions } from 'node:http2';
import {
  DELTA_METHOD,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  deltaRequestType,
  deltaResponseType,
  RESOURCE_TYPE,
} from '../../../src/xds/wire/discovery.ts';

/** How a stream ended: its gRPC status, and what was said of it. */
export interface Ended {
  readonly code: number;
  readonly message: string;
}

/** Delta ADS over bare HTTP/2, without any gRPC library: sends what it is told, whether that makes sense or not. */
export class RawClient {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #responses: DeltaDiscoveryResponse[] = [];
  readonly #waiting: ((response: DeltaDiscoveryResponse) => void)[] = [];
  #chunks: Buffer[] = [];
  #held = 0;
  readonly ended: Promise<Ended>;
  /** Sizes of the messages that came. */
  readonly sizes: number[] = [];

  constructor(url: string, options: { token?: string; tls?: SecureClientSessionOptions; path?: string } = {}) {
    this.#session = connect(url, options.tls);
    this.#session.on('error', () => {});
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': options.path ?? DELTA_METHOD,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
    });
    this.#stream.on('data', (chunk: Buffer) => this.#data(chunk));
    this.ended = new Promise((resolve) => {
      const from = (headers: Record<string, unknown>) => {
        if (headers['grpc-status'] === undefined) return;
        resolve({
          code: Number(headers['grpc-status']),
          message: decodeURIComponent(String(headers['grpc-message'] ?? '')),
        });
      };
      this.#stream.on('response', from);
      this.#stream.on('trailers', (trailers) => {
        from(trailers);
        this.#stream.end();
      });
      this.#stream.on('error', (error) => resolve({ code: -1, message: String(error) }));
      this.#stream.on('close', () => resolve({ code: -1, message: 'closed' }));
    });
  }

  send(request: DeltaDiscoveryRequest): void {
    const message = deltaRequestType().encode(request);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    this.#stream.write(Buffer.concat([head, message]));
  }

  sendBytes(bytes: Buffer): void {
    this.#stream.write(bytes);
  }

  /** The next response, in the order they came. */
  receive(): Promise<DeltaDiscoveryResponse> {
    const response = this.#responses.shift();
    if (response !== undefined) return Promise.resolve(response);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Responses that came and were not received. */
  get unread(): number {
    return this.#responses.length;
  }

  /** The next response, acknowledged. */
  async take(): Promise<DeltaDiscoveryResponse> {
    const response = await this.receive();
    this.send({ type_url: response.type_url ?? '', response_nonce: response.nonce ?? '' });
    return response;
  }

  /** Takes nothing from the connection any more. */
  pause(): void {
    this.#stream.pause();
  }

  /** Resolves once the server has handled everything sent so far. */
  async settled(): Promise<void> {
    if (this.#session.connecting) await new Promise((resolve) => this.#session.once('connect', resolve));
    await new Promise<void>((resolve, reject) => {
      this.#session.ping((error) => (error === null ? resolve() : reject(error)));
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
  }

  close(): void {
    this.#session.destroy();
  }

  #data(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    for (let message = this.#message(); message !== null; message = this.#message()) {
      this.sizes.push(message.length);
      const response = deltaResponseType().decode(message);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#responses.push(response);
      else waiting(response);
    }
  }

  /** The next whole message; null while it is not there. */
  #message(): Buffer | null {
    if (this.#held < 5) return null;
    if ((this.#chunks[0]?.length ?? 0) < 5) this.#chunks = [Buffer.concat(this.#chunks)];
    const length = this.#chunks[0]!.readUInt32BE(1);
    if (this.#held < 5 + length) return null;
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [bytes.subarray(5 + length)];
    this.#held -= 5 + length;
    return bytes.subarray(5, 5 + length);
  }
}

/** Any string-valued struct. */
export function struct(values: Record<string, unknown>): { fields: Record<string, unknown> } {
  return {
    fields: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        typeof value === 'string' ? { stringValue: value } : { structValue: struct(value as Record<string, unknown>) },
      ]),
    ),
  };
}

/** The first request of a node for Sluice's resources. */
export function first(
  id: string,
  more: Partial<DeltaDiscoveryRequest> = {},
  role = 'prod~edge',
): DeltaDiscoveryRequest {
  return { node: { id, metadata: struct({ role }) }, type_url: RESOURCE_TYPE, ...more };
}
