import { describe, expect, it } from 'vitest';
import { buildCatalogue } from '../../../src/catalogue.ts';
import { firstRequest } from '../../../src/cli/first-request.ts';
import { welcome } from '../../../src/cli/welcome.ts';
import type { Loaded } from '../../../src/config/source-file.ts';
import { ConfigSource } from '../../../src/config/source-file.ts';

const catalogue = buildCatalogue();

function load(text: string): Promise<Loaded> {
  return new ConfigSource('test', catalogue, { text, env: {} }).load();
}

async function request(text: string): Promise<string | null> {
  return firstRequest((await load(text)).resources);
}

const CHAT = (model: string) =>
  `-H 'content-type: application/json' -d '{"model":"${model}","messages":[{"role":"user","content":"Say hello"}],"stream":true}'`;

describe('first request', () => {
  it('asks a model by its name, rather than by a pattern', async () => {
    const text = `
llm:
  port: 4000
  models:
  - {name: "gpt-*", provider: demo}
  - {name: exact, provider: demo}
`;
    expect(await request(text)).toBe(`curl -N http://localhost:4000/v1/chat/completions ${CHAT('exact')}`);
  });

  it.each([
    ['*', 'openAI', 'gpt-5-mini'],
    ['gpt-*', 'openAI', 'gpt-5-mini'],
    ['*-mini', 'openAI', 'gpt-5-mini'],
    ['team/*', 'openAI', 'team/demo'],
  ])('makes up a name that the pattern %s of %s takes', async (name, provider, model) => {
    const text = `llm: {port: 4000, models: [{name: "${name}", provider: ${provider}}]}`;
    expect(await request(text)).toBe(`curl -N http://localhost:4000/v1/chat/completions ${CHAT(model)}`);
  });

  it("asks Anthropic's models in Anthropic's format", async () => {
    const command = await request('llm: {port: 4000, models: [{name: "*", provider: anthropic}]}');
    expect(command).toContain('curl -N http://localhost:4000/v1/messages ');
    expect(command).toContain('{"model":"claude-haiku-4-5","max_tokens":64,');
  });

  it('leaves room for a key where one is asked for, and never prints one', async () => {
    const command = await request(`
binds:
- port: 3000
  listeners:
  - routes:
    - policies: {apiKey: {keys: [{key: hush}]}}
      backends: [{host: 127.0.0.1:1}]
`);
    expect(command).toBe(`curl -i http://localhost:3000/ -H 'authorization: Bearer YOUR-KEY'`);
  });

  it('says host, method, header and query where the route asks for them', async () => {
    const command = await request(`
binds:
- port: 3000
  listeners:
  - hostname: "*.example.com"
    routes:
    - hostnames: ["a.example.com"]
      matches:
      - path: {exact: /it's}
        method: POST
        headers: [{name: x-team, value: {exact: blue}}]
        query: [{name: v, value: {exact: "1"}}]
      backends: [{host: 127.0.0.1:1}]
`);
    expect(command).toBe(
      `curl -i -X POST 'http://localhost:3000/it'\\''s?v=1' -H 'host: a.example.com' -H 'x-team: blue'`,
    );
  });

  it('passes over routes that only a regular expression finds', async () => {
    const command = await request(`
binds:
- port: 3000
  listeners:
  - routes:
    - matches: [{path: {regex: "/v[0-9]+"}}]
      backends: [{host: 127.0.0.1:1}]
    - matches: [{path: {pathPrefix: /plain}}]
      backends: [{host: 127.0.0.1:1}]
`);
    expect(command).toBe('curl -i http://localhost:3000/plain');
  });

  it('is none where nothing is served', async () => {
    expect(await request('binds: []')).toBeNull();
  });
});

describe('welcome', () => {
  const addresses = { admin: 'http://127.0.0.1:15000', stats: 'http://localhost:15020', readiness: null };

  it('names what is served, where, and what is not active', async () => {
    const { resources } = await load(`
llm: {port: 4000, models: [{name: a, provider: demo}, {name: b, provider: demo}]}
binds:
- port: 3000
  listeners:
  - routes: [{backends: [{host: 127.0.0.1:1}]}]
`);
    const text = welcome(
      {
        version: '1.2.3',
        source: 'c.yaml',
        workers: 1,
        resources,
        controlPlane: null,
        addresses,
        notices: ['c.yaml:1:1: x: not yet'],
      },
      false,
    );
    expect(text).toBe(`Sluice 1.2.3 serves c.yaml with 1 worker

  serving    http://localhost:3000  1 route
  serving    http://localhost:4000  models: a, b
  admin      http://127.0.0.1:15000
  metrics    http://localhost:15020/metrics

Accepted, not yet active:
  c.yaml:1:1: x: not yet

Try it:
  curl -N http://localhost:4000/v1/chat/completions ${CHAT('a')}

`);
  });

  it('says where more comes from, and only without it that nothing is served', () => {
    const facts = { version: '1', source: 'c', workers: 2, resources: [], addresses, notices: [] };
    expect(welcome({ ...facts, controlPlane: null }, false)).toContain('nothing is served');
    const driven = welcome({ ...facts, controlPlane: 'http://control:9978' }, false);
    expect(driven).toContain('driven by  http://control:9978');
    expect(driven).not.toContain('nothing is served');
  });

  it('is coloured only where asked', async () => {
    const facts = { version: '1', source: 'c', workers: 2, resources: [], controlPlane: null, addresses, notices: [] };
    const coloured = welcome(facts, true);
    expect(coloured).toContain('\u001b[');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours are what is taken out
    expect(coloured.replaceAll(/\u001b\[\d+m/g, '')).toBe(welcome(facts, false));
  });
});
