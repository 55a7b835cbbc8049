import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestUpstream {
  readonly port: number;
  close(): Promise<void>;
}

/** Answers every request. */
export async function startUpstream(): Promise<TestUpstream> {
  const server = createServer((_, response) => response.end('hello\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
