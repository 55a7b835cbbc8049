import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { Agent } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers, until } from '../support/gateway.ts';
import { type StatelessFormat, StatelessProviders } from '../support/stateless-providers.ts';

/** OpenAI's own client goes on with conversations at providers that keep none. */

const FORMATS: readonly StatelessFormat[] = ['completions', 'messages', 'generateContent'];
const TOOL = {
  type: 'function' as const,
  name: 'look',
  parameters: { type: 'object', properties: { at: { type: 'string' } } },
  strict: false,
};

let providers: StatelessProviders;

beforeAll(async () => {
  providers = await StatelessProviders.start();
});

afterAll(() => providers?.stop());

/** A client; each of its requests comes on a connection of its own, so that any worker may get it. */
function clientOf(port: number, apiKey = 'client'): OpenAI {
  const dispatcher = new Agent({ pipelining: 0 }) as never;
  return new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey, maxRetries: 0, fetchOptions: { dispatcher } });
}

async function start(more = '', policies = ''): Promise<{ gateway: Gateway; port: number; client: OpenAI }> {
  const [port = 0] = await freePorts(1);
  const gateway = await Gateway.start((ports) => `${ownServers(ports)}${more}${providers.yaml(port)}${policies}`);
  return { gateway, port, client: clientOf(port) };
}

/** What was said, of responses whose client adds no `output_text`. */
function textOf({ output }: OpenAI.Responses.Response): string {
  const content = output.flatMap((item) => (item.type === 'message' ? item.content : []));
  return content.map((piece) => (piece.type === 'output_text' ? piece.text : '')).join('');
}

/** The response that a stream's last event tells. */
async function streamed(client: OpenAI, body: OpenAI.Responses.ResponseCreateParamsNonStreaming) {
  let last: OpenAI.Responses.Response | null = null;
  for await (const event of await client.responses.create({ ...body, stream: true })) {
    if (event.type === 'response.completed') last = event.response;
  }
  if (last === null) throw new Error('the stream did not complete');
  return last;
}

describe('with nothing configured', () => {
  let gateway: Gateway;
  let client: OpenAI;
  beforeAll(async () => {
    ({ gateway, client } = await start());
  });
  afterAll(() => gateway?.stop());

  it.each(FORMATS)('a conversation goes on at a provider of %s, on any worker', async (model) => {
    let previous: OpenAI.Responses.Response = await client.responses.create({ model, input: 'turn 1' });
    expect(previous.output_text).toBe('heard 1');
    for (let turn = 2; turn <= 8; turn++) {
      const body = { model, input: `turn ${turn}`, previous_response_id: previous.id };
      const next: OpenAI.Responses.Response =
        turn % 2 === 0 ? await client.responses.create(body) : await streamed(client, body);
      expect(textOf(next)).toBe(`heard ${2 * turn - 1}`);
      expect(next.previous_response_id).toBe(previous.id);
      previous = next;
    }
    expect(providers.said(model).slice(0, 3)).toEqual(['user: turn 1', 'assistant: heard 1', 'user: turn 2']);
    const kept = await client.responses.retrieve(previous.id);
    expect(kept.output_text).toBe('heard 15');
    const items: unknown[] = [];
    for await (const item of client.responses.inputItems.list(previous.id, { order: 'asc', limit: 4 }))
      items.push(item);
    expect(items).toHaveLength(15);
    expect(items[0]).toMatchObject({ role: 'user', content: [{ type: 'input_text', text: 'turn 1' }] });
    await client.responses.delete(previous.id);
    await expect(client.responses.retrieve(previous.id)).rejects.toMatchObject({ status: 404 });
    await expect(
      client.responses.create({ model, input: 'x', previous_response_id: previous.id }),
    ).rejects.toMatchObject({ status: 400, code: 'previous_response_not_found', param: 'previous_response_id' });
  });

  it.each(FORMATS)('the result of a tool finds its call at a provider of %s', async (model) => {
    const asked = await client.responses.create({ model, input: 'look!', tools: [TOOL] });
    const call = asked.output.find((item) => item.type === 'function_call');
    expect(call).toMatchObject({ name: 'look', arguments: '{"at":"x"}' });
    const answered = await client.responses.create({
      model,
      tools: [TOOL],
      previous_response_id: asked.id,
      input: [{ type: 'function_call_output', call_id: call?.call_id ?? '', output: 'SUNNY' }],
    });
    expect(answered.output_text).toBe('heard 3');
    expect(providers.said(model)[2]).toContain('SUNNY');
  });

  it('a conversation moves from provider to provider', async () => {
    let id: string | undefined;
    for (const [at, model] of FORMATS.entries()) {
      const body = { model, input: `turn ${at}`, ...(id !== undefined && { previous_response_id: id }) };
      const response = await client.responses.create(body);
      expect(response.output_text).toBe(`heard ${2 * at + 1}`);
      id = response.id;
    }
  });

  it.each(FORMATS)('clients refer to items of earlier answers, of %s', async (model) => {
    const first = await client.responses.create({ model, input: 'one' });
    const [item] = first.output;
    const said = { role: 'user', content: 'one' } as const;
    const input = [said, { type: 'item_reference', id: item?.id ?? '' } as const, { ...said, content: 'two' }];
    const second = await client.responses.create({ model, input });
    expect(second.output_text).toBe('heard 3');
    expect(providers.said(model)[1]).toContain('heard 1');
  });

  it('tokens of a request are counted', async () => {
    const { object, input_tokens } = await client.responses.inputTokens.count({ model: 'messages', input: 'Hello!' });
    expect(object).toBe('response.input_tokens');
    expect(input_tokens).toBeGreaterThan(3);
  });
});

describe('with keys', () => {
  it('what one tenant stored is not there for another', async () => {
    const keys = ['a', 'b', 'c'].map((key, at) => `{ key: ${key}-key, metadata: { group: group-${at % 2} } }`);
    const policies = `  policies: { apiKey: { mode: strict, keys: [${keys.join(', ')}] } }\n`;
    const { gateway, port } = await start('', policies);
    try {
      const [a, b, c] = ['a-key', 'b-key', 'c-key'].map((key) => clientOf(port, key)) as [OpenAI, OpenAI, OpenAI];
      const { id } = await a.responses.create({ model: 'messages', input: 'secret' });
      await expect(b.responses.retrieve(id)).rejects.toMatchObject({ status: 404 });
      await expect(b.responses.delete(id)).rejects.toMatchObject({ status: 404 });
      await expect(
        b.responses.create({ model: 'messages', input: 'x', previous_response_id: id }),
      ).rejects.toMatchObject({ status: 400, code: 'previous_response_not_found' });
      // Of the same group.
      expect((await c.responses.retrieve(id)).id).toBe(id);
    } finally {
      await gateway.stop();
    }
  });
});

describe('with a database', () => {
  it('responses outlive the process', async () => {
    const [port = 0] = await freePorts(1);
    const directory = mkdtempSync(join(tmpdir(), 'sluice-state-'));
    const yaml = (ports: Parameters<typeof ownServers>[0]) =>
      `${ownServers(ports)}  database: { url: "sqlite://${join(directory, 'state.db')}" }\n${providers.yaml(port)}`;
    const before = await Gateway.start(yaml);
    const client = clientOf(port);
    const { id } = await client.responses.create({ model: 'messages', input: 'turn 1' });
    await before.stop();
    const after = await Gateway.start(yaml);
    try {
      const next = await client.responses.create({ model: 'messages', input: 'turn 2', previous_response_id: id });
      expect(next.output_text).toBe('heard 3');
      expect(after.stderr).toContain('the store is open');
    } finally {
      await after.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('that can not be opened, what needs no store is served', async () => {
    const { gateway, client } = await start('  database: { url: /proc/nowhere/state.db }\n');
    try {
      const response = await client.responses.create({ model: 'messages', input: 'x' });
      expect(response).toMatchObject({ store: false, output_text: 'heard 1' });
      await expect(client.responses.retrieve(response.id)).rejects.toMatchObject({ status: 503 });
      await until(async () => (await gateway.metric('agentgateway_store_calls_total', 'outcome="unavailable"')) > 0);
      expect(gateway.stderr).toContain('/proc/nowhere/state.db');
    } finally {
      await gateway.stop();
    }
  });
});

describe('with a Redis that hangs', () => {
  let silent: Server;
  const sockets = new Set<Socket>();
  beforeAll(async () => {
    silent = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
  });
  afterAll(() => silent?.close());

  it('answers still come, and what asks for stored ones is refused after the time-out', async () => {
    const { port } = silent.address() as { port: number };
    const { gateway, client } = await start(
      `  redis: { url: "redis://user:s3cret@127.0.0.1:${port}", timeout: 200ms }\n`,
    );
    try {
      const response = await client.responses.create({ model: 'messages', input: 'x' });
      expect(response).toMatchObject({ store: false, output_text: 'heard 1' });
      const stream = await streamed(client, { model: 'messages', input: 'x' });
      expect(stream).toMatchObject({ store: false });
      expect(textOf(stream)).toBe('heard 1');
      await expect(client.responses.retrieve(response.id)).rejects.toMatchObject({
        status: 503,
        code: 'store_unavailable',
      });
      const chat = await client.chat.completions.create({
        model: 'messages',
        messages: [{ role: 'user', content: 'x' }],
      });
      expect(chat.choices[0]?.message.content).toBe('heard 1');
      await until(async () => (await gateway.metric('agentgateway_store_calls_total', 'outcome="timeout"')) > 0);
      const dump = await (await gateway.get('admin', '/config_dump')).text();
      expect(dump + gateway.stderr).not.toContain('s3cret');
    } finally {
      await gateway.stop();
    }
  });
});
