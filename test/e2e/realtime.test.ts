import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers, until } from '../support/gateway.ts';
import { MockRealtime } from '../support/mock-realtime.ts';
import { RealtimeClient } from '../support/realtime-client.ts';

const TLS = new URL('../fixtures/tls/', import.meta.url);

let mock: MockRealtime;
let gateway: Gateway;
let port = 0;
let securePort = 0;
let url = '';

beforeAll(async () => {
  mock = await MockRealtime.start();
  [port = 0, securePort = 0] = await freePorts(2);
  url = `ws://127.0.0.1:${port}/v1/realtime`;
  gateway = await Gateway.start(
    (ports) => `${ownServers(ports)}  connectionTerminationDeadline: 1s
  connectionMinTerminationDeadline: 0s
  logging:
    format: json
llm:
  port: ${port}
  policies:
    apiKey:
      mode: strict
      keys:
      - key: gateway-key
        metadata: { name: everything }
      - key: narrow-key
        metadata: { name: narrow }
        allowedModels: ["gpt-*"]
  models:
  - name: voice
    provider: openAI
    params: { model: gpt-real, apiKey: sk-own, baseUrl: "http://127.0.0.1:${mock.port}/v1" }
  - name: "*"
    provider: openAI
    params: { apiKey: sk-own, baseUrl: "http://127.0.0.1:${mock.port}/v1" }
binds:
- port: ${securePort}
  listeners:
  - protocol: HTTPS
    tls:
      cert: ${new URL('a.pem', TLS).pathname}
      key: ${new URL('a.key', TLS).pathname}
    routes:
    - backends:
      - ai:
          name: azure-like
          provider:
            openAI: {}
          hostOverride: 127.0.0.1:${mock.port}
          policies:
            backendAuth: { key: sk-own }
`,
  );
});

afterAll(async () => {
  await gateway?.stop();
  mock?.close();
});

const KEY = { headers: { authorization: 'Bearer gateway-key' } };

async function line(model: string): Promise<Record<string, unknown>> {
  let found: Record<string, unknown> | undefined;
  await until(() => {
    found = gateway.lines
      .filter((text) => text.includes(`"${model}"`))
      .map((text) => JSON.parse(text))
      .at(-1);
    return found !== undefined;
  });
  return found ?? {};
}

describe('a session', () => {
  it('passes text turns and accounts for all of them in one line', async () => {
    const client = await RealtimeClient.open(`${url}?model=gpt-4o-realtime-preview`, [], KEY);
    expect(await gateway.metric('agentgateway_realtime_sessions_open')).toBeGreaterThanOrEqual(0);
    client.send({ type: 'response.create' });
    await client.event('response.done');
    client.send({ type: 'response.create' });
    await client.event('response.done', 2);
    expect(client.events.filter(({ type }) => type === 'response.output_text.delta').map(({ delta }) => delta)).toEqual(
      ['Hel', 'lo', '!', 'Hel', 'lo', '!'],
    );
    client.socket.close(1000, 'bye');
    expect(await client.ended()).toEqual({ code: 1000, reason: 'bye' });
    const session = mock.sessions.at(-1);
    await until(() => session?.closed !== null);
    expect(session?.closed).toEqual({ code: 1000, reason: 'bye' });
    expect(session?.headers).toMatchObject({ authorization: 'Bearer sk-own' });
    const logged = await line('gpt-4o-realtime-preview');
    expect(logged).toMatchObject({
      'http.status': 101,
      'gen_ai.operation.name': 'realtime',
      'gen_ai.response.model': 'gpt-4o-realtime-preview-2026',
      'gen_ai.usage.input_tokens': 40,
      'gen_ai.usage.cache_read.input_tokens': 10,
      'gen_ai.usage.output_tokens': 20,
    });
    // (30 × 5 + 10 × 2.5 + 20 × 20) / 10^6
    expect(logged['agw.ai.usage.cost.total']).toBeCloseTo(0.000575, 9);
    expect(logged.reason).toBeUndefined();
  });
});
