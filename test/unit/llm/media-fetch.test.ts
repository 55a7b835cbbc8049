import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { mediaTypeOf } from '../../../src/adapters/llm/media-fetch/media-type.ts';
import { compileMediaFetch } from '../../../src/adapters/llm/media-fetch/options.ts';
import { refusedUrls } from '../../../src/adapters/llm/media-fetch/refused-urls.ts';
import type { WireFormat } from '../../../src/facts/conversation.ts';
import { llmBench, model, provider, serve } from '../../support/llm.ts';

const PNG = Buffer.from('\x89PNG\r\n\x1a\nrest', 'latin1');
const PDF = Buffer.from('%PDF-1.7 rest');

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function media(handle: RequestListener): Promise<string> {
  const server = createServer(handle);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const png: RequestListener = (_, response) => response.writeHead(200, { 'content-type': 'image/png' }).end(PNG);

function policy(host: string, more: object = {}) {
  const mediaFetch = { allow: [host], networks: ['127.0.0.1'], maxBytes: '1Ki', timeout: '5s', ...more };
  return { ai: { mediaFetch } };
}

const bedrock = provider('bedrock', { settings: { region: 'r' }, policies: { backendAuth: { key: 'k' } } });
const NOVA = 'amazon.nova-pro-v1:0';

function ask(...urls: string[]) {
  const content = [{ type: 'text', text: 'look' }, ...urls.map((url) => ({ type: 'image_url', image_url: { url } }))];
  const body = JSON.stringify({ model: NOVA, messages: [{ role: 'user', content }] });
  return { url: '/v1/chat/completions', body };
}

describe('an image by URL for a provider that takes bytes alone', () => {
  it('is fetched, each once', async () => {
    let fetched = 0;
    const host = await media((request, response) => {
      fetched++;
      png(request, response);
    });
    const llm = llmBench({ providers: [[bedrock]], values: policy(host) });
    const url = `http://${host}/a.png?secret=1`;
    const exchange = await serve(llm, ask(url, url));
    const image = { image: { format: 'png', source: { bytes: PNG.toString('base64') } } };
    expect(llm.flights[0]!.json.messages[0].content).toEqual([{ text: 'look' }, image, image]);
    expect(fetched).toBe(1);
    expect((await llm.metrics.mediaFetches.get()).values).toEqual([
      expect.objectContaining({ labels: { outcome: 'fetched' }, value: 1 }),
    ]);
    expect(llm.bodies.used).toBeGreaterThanOrEqual(PNG.length);
    llm.flights[0]!.answer(200, '{}');
    expect(exchange.endCause).not.toBeNull();
    expect(llm.bodies.used).toBe(0);
  });

  it('stays where it is for a provider that takes URLs, in a further attempt too', async () => {
    let fetched = 0;
    const host = await media((request, response) => {
      fetched++;
      png(request, response);
    });
    const at = (kind: string, name: string) =>
      provider(kind, {
        ...bedrock,
        name,
        provider: kind,
        hostOverride: `${name}.test:80`,
        settings: kind === 'bedrock' ? { region: 'r' } : {},
      });
    const llm = llmBench({
      models: [
        model('a', { provider: at('bedrock', 'one') }),
        model('b', { provider: at('openAI', 'two') }),
        model('c', { provider: at('bedrock', 'three') }),
      ],
      virtualModels: [
        {
          name: NOVA,
          routing: { kind: 'failover', targets: ['a', 'b', 'c'].map((name, priority) => ({ model: name, priority })) },
        },
      ],
      values: policy(host),
    });
    const url = `http://${host}/a.png`;
    await serve(llm, ask(url));
    const call = llm.flights[0]!.call;
    const contents = [llm.flights[0]!.json.messages[0].content[1]];
    for (let attempt = 0; attempt < 2; attempt++) {
      await call.prepare?.(call, call.exchange);
      contents.push(JSON.parse(String(call.body)).messages[0].content[1]);
    }
    expect(contents[0].image.source.bytes).toBe(PNG.toString('base64'));
    expect(contents[1]).toEqual({ type: 'image_url', image_url: { url } });
    expect(contents[2]).toEqual(contents[0]);
    expect(fetched).toBe(1);
  });

  it('is fetched for whom a further attempt goes to, and passed over where it can not be', async () => {
    const host = await media((request, response) => {
      if (request.url === '/a.png') png(request, response);
      else response.writeHead(404).end();
    });
    const bench = () =>
      llmBench({
        models: [
          model('a', { provider: provider('openAI', { name: 'one', hostOverride: 'one.test:80' }) }),
          model('b', { provider: { ...bedrock, name: 'two', hostOverride: 'two.test:80' } }),
          model('c', { provider: provider('openAI', { name: 'three', hostOverride: 'three.test:80' }) }),
        ],
        virtualModels: [
          {
            name: NOVA,
            routing: {
              kind: 'failover',
              targets: ['a', 'b', 'c'].map((name, priority) => ({ model: name, priority })),
            },
          },
        ],
        values: policy(host),
      });
    const next = async (url: string) => {
      const llm = bench();
      await serve(llm, ask(url));
      const { call } = llm.flights[0]!;
      await call.prepare?.(call, call.exchange);
      return JSON.parse(String(call.body));
    };
    expect((await next(`http://${host}/a.png`)).messages[0].content[1]).toHaveProperty('image');
    expect((await next(`http://${host}/gone.png`)).model).toBe('c');
  });

  it.each<[string, RequestListener, object, string]>([
    [
      'what is no image',
      (_, response) => response.writeHead(200, { 'content-type': 'image/png' }).end('<html>'),
      {},
      'not an image',
    ],
    ['an error', (_, response) => response.writeHead(500).end(), {}, 'answered 500'],
    [
      'more than is allowed',
      (_, response) => response.end(Buffer.concat([PNG, Buffer.alloc(1024)])),
      {},
      'more than may',
    ],
    ['what does not come', () => {}, { timeout: '50ms' }, 'in time'],
    [
      'a redirect to metadata',
      (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
      {},
      'not a host',
    ],
    ['another host', png, { allow: ['other.test'] }, 'not a host'],
    ['an address that is not public', png, { networks: [] }, 'address that may not'],
  ])('is refused for %s, without its query', async (_, handle, more, reason) => {
    const host = await media(handle);
    const llm = llmBench({
      providers: [[bedrock]],
      values: policy(host, more),
    });
    const exchange = await serve(llm, ask(`http://${host}/a.png?secret=1`));
    expect(exchange.status).toBe(400);
    const { code, message } = JSON.parse(exchange.downstream.text).error;
    expect(code).toBe('media_fetch_failed');
    expect(message).toContain(reason);
    expect(message).not.toContain('secret');
    expect(llm.flights).toEqual([]);
    expect(llm.bodies.used).toBe(0);
  });

  it('is refused where nothing may be fetched', async () => {
    for (const values of [{}, policy('a.test', { allow: false })]) {
      const llm = llmBench({ providers: [[bedrock]], values });
      const exchange = await serve(llm, ask('http://a.test/a.png'));
      expect(exchange.error?.code).toBe('unsupported_parameter');
    }
  });

  it('is refused, with the reason, where the provider takes URLs of another kind alone', async () => {
    const llm = llmBench({ providers: [[provider('anthropic')]] });
    const exchange = await serve(llm, ask('http://a.test/a.png?secret=x'));
    expect(exchange.error).toMatchObject({ code: 'unsupported_parameter', status: 400 });
    expect(exchange.error?.message).toContain('an image by such a URL (a.test)');
    expect(exchange.downstream.text).not.toContain('secret');
    expect(llm.flights).toEqual([]);
    await serve(llm, ask('https://a.test/a.png'));
    expect(llm.flights).toHaveLength(1);
  });

  it('is one of eight at most', async () => {
    const host = await media(png);
    const llm = llmBench({ providers: [[bedrock]], values: policy(host) });
    const exchange = await serve(llm, ask(...Array.from({ length: 9 }, (_, i) => `http://${host}/${i}`)));
    expect(exchange.error?.message).toContain('more than 8');
  });

  it('counts against what the process may hold', async () => {
    const host = await media((_, response) => response.end(Buffer.concat([PNG, Buffer.alloc(800)])));
    const llm = llmBench({ providers: [[bedrock]], values: policy(host), bodyBudget: 900 });
    const exchange = await serve(llm, ask(`http://${host}/a.png`));
    expect(exchange.error?.code).toBe('overloaded');
  });

  it('is not waited for by a client that has left', async () => {
    let [arrive, close] = [() => {}, () => {}];
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    const host = await media((request) => {
      request.once('close', close);
      arrive();
    });
    const llm = llmBench({ providers: [[bedrock]], values: policy(host) });
    const serving = serve(llm, ask(`http://${host}/a.png`), (exchange) => {
      void arrived.then(() => exchange.downstream.onAbort?.());
    });
    await closed;
    expect((await serving).endCause).toBe('client_gone');
    expect(llm.flights).toEqual([]);
  });
});

it("a Messages body for Google's Claude is read where it names URLs", async () => {
  const host = await media(png);
  const vertex = provider('vertex', { settings: { projectId: 'p' }, policies: { backendAuth: { key: 'k' } } });
  const llm = llmBench({ providers: [[vertex]], values: policy(host) });
  const content = [{ type: 'image', source: { type: 'url', url: `http://${host}/a` } }];
  const body = JSON.stringify({ model: 'claude-sonnet-4-6', max_tokens: 9, messages: [{ role: 'user', content }] });
  await serve(llm, { url: '/v1/messages', body });
  expect(llm.flights[0]!.json.messages[0].content[0].source).toEqual({
    type: 'base64',
    media_type: 'image/png',
    data: PNG.toString('base64'),
  });
});

describe('the type of what was fetched', () => {
  const bytes = (text: string) => Buffer.from(text, 'latin1');
  it.each<[string, Buffer, string, string, 'image' | 'audio' | 'video' | 'file', string | null]>([
    ['by its bytes', PNG, 'text/html', '/a', 'image', 'image/png'],
    ['webp', bytes('RIFF\0\0\0\0WEBPVP8 '), '', '/a', 'image', 'image/webp'],
    ['not by its name', bytes('<html>'), 'image/png', '/a.png', 'image', null],
    ['no SVG', bytes('<svg>'), 'image/svg+xml', '/a.svg', 'image', null],
    ['a PDF', PDF, '', '/a', 'file', 'application/pdf'],
    ['no false PDF', bytes('<html>'), 'application/pdf', '/a.pdf', 'file', null],
    ['a text', bytes('hi'), 'text/plain; charset=utf-8', '/a', 'file', 'text/plain'],
    ['a text by its name', bytes('a,b'), 'application/octet-stream', '/a.csv?x', 'file', 'text/csv'],
    ['an image as a document', PNG, '', '/a', 'file', 'image/png'],
    ['no program', bytes('\x7fELF'), 'application/x-elf', '/a', 'file', null],
    ['a wave', bytes('RIFF\0\0\0\0WAVEfmt '), '', '/a', 'audio', 'audio/wav'],
    ['as the server says', bytes('\0\0\0\x20ftypisom'), 'audio/mp4', '/a', 'audio', 'audio/mp4'],
    ['a film', bytes('\0\0\0\x20ftypisom'), '', '/a', 'video', 'video/mp4'],
    ['no film', PNG, '', '/a', 'video', null],
  ])('is known: %s', (_, content, contentType, url, kind, expected) => {
    expect(mediaTypeOf(content, contentType, url, kind)).toBe(expected);
  });
});

it.each<[WireFormat, string, string, string, string]>([
  ['converse', 'aws.bedrock', 'm', 'http https', 'image audio video file'],
  ['messages', 'anthropic', 'm', 'http', 'image file'],
  ['messages', 'gcp.vertex_ai', 'm', 'http https', 'image file'],
  ['generateContent', 'gcp.gemini', 'gemini-2.0-flash', 'http https', 'image file'],
  ['generateContent', 'gcp.gemini', 'gemini-3-pro', '', ''],
  ['generateContent', 'gcp.vertex_ai', 'gemini-2.0-flash', '', ''],
  ['completions', 'openai', 'm', 'http https', 'audio file'],
  ['responses', 'openai', 'm', '', ''],
])('%s of %s (%s) refuses %s of %s', (format, name, asked, schemes, kinds) => {
  const refuses = refusedUrls(format, name, asked);
  const refused = (['image', 'audio', 'video', 'file'] as const).filter((kind) => kinds.includes(kind));
  for (const scheme of ['http', 'https']) {
    for (const kind of refused)
      expect(refuses?.(kind, `${scheme}://a.test/`) ?? false).toBe(schemes.split(' ').includes(scheme));
  }
  if (refused.length === 0) expect(refuses).toBeNull();
});

it.each<[boolean | string[], string, number, boolean]>([
  [true, 'any.test', 443, true],
  [true, 'any.test', 80, true],
  [true, 'any.test', 6379, false],
  [['a.test'], 'a.test', 443, true],
  [['a.test'], 'b.a.test', 443, false],
  [['a.test'], 'a.test', 8443, false],
  [['A.test:8443'], 'a.test', 8443, true],
  [['A.test:8443'], 'a.test', 443, false],
  [['*.a.test'], 'b.a.test', 443, true],
  [['*.a.test'], 'a.test', 443, false],
  [['*.a.test'], 'evila.test', 443, false],
])('hosts %j allow %s:%d: %s', (allow, host, port, expected) => {
  const options = compileMediaFetch({ allow, networks: [], maxBytes: 1, timeout: '1s' });
  expect(options?.allows(host, port)).toBe(expected);
});
