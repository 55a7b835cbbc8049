import type { IncomingMessage, ServerResponse } from 'node:http';
import { LOG_LEVELS, type LogLevel } from '../../resources/settings.ts';
import { refusal } from '../../servers/guard.ts';
import { type LocalHandler, respond, respondMethodNotAllowed } from '../../servers/local-server.ts';
import type { WorkerStatus } from '../supervisor.ts';

/** What the admin server shows and does; each by its owner. */
export interface AdminOperations {
  /** Everything in force, secrets left out. */
  configDump(): unknown;
  /** Bytes held, by what holds them. */
  memory(): Record<string, unknown>;
  workers(): WorkerStatus[];
  logLevel(): LogLevel;
  /** null: back to what the configuration says. */
  setLogLevel(level: LogLevel | null): void;
  /** Ends the process in an orderly way. */
  quit(): void;
}

interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly summary: string;
  handle(query: URLSearchParams, response: ServerResponse): void;
}

/** The admin server's handler: configuration dump, log level, memory, workers, end of process. */
export function adminHandler(operations: AdminOperations): LocalHandler {
  const endpoints = new Map<string, Endpoint>([
    ['/config_dump', get('configuration in force, secrets redacted', () => operations.configDump())],
    ['/memory', get('bytes held, by what holds them', () => operations.memory())],
    ['/debug/workers', get('state of each worker', () => operations.workers())],
    [
      '/logging',
      {
        method: 'POST',
        summary: 'log level; set with ?level=error|warn|info|debug, back with ?reset',
        handle: (query, response) => setLevel(operations, query, response),
      },
    ],
    [
      '/quitquitquit',
      {
        method: 'POST',
        summary: 'drain and end the process',
        handle: (_, response) => {
          respond(response, 200, 'shutting down\n');
          operations.quit();
        },
      },
    ],
  ]);

  return (request: IncomingMessage, response: ServerResponse) => {
    const refused = refusal(request);
    if (refused !== null) {
      respond(response, 403, `forbidden: ${refused}\n`);
      return;
    }
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const endpoint = path === '/' ? index(endpoints) : endpoints.get(path);
    if (endpoint === undefined) respond(response, 404, 'not found; / lists what there is\n');
    else if (request.method === endpoint.method || (request.method === 'HEAD' && endpoint.method === 'GET')) {
      endpoint.handle(new URLSearchParams(query), response);
    } else respondMethodNotAllowed(response, endpoint.method);
  };
}

function get(summary: string, value: () => unknown): Endpoint {
  return {
    method: 'GET',
    summary,
    handle: (_, response) => respond(response, 200, `${JSON.stringify(value(), null, 2)}\n`, 'application/json'),
  };
}

function setLevel(operations: AdminOperations, query: URLSearchParams, response: ServerResponse): void {
  const level = LOG_LEVELS.find((known) => known === query.get('level')) ?? null;
  if (level === null && query.has('level')) {
    respond(response, 400, `unknown level; use one of ${LOG_LEVELS.join(', ')}\n`);
    return;
  }
  if (level !== null) operations.setLogLevel(level);
  else if (query.has('reset')) operations.setLogLevel(null);
  respond(response, 200, `log level: ${operations.logLevel()}\n`);
}

function index(endpoints: ReadonlyMap<string, Endpoint>): Endpoint {
  return {
    method: 'GET',
    summary: '',
    handle: (_, response) => {
      const lines = [...endpoints].map(
        ([path, { method, summary }]) => `${method.padEnd(5)}${path.padEnd(16)}${summary}\n`,
      );
      respond(response, 200, lines.join(''));
    },
  };
}
