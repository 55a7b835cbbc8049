import { describe, expect, it } from 'vitest';
import { activationOf, Expressions, gatewayEnvironment } from '../../../../src/cel/index.ts';
import { type LlmExchange, llmBench, model, provider, serve } from '../../../support/llm.ts';

const FORM = ['content-type', 'multipart/form-data; boundary=bx'];

function form(fields: Record<string, string>): string {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--bx\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  return `${parts.join('')}--bx--\r\n`;
}

function json(body: object): string {
  return JSON.stringify(body);
}

const AUDIO = '/v1/audio/transcriptions';
const IMAGES = '/v1/images/generations';

/** Serves one request with one provider behind the model `m`. */
async function ask(kind: Parameters<typeof provider>, request: Parameters<typeof serve>[1]) {
  const llm = llmBench({ models: [model('m', { provider: provider(...kind) })] });
  const exchange = await serve(llm, request);
  return { exchange, flight: llm.flights[0] };
}

function told(exchange: LlmExchange) {
  return JSON.parse(exchange.downstream.text).error;
}

describe('where a request goes', () => {
  const azure = (apiVersion: string) => ({
    settings: { resourceName: 'r', resourceType: 'openAI', apiVersion },
    policies: { backendAuth: { key: 'own' } },
  });
  it.each<[string, Parameters<typeof provider>, string, string]>([
    ['OpenAI', ['openAI'], IMAGES, '/v1/images/generations'],
    ['OpenAI, for a client without /v1', ['openAI'], '/images/generations', '/v1/images/generations'],
    ['OpenAI, below a prefix of the route', ['openAI'], '/team/v1/images/edits', '/v1/images/edits'],
    [
      'OpenAI by another host, where paths are kept',
      ['openAI', { hostOverride: 'h:1' }],
      `/team${IMAGES}`,
      `/team${IMAGES}`,
    ],
    ['Groq', ['groq'], '/v1/audio/speech', '/openai/v1/audio/speech'],
    ['DeepInfra', ['deepinfra'], IMAGES, '/v1/openai/images/generations'],
    ['Fireworks', ['fireworks'], AUDIO, '/inference/v1/audio/transcriptions'],
    ['Mistral', ['mistral'], AUDIO, '/v1/audio/transcriptions'],
    ['another prefix', ['openAI', { pathPrefix: '/p' }], '/v1/moderations', '/p/moderations'],
    ['Azure', ['azure', azure('v1')], IMAGES, '/openai/v1/images/generations'],
    ['Azure, preview', ['azure', azure('preview')], IMAGES, '/openai/v1/images/generations?api-version=preview'],
    [
      'Azure with a date',
      ['azure', azure('2025-04-01-preview')],
      '/v1/audio/speech',
      '/openai/deployments/m/audio/speech?api-version=2025-04-01-preview',
    ],
  ])('%s', async (_, kind, url, path) => {
    const { flight } = await ask(kind, { url, body: json({ model: 'm', prompt: 'p' }) });
    expect(flight?.call.path).toBe(path);
  });

  it.each<[string, Parameters<typeof provider>, string, string]>([
    ['speech', ['anthropic'], '/v1/audio/speech', 'speech (/audio/speech)'],
    ['variations', ['gemini'], '/v1/images/variations', 'image variations (/images/variations)'],
    [
      'transcriptions',
      ['bedrock', { settings: { region: 'eu-west-1' } }],
      AUDIO,
      'transcription (/audio/transcriptions)',
    ],
    ['moderation', ['demo'], '/v1/moderations', 'moderation (/moderations)'],
  ])('nowhere, which is said: %s', async (_, kind, url, what) => {
    const { exchange, flight } = await ask(kind, { url, body: json({ model: 'm' }) });
    expect(flight).toBeUndefined();
    expect(exchange.status).toBe(400);
    expect(told(exchange)).toMatchObject({ code: 'unsupported_conversion', type: 'invalid_request_error' });
    expect(told(exchange).message).toContain(what);
  });
});

describe('what is sent', () => {
  it('is a form with the model replaced: by the provider, an alias, an override', async () => {
    const settings = { settings: { model: 'pinned' } };
    const body = form({ file: 'RIFF', model: 'm', language: 'de' });
    const request = { url: AUDIO, headers: FORM, body };
    const { exchange, flight } = await ask(['openAI', settings], request);
    expect(flight?.sent).toBe(form({ file: 'RIFF', model: 'pinned', language: 'de' }));
    expect(exchange.llm).toMatchObject({ operation: 'transcription', clientModel: 'm', requestModel: 'pinned' });
    const ai = {
      overrides: { temperature: 0, language: 'en' },
      defaults: { response_format: 'json', file: 'never' },
      modelAliases: { m: 'aliased' },
    };
    const llm = llmBench({ models: [model('m')], values: { ai } });
    await serve(llm, request);
    const expected = { file: 'RIFF', model: 'aliased', language: 'en', temperature: '0', response_format: 'json' };
    expect(llm.flights[0]?.sent).toBe(form(expected));
  });

  it('is, for a virtual model, a form that names a real one, anew for each attempt', async () => {
    const routing = {
      kind: 'failover' as const,
      targets: [
        { model: 'a', priority: 0 },
        { model: 'b', priority: 1 },
      ],
    };
    const llm = llmBench({
      models: [
        model('a', { provider: provider('openAI', { name: 'a' }) }),
        model('b', { provider: provider('groq', { name: 'b', settings: { model: 'whisper-large' } }) }),
      ],
      virtualModels: [{ name: 'v', routing }],
    });
    await serve(llm, { url: AUDIO, headers: FORM, body: form({ model: 'v', file: 'x' }) });
    const [first] = llm.flights;
    expect(first?.sent).toBe(form({ model: 'a', file: 'x' }));
    const call = first?.call;
    if (call === undefined) throw new Error('nothing was sent');
    await call.prepare?.(call, call.exchange);
    expect(String(call.body)).toBe(form({ model: 'whisper-large', file: 'x' }));
    expect(call.path).toBe('/openai/v1/audio/transcriptions');
  });

  it('has what expressions make of it, in forms and in JSON, also where that is converted', async () => {
    const ai = {
      transformations: { prompt: 'llmRequest.prompt + "!"', user: '"u"' },
      finalTransformations: { size: 'llmRequest.model == "gpt-image-1" ? "1024x1024" : null', extra: '[1]' },
    };
    const models = [
      model('m', { provider: provider('openAI', { settings: { model: 'gpt-image-1' } }) }),
      model('gemini-*', { provider: provider('gemini') }),
    ];
    const llm = llmBench({ models, values: { ai } });
    await serve(llm, { url: '/v1/images/edits', headers: FORM, body: form({ model: 'm', prompt: 'a', size: 'auto' }) });
    await serve(llm, { url: IMAGES, body: json({ model: 'm', prompt: 'a' }) });
    await serve(llm, { url: IMAGES, body: json({ model: 'gemini-image', prompt: 'a' }) });
    const [edit, made, google] = llm.flights;
    const expected = { model: 'gpt-image-1', prompt: 'a!', size: '1024x1024', user: 'u' };
    expect(edit?.sent).toBe(form({ ...expected, extra: '[1]' }));
    expect(made?.json).toEqual({ ...expected, extra: [1] });
    expect(google?.json).toMatchObject({ contents: [{ parts: [{ text: 'a!' }] }], extra: [1] });
  });

  it('goes, of a virtual model, where its fields say', async () => {
    const routing = {
      kind: 'conditional' as const,
      targets: [
        { model: 'german', when: 'llmRequest.language == "de"' },
        { model: 'other', when: '' },
      ],
    };
    const llm = llmBench({
      models: [model('german'), model('other')],
      virtualModels: [{ name: 'ear', routing }],
    });
    for (const language of ['de', 'en'])
      await serve(llm, { url: AUDIO, headers: FORM, body: form({ file: 'x', model: 'ear', language }) });
    expect(llm.flights.map(({ sent }) => /"model"\r\n\r\n(\w+)/.exec(sent)?.[1])).toEqual(['german', 'other']);
  });

  it('is JSON with its members', async () => {
    const { flight } = await ask(['openAI', { settings: { model: 'gpt-image-1' } }], {
      url: IMAGES,
      body: '{"prompt":"a cat", "model":"m","unknown":[1.0]}',
    });
    expect(flight?.sent).toBe('{"prompt":"a cat", "model":"gpt-image-1","unknown":[1.0]}');
  });

  it.each<[string, object, string]>([
    ['no model', { url: IMAGES, body: '{}' }, 'missing_model'],
    [
      'a model twice',
      { url: AUDIO, headers: FORM, body: form({ model: 'm' }).replace('--bx--', form({ model: 'm' })) },
      'missing_model',
    ],
    ['a broken form', { url: AUDIO, headers: FORM, body: '--bx\r\n' }, 'invalid_request_body'],
    [
      'neither form nor JSON',
      { url: AUDIO, headers: ['content-type', 'audio/wav'], body: 'RIFF' },
      'invalid_request_body',
    ],
    ['an unknown model', { url: AUDIO, headers: FORM, body: form({ model: 'x' }) }, 'model_not_found'],
  ])('is nothing for %s', async (_, request, code) => {
    const { exchange, flight } = await ask(['openAI'], request);
    expect(flight).toBeUndefined();
    expect(told(exchange).code).toBe(code);
  });

  it('is held to the models of a key, by both kinds of backends', async () => {
    const limited = (exchange: LlmExchange) => {
      exchange.apiKey = { id: 'k', metadata: {}, allowedModels: ['other'] };
    };
    const request = { url: AUDIO, headers: FORM, body: form({ model: 'm' }) };
    for (const llm of [llmBench({ models: [model('m')] }), llmBench({ providers: [[provider('openAI')]] })]) {
      const exchange = await serve(llm, request, limited);
      expect(told(exchange).code).toBe('model_not_allowed');
      const unnamed = await serve(llm, { url: '/v1/moderations', body: '{"input":"x"}' }, limited);
      expect(unnamed.status).toBeGreaterThanOrEqual(400);
      expect(llm.flights).toEqual([]);
    }
  });
});

describe('moderation', () => {
  it('needs no model where one provider has it', async () => {
    const claude = model('claude-*', { provider: provider('anthropic') });
    const llm = llmBench({ models: [claude, model('gpt-4o'), model('gpt-5')] });
    const exchange = await serve(llm, { url: '/v1/moderations', body: '{"input":"x"}' });
    expect(llm.flights[0]?.sent).toBe('{"input":"x"}');
    expect(exchange.llm).toMatchObject({ operation: 'moderation', provider: 'openai' });
  });
});

describe('usage', () => {
  const images = {
    total_tokens: 1580,
    input_tokens: 20,
    output_tokens: 1560,
    input_tokens_details: { text_tokens: 15, image_tokens: 5 },
    output_tokens_details: { image_tokens: 1560, text_tokens: 0 },
  };
  const speech = { type: 'speech.audio.done', usage: { input_tokens: 4, output_tokens: 96, total_tokens: 100 } };
  const text = {
    type: 'transcript.text.done',
    text: 'hi',
    usage: {
      type: 'tokens',
      input_tokens: 14,
      input_token_details: { audio_tokens: 14 },
      output_tokens: 2,
      total_tokens: 16,
    },
  };

  it.each<[string, string, string | object, object | null, object | undefined]>([
    [
      'images',
      IMAGES,
      { created: 1, data: [{ b64_json: 'x'.repeat(100_000) }], usage: images },
      { input: 20, output: 1560 },
      { inputTextTokens: 15, inputImageTokens: 5, outputImageTokens: 1560, outputTextTokens: 0 },
    ],
    [
      'images, streamed',
      IMAGES,
      `event: image_generation.partial_image\ndata: {"type":"image_generation.partial_image","b64_json":"${'y'.repeat(200_000)}"}\n\n` +
        `event: image_generation.completed\ndata: ${json({ type: 'image_generation.completed', b64_json: 'z'.repeat(200_000), usage: images })}\n\n`,
      { input: 20, output: 1560 },
      { inputTextTokens: 15, inputImageTokens: 5, outputImageTokens: 1560, outputTextTokens: 0 },
    ],
    [
      'a transcription in tokens',
      AUDIO,
      { text: 'hi', usage: text.usage },
      { input: 14, output: 2 },
      { inputAudioTokens: 14 },
    ],
    [
      'a transcription in seconds',
      AUDIO,
      { text: 'hi', usage: { type: 'duration', seconds: 9 } },
      null,
      { audioSeconds: 9 },
    ],
    [
      "Mistral's transcription",
      AUDIO,
      { text: 'hi', usage: { prompt_tokens: 4, completion_tokens: 3, total_tokens: 407, prompt_audio_seconds: 203 } },
      { input: 4, output: 403 },
      { audioSeconds: 203 },
    ],
    [
      'a transcription, streamed',
      AUDIO,
      `data: {"type":"transcript.text.delta","delta":"hi"}\n\ndata: ${json(text)}\n\n`,
      { input: 14, output: 2 },
      { inputAudioTokens: 14 },
    ],
    [
      'speech, streamed',
      '/v1/audio/speech',
      `data: {"type":"speech.audio.delta","audio":"AAAA"}\n\ndata: ${json(speech)}\n\n`,
      { input: 4, output: 96 },
      {},
    ],
    ['nothing said', '/v1/moderations', { results: [] }, null, undefined],
  ])('of %s', async (_, url, answer, usage, details) => {
    const { exchange, flight } = await ask(['openAI'], { url, body: json({ model: 'm' }) });
    if (typeof answer !== 'string') flight?.answer(200, json(answer));
    else {
      flight?.stream(answer);
      flight?.sink.onEnd([]);
    }
    if (usage === null) expect(exchange.llm.usage).toBeNull();
    else expect(exchange.llm.usage).toMatchObject(usage);
    expect(exchange.llm.usageDetails).toEqual(details);
    expect(exchange.llm.usageEstimated).toBe(false);
    expect(exchange.downstream.text).toBe(typeof answer === 'string' ? answer : json(answer));
  });

  it.each<[string, string, boolean]>([
    ['images are read on to it', IMAGES, false],
    ['speech is not', '/v1/audio/speech', true],
  ])('of a client that has left: %s', async (_, url, aborted) => {
    const { exchange, flight } = await ask(['openAI'], { url, body: json({ model: 'm' }) });
    exchange.downstream.onAbort?.();
    expect(flight?.aborted).toBe(aborted);
    if (!aborted) flight?.answer(200, json({ usage: images }));
    expect(exchange.llm.usage?.output).toBe(aborted ? undefined : 1560);
    expect(exchange.endCause).toBe('client_gone');
  });

  it('is not made up where none is reported', async () => {
    const { exchange, flight } = await ask(['openAI'], { url: IMAGES, body: json({ model: 'm' }) });
    flight?.answer(200, json({ data: [{ b64_json: 'x'.repeat(10_000) }] }));
    expect(exchange.llm).toMatchObject({ usage: null, usageEstimated: false, cost: null });
  });

  it('is at hand for expressions, by kinds of content', async () => {
    const { exchange, flight } = await ask(['openAI'], { url: IMAGES, body: json({ model: 'm' }) });
    flight?.answer(200, json({ usage: images }));
    const cel = new Expressions(gatewayEnvironment({ env: {} }), () => undefined);
    const read = cel.compile('[llm.inputImageTokens, llm.inputTextTokens, llm.outputImageTokens]', 'test');
    expect(read.plain(activationOf(exchange))).toEqual([5, 15, 1560]);
  });

  it('is not looked for in sound, which passes as it comes', async () => {
    const { exchange, flight } = await ask(['openAI'], {
      url: '/v1/audio/speech',
      body: json({ model: 'm', input: 'x' }),
    });
    const sound = Buffer.from([0xff, 0xfb, 0, 1, 2, 0x7b]);
    flight?.sink.onHead(200, ['content-type', 'audio/mpeg']);
    flight?.sink.onData(sound);
    flight?.sink.onEnd([]);
    expect(Buffer.concat(exchange.downstream.chunks)).toEqual(sound);
    expect(exchange.llm).toMatchObject({ operation: 'speech', usage: null });
    expect(exchange.endCause).toBe('complete');
  });
});

describe('a path that configuration speaks of', () => {
  it('is left alone where it is to be passed on, and otherwise what it says', async () => {
    const ai = { routes: { '/v1/images/generations': 'passthrough', '/v1/audio/speech': 'detect' } };
    const llm = llmBench({ providers: [[provider('openAI', { settings: { model: 'real' } })]], values: { ai } });
    const images = await serve(llm, { url: IMAGES, body: json({ model: 'm' }) });
    const speech = await serve(llm, { url: '/v1/audio/speech', body: json({ model: 'm' }) });
    expect([images.llm.operation, speech.llm.operation]).toEqual(['passthrough', 'speech']);
    expect(speech.llm.requestModel).toBe('real');
  });
});
