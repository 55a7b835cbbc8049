import { Readable } from 'node:stream';
import { type BodySink, type Downstream, Exchange } from '../../src/exchange.ts';
import { HeaderList } from '../../src/headers.ts';

/** A client's half of an exchange that remembers what it was sent. */
export class FakeDownstream implements Downstream {
  readonly httpVersion = '1.1' as const;
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 40000;
  readonly localPort = 80;
  readonly tls: Downstream['tls'];
  readonly hasBody: boolean;
  readonly contentLength: number;
  onDrain: (() => void) | null = null;
  onAbort: (() => void) | null = null;
  bufferedBytes = 0;
  /** What `write` answers: false plays a slow client. */
  writable = true;
  status = 0;
  headers = new HeaderList();
  readonly chunks: Buffer[] = [];
  trailers: readonly string[] = [];
  ended = false;
  aborted = false;
  readonly #body: readonly Buffer[];

  constructor(options: { body?: readonly Buffer[] | undefined; contentLength?: number; tls?: Downstream['tls'] } = {}) {
    this.#body = options.body ?? [];
    this.hasBody = options.body !== undefined;
    this.contentLength = options.contentLength ?? -1;
    this.tls = options.tls ?? null;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  readBody(sink: BodySink): void {
    queueMicrotask(() => {
      for (const chunk of this.#body) sink.onChunk(chunk);
      sink.onEnd([]);
    });
  }

  bodyStream(): Readable {
    return Readable.from(this.#body);
  }

  inform(): void {}

  writeHead(status: number, headers: readonly string[]): void {
    this.status = status;
    this.headers = new HeaderList([...headers]);
  }

  write(chunk: Buffer): boolean {
    this.chunks.push(chunk);
    return this.writable;
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

export interface ExchangeInit {
  method?: string;
  /** Path with query. */
  target?: string;
  /** With port, as a client sends it. */
  host?: string;
  scheme?: 'http' | 'https';
  headers?: Record<string, string>;
  downstream?: FakeDownstream;
}

/** An exchange as a driver makes it, on a fake client. */
export function fakeExchange(init: ExchangeInit = {}): Exchange & { downstream: FakeDownstream } {
  const target = init.target ?? '/';
  const question = target.indexOf('?');
  const authority = init.host ?? 'example.com';
  const exchange = new Exchange(init.downstream ?? new FakeDownstream(), {
    method: init.method ?? 'GET',
    path: question === -1 ? target : target.slice(0, question),
    query: question === -1 ? '' : target.slice(question + 1),
    scheme: init.scheme ?? 'http',
    authority,
    host: authority.replace(/:\d+$/, ''),
    headers: new HeaderList(Object.entries(init.headers ?? {}).flat()),
  });
  return exchange as Exchange & { downstream: FakeDownstream };
}
