import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { probePorts } from '../../../src/primary/port-probe.ts';
import { listenOn, reusePortSupport } from '../../../src/workers/drivers/reuse-port.ts';

describe('port probe', () => {
  const open: Server[] = [];
  afterEach(() => {
    for (const server of open.splice(0)) server.close();
  });

  async function listening(host: string, shared: boolean): Promise<number> {
    const server = createServer();
    open.push(server);
    if (shared) await listenOn(server, { address: host, port: 0, ipv6: false, reusePort: true });
    else await new Promise<void>((resolve) => server.listen({ host, port: 0 }, resolve));
    return (server.address() as { port: number }).port;
  }

  it('finds nothing wrong with free ports, and leaves them free', async () => {
    const port = await listening('127.0.0.1', false);
    await new Promise((resolve) => open.pop()?.close(resolve));
    expect(await probePorts([{ address: '', port }], true)).toEqual([]);
    expect(await probePorts([{ address: '127.0.0.1', port }], true)).toEqual([]);
    expect(await probePorts([{ address: '', port: 0 }], false)).toEqual([]);
  });

  it.each([
    ['', true],
    ['', false],
    ['127.0.0.1', true],
  ])('finds a port in use (address "%s", IPv6 %s)', async (address, ipv6) => {
    const port = await listening('0.0.0.0', false);
    expect(await probePorts([{ address, port }], ipv6)).toEqual([
      { port, code: 'EADDRINUSE', message: `port ${port} is in use` },
    ]);
  });

  it.skipIf(reusePortSupport() === null)('finds a port whose listener would share it', async () => {
    const port = await listening('0.0.0.0', true);
    expect(await probePorts([{ address: '', port }], true)).toMatchObject([{ code: 'EADDRINUSE' }]);
    expect(await probePorts([{ address: '127.0.0.1', port }], true)).toMatchObject([{ code: 'EADDRINUSE' }]);
  });

  it('says it where an address is not of this machine', async () => {
    expect(await probePorts([{ address: '192.0.2.1', port: 4321 }], true)).toEqual([
      { port: 4321, code: 'EADDRNOTAVAIL', message: '192.0.2.1 is not an address of this machine (port 4321)' },
    ]);
  });
});
