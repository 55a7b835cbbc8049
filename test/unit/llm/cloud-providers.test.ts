import { afterEach, describe, expect, it } from 'vitest';
import type { AiProvider, PolicyMap } from '../../../src/resources/types.ts';
import { type FakeFlight, llmBench, provider, serve } from '../../support/llm.ts';
import { around, bench, START, type TokenServer, tokenServer } from '../upstream/credentials/helpers.ts';
import { until } from '../upstream/helpers.ts';

const KEY = { backendAuth: { key: 'a-key' } };

async function flightOf(target: AiProvider, url: string, model = 'gpt-4.1', headers: string[] = []) {
  const llm = llmBench({ providers: [[target]] });
  const exchange = await serve(llm, { url, body: JSON.stringify({ model, messages: [] }), headers });
  const flight = llm.flights[0];
  if (flight === undefined) throw new Error(`${exchange.status} ${exchange.error?.code}`);
  return flight;
}

function addressOf({ call }: FakeFlight): string {
  const { target } = call.cluster.spec;
  return target.kind === 'host' ? `${target.host}:${target.port}${call.path}` : '';
}

const azure = (settings: object, more: Partial<AiProvider> = {}) =>
  provider('azure', { settings: { resourceName: 'res', resourceType: 'openAI', ...settings }, policies: KEY, ...more });
const foundry = (settings: object = {}) => azure({ resourceType: 'foundry', ...settings });
const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln';

describe('Azure', () => {
  const CHAT = '/v1/chat/completions';
  const host = 'res.openai.azure.com:443';
  const project = 'res.services.ai.azure.com:443/api/projects';
  it.each<[string, AiProvider, string, string, string]>([
    ['v1', azure({}), CHAT, 'gpt-4.1', `${host}/openai/v1/chat/completions`],
    ['v1 by name', azure({ apiVersion: 'v1' }), '/v1/embeddings', 'e', `${host}/openai/v1/embeddings`],
    [
      'preview',
      azure({ apiVersion: 'preview' }),
      '/v1/responses',
      'm',
      `${host}/openai/v1/responses?api-version=preview`,
    ],
    [
      'a date: the deployment is in the path',
      azure({ apiVersion: '2024-10-21' }),
      CHAT,
      'my dep/1',
      `${host}/openai/deployments/my%20dep%2F1/chat/completions?api-version=2024-10-21`,
    ],
    [
      'a date: the deployment is the pinned model',
      azure({ apiVersion: '2024-10-21', model: 'pinned' }),
      '/v1/embeddings',
      'e',
      `${host}/openai/deployments/pinned/embeddings?api-version=2024-10-21`,
    ],
    [
      'a date: responses are elsewhere',
      azure({ apiVersion: '2025-04-01-preview' }),
      '/v1/responses',
      'm',
      `${host}/openai/responses?api-version=2025-04-01-preview`,
    ],
    [
      "the operator's version stands",
      azure({ apiVersion: '2024-10-21' }),
      `${CHAT}?api-version=1999-01-01&x=1`,
      'd',
      `${host}/openai/deployments/d/chat/completions?api-version=2024-10-21&x=1`,
    ],
    ['Foundry', foundry(), CHAT, 'gpt-4.1', `${project}/res/openai/v1/chat/completions`],
    ['a project', foundry({ projectName: 'p' }), '/v1/responses', 'm', `${project}/p/openai/v1/responses`],
    ['the old name', azure({ resourceType: 'aiServices' }), CHAT, 'm', `${project}/res/openai/v1/chat/completions`],
    ['Claude', foundry(), '/v1/messages', 'claude-haiku-4-5', 'res.services.ai.azure.com:443/anthropic/v1/messages'],
    [
      'token counts of Claude',
      foundry(),
      '/v1/messages/count_tokens',
      'Claude-x',
      'res.services.ai.azure.com:443/anthropic/v1/messages/count_tokens',
    ],
    ['another path', azure({}), '/v1/files', 'm', `${host}/openai/v1/files`],
    [
      'another path, with a version',
      azure({ apiVersion: '2024-10-21' }),
      '/v1/files',
      'm',
      `${host}/openai/files?api-version=2024-10-21`,
    ],
    ["a path of Azure's own", azure({}), '/openai/v1/batches', 'm', `${host}/openai/v1/batches`],
    ['a path prefix', azure({}, { pathPrefix: '/team' }), CHAT, 'm', `${host}/team/openai/v1/chat/completions`],
    [
      'a host override',
      azure({}, { hostOverride: 'own.test:8' }),
      '/x/v1/embeddings',
      'm',
      'own.test:8/x/v1/embeddings',
    ],
  ])('%s', async (_name, target, url, model, address) => {
    expect(addressOf(await flightOf(target, url, model))).toBe(address);
  });

  it('is shown keys in its own field, tokens as they are', async () => {
    const key = await flightOf(azure({}), CHAT);
    expect([key.header('api-key'), key.header('authorization')]).toEqual(['a-key', undefined]);
    const token = await flightOf(azure({}, { policies: { backendAuth: { key: JWT } } }), CHAT);
    expect([token.header('api-key'), token.header('authorization')]).toEqual([undefined, `Bearer ${JWT}`]);
    const located = { backendAuth: { key: { value: 'x', location: { header: { name: 'authorization' } } } } };
    const kept = await flightOf(azure({}, { policies: located as PolicyMap }), CHAT);
    expect(kept.header('api-key')).toBeUndefined();
  });

  it('takes messages for Claude as Anthropic does', async () => {
    const key = await flightOf(foundry(), '/v1/messages', 'claude-haiku-4-5');
    expect([key.header('x-api-key'), key.header('anthropic-version')]).toEqual(['a-key', '2023-06-01']);
    const settings = { resourceName: 'res', resourceType: 'foundry' };
    const target = provider('azure', { settings, policies: { backendAuth: { key: JWT } } });
    const token = await flightOf(target, '/v1/messages', 'claude-haiku-4-5');
    expect([token.header('x-api-key'), token.header('authorization')]).toEqual([undefined, `Bearer ${JWT}`]);
  });
});

describe('Copilot', () => {
  const copilot = (more: Partial<AiProvider> = {}) => provider('copilot', { policies: KEY, ...more });
  it.each([
    ['/v1/chat/completions', 'gpt-4.1', '/chat/completions'],
    ['/v1/chat/completions', 'claude-sonnet-4.5', '/chat/completions'],
    ['/v1/chat/completions', 'gemini-2.5-pro', '/chat/completions'],
    ['/v1/responses', 'gpt-5.1-codex', '/responses'],
    ['/v1/responses', 'gpt-5-mini', '/responses'],
    ['/v1/responses', 'Grok-code-fast-1', '/responses'],
    ['/v1/messages', 'claude-sonnet-4.5', '/v1/messages'],
    ['/v1/embeddings', 'text-embedding-3-small', '/embeddings'],
  ])('takes %s for %s at %s', async (url, model, path) => {
    expect(addressOf(await flightOf(copilot(), url, model))).toBe(`api.githubcopilot.com:443${path}`);
  });

  it('lists models without /v1', async () => {
    const llm = llmBench({ providers: [[copilot()]] });
    await serve(llm, { method: 'GET', url: '/v1/models' });
    expect(addressOf(llm.flights[0]!)).toBe('api.githubcopilot.com:443/models');
  });
});

describe('credentials of the surroundings', () => {
  const servers: TokenServer[] = [];
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });

  async function shown(policies: PolicyMap, values: PolicyMap = {}) {
    const github = await tokenServer(() => ({ token: 'from-github', expires_at: START / 1000 + 1500 }));
    servers.push(github);
    const { credentials } = bench(around({ GH_COPILOT_TOKEN: 'ghu' }, '/nonexistent', { github: github.url }));
    const llm = llmBench({ providers: [[provider('copilot', { policies })]], values, credentials });
    const headers = ['authorization', 'Bearer of-the-client', 'x-api-key', 'of-the-client'];
    await serve(llm, { url: '/v1/chat/completions', body: '{"model":"gpt-4.1","messages":[]}', headers });
    const flight = llm.flights[0]!;
    return { flight, github };
  }

  it("take the place of the client's where nothing else is configured", async () => {
    const { flight } = await shown({});
    await until(() => flight.header('authorization') !== undefined);
    expect(flight.header('authorization')).toBe('Bearer from-github');
    expect(flight.header('editor-version')).toMatch(/^sluice\//);
    expect(flight.header('x-api-key')).toBeUndefined();
  });

  it.each([
    ['provider', KEY, {}],
    ['route', {}, { backendAuth: { passthrough: {} } }],
  ])('stay out of it where the %s has a backendAuth', async (_name, policies, values) => {
    const { flight, github } = await shown(policies, values);
    expect(flight.header('authorization')).not.toBe('Bearer from-github');
    expect(github.asked).toHaveLength(0);
  });
});
