import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers } from '../support/gateway.ts';
import { StatelessProviders } from '../support/stateless-providers.ts';
import { missingRedis, ownServer, startRedis, type TestRedis } from './server.ts';

const PREFIX = `sluice-responses-${process.pid}:`;

describe.runIf(missingRedis() === null)('two instances with one Redis', () => {
  let redis: TestRedis;
  let providers: StatelessProviders;
  const gateways: Gateway[] = [];
  const clients: OpenAI[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    providers = await StatelessProviders.start();
    for (const port of await freePorts(2)) {
      const settings = `  redis: { url: "${redis.url}", prefix: "${PREFIX}", timeout: 500ms }\n  storedResponses: { ttl: 1m }\n`;
      gateways.push(await Gateway.start((ports) => `${ownServers(ports, 1)}${settings}${providers.yaml(port)}`));
      clients.push(new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'client', maxRetries: 0 }));
    }
  });

  afterAll(async () => {
    for (const gateway of gateways) await gateway.stop();
    providers?.stop();
    await redis?.stop();
  });

  it('go on with each other’s conversations', async () => {
    const [one, other] = clients as [OpenAI, OpenAI];
    const first = await one.responses.create({ model: 'messages', input: 'turn 1' });
    const second = await other.responses.create({
      model: 'completions',
      input: 'turn 2',
      previous_response_id: first.id,
    });
    expect(second.output_text).toBe('heard 3');
    expect((await one.responses.retrieve(second.id)).output_text).toBe('heard 3');
    await other.responses.delete(first.id);
    await expect(one.responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
  });

  it.runIf(ownServer)('serve on without it, and with it again', async () => {
    const [client] = clients as [OpenAI];
    const kept = await client.responses.create({ model: 'messages', input: 'x' });
    redis.pause();
    try {
      expect(await client.responses.create({ model: 'messages', input: 'x' })).toMatchObject({ store: false });
      await expect(client.responses.retrieve(kept.id)).rejects.toMatchObject({
        status: 503,
        code: 'store_unavailable',
      });
    } finally {
      redis.resume();
    }
    await expect
      .poll(
        () =>
          client.responses.retrieve(kept.id).then(
            ({ id }) => id,
            () => '',
          ),
        { timeout: 10_000 },
      )
      .toBe(kept.id);
  });
});
