import { request } from 'node:http';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts, Gateway, ownServers, until } from '../support/gateway.ts';
import { IMAGE_USAGE, MockMedia, PICTURE, SOUND } from '../support/mock-media.ts';

/** Official clients' images, sound, files, batches and lists of models, through the gateway to providers' own paths. */

const OWN = { openai: 'Bearer sk-own', anthropic: 'sk-ant-own', google: 'AIza-own' };

let mock: MockMedia;
let gateway: Gateway;
let port: number;
let openai: OpenAI;
let anthropic: Anthropic;
let google: GoogleGenAI;

beforeAll(async () => {
  mock = await MockMedia.start();
  [port = 0] = await freePorts(1);
  const base = `http://127.0.0.1:${mock.port}`;
  gateway = await Gateway.start(
    (ports) => `${ownServers(ports)}  logging:
    format: json
frontendPolicies:
  http: { maxBufferSize: 1048576 }
llm:
  port: ${port}
  models:
  - name: picture
    provider: openAI
    params: { model: gpt-image-1, apiKey: sk-own, baseUrl: "${base}/v1" }
  - name: ear
    provider: openAI
    params: { model: gpt-4o-transcribe, apiKey: sk-own, baseUrl: "${base}/v1" }
  - name: "gpt-*"
    provider: openAI
    params: { apiKey: sk-own, baseUrl: "${base}/v1" }
  - name: "claude-*"
    provider: anthropic
    params: { apiKey: sk-ant-own, baseUrl: "${base}" }
  - name: "gemini-*"
    provider: gemini
    params: { apiKey: AIza-own, baseUrl: "${base}" }
  - name: "imagen-*"
    provider: gemini
    params: { apiKey: AIza-own, baseUrl: "${base}" }
  virtualModels:
  - name: anyear
    routing: { weighted: { targets: [{ model: ear, weight: 1 }] } }
`,
  );
  const options = { apiKey: 'client-key', maxRetries: 0, timeout: 10_000 };
  const baseUrl = `http://127.0.0.1:${port}`;
  openai = new OpenAI({ baseURL: `${baseUrl}/v1`, ...options });
  anthropic = new Anthropic({ baseURL: baseUrl, ...options });
  google = new GoogleGenAI({ apiKey: 'client-key', httpOptions: { baseUrl } });
});

afterAll(async () => {
  await gateway?.stop();
  await mock?.close();
});

/** The access-log line of a request of an operation that has a field. Lines come when they come: it is waited for. */
async function line(operation: string, field = 'http.path'): Promise<Record<string, unknown>> {
  let found: Record<string, unknown> | undefined;
  await until(() => {
    found = gateway.lines
      .filter((text) => text.includes(`"gen_ai.operation.name":"${operation}"`))
      .map((text) => JSON.parse(text))
      .findLast((one) => one[field] !== undefined);
    return found !== undefined;
  });
  return found ?? {};
}

describe('images', () => {
  it('are generated: whole and streamed', async () => {
    const made = await openai.images.generate({ model: 'picture', prompt: 'a cat' });
    expect(made.data?.[0]?.b64_json).toBe(PICTURE);
    expect(mock.last.headers.authorization).toBe(OWN.openai);
    expect(JSON.parse(mock.last.body.toString())).toEqual({ model: 'gpt-image-1', prompt: 'a cat' });
    expect(await line('image_generation')).toMatchObject({
      'gen_ai.request.model': 'gpt-image-1',
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 120,
    });
    const types: string[] = [];
    for await (const event of await openai.images.generate({ model: 'picture', prompt: 'a cat', stream: true }))
      types.push(event.type);
    expect(types).toEqual(['image_generation.partial_image', 'image_generation.completed']);
    const streamed = await line('image_generation', 'agw.ai.time_to_first_token');
    expect(streamed['gen_ai.usage.output_tokens']).toBe(120);
  });

  it('are edited: a form whose model is replaced', async () => {
    const image = await toFile(Buffer.alloc(100_000, 7), 'in.png', { type: 'image/png' });
    const made = await openai.images.edit({ image: [image, image], prompt: 'a dog', model: 'picture' });
    expect(made.usage).toEqual(IMAGE_USAGE);
    const sent = mock.last.body.toString('latin1');
    expect(sent).toMatch(/name="model"\r\n\r\ngpt-image-1\r\n/);
    expect(sent.split('name="image[]"').length).toBe(3);
    expect(mock.last.headers['content-length']).toBe(String(mock.last.body.length));
    expect((await line('image_edit'))['gen_ai.usage.output_tokens']).toBe(120);
  });

  it("come from Google's models too", async () => {
    const made = await openai.images.generate({ model: 'gemini-image', prompt: 'a cat', size: '1536x1024' });
    expect(made).toMatchObject({ data: [{ b64_json: PICTURE }], usage: { total_tokens: 130 } });
    expect(mock.last.path).toBe('/v1beta/models/gemini-image:generateContent');
    expect(mock.last.headers['x-goog-api-key']).toBe(OWN.google);
    expect(mock.last.headers.authorization).toBeUndefined();
    const types: string[] = [];
    for await (const event of await openai.images.generate({ model: 'imagen-4', prompt: 'a cat', stream: true }))
      types.push(event.type);
    expect(types).toEqual(['image_generation.completed']);
    expect(mock.last.path).toBe('/v1beta/models/imagen-4:predict');
  });

  it('are not to be had of a provider that makes none, which the client understands', async () => {
    const refused = openai.images.generate({ model: 'claude-9', prompt: 'a cat' });
    await expect(refused).rejects.toMatchObject({ status: 400, code: 'unsupported_conversion' });
  });
});

describe('audio', () => {
  it('is spoken: as bytes and as events', async () => {
    const speech = await openai.audio.speech.create({ model: 'gpt-tts', voice: 'alloy', input: 'hi' });
    expect(Buffer.from(await speech.arrayBuffer())).toEqual(SOUND);
    expect(speech.headers.get('content-type')).toBe('audio/mpeg');
    await openai.audio.speech
      .create({ model: 'gpt-tts', voice: 'alloy', input: 'hi', stream_format: 'sse' })
      .then((response) => response.text());
    const logged = await line('speech', 'gen_ai.usage.output_tokens');
    expect(logged['gen_ai.usage.output_tokens']).toBe(96);
  });

  it('is transcribed, also by a virtual model: whole and streamed', async () => {
    const file = await toFile(Buffer.alloc(50_000, 1), 'a.wav');
    for (const model of ['ear', 'anyear']) {
      const text = await openai.audio.transcriptions.create({ file, model });
      expect(text.text).toBe('Hello');
      expect(mock.last.body.toString('latin1')).toMatch(/name="model"\r\n\r\ngpt-4o-transcribe\r\n/);
    }
    const types: string[] = [];
    for await (const event of await openai.audio.transcriptions.create({ file, model: 'ear', stream: true }))
      types.push(event.type);
    expect(types).toEqual(['transcript.text.delta', 'transcript.text.done']);
    expect(await line('transcription')).toMatchObject({
      'gen_ai.usage.input_tokens': 14,
      'gen_ai.request.model': 'gpt-4o-transcribe',
    });
  });

  it('is translated; seconds are no tokens', async () => {
    const file = await toFile(Buffer.alloc(10, 1), 'a.wav');
    const text = await openai.audio.translations.create({ file, model: 'gpt-whisper' });
    expect(text.text).toBe('Hello');
    const logged = await line('translation');
    expect(logged['gen_ai.usage.input_tokens']).toBeUndefined();
    expect(logged['agw.ai.usage.audio_seconds']).toBe(3);
  });

  it('that is more than may be held is refused', async () => {
    const file = await toFile(Buffer.alloc(1_200_000, 1), 'a.wav');
    const refused = openai.audio.transcriptions.create({ file, model: 'ear' });
    await expect(refused).rejects.toMatchObject({ status: 413, code: 'request_body_too_large' });
  });
});

it('moderates without a model', async () => {
  const moderation = await openai.moderations.create({ input: 'hi' });
  expect(moderation.results[0]?.flagged).toBe(false);
  expect((await line('moderation'))['gen_ai.response.model']).toBe('omni-moderation');
});

describe('files and batches', () => {
  it("of OpenAI are those of the operator's account", async () => {
    const file = await openai.files.create({ file: await toFile(Buffer.from('{}\n'), 'b.jsonl'), purpose: 'batch' });
    expect(file.id).toBe('file-1');
    expect(mock.last.headers.authorization).toBe(OWN.openai);
    expect((await openai.files.list()).data.length).toBe(1);
    expect((await openai.files.retrieve('file-1')).id).toBe('file-1');
    expect(await (await openai.files.content('file-1')).text()).toBe('{"custom_id":"1"}\n');
    expect((await openai.files.delete('file-1')).deleted).toBe(true);
    const batch = { input_file_id: 'file-1', endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
    expect((await openai.batches.create(batch)).id).toBe('batch_1');
    expect(JSON.parse(mock.last.body.toString())).toEqual(batch);
    expect((await openai.batches.retrieve('batch_1')).status).toBe('validating');
    expect((await openai.batches.cancel('batch_1')).id).toBe('batch_1');
    expect((await openai.batches.list()).data.length).toBe(1);
    expect(await line('batches')).toMatchObject({ 'gen_ai.provider.name': 'openai' });
    expect(await line('files')).toMatchObject({ 'http.status': 200, 'gen_ai.provider.name': 'openai' });
  });

  it('of Anthropic are at Anthropic', async () => {
    const params = { model: 'claude-9', max_tokens: 1, messages: [{ role: 'user' as const, content: 'hi' }] };
    const batch = await anthropic.messages.batches.create({ requests: [{ custom_id: '1', params }] });
    expect(batch.id).toBe('msgbatch_1');
    expect(mock.last.headers['x-api-key']).toBe(OWN.anthropic);
    expect((await anthropic.messages.batches.retrieve('msgbatch_1')).processing_status).toBe('in_progress');
    expect((await anthropic.messages.batches.list()).data.length).toBe(1);
    const results: string[] = [];
    for await (const result of await anthropic.messages.batches.results('done')) results.push(result.custom_id);
    expect(results).toEqual(['1', '2']);
  });

  it('of Gemini are uploaded through the gateway, not past it', async () => {
    const file = await google.files.upload({ file: new Blob(['hello']), config: { mimeType: 'text/plain' } });
    expect(file.name).toBe('files/abc');
    const [start, bytes] = mock.requests.slice(-2);
    expect(start?.headers['x-goog-api-key']).toBe(OWN.google);
    expect(bytes?.headers['x-goog-api-key']).toBe(OWN.google);
    expect(bytes?.path).toBe('/upload/v1beta/files?upload_id=u1');
    expect(bytes?.body.toString()).toBe('hello');
    expect((await google.files.get({ name: 'files/abc' })).state).toBe('ACTIVE');
  });

  it('are streamed: the provider has what came before the client has sent the end, more than may be held', async () => {
    const before = mock.received;
    const boundary = 'bx';
    const upload = request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/v1/files',
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    });
    const answered = new Promise<number>((resolve, reject) => {
      upload.on('response', (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      upload.on('error', reject);
    });
    const part = '--bx\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n';
    upload.write(part);
    const chunk = Buffer.alloc(256 * 1024, 97);
    for (let sent = 0; sent < 16; sent++) upload.write(chunk);
    await until(() => mock.received - before >= part.length + 16 * chunk.length);
    upload.end('\r\n--bx--\r\n');
    expect(await answered).toBe(200);
    expect(mock.last.body.length).toBe(part.length + 16 * chunk.length + 10);
  });
});

describe('lists of models', () => {
  it("are what can be asked for, in each client's format", async () => {
    const expected = ['anyear', 'picture', 'ear', 'gpt-live', 'claude-live', 'gemini-live', 'imagen-*'];
    const listed: string[] = [];
    for await (const one of openai.models.list()) listed.push(one.id);
    expect(listed.toSorted()).toEqual(expected.toSorted());
    expect((await openai.models.retrieve('gpt-live')).owned_by).toBe('system');
    await expect(openai.models.retrieve('nope')).rejects.toMatchObject({ status: 404 });
    const claude: string[] = [];
    for await (const one of anthropic.models.list()) claude.push(one.display_name);
    expect(claude).toContain('Claude Live');
    expect((await anthropic.models.retrieve('claude-live')).id).toBe('claude-live');
    const gemini: (string | undefined)[] = [];
    for await (const one of await google.models.list()) gemini.push(one.name);
    expect(gemini).toContain('models/gemini-live');
    expect((await google.models.get({ model: 'gemini-live' })).displayName).toBe('Gemini Live');
    const asked = mock.requests.filter(({ path }) => /\/models(?:\?|$)/.test(path));
    // One list an account and worker, whoever asks.
    expect(asked.length).toBeLessThanOrEqual(3 * 2);
  });
});
