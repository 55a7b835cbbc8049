import { describe, expect, it } from 'vitest';
import { type LlmExchange, llmBench, model, provider, serve } from '../../../support/llm.ts';

const URL = '/v1/images/generations';
const GEMINI_IMAGE = 'gemini-2.5-flash-image';
const VERTEX = { settings: { projectId: 'p', region: 'us-central1' }, policies: { backendAuth: { key: 'own' } } };
const VERTEX_BASE = '/v1/projects/p/locations/us-central1/publishers/google/models';

/** A request for a model of Google's by OpenAI's API. */
async function draw(kind: 'gemini' | 'vertex', name: string, body: object, values: object = {}) {
  const of = kind === 'vertex' ? provider('vertex', VERTEX) : provider('gemini');
  const llm = llmBench({ models: [model('*', { provider: of })], values: { ai: values } });
  const exchange = await serve(llm, { url: URL, body: JSON.stringify({ model: name, prompt: 'a cat', ...body }) });
  return { exchange, flight: llm.flights[0] };
}

function told(exchange: LlmExchange) {
  return JSON.parse(exchange.downstream.text);
}

function content(parts: object[], more: object = {}): string {
  return JSON.stringify({ candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }], ...more });
}

const IMAGE = { inlineData: { mimeType: 'image/png', data: 'aW1hZ2U=' } };
const USAGE = {
  promptTokenCount: 8,
  candidatesTokenCount: 1290,
  totalTokenCount: 1298,
  promptTokensDetails: [{ modality: 'TEXT', tokenCount: 8 }],
  candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1290 }],
};

describe('a request for an image', () => {
  const asked = (generationConfig: object) => ({
    contents: [{ role: 'user', parts: [{ text: 'a cat' }] }],
    generationConfig: { responseModalities: ['IMAGE'], ...generationConfig },
  });
  const predicted = (parameters: object) => ({
    instances: [{ prompt: 'a cat' }],
    parameters: { sampleCount: 1, ...parameters },
  });

  it.each<[string, 'gemini' | 'vertex', string, object, string, object, string]>([
    ['Gemini', 'gemini', GEMINI_IMAGE, {}, `/v1beta/models/${GEMINI_IMAGE}:generateContent`, asked({}), ''],
    [
      'Gemini, in a shape',
      'gemini',
      GEMINI_IMAGE,
      { size: '1536x1024', n: 1, response_format: 'b64_json', output_format: 'png' },
      `/v1beta/models/${GEMINI_IMAGE}:generateContent`,
      asked({ imageConfig: { aspectRatio: '3:2' } }),
      'size',
    ],
    [
      'Gemini, large, with what it is not told',
      'gemini',
      'gemini-3-pro-image',
      { size: '4096x4096', quality: 'high', user: 'u', output_format: 'jpeg', background: 'auto' },
      '/v1beta/models/gemini-3-pro-image:generateContent',
      asked({ imageConfig: { aspectRatio: '1:1', imageSize: '4K' } }),
      'quality, user, output_format, size',
    ],
    [
      'Gemini on Vertex AI, encoded',
      'vertex',
      GEMINI_IMAGE,
      { output_format: 'jpeg', output_compression: 80 },
      `${VERTEX_BASE}/${GEMINI_IMAGE}:generateContent`,
      asked({ imageConfig: { imageOutputOptions: { mimeType: 'image/jpeg', compressionQuality: 80 } } }),
      '',
    ],
    [
      'Imagen',
      'gemini',
      'imagen-4',
      { size: '1024x1024' },
      '/v1beta/models/imagen-4:predict',
      predicted({ aspectRatio: '1:1' }),
      '',
    ],
    [
      'Imagen on Vertex AI',
      'vertex',
      'imagen-4',
      { n: 4, size: '2048x2048', output_format: 'jpeg' },
      `${VERTEX_BASE}/imagen-4:predict`,
      predicted({
        sampleCount: 4,
        aspectRatio: '1:1',
        sampleImageSize: '2K',
        outputOptions: { mimeType: 'image/jpeg' },
      }),
      'size',
    ],
    [
      'Imagen, near a shape',
      'gemini',
      'imagen-4',
      { size: '1792x1024' },
      '/v1beta/models/imagen-4:predict',
      predicted({ aspectRatio: '16:9' }),
      'size',
    ],
  ])('is said to %s', async (_, kind, name, body, path, sent, lossy) => {
    const { exchange, flight } = await draw(kind, name, body);
    expect(flight?.call.path).toBe(path);
    expect(flight?.json).toEqual(sent);
    flight?.answer(
      200,
      name.startsWith('imagen') ? '{"predictions":[{"bytesBase64Encoded":"eA=="}]}' : content([IMAGE]),
    );
    expect(exchange.status).toBe(200);
    expect(exchange.downstream.header('x-sluice-lossy') ?? '').toBe(lossy);
    expect(exchange.llm).toMatchObject({ operation: 'image_generation', requestModel: name });
  });

  it.each<[string, string, object, object, string]>([
    ['two images of Gemini', GEMINI_IMAGE, { n: 2 }, {}, '"n"'],
    ['five images of Imagen', 'imagen-4', { n: 5 }, {}, '"n"'],
    ['half an image', 'imagen-4', { n: 0.5 }, {}, '"n"'],
    ['URLs', GEMINI_IMAGE, { response_format: 'url' }, {}, '"response_format"'],
    ['no background', GEMINI_IMAGE, { background: 'transparent' }, {}, '"background"'],
    ['WebP', 'imagen-4', { output_format: 'webp' }, {}, '"output_format"'],
    ['a shape that is none of its', 'imagen-4', { size: '1536x1024' }, {}, '"size"'],
    ['a size that is none', GEMINI_IMAGE, { size: 'large' }, {}, '"size"'],
    ['a size that is too large', 'imagen-4', { size: '4096x4096' }, {}, '"size"'],
    ['what is lost where nothing may be', GEMINI_IMAGE, { quality: 'high' }, { strict: true }, '"quality"'],
  ])('is refused for %s', async (_, name, body, values, field) => {
    const { exchange, flight } = await draw('gemini', name, body, values);
    expect(flight).toBeUndefined();
    expect(told(exchange).error.code).toBe('unsupported_parameter');
    expect(told(exchange).error.message).toContain(field);
  });

  it('is refused without a prompt', async () => {
    const { exchange } = await draw('gemini', GEMINI_IMAGE, { prompt: null });
    expect(told(exchange).error).toMatchObject({ code: 'invalid_request_body' });
  });
});

describe("Google's own clients", () => {
  it.each([
    ['a model', llmBench({ models: [model('imagen-*', { provider: provider('gemini') })] })],
    ['a backend', llmBench({ providers: [[provider('gemini')]] })],
  ])('ask Imagen through %s as they are used to', async (_, llm) => {
    const body = '{"instances":[{"prompt":"a cat"}],"parameters":{"sampleCount":1}}';
    const exchange = await serve(llm, { url: '/v1beta/models/imagen-4:predict', body });
    expect(llm.flights[0]?.call.path).toBe('/v1beta/models/imagen-4:predict');
    expect(llm.flights[0]?.sent).toBe(body);
    expect(exchange.llm.requestModel).toBe('imagen-4');
  });
});

describe('an image', () => {
  it("is told in OpenAI's format, with its usage counted", async () => {
    const { exchange, flight } = await draw('gemini', GEMINI_IMAGE, {});
    const draft = { thought: true, inlineData: { mimeType: 'image/png', data: 'draft' } };
    flight?.answer(200, content([{ text: 'Here it is' }, draft, IMAGE], { usageMetadata: USAGE }));
    expect(told(exchange)).toEqual({
      created: expect.any(Number),
      data: [{ b64_json: 'aW1hZ2U=' }],
      output_format: 'png',
      usage: {
        total_tokens: 1298,
        input_tokens: 8,
        output_tokens: 1290,
        input_tokens_details: { text_tokens: 8, image_tokens: 0, cached_tokens: 0 },
        output_tokens_details: { text_tokens: 0, image_tokens: 1290, reasoning_tokens: 0 },
      },
    });
    expect(exchange.llm.usage).toEqual({ input: 8, cachedInput: 0, cacheWrite: 0, output: 1290, reasoning: 0 });
    expect(exchange.llm.usageDetails).toMatchObject({ inputTextTokens: 8, outputImageTokens: 1290 });
    expect(exchange.endCause).toBe('complete');
  });

  it('comes as an event to who asked for a stream', async () => {
    const { exchange, flight } = await draw('gemini', GEMINI_IMAGE, { stream: true });
    flight?.answer(200, content([IMAGE], { usageMetadata: USAGE }));
    expect(exchange.downstream.header('content-type')).toBe('text/event-stream');
    const [event = '', data = ''] = exchange.downstream.text.split('\n');
    expect(event).toBe('event: image_generation.completed');
    expect(JSON.parse(data.slice(6))).toMatchObject({
      type: 'image_generation.completed',
      b64_json: 'aW1hZ2U=',
      usage: { total_tokens: 1298 },
    });
    expect(exchange.llm.usage?.output).toBe(1290);
  });

  it('of Imagen says how its prompt was rewritten; some may be filtered out', async () => {
    const { exchange, flight } = await draw('vertex', 'imagen-4', { n: 3 });
    const made = { bytesBase64Encoded: 'eA==', mimeType: 'image/jpeg', prompt: 'a fluffy cat' };
    flight?.answer(200, JSON.stringify({ predictions: [made, { raiFilteredReason: 'no' }] }));
    expect(told(exchange)).toMatchObject({
      data: [{ b64_json: 'eA==', revised_prompt: 'a fluffy cat' }],
      output_format: 'jpeg',
    });
    expect(exchange.llm.usage).toBeNull();
  });

  it.each<[string, string, string, RegExp]>([
    ['a blocked prompt', GEMINI_IMAGE, '{"promptFeedback":{"blockReason":"SAFETY"}}', /SAFETY/],
    [
      'an unsafe image',
      GEMINI_IMAGE,
      '{"candidates":[{"finishReason":"IMAGE_SAFETY","finishMessage":"Unsafe"}]}',
      /IMAGE_SAFETY: Unsafe/,
    ],
    ['words', GEMINI_IMAGE, content([{ text: 'I only talk.' }]), /no image: I only talk/],
    ['filtered predictions', 'imagen-4', '{"predictions":[{"raiFilteredReason":"Filtered (17)"}]}', /Filtered \(17\)/],
    ['no predictions', 'imagen-4', '{}', /filters/],
  ])('that is %s is an error that says why', async (_, name, answer, message) => {
    const { exchange, flight } = await draw('gemini', name, {});
    flight?.answer(200, answer);
    expect(exchange.status).toBe(400);
    expect(told(exchange).error).toMatchObject({
      code: 'moderation_blocked',
      type: 'invalid_request_error',
      message: expect.stringMatching(message),
    });
  });

  it.each([
    ['nothing', '{}'],
    ['cut short', '{"candidates":[{"content":{},"finishReason":"MAX_TOKENS"}]}'],
    ['none for no reason of its request', '{"candidates":[{"finishReason":"NO_IMAGE"}]}'],
  ])('that is %s is a fault of the provider', async (_, answer) => {
    const { exchange, flight } = await draw('gemini', GEMINI_IMAGE, {});
    flight?.answer(200, answer);
    expect(exchange.status).toBe(502);
    expect(told(exchange).error.code).toBe('upstream_response_invalid');
  });

  it("that Google refuses is told in OpenAI's words, with Google's own", async () => {
    const { exchange, flight } = await draw('gemini', GEMINI_IMAGE, {});
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7s' }];
    const error = { code: 429, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED', details };
    flight?.answer(429, JSON.stringify({ error }));
    expect(exchange.status).toBe(429);
    expect(exchange.downstream.header('retry-after')).toBe('7');
    expect(told(exchange).error).toMatchObject({
      message: 'Quota exceeded',
      type: 'rate_limit_error',
      code: 'RESOURCE_EXHAUSTED',
    });
  });

  it.each<[string, string | null]>([
    ['no JSON', '<html>'],
    ['cut off', '{"candidates":['],
    ['too large', null],
  ])('that is %s is an error of the gateway', async (_, answer) => {
    const llm = llmBench({ models: [model('*', { provider: provider('gemini') })], maxBufferBytes: 1000 });
    const exchange = await serve(llm, { url: URL, body: JSON.stringify({ model: GEMINI_IMAGE, prompt: 'x' }) });
    const [flight] = llm.flights;
    flight?.sink.onHead(200, ['content-type', 'application/json']);
    flight?.sink.onData(Buffer.from(answer ?? 'x'.repeat(2000)));
    if (answer === null) expect(flight?.aborted).toBe(true);
    flight?.sink.onEnd([]);
    expect(exchange.status).toBe(502);
    expect(told(exchange).error.code).toBe('upstream_protocol');
    expect(exchange.endCause).not.toBeNull();
  });
});
