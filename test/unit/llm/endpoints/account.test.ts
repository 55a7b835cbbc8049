import { describe, expect, it } from 'vitest';
import type { LlmModel } from '../../../../src/resources/types.ts';
import { type LlmExchange, llmBench, model, provider, serve } from '../../../support/llm.ts';

const ANTHROPIC = ['anthropic-version', '2023-06-01'];

/** A model of a provider with a key of its own. */
function keyed(name: string, kind: string, key = `key-of-${kind}`, more: object = {}): LlmModel {
  return model(name, { provider: provider(kind, { name, policies: { backendAuth: { key } }, ...more }) });
}

const OPENAI = keyed('gpt-*', 'openAI');
const CLAUDE = keyed('claude-*', 'anthropic');
const GEMINI = keyed('gemini-*', 'gemini');
const GROQ = keyed('llama-*', 'groq');
const LOCAL = keyed('local', 'ollama');

function told(exchange: LlmExchange) {
  const body = JSON.parse(exchange.downstream.text);
  return { code: exchange.error?.code, message: body.error.message as string, body };
}

describe('a request that names no model', () => {
  it.each<[string, LlmModel[], Parameters<typeof serve>[1], string, string]>([
    ['the only account', [OPENAI], { url: '/v1/files?purpose=batch' }, 'openai', '/v1/files?purpose=batch'],
    [
      'an account that several models share',
      [OPENAI, keyed('o3', 'openAI')],
      { url: '/v1/batches' },
      'openai',
      '/v1/batches',
    ],
    [
      'the only one that has files',
      [OPENAI, CLAUDE, GEMINI, LOCAL],
      { url: '/v1/files/f-1/content' },
      'openai',
      '/v1/files/f-1/content',
    ],
    ['one that may have them', [LOCAL, CLAUDE], { url: '/v1/files' }, 'ollama', '/v1/files'],
    ['a path without /v1', [OPENAI], { url: '/batches/b/cancel' }, 'openai', '/v1/batches/b/cancel'],
    ["the provider's own prefix", [GROQ], { url: '/v1/batches/b' }, 'groq', '/openai/v1/batches/b'],
    ['uploads in parts', [OPENAI, CLAUDE], { url: '/v1/uploads/u/parts' }, 'openai', '/v1/uploads/u/parts'],
    ["Anthropic's client", [OPENAI, CLAUDE], { url: '/v1/files', headers: ANTHROPIC }, 'anthropic', '/v1/files'],
    [
      "Anthropic's batches",
      [OPENAI, CLAUDE],
      { url: '/v1/messages/batches/b/results' },
      'anthropic',
      '/v1/messages/batches/b/results',
    ],
    ["Gemini's files", [OPENAI, GEMINI], { url: '/v1beta/files/abc' }, 'gcp.gemini', '/v1beta/files/abc'],
    [
      "Gemini's uploads",
      [OPENAI, GEMINI],
      { url: '/upload/v1beta/files?upload_id=1' },
      'gcp.gemini',
      '/upload/v1beta/files?upload_id=1',
    ],
    [
      "Gemini's batches",
      [OPENAI, GEMINI],
      { url: '/v1beta/batches/b:cancel' },
      'gcp.gemini',
      '/v1beta/batches/b:cancel',
    ],
    [
      'a batch for a model of Gemini',
      [OPENAI, GEMINI],
      { url: '/v1beta/models/gemini-3:batchGenerateContent' },
      'gcp.gemini',
      '/v1beta/models/gemini-3:batchGenerateContent',
    ],
    [
      'a kind that is named',
      [OPENAI, GROQ],
      { url: '/v1/files', headers: ['x-sluice-provider', 'groq'] },
      'groq',
      '/openai/v1/files',
    ],
    ['in the query', [OPENAI, GROQ], { url: '/v1/files?provider=OpenAI&limit=2' }, 'openai', '/v1/files?limit=2'],
    ['by a model', [OPENAI, GROQ], { url: '/v1/files?provider=llama-3' }, 'groq', '/openai/v1/files'],
    [
      'one of two accounts by its model',
      [keyed('a', 'openAI', 'k1'), keyed('b', 'openAI', 'k2')],
      { url: '/v1/files', headers: ['x-sluice-provider', 'b'] },
      'openai',
      '/v1/files',
    ],
  ])('goes to %s', async (_, models, request, to, path) => {
    const llm = llmBench({ models });
    const exchange = await serve(llm, request);
    expect(llm.flights.map(({ call }) => call.path)).toEqual([path]);
    expect(llm.flights[0]?.header('x-sluice-provider')).toBeUndefined();
    expect(exchange.llm.provider).toBe(to);
    expect(['files', 'batches']).toContain(exchange.llm.operation);
  });

  it('goes with the key of the account it goes to', async () => {
    const llm = llmBench({ models: [keyed('a', 'openAI', 'k1'), keyed('b', 'openAI', 'k2')] });
    await serve(llm, { url: '/v1/files?provider=b', headers: ['authorization', 'Bearer client'] });
    expect(llm.flights[0]?.header('authorization')).toBe('Bearer k2');
  });

  it.each<[string, LlmModel[], Parameters<typeof serve>[1], string, RegExp]>([
    [
      'several could serve it',
      [OPENAI, GROQ],
      { url: '/v1/files' },
      'ambiguous_provider',
      /openAI, groq\. .*x-sluice-provider/,
    ],
    [
      'several accounts have the kind that is named',
      [keyed('a', 'openAI', 'k1'), keyed('b', 'openAI', 'k2'), GROQ],
      { url: '/v1/files?provider=openai' },
      'ambiguous_provider',
      /: a, b\./,
    ],
    [
      'several accounts of one kind could',
      [keyed('a', 'openAI', 'k1'), keyed('b', 'openAI', 'k2')],
      { url: '/v1/batches' },
      'ambiguous_provider',
      /: a, b\./,
    ],
    [
      'nobody could',
      [CLAUDE, GEMINI],
      { url: '/v1/batches' },
      'unsupported_conversion',
      /No provider here has batches.*: openAI, azure, groq, togetherai\./,
    ],
    [
      'nobody has the name',
      [OPENAI],
      { url: '/v1/files?provider=nope' },
      'ambiguous_provider',
      /name that the request asks for/,
    ],
    [
      'who is named does not have it',
      [OPENAI, CLAUDE],
      { url: '/v1/batches?provider=anthropic' },
      'unsupported_conversion',
      /has no batches.*: openAI, azure, groq, togetherai\./,
    ],
  ])('is refused where %s', async (_, models, request, code, message) => {
    const llm = llmBench({ models });
    const exchange = await serve(llm, request);
    expect(exchange.status).toBe(400);
    expect(told(exchange)).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(llm.flights).toEqual([]);
  });

  it("is refused in the client's language", async () => {
    const llm = llmBench({ models: [OPENAI] });
    const anthropic = await serve(llm, { url: '/v1/messages/batches', body: '{}' });
    expect(told(anthropic).body).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
    const google = await serve(llm, { url: '/v1beta/files', method: 'GET' });
    expect(told(google).body).toMatchObject({ error: { code: 400, status: 'INVALID_ARGUMENT' } });
    const openai = await serve(llmBench({ models: [CLAUDE] }), { url: '/v1/files' });
    expect(told(openai).body).toMatchObject({
      error: { type: 'invalid_request_error', code: 'unsupported_conversion' },
    });
  });

  it.each<[string, object, number]>([
    ['limited to models', { allowedModels: ['gpt-*'] }, 403],
    ['limited, but allowed', { allowedModels: ['gpt-*'], allowsBatches: true }, 0],
    ['limited to nothing else', { allowedModels: null }, 0],
  ])('is allowed by a key that is %s', async (_, limits, status) => {
    for (const llm of [llmBench({ models: [OPENAI] }), llmBench({ providers: [[OPENAI.provider]] })]) {
      for (const url of ['/v1/files', '/v1/batches']) {
        const exchange = await serve(llm, { url }, (one) => {
          one.apiKey = { id: 'k', metadata: {}, allowedModels: null, ...limits };
        });
        expect(exchange.status).toBe(status);
        if (status !== 0) expect(told(exchange).code).toBe('forbidden');
      }
      expect(llm.flights.length).toBe(status === 0 ? 2 : 0);
    }
  });

  it('is answered by one of the providers of a backend, never by one and then another', async () => {
    const llm = llmBench({ providers: [[provider('openAI'), provider('anthropic')], [provider('groq')]] });
    expect(told(await serve(llm, { url: '/v1/files' })).code).toBe('ambiguous_provider');
    await serve(llm, { url: '/v1/files?provider=groq' });
    await serve(llm, { url: '/v1/messages/batches' });
    expect(llm.flights.map(({ call }) => call.path)).toEqual(['/openai/v1/files', '/v1/messages/batches']);
  });

  it('leaves its body and its answer as they are, unheld', async () => {
    const llm = llmBench({ models: [OPENAI], maxBufferBytes: 4, bodyBudget: 4 });
    const body = `--bx\r\n\r\n${'x'.repeat(10_000)}\r\n--bx--`;
    const headers = ['content-type', 'multipart/form-data; boundary=bx'];
    const exchange = await serve(llm, { url: '/v1/files', headers, body });
    const [flight] = llm.flights;
    const sent: Buffer[] = [];
    for await (const chunk of (flight?.call.body ?? []) as AsyncIterable<Buffer>) sent.push(chunk);
    expect(Buffer.concat(sent).toString()).toBe(body);
    expect(flight?.header('content-type')).toBe(headers[1]);
    flight?.answer(200, '{"id":"file-1","usage":{"input_tokens":1}}');
    expect(exchange.downstream.text).toBe('{"id":"file-1","usage":{"input_tokens":1}}');
    expect(exchange.llm.usage).toBeNull();
    expect(llm.bodies.used).toBe(0);
  });
});

describe('a client that leaves in the middle of an upload', () => {
  it('takes the upload along', async () => {
    const llm = llmBench({ models: [OPENAI] });
    const exchange = await serve(llm, { url: '/v1/files', body: 'x' });
    exchange.downstream.onAbort?.();
    expect(llm.flights[0]?.aborted).toBe(true);
    expect(exchange.endCause).toBe('client_gone');
    expect(llm.drains.used).toBe(0);
  });
});

describe("the address of Gemini's uploads", () => {
  const given =
    'https://generativelanguage.googleapis.com/upload/v1beta/files?key=SECRET&upload_id=u1&upload_protocol=resumable';
  it.each<[string, string[], string, string]>([
    ['the gateway', [], given, 'http://gw.test:4000/upload/v1beta/files?upload_id=u1&upload_protocol=resumable'],
    [
      'a proxy',
      ['x-forwarded-proto', 'https'],
      given,
      'https://gw.test:4000/upload/v1beta/files?upload_id=u1&upload_protocol=resumable',
    ],
    ['nothing that is no address', [], 'nonsense', ''],
  ])('leads to %s', async (_, headers, url, expected) => {
    const llm = llmBench({ models: [GEMINI] });
    const exchange = await serve(llm, { url: '/upload/v1beta/files', host: 'gw.test:4000', headers, body: '{}' });
    llm.flights[0]?.sink.onHead(200, ['x-goog-upload-url', url, 'content-length', '0']);
    llm.flights[0]?.sink.onEnd([]);
    expect(exchange.downstream.header('x-goog-upload-url') ?? '').toBe(expected);
  });
});

describe("the address of a message batch's results", () => {
  const batch = (results_url: string | null) => ({ id: 'msgbatch_1', type: 'message_batch', results_url });
  const theirs = 'https://api.anthropic.com/v1/messages/batches/msgbatch_1/results';
  const ours = 'http://gw.test/team/v1/messages/batches/msgbatch_1/results';
  it.each<[string, string, object, object]>([
    ['of one', '/msgbatch_1', batch(theirs), batch(ours)],
    [
      'of several',
      '',
      { data: [batch(theirs), batch(null)], has_more: false },
      { data: [batch(ours), batch(null)], has_more: false },
    ],
    ['that is none of such', '/msgbatch_1', batch('https://elsewhere.test/x'), batch(null)],
    ['that is not there yet', '/msgbatch_1/cancel', batch(null), batch(null)],
  ])('leads here: %s', async (_, below, answer, expected) => {
    const llm = llmBench({ models: [CLAUDE] });
    const url = `/team/v1/messages/batches${below}`;
    const exchange = await serve(llm, { url, host: 'gw.test', method: 'GET', headers: ['accept-encoding', 'gzip'] });
    expect(llm.flights[0]?.header('accept-encoding')).toBe('identity');
    expect(llm.flights[0]?.call.path).toBe(`/v1/messages/batches${below}`);
    llm.flights[0]?.answer(200, JSON.stringify(answer));
    expect(JSON.parse(exchange.downstream.text)).toEqual(expected);
  });

  it('is left alone in errors, and in the results themselves, which pass as they come', async () => {
    const llm = llmBench({ models: [CLAUDE] });
    const refused = await serve(llm, { url: '/v1/messages/batches/x', method: 'GET' });
    const error = '{"type":"error","error":{"type":"not_found_error","message":"no such batch"}}';
    llm.flights[0]?.answer(404, error);
    expect([refused.status, refused.downstream.text]).toEqual([404, error]);
    const results = await serve(llm, { url: '/v1/messages/batches/x/results', method: 'GET' });
    const line = `{"custom_id":"1","results_url":"${theirs}"}\n`;
    llm.flights[1]?.answer(200, line, 'application/x-jsonl');
    expect(results.downstream.text).toBe(line);
  });
});
