import type { IncomingMessage, ServerResponse } from 'node:http';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers, type TestUpstream, upstream } from '../support/gateway.ts';

/** A provider of the responses API and of messages that signs its thinking, and answers 400 to a signature that it didn't make. */
class Issuer {
  readonly name: string;
  /** The signatures that came with each request it answered. */
  readonly shown: string[][] = [];
  /** The last of these requests. */
  asked: { [member: string]: unknown } = {};
  /** Answers 503. */
  down = false;
  #upstream: TestUpstream | null = null;

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {
    this.#upstream = await upstream((request, response) => void this.#serve(request, response));
  }

  get port(): number {
    return this.#upstream?.port ?? 0;
  }

  close(): void {
    this.#upstream?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString());
    const say = (status: number, answer: object) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    };
    const error = (message: string) => ({ type: 'error', error: { message, type: 'invalid_request_error' } });
    if (this.down) return say(503, error('overloaded'));
    if (body.model === 'gone') return say(404, { ...error('no such model'), request_id: 'req_1' });
    const messages = request.url?.endsWith('/messages') === true;
    const signatures = messages
      ? body.messages.flatMap(({ content }: { content: { signature?: string }[] | string }) =>
          typeof content === 'string' ? [] : content.flatMap(({ signature }) => signature || []),
        )
      : body.input.flatMap((item: { encrypted_content?: string }) => item.encrypted_content ?? []);
    const foreign = signatures.find((one: string) => !one.startsWith(`${this.name}:`));
    if (foreign !== undefined) return say(400, error(`The signature ${foreign} could not be verified.`));
    this.shown.push(signatures);
    this.asked = body;
    const signature = `${this.name}:${this.shown.length}`;
    if (!body.stream) return say(200, messages ? message(signature) : answered(signature));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of messages ? messageEvents(signature) : responseEvents(signature))
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    response.end();
  }
}

interface Event {
  readonly type: string;
  readonly [member: string]: unknown;
}

const USAGE = { input_tokens: 1, output_tokens: 2, total_tokens: 3 };
const reasoning = (signature: string) => ({
  type: 'reasoning',
  id: `rs_${signature.replace(/\W/g, '')}`,
  summary: [{ type: 'summary_text', text: 'Hm.' }],
  encrypted_content: signature,
});
const SAID = {
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text: 'Yes.', annotations: [] }],
};
const response = (status: string, output: object[]) => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  model: 'gpt-5',
  status,
  output,
  usage: status === 'completed' ? USAGE : null,
  temperature: 1,
  billing: { payer: 'developer' },
});
const answered = (signature: string) => response('completed', [reasoning(signature), SAID]);

function responseEvents(signature: string): Event[] {
  const item = reasoning(signature);
  return [
    { type: 'response.created', response: response('in_progress', []) },
    {
      type: 'response.output_item.added',
      output_index: 0,
      item: { ...item, summary: [], encrypted_content: signature },
    },
    {
      type: 'response.reasoning_summary_part.added',
      item_id: item.id,
      output_index: 0,
      summary_index: 0,
      part: { type: 'summary_text', text: '' },
    },
    {
      type: 'response.reasoning_summary_text.delta',
      item_id: item.id,
      output_index: 0,
      summary_index: 0,
      delta: 'Hm.',
    },
    { type: 'response.reasoning_summary_text.done', item_id: item.id, output_index: 0, summary_index: 0, text: 'Hm.' },
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.output_item.added', output_index: 1, item: { ...SAID, status: 'in_progress', content: [] } },
    {
      type: 'response.content_part.added',
      item_id: SAID.id,
      output_index: 1,
      content_index: 0,
      part: { type: 'output_text', text: '', annotations: [] },
    },
    { type: 'response.output_text.delta', item_id: SAID.id, output_index: 1, content_index: 0, delta: 'Yes.' },
    { type: 'response.output_item.done', output_index: 1, item: SAID },
    { type: 'response.completed', response: answered(signature) },
  ].map((event, sequence_number) => ({ ...event, sequence_number }));
}

const message = (signature: string) => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content: [
    { type: 'thinking', thinking: 'Hm.', signature },
    { type: 'text', text: 'Yes.' },
  ],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 2, inference_geo: 'us' },
  context_management: { applied_edits: [] },
});

const messageEvents = (signature: string): Event[] => [
  { type: 'message_start', message: { ...message(signature), content: [], stop_reason: null } },
  { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Hm.' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature } },
  { type: 'content_block_stop', index: 0 },
  { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Yes.' } },
  { type: 'content_block_stop', index: 1 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 2 } },
  { type: 'message_stop' },
];

describe('a conversation that moves between providers that sign their thinking', () => {
  const first = new Issuer('first');
  const second = new Issuer('second');
  const alone = new Issuer('alone');
  const all = [first, second, alone];
  let gateway: Gateway;
  let openai: OpenAI;
  let onlyOne: OpenAI;
  let either: OpenAI;
  let anthropic: Anthropic;

  beforeAll(async () => {
    for (const issuer of all) await issuer.start();
    const [llm, single, shared] = await freePorts(3);
    const url = (issuer: Issuer) => `"http://127.0.0.1:${issuer.port}/v1"`;
    const virtual = (kind: string, a: string, b: string) =>
      kind === 'failover'
        ? `failover: {targets: [{model: ${a}, priority: 0}, {model: ${b}, priority: 1}]}`
        : `weighted: {targets: [{model: ${a}, weight: 1}, {model: ${b}, weight: 1}]}`;
    gateway = await Gateway.start(
      (own) => `${ownServers(own)}
llm:
  port: ${llm}
  models:
  - {name: gpt, provider: openAI, params: {apiKey: sk-1, baseUrl: ${url(first)}}}
  - {name: az, provider: azure, params: {apiKey: k, azureResourceName: east, azureResourceType: openAI, baseUrl: "http://127.0.0.1:${second.port}/openai/v1"}}
  - {name: claude, provider: anthropic, params: {apiKey: sk-2, baseUrl: ${url(first)}}}
  - {name: gone-gpt, provider: openAI, params: {model: gone, apiKey: sk-1, baseUrl: ${url(first)}}}
  - {name: gone-claude, provider: anthropic, params: {model: gone, apiKey: sk-2, baseUrl: ${url(first)}}}
  - {name: other, provider: {custom: {formats: [{type: messages}]}}, params: {apiKey: k, baseUrl: ${url(second)}}}
  virtualModels:
${['failover', 'weighted']
  .flatMap((kind) => [
    `  - {name: responses-${kind}, routing: {${virtual(kind, 'gpt', 'az')}}}`,
    `  - {name: messages-${kind}, routing: {${virtual(kind, 'claude', 'other')}}}`,
  ])
  .join('\n')}
binds:
- port: ${single}
  listeners:
  - routes:
    - backends:
      - ai: {name: only, provider: {openAI: {}}, hostOverride: "127.0.0.1:${alone.port}"}
- port: ${shared}
  listeners:
  - routes:
    - backends:
      - weight: 1
        ai: {name: a, provider: {openAI: {}}, hostOverride: "127.0.0.1:${first.port}", policies: {backendAuth: {key: k}}}
      - weight: 1
        ai: {name: b, provider: {azure: {resourceName: east, resourceType: openAI}}, hostOverride: "127.0.0.1:${second.port}", policies: {backendAuth: {key: k}}}
`,
    );
    const options = { apiKey: 'client-key', maxRetries: 0, timeout: 10_000 };
    openai = new OpenAI({ baseURL: `http://127.0.0.1:${llm}/v1`, ...options });
    either = new OpenAI({ baseURL: `http://127.0.0.1:${shared}/v1`, ...options });
    onlyOne = new OpenAI({ baseURL: `http://127.0.0.1:${single}/v1`, ...options });
    anthropic = new Anthropic({ baseURL: `http://127.0.0.1:${llm}`, ...options });
  });

  afterAll(async () => {
    await gateway?.stop();
    for (const issuer of all) issuer.close();
  });

  beforeEach(() => {
    for (const issuer of all) {
      issuer.shown.length = 0;
      issuer.down = false;
    }
  });

  /** One turn: appends the answer to the input. */
  async function respond(client: OpenAI, model: string, input: OpenAI.Responses.ResponseInput, stream: boolean) {
    const body = { model, input, include: ['reasoning.encrypted_content' as const], store: false };
    const answer = stream ? await client.responses.stream(body).finalResponse() : await client.responses.create(body);
    expect(answer.output_text).toBe('Yes.');
    input.push(...(answer.output as OpenAI.Responses.ResponseInputItem[]), { role: 'user', content: 'And now?' });
    return answer;
  }

  async function converse(model: string, messages: Anthropic.MessageParam[], stream: boolean) {
    const body = { model, messages, max_tokens: 2000, thinking: { type: 'enabled' as const, budget_tokens: 1024 } };
    const answer = stream
      ? await anthropic.messages.stream(body).finalMessage()
      : await anthropic.messages.create(body);
    expect(answer.content.at(-1)).toMatchObject({ type: 'text', text: 'Yes.' });
    messages.push({ role: 'assistant', content: answer.content }, { role: 'user', content: 'And now?' });
  }

  const turns: [string, (kind: string, stream: boolean) => () => Promise<unknown>][] = [
    [
      'from OpenAI to Azure',
      (kind, stream) => {
        const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: `${kind} ${stream} ${Math.random()}` }];
        return () => respond(openai, `responses-${kind}`, input, stream);
      },
    ],
    [
      'from Anthropic to another that speaks messages',
      (kind, stream) => {
        const messages: Anthropic.MessageParam[] = [{ role: 'user', content: `${kind} ${stream} ${Math.random()}` }];
        return () => converse(`messages-${kind}`, messages, stream);
      },
    ],
  ];
  const cases = turns.flatMap(([name, begin]) => [false, true].map((stream) => [name, stream, begin] as const));

  it.each(cases)('fails over %s and back, streamed: %s', async (_, stream, begin) => {
    const turn = begin('failover', stream);
    await turn();
    first.down = true;
    await turn();
    await turn();
    first.down = false;
    await turn();
    expect(second.shown).toEqual([[], ['second:1']]);
    expect(first.shown).toEqual([[], ['first:1']]);
  });

  it.each(cases)(
    'may begin with any of a weighted model and stays where it belongs, %s, streamed: %s',
    async (_, stream, begin) => {
      for (let i = 0; i < 12; i++) {
        const turn = begin('weighted', stream);
        const before = all.map(({ shown }) => shown.length);
        for (let j = 0; j < 4; j++) await turn();
        const [atFirst = 0, atSecond = 0] = all.map(({ shown }, at) => shown.length - (before[at] ?? 0));
        // All turns with one, or the first alone with the other.
        expect([4, 3, 1, 0]).toContain(atFirst);
        expect(atFirst + atSecond).toBe(4);
      }
      expect(first.shown.length).toBeGreaterThan(0);
      expect(second.shown.length).toBeGreaterThan(0);
      expect([...first.shown, ...second.shown].some((signatures) => signatures.length > 1)).toBe(true);
    },
  );

  it('moves between the weighted backends of a route', async () => {
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'Hi' }];
    for (let i = 0; i < 24; i++) await respond(either, 'gpt-5', input, i % 2 === 0);
    expect(first.shown.length).toBeGreaterThan(0);
    expect(second.shown.length).toBeGreaterThan(0);
    expect(first.shown.length + second.shown.length).toBe(24);
  });

  /** What a client gets, word for word. */
  async function wordForWord(path: string, body: { [member: string]: unknown; stream: boolean }) {
    const answer = await fetch(`${anthropic.baseURL}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': 'client-key' },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-sluice-lossy')).toBeNull();
    const text = await answer.text();
    if (!body.stream) return JSON.parse(text);
    return text
      .split('\n\n')
      .filter((event) => event !== '')
      .map((event) => JSON.parse(event.slice(event.indexOf('data: ') + 'data: '.length)));
  }
  it.each([
    ['/v1/messages', { model: 'gone-claude', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] }],
    ['/v1/responses', { model: 'gone-gpt', include: ['reasoning.encrypted_content'], store: false, input: 'Hi' }],
  ])('leaves errors as they are: %s', async (path, body) => {
    const headers = { 'content-type': 'application/json', 'x-api-key': 'client-key' };
    const answer = await fetch(`${anthropic.baseURL}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({
      type: 'error',
      error: { message: 'no such model', type: 'invalid_request_error' },
      request_id: 'req_1',
    });
  });

  const marked = (told: unknown, issuer: string) =>
    JSON.parse(JSON.stringify(told).replace(/"(first:\d+)"/g, `"sluice:${issuer}:$1"`));
  const ownWords = [
    [
      '/v1/messages',
      'claude',
      'messages',
      'anthropic',
      {
        max_tokens: 4000,
        thinking: { type: 'enabled', budget_tokens: 1024 },
        // By itself the gateway would have this said by a tool, and no thinking then.
        output_config: { format: { type: 'json_schema', schema: { type: 'object' } }, effort: 'high' },
        context_management: { edits: [] },
      },
      message,
      messageEvents,
    ],
    [
      '/v1/responses',
      'gpt',
      'input',
      'openai',
      {
        store: false,
        include: ['web_search_call.action.sources', 'reasoning.encrypted_content'],
        top_logprobs: 2,
        tools: [{ type: 'web_search' }],
      },
      answered,
      responseEvents,
    ],
  ] as const;

  it.each(ownWords.flatMap((one) => [false, true].map((stream) => [...one, stream] as const)))(
    'leaves all but the signatures as it is: %s',
    async (path, model, turns, issuer, more, whole, events, stream) => {
      const said: object[] = [{ role: 'user', content: 'Hi' }];
      for (const count of [1, 2]) {
        const body = { ...more, model, [turns]: said, stream };
        const answer = await wordForWord(path, body);
        expect(first.shown.at(-1)).toEqual(count === 1 ? [] : ['first:1']);
        const { [turns]: _, model: asked, ...rest } = first.asked;
        expect(rest).toEqual({ ...more, stream });
        expect(asked).toBe(model);
        const own = stream ? events(`first:${count}`) : whole(`first:${count}`);
        expect(answer).toEqual(marked(own, issuer));
        const kept = marked(whole('first:1'), issuer);
        said.push(...(turns === 'input' ? kept.output : [{ role: 'assistant', content: kept.content }]));
        said.push({ role: 'user', content: 'And now?' });
      }
    },
  );

  it.each([false, true])('is left as it is where there is one issuer alone, streamed: %s', async (stream) => {
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'Hi' }];
    const answer = await respond(onlyOne, 'gpt-5', input, stream);
    expect(answer.output[0]).toEqual(reasoning('alone:1'));
    await respond(onlyOne, 'gpt-5', input, stream);
    expect(alone.shown).toEqual([[], ['alone:1']]);
  });
});
