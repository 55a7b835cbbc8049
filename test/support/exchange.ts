import { Readable } from 'node:stream';
import { type BodySink, type Downstream, Exchange } from '../../src/exchange.ts';
import { HeaderList } from '../../src/headers.ts';

/** A client that takes everything and remembers it. */
export class FakeDownstream implements Downstream {
  readonly httpVersion = '1.1' as const;
  readonly remoteAddress = '192.0.2.1';
  readonly knownAddress = '192.0.2.1';
  readonly remotePort = 40_000;
  readonly localPort: number;
  readonly tls: Downstream['tls'];
  readonly hasBody: boolean;
  readonly contentLength: number;
  readonly upgrade: Downstream['upgrade'] = null;
  readonly bufferedBytes = 0;
  onDrain: (() => void) | null = null;
  onAbort: (() => void) | null = null;

  /** What the exchange was answered with. */
  status = 0;
  headers: readonly string[] = [];
  readonly chunks: Buffer[] = [];
  trailers: readonly string[] = [];
  ended = false;
  aborted = false;

  readonly #body: Buffer;

  constructor(body: Buffer, localPort: number, sni = '') {
    this.tls = sni === '' ? null : { sni, alpn: 'http/1.1', clientSans: [] };
    this.#body = body;
    this.hasBody = body.length > 0;
    this.contentLength = body.length > 0 ? body.length : -1;
    this.localPort = localPort;
  }

  readBody(sink: BodySink): void {
    sink.onChunk(this.#body);
    sink.onEnd([]);
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  header(name: string): string | undefined {
    return new HeaderList([...this.headers]).get(name);
  }

  bodyStream(): Readable {
    return Readable.from([this.#body]);
  }

  inform(): void {}

  writeHead(status: number, headers: readonly string[]): void {
    this.status = status;
    this.headers = headers;
  }

  write(chunk: Buffer): boolean {
    this.chunks.push(chunk);
    return true;
  }

  end(chunk?: Buffer | string, trailers: readonly string[] = []): void {
    if (chunk !== undefined) this.chunks.push(Buffer.from(chunk));
    this.trailers = trailers;
    this.ended = true;
  }

  abort(): void {
    this.aborted = true;
  }
}

export interface FakeRequest {
  method?: string;
  /** Path with query. */
  url?: string;
  scheme?: 'http' | 'https';
  host?: string;
  /** Flat, lower-case names. */
  headers?: string[];
  body?: string | Buffer;
  localPort?: number;
  /** Server name of the TLS connection; absent = cleartext. */
  sni?: string;
  matchedPrefix?: string;
}

/** An exchange as a driver would hand it over: `GET http://example.com/` unless the request says otherwise. */
export function fakeExchange(request: FakeRequest = {}): Exchange & { readonly downstream: FakeDownstream } {
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const authority = request.host ?? 'example.com';
  const exchange = new Exchange(
    new FakeDownstream(
      Buffer.isBuffer(request.body) ? request.body : Buffer.from(request.body ?? ''),
      request.localPort ?? 80,
      request.sni,
    ),
    {
      method: request.method ?? 'GET',
      path: mark === -1 ? url : url.slice(0, mark),
      query: mark === -1 ? '' : url.slice(mark + 1),
      scheme: request.scheme ?? 'http',
      authority,
      host: authority.replace(/:\d+$/, ''),
      headers: new HeaderList([...(request.headers ?? [])]),
    },
  );
  exchange.matchedPrefix = request.matchedPrefix ?? '/';
  return exchange as Exchange & { readonly downstream: FakeDownstream };
}
