import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers } from '../support/gateway.ts';
import { MockLlm, WORDS } from '../support/mock-llm.ts';

const PNG = Buffer.from('\x89PNG\r\n\x1a\nrest', 'latin1');

describe('what policies do to requests, over real sockets', () => {
  let mock: MockLlm;
  let media: Server;
  let mediaHost: string;
  let gateway: Gateway;
  let openai: OpenAI;
  let prompted: OpenAI;
  let anthropic: Anthropic;

  beforeAll(async () => {
    mock = await MockLlm.start();
    media = createServer((request, response) => {
      if (request.url === '/image') response.writeHead(200, { 'content-type': 'image/png' }).end(PNG);
      else if (request.url === '/elsewhere') response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    });
    await new Promise<void>((resolve) => media.listen(0, '127.0.0.1', resolve));
    mediaHost = `127.0.0.1:${(media.address() as AddressInfo).port}`;
    const [port = 0, routed = 0] = await freePorts(2);
    gateway = await Gateway.start(
      (ports) => `${ownServers(ports)}
gateways:
  default: { port: ${routed} }
routes:
- name: prompted
  policies:
    ai:
      prompts:
        prepend: [{ role: system, content: "House rules." }]
  backends:
  - ai:
      name: own
      provider: { openAI: {} }
      hostOverride: "127.0.0.1:${mock.port}"
llm:
  port: ${port}
  providers:
  - name: shared
    provider: openAI
    params: { apiKey: sk-own, baseUrl: "http://127.0.0.1:${mock.port}/v1" }
    defaults:
      defaults: { temperature: 0.5 }
      transformation: { user: '"never"' }
  models:
  - name: "openai/*"
    provider: { reference: shared }
    transformation:
      model: 'llmRequest.model.stripPrefix("openai/")'
      user: 'request.headers["x-user"]'
    finalTransformation: { asked_for: metadata.agentgateway_user_model }
    overrides: { seed: 7 }
    requestHeaders: { set: { x-to-provider: "yes" }, remove: [x-user] }
    responseHeaders: { set: { x-to-client: "yes" } }
  - name: "*claude"
    provider: anthropic
    params: { apiKey: sk-ant-own, baseUrl: "http://127.0.0.1:${mock.port}" }
    defaults: { max_completion_tokens: 99 }
    promptCaching: { minTokens: 0, cacheMessages: false }
    mediaFetch: { allow: ["${mediaHost}"], networks: [127.0.0.1/32], timeout: 500ms }
  virtualModels:
  - name: auto
    routing:
      conditional:
        targets:
        - { when: 'llmRequest.messages.size() > 1', model: ok-claude }
        - { when: 'request.headers["x-tier"] == "gold"', model: openai/ok-gold }
`,
    );
    const options = { apiKey: 'client-key', maxRetries: 0, timeout: 10_000 };
    openai = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, ...options });
    prompted = new OpenAI({ baseURL: `http://127.0.0.1:${routed}/v1`, ...options });
    anthropic = new Anthropic({ baseURL: `http://127.0.0.1:${port}`, ...options });
  });

  afterAll(async () => {
    await gateway?.stop();
    await mock?.close();
    media?.closeAllConnections();
    media?.close();
  });

  const messages = [{ role: 'user' as const, content: 'hello' }];

  it('says nothing of it as not active', () => {
    expect(gateway.stdout + gateway.stderr).not.toContain('not yet active');
  });

  it("puts the operator's prompts in", async () => {
    await prompted.chat.completions.create({ model: 'ok-chat', messages });
    expect(mock.requests.at(-1)?.body.messages).toEqual([{ role: 'system', content: 'House rules.' }, ...messages]);
  });

  it('changes members and headers of a body that is passed on', async () => {
    const { data, response } = await openai.chat.completions
      .create({ model: 'openai/ok-chat', messages }, { headers: { 'x-user': 'u1' } })
      .withResponse();
    expect(data.choices[0]?.message.content).toBe(WORDS.join(''));
    expect(response.headers.get('x-to-client')).toBe('yes');
    const { body, headers } = mock.requests.at(-1)!;
    expect(body).toEqual({
      model: 'ok-chat',
      messages,
      user: 'u1',
      temperature: 0.5,
      seed: 7,
      asked_for: 'openai/ok-chat',
    });
    expect(headers['x-to-provider']).toBe('yes');
    expect(headers['x-user']).toBeUndefined();
  });

  it('changes one that is converted: in the words of the client, and marked in those of the provider', async () => {
    await openai.chat.completions.create({
      model: 'ok-claude',
      messages: [{ role: 'system', content: 'Be brief.' }, ...messages],
    });
    expect(mock.requests.at(-1)?.body).toMatchObject({
      model: 'ok-claude',
      max_tokens: 99,
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
    });
  });

  it('fetches an image that the provider can not, and none that it should not', async () => {
    const look = (path: string) =>
      anthropic.messages.create({
        model: 'ok-claude',
        max_tokens: 9,
        messages: [
          { role: 'user', content: [{ type: 'image', source: { type: 'url', url: `http://${mediaHost}${path}` } }] },
        ],
      });
    await look('/image');
    expect(mock.requests.at(-1)?.body.messages[0].content[0].source).toEqual({
      type: 'base64',
      media_type: 'image/png',
      data: PNG.toString('base64'),
    });
    await expect(look('/elsewhere?token=secret')).rejects.toThrow();
    await expect(look('/elsewhere')).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('169.254'),
    });
    // It hangs.
    await expect(look('/hangs')).rejects.toMatchObject({ status: 400, message: expect.stringContaining('in time') });
    expect(gateway.stdout + gateway.stderr).not.toContain('token=secret');
  });

  it('chooses a model by conditions', async () => {
    const ask = (more: typeof messages, tier: string) =>
      openai.chat.completions.create({ model: 'auto', messages: more }, { headers: { 'x-tier': tier } });
    await ask([...messages, ...messages], 'none');
    expect(mock.requests.at(-1)?.body.model).toBe('ok-claude');
    await ask(messages, 'gold');
    expect(mock.requests.at(-1)?.body).toMatchObject({ model: 'ok-gold', asked_for: 'auto' });
    await expect(ask(messages, 'none')).rejects.toMatchObject({
      status: 400,
      code: 'virtual_model_no_matching_target',
    });
  });
});
