import { describe, expect, it } from 'vitest';
import { isWav, pcmOf, wavOf } from '../../../../src/adapters/llm/endpoints/speech/wav.ts';
import { type LlmExchange, llmBench, model, provider, serve } from '../../../support/llm.ts';

const URL = '/v1/audio/speech';
const TTS = 'gemini-2.5-flash-preview-tts';
const LATER = 'gemini-3.8-flash-tts';
const VERTEX = { settings: { projectId: 'p', region: 'global' }, policies: { backendAuth: { key: 'own' } } };

/** Asks a model of Gemini's to speak, by OpenAI's API. */
async function speak(name: string, body: object, values: object = {}, kind: 'gemini' | 'vertex' = 'gemini') {
  const of = kind === 'vertex' ? provider('vertex', VERTEX) : provider('gemini');
  const llm = llmBench({ models: [model('*', { provider: of })], values: { ai: values } });
  const asked = { model: name, input: 'Hello', voice: 'Kore', response_format: 'wav', ...body };
  const exchange = await serve(llm, { url: URL, body: JSON.stringify(asked) });
  return { exchange, flight: llm.flights[0] };
}

function told(exchange: LlmExchange) {
  return JSON.parse(exchange.downstream.text).error;
}

const SAMPLES = Buffer.from('0102030405060708', 'hex');
const L16 = 'audio/L16;codec=pcm;rate=24000';
const USAGE = {
  promptTokenCount: 10,
  candidatesTokenCount: 50,
  totalTokenCount: 60,
  promptTokensDetails: [{ modality: 'TEXT', tokenCount: 10 }],
  candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: 50 }],
};

function sound(data: Buffer, mimeType = L16, more: object = {}): string {
  const content = { role: 'model', parts: [{ inlineData: { mimeType, data: data.toString('base64') } }] };
  return JSON.stringify({
    candidates: [{ content, finishReason: 'STOP' }],
    usageMetadata: USAGE,
    modelVersion: 'tts-1-real',
    ...more,
  });
}

function bytesOf({ downstream }: LlmExchange): Buffer {
  return Buffer.concat(downstream.chunks);
}

describe('a request for speech', () => {
  const asked = (parts: object[], voiceName = 'Kore') => ({
    contents: [{ role: 'user', parts }],
    generationConfig: {
      responseModalities: ['AUDIO'],
      speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName } } },
    },
  });

  it.each<[string, string, object, object, string]>([
    ['is said to Gemini', TTS, {}, asked([{ text: 'Hello' }]), ''],
    ["has OpenAI's voices", TTS, { voice: 'onyx' }, asked([{ text: 'Hello' }], 'Algenib'), ''],
    ['has a style in the text', TTS, { instructions: 'Happy.' }, asked([{ text: 'Happy.\n\nHello' }]), ''],
    [
      'has a style beside the text, for later models',
      LATER,
      { instructions: 'Happy.' },
      asked([{ text: 'Hello', speechMetadata: { style: 'Happy.' } }]),
      '',
    ],
    [
      'loses what Gemini does not know',
      TTS,
      { speed: 1.5, response_format: undefined, extra: 1 },
      asked([{ text: 'Hello' }]),
      'response_format, speed, extra',
    ],
    ['has a speed that is none', TTS, { speed: 1, stream_format: 'audio' }, asked([{ text: 'Hello' }]), ''],
  ])('%s', async (_, name, body, sent, lossy) => {
    const { exchange, flight } = await speak(name, body);
    expect(flight?.call.path).toBe(`/v1beta/models/${name}:generateContent`);
    expect(flight?.json).toEqual(sent);
    flight?.answer(200, sound(SAMPLES));
    expect(exchange.status).toBe(200);
    expect(exchange.downstream.header('x-sluice-lossy') ?? '').toBe(lossy);
  });

  it('goes to Vertex AI', async () => {
    const { flight } = await speak(LATER, {}, {}, 'vertex');
    expect(flight?.call.path).toBe(`/v1/projects/p/locations/global/publishers/google/models/${LATER}:generateContent`);
  });

  it('does not go to models of others on Vertex AI', async () => {
    const { exchange, flight } = await speak('claude-sonnet-4-5', {}, {}, 'vertex');
    expect(flight).toBeUndefined();
    expect(told(exchange)).toMatchObject({ code: 'unsupported_conversion' });
    expect(told(exchange).message).toMatch(/openAI.*groq/);
  });

  it.each<[string, object, object, string]>([
    ['mp3', { response_format: 'mp3' }, {}, 'response_format'],
    ['opus', { response_format: 'opus' }, {}, 'response_format'],
    ["a voice of the client's", { voice: { id: 'voice_1' } }, {}, 'voice.id'],
    ['a speed where nothing may be lost', { speed: 2 }, { strict: true }, 'speed'],
    ['no encoding where nothing may be lost', { response_format: undefined }, { strict: true }, 'response_format'],
  ])('is refused for %s', async (_, body, values, param) => {
    const { exchange, flight } = await speak(TTS, body, values);
    expect(flight).toBeUndefined();
    expect(told(exchange)).toMatchObject({ code: 'unsupported_parameter', param });
    expect(told(exchange).message).toContain(`"${param}"`);
  });

  it.each([
    ['no text', { input: undefined }],
    ['a text that is none', { input: 3 }],
    ['no voice', { voice: undefined }],
    ['a form that is no text', { response_format: 3 }],
  ])('is malformed with %s', async (_, body) => {
    const { exchange, flight } = await speak(TTS, body);
    expect(flight).toBeUndefined();
    expect(told(exchange)).toMatchObject({ code: 'invalid_request_body' });
  });
});

describe('speech', () => {
  it('comes as WAV, its usage counted', async () => {
    const { exchange, flight } = await speak(TTS, {});
    flight?.answer(200, sound(SAMPLES));
    expect(exchange.downstream.header('content-type')).toBe('audio/wav');
    const bytes = bytesOf(exchange);
    expect(isWav(bytes)).toBe(true);
    expect(pcmOf(bytes)).toEqual({ samples: SAMPLES, rate: 24_000 });
    expect(exchange.llm).toMatchObject({
      operation: 'speech',
      requestModel: TTS,
      responseModel: 'tts-1-real',
      usage: { input: 10, cachedInput: 0, cacheWrite: 0, output: 50, reasoning: 0 },
      usageDetails: { inputTextTokens: 10, outputAudioTokens: 50 },
      usageEstimated: false,
    });
    expect(exchange.endCause).toBe('complete');
  });

  it.each<[string, Buffer, string, object, string]>([
    ['as samples', SAMPLES, L16, { response_format: 'pcm' }, 'audio/pcm'],
    [
      'as samples of a WAV file',
      wavOf({ samples: SAMPLES, rate: 24_000 }),
      'audio/wav',
      { response_format: 'pcm' },
      'audio/pcm',
    ],
    [
      'as samples of another rate',
      SAMPLES,
      'audio/l16; rate=16000; channels=1',
      { response_format: 'pcm' },
      'audio/pcm;rate=16000',
    ],
    ['as WAV where nothing else was asked for', SAMPLES, L16, { response_format: undefined }, 'audio/wav'],
    ['as WAV that was WAV', wavOf({ samples: SAMPLES, rate: 24_000 }), 'audio/wav', {}, 'audio/wav'],
  ])('comes %s', async (_, data, mimeType, body, type) => {
    const { exchange, flight } = await speak(TTS, body);
    flight?.answer(200, sound(data, mimeType));
    expect(exchange.downstream.header('content-type')).toBe(type);
    const bytes = bytesOf(exchange);
    expect(type === 'audio/wav' ? pcmOf(bytes)?.samples : bytes).toEqual(SAMPLES);
  });

  it('comes in events', async () => {
    const { exchange, flight } = await speak(TTS, { response_format: 'pcm', stream_format: 'sse' });
    const long = Buffer.alloc(100_000, 1);
    flight?.answer(200, sound(long));
    expect(exchange.downstream.header('content-type')).toBe('text/event-stream');
    const events = exchange.downstream.text
      .split('\n\n')
      .filter((event) => event !== '')
      .map((event) => JSON.parse(event.slice('data: '.length)));
    expect(events.map(({ type }) => type)).toEqual([
      'speech.audio.delta',
      'speech.audio.delta',
      'speech.audio.delta',
      'speech.audio.done',
    ]);
    expect(Buffer.concat(events.slice(0, -1).map(({ audio }) => Buffer.from(audio, 'base64')))).toEqual(long);
    expect(events.at(-1).usage).toEqual({ input_tokens: 10, output_tokens: 50, total_tokens: 60 });
    expect(exchange.llm.usage?.output).toBe(50);
  });

  const text = { candidates: [{ content: { parts: [{ text: 'no' }] }, finishReason: 'STOP' }] };
  it.each<[string, string, number, string, RegExp]>([
    [
      'a blocked text',
      '{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}',
      400,
      'moderation_blocked',
      /PROHIBITED/,
    ],
    ['unsafe', '{"candidates":[{"finishReason":"SAFETY"}]}', 400, 'moderation_blocked', /SAFETY/],
    ['nobody', '{"candidates":[]}', 502, 'upstream_response_invalid', /no whole answer/],
    [
      'cut off',
      sound(SAMPLES, L16, { candidates: [{ finishReason: 'OTHER', content: { parts: [] } }] }),
      502,
      'upstream_response_invalid',
      /OTHER/,
    ],
    ['text', JSON.stringify(text), 502, 'upstream_response_invalid', /no sound/],
    ['of another encoding', sound(SAMPLES, 'audio/mp3'), 502, 'upstream_response_invalid', /unknown encoding/],
    [
      'a broken file',
      sound(Buffer.from('RIFF\0\0\0\0WAVEfmt ', 'latin1'), 'audio/wav'),
      502,
      'upstream_response_invalid',
      /unknown/,
    ],
  ])('that is %s is an error', async (_, answer, status, code, message) => {
    const { exchange, flight } = await speak(TTS, {});
    flight?.answer(200, answer);
    expect(exchange.status).toBe(status);
    expect(told(exchange)).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(exchange.endCause).not.toBeNull();
  });

  it.each([
    ['no JSON', '<html>oops</html>'],
    ['truncated', sound(SAMPLES).slice(0, 80)],
  ])('that is %s is an error of the gateway', async (_, answer) => {
    const { exchange, flight } = await speak(TTS, {});
    flight?.answer(200, answer);
    expect(exchange.status).toBe(502);
    expect(told(exchange).code).toBe('upstream_protocol');
  });

  it('that fails with a page for people says no more than its status', async () => {
    const { exchange, flight } = await speak(TTS, {});
    flight?.answer(503, '<!DOCTYPE html><html>Error 503</html>', 'text/html');
    expect(exchange.status).toBe(503);
    expect(told(exchange).message).toBe('The provider answered with status 503.');
  });
});

describe('a WAVE file', () => {
  const file = wavOf({ samples: SAMPLES, rate: 8000 });
  it('is found behind other chunks, with a length that is too long', () => {
    const other = Buffer.from('LIST\x03\0\0\0abc\0', 'latin1');
    const moved = Buffer.concat([file.subarray(0, 36), other, file.subarray(36)]);
    moved.writeUInt32LE(0xffffffff, 36 + other.length + 4);
    expect(pcmOf(moved)).toEqual({ samples: SAMPLES, rate: 8000 });
  });

  const changed = (at: number, value: number) => (bytes: Buffer) => {
    bytes.writeUInt16LE(value, at);
    return bytes;
  };
  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['stereo', changed(22, 2)],
    ['of 8 bits', changed(34, 8)],
    ['compressed', changed(20, 85)],
    ['cut off in its head', (bytes) => bytes.subarray(0, 30)],
    ['without data', (bytes) => bytes.subarray(0, 36)],
    ['something else', () => Buffer.from('OggS')],
  ])('that is %s is not read', (_, change) => {
    expect(pcmOf(change(Buffer.from(file)))).toBeNull();
  });
});
