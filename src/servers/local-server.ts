import { unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type ListenOptions } from 'node:net';
import { joinHostPort } from '../resources/host-port.ts';
import type { SocketAddress } from '../resources/settings.ts';
import { bindFailure, NO_IPV6 } from './bind-failure.ts';

/** A small HTTP server of the gateway's own (admin, stats, readiness), listening. */
export interface LocalServer {
  /** Where it listens, as a URL, or `unix:<path>`. */
  readonly url: string;
  close(): void;
}

export type LocalHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** A listen that failed, with its errno name. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly code: string;

  constructor(message: string, code: string, cause: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/**
 * Serves `handler` at `address`. `::` falls back to 0.0.0.0 where there is no IPv6; a Unix socket nobody answers on any
 * more is replaced. Throws ListenError.
 */
export async function serveLocal(address: SocketAddress, handler: LocalHandler): Promise<LocalServer> {
  if ('path' in address) {
    const server = await listenUnix(address.path, handler);
    return { url: `unix:${address.path}`, close: () => shut(server) };
  }
  const { host, port } = address;
  let server: Server;
  try {
    server = await listen({ host: host === '' ? '::' : host, port }, handler);
  } catch (error) {
    if (!(error instanceof ListenError && (host === '' || host === '::') && NO_IPV6.has(error.code))) throw error;
    server = await listen({ host: '0.0.0.0', port }, handler);
  }
  return { url: urlOf(host, server), close: () => shut(server) };
}

/** Answers with a text, its length known. HEAD gets the head alone. */
export function respond(
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/** Answers 405 with the methods there are. */
export function respondMethodNotAllowed(response: ServerResponse, allowed: string): void {
  response.setHeader('allow', allowed);
  respond(response, 405, `method not allowed; use ${allowed}\n`);
}

function listen(options: ListenOptions, handler: LocalHandler): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ keepAliveTimeout: 30_000, requestTimeout: 30_000 }, (request, response) => {
      // Nothing here reads a body: what comes is let through, so that the connection can be used again.
      request.resume();
      handler(request, response);
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      const { host = '', port = 0, path } = options;
      const message = path === undefined ? bindFailure(error, host, port) : `can't listen on ${path}: ${error.message}`;
      reject(new ListenError(message, error.code ?? '', error));
    });
    server.listen({ ...options, exclusive: true }, () => {
      // An admin server alone keeps no process alive, and none of its errors may end one.
      server.on('error', () => {});
      resolve(server);
    });
  });
}

async function listenUnix(path: string, handler: LocalHandler): Promise<Server> {
  try {
    return await listen({ path }, handler);
  } catch (error) {
    if (!(error instanceof ListenError && error.code === 'EADDRINUSE') || (await answers(path))) throw error;
    unlinkSync(path);
    return listen({ path }, handler);
  }
}

/** Does anyone accept connections at this Unix socket? */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function shut(server: Server): void {
  server.close();
  server.closeAllConnections();
}

function urlOf(host: string, server: Server): string {
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const all = host === '' || host === '::' || host === '0.0.0.0';
  return `http://${joinHostPort(all ? 'localhost' : host, port)}`;
}
