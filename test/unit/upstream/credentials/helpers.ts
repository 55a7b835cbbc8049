import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Metrics } from '../../../../src/telemetry/metrics.ts';
import type { UpstreamCall } from '../../../../src/upstream/call.ts';
import { Credentials } from '../../../../src/upstream/credentials/credentials.ts';
import type { SourceServices } from '../../../../src/upstream/credentials/source.ts';
import {
  type ServiceEndpoints,
  type Surroundings,
  surroundings,
} from '../../../../src/upstream/credentials/surroundings.ts';
import { callTo, metric } from '../helpers.ts';

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body as a form. */
  readonly form: URLSearchParams;
}

export interface TokenServer {
  readonly url: string;
  readonly host: string;
  readonly asked: Asked[];
  close(): Promise<void>;
}

/** What a service answers: an object as JSON, text as it is, a status with either; `hang` nothing at all. */
export type Said =
  | object
  | string
  | 'hang'
  | { status: number; body?: object | string; headers?: Record<string, string> };

/** A token or metadata service on loopback that says what a test wants. */
export function tokenServer(say: (asked: Asked, index: number) => Said | Promise<Said>): Promise<TokenServer> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://test');
      const body = Buffer.concat(chunks).toString('utf8');
      const one: Asked = {
        method: request.method ?? '',
        url: request.url ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body,
        form: new URLSearchParams(body),
      };
      asked.push(one);
      void Promise.resolve(say(one, asked.length - 1)).then((said) => answer(response, said));
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const close = () =>
        new Promise<void>((done) => {
          server.close(() => done());
          server.closeAllConnections();
        });
      resolve({ url: `http://${host}`, host, asked, close });
    });
  });
}

function answer(response: ServerResponse, said: Said): void {
  if (said === 'hang') return;
  const whole = typeof said === 'object' && 'status' in said && typeof said.status === 'number';
  const { status, body, headers } = (whole ? said : { status: 200, body: said }) as {
    status: number;
    body?: object | string;
    headers?: Record<string, string>;
  };
  response.writeHead(status, headers);
  response.end(typeof body === 'object' ? JSON.stringify(body) : body);
}

/** A moment that tests go by, Unix ms. */
export const START = Date.UTC(2026, 0, 2, 3, 4, 5);

export interface Watch extends SourceServices {
  time: number;
  readonly warned: string[];
  loads(kind: string, outcome: string): Promise<number>;
}

/** Log, metrics and a clock that moves only when told. */
export function watch(): Watch {
  const metrics = new Metrics();
  const warned: string[] = [];
  const made: Watch = {
    time: START,
    warned,
    metrics,
    log: {
      error() {},
      warn: (message, fields) => warned.push(`${message} ${JSON.stringify(fields)}`),
      info() {},
      debug() {},
    },
    now: () => made.time,
    loads: (kind, outcome) => metric(metrics, 'backend_credential_loads_total', { kind, outcome }),
  };
  return made;
}

/** Surroundings without anything of the machine the test runs on. */
export function around(
  env: Record<string, string> = {},
  home = '/nonexistent',
  endpoints: Partial<ServiceEndpoints> = {},
): Surroundings {
  return surroundings({ env, home, endpoints });
}

export interface Bench {
  readonly watch: Watch;
  readonly credentials: Credentials;
}

export function bench(surrounded: Surroundings): Bench {
  const made = watch();
  return { watch: made, credentials: new Credentials(made, surrounded) };
}

/** A call to a host, as far as credentials look at it. */
export function callTowards(authority: string, more: Partial<UpstreamCall> = {}): UpstreamCall {
  return callTo({ authority } as never, more);
}

export function fieldOf(call: UpstreamCall, name: string): string | undefined {
  const at = call.headers.findIndex((field, index) => index % 2 === 0 && field === name);
  return at < 0 ? undefined : call.headers[at + 1];
}
