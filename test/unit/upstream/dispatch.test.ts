import { afterEach, describe, expect, it } from 'vitest';
import {
  Collector,
  callTo,
  cluster,
  hostSpec,
  onRequests,
  type RawServer,
  type Rig,
  rawServer,
  rig,
  send,
} from './helpers.ts';

let from: Rig;
const servers: RawServer[] = [];
async function serve(...args: Parameters<typeof rawServer>): Promise<RawServer> {
  const server = await rawServer(...args);
  servers.push(server);
  return server;
}
afterEach(async () => {
  from.clusters.close();
  for (const server of servers.splice(0)) await server.close();
});

describe('a request and its response', () => {
  it('sends method, path, host and fields, and gives back status, fields and body', async () => {
    from = rig();
    const heads: string[] = [];
    const server = await serve((socket) =>
      onRequests(socket, (head) => {
        heads.push(head);
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Custom: A\r\ncontent-length: 5\r\n\r\nhello');
      }),
    );
    const to = cluster(from, hostSpec('127.0.0.1', server.port));
    const call = callTo(to, { method: 'POST', path: '/a?b=c', headers: ['x-one', '1'], body: Buffer.from('body') });
    const got = await send(from.dispatch, call, new Collector());
    expect(got.error).toBeNull();
    expect(got.status).toBe(200);
    expect(got.headers).toEqual(['content-type', 'text/plain', 'x-custom', 'A', 'content-length', '5']);
    expect(got.body).toBe('hello');
    expect(heads[0]).toMatch(/^POST \/a\?b=c HTTP\/1\.1\r\n/);
    expect(heads[0]).toContain(`host: 127.0.0.1:${server.port}\r\n`);
    expect(heads[0]).toContain('content-length: 4\r\n');
  });
});
