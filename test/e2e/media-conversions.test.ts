import { LLMock } from '@copilotkit/aimock';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PNG, WAV } from '../support/forms.ts';
import { freePorts, Gateway, ownServers, until } from '../support/gateway.ts';
import { MockGeminiMedia, SOUND, TRANSCRIPT } from '../support/mock-gemini-media.ts';

/** OpenAI's official client, unmodified, to the media of Gemini's models. */

let own: MockGeminiMedia;
let maintained: LLMock;
let gateway: Gateway;
let base = '';

beforeAll(async () => {
  own = await MockGeminiMedia.start();
  maintained = new LLMock({ port: 0 });
  maintained.addFixture({ match: { predicate: () => true }, response: { content: 'Heard elsewhere.' } });
  await maintained.start();
  const [port = 0] = await freePorts(1);
  const entry = (name: string, model: string, url: string) =>
    `  - name: ${name}\n    provider: gemini\n    params: { model: ${model}, baseUrl: "${url}" }\n    auth: { key: AIza-own }\n`;
  const models = [
    entry('painter', 'gemini-2.5-flash-image', own.url),
    entry('speaker', 'gemini-2.5-flash-preview-tts', own.url),
    entry('listener', 'gemini-2.5-flash', own.url),
    entry('other-listener', 'gemini-2.5-flash', maintained.url),
  ];
  gateway = await Gateway.start(
    (ports) => `${ownServers(ports, 1)}llm:\n  port: ${port}\n  models:\n${models.join('')}`,
  );
  base = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  await gateway?.stop();
  await maintained?.stop();
  own?.stop();
});

const openai = () => new OpenAI({ apiKey: 'client', baseURL: `${base}/v1`, maxRetries: 0 });
const png = () => toFile(PNG, 'a.png', { type: 'image/png' });
const wav = () => toFile(WAV, 'a.wav', { type: 'audio/wav' });
const REVERSED = Buffer.from(PNG).reverse().toString('base64');

describe('an image', () => {
  it('is edited', async () => {
    const { data, usage, output_format } = await openai().images.edit({
      model: 'painter',
      image: [await png(), await png()],
      prompt: 'Give it a hat',
      size: '1024x1024',
    });
    expect(data).toEqual([{ b64_json: REVERSED }]);
    expect(output_format).toBe('png');
    expect(usage).toMatchObject({
      input_tokens: 262,
      output_tokens: 1290,
      input_tokens_details: { image_tokens: 258 },
    });
    const { path, key, body } = own.requests.at(-1)!;
    expect(path).toBe('/v1beta/models/gemini-2.5-flash-image:generateContent');
    expect(key).toBe('AIza-own');
    expect(body.contents[0].parts).toHaveLength(3);
  });

  it('is edited, and comes as an event', async () => {
    const stream = await openai().images.edit({ model: 'painter', image: await png(), prompt: 'A hat', stream: true });
    const events = [];
    for await (const event of stream) events.push(event);
    expect(events).toMatchObject([{ type: 'image_edit.completed', b64_json: REVERSED, usage: { total_tokens: 1552 } }]);
  });

  it('without a file is a 400', async () => {
    const form = new FormData();
    form.set('model', 'painter');
    form.set('prompt', 'a hat');
    const response = await fetch(`${base}/v1/images/edits`, { method: 'POST', body: form });
    expect(response.status).toBe(400);
  });
});

describe('speech', () => {
  it('is a WAV file', async () => {
    const response = await openai().audio.speech.create({
      model: 'speaker',
      voice: 'alloy',
      input: 'Hi',
      response_format: 'wav',
    });
    expect(response.headers.get('content-type')).toBe('audio/wav');
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.toString('latin1', 0, 4)).toBe('RIFF');
    expect(bytes.subarray(44)).toEqual(SOUND);
  });

  it('is samples', async () => {
    const response = await openai().audio.speech.create({
      model: 'speaker',
      voice: 'Kore',
      input: 'Hi',
      response_format: 'pcm',
    });
    expect(Buffer.from(await response.arrayBuffer())).toEqual(SOUND);
  });

  it('says that it is WAV where nothing was asked for', async () => {
    const response = await openai().audio.speech.create({ model: 'speaker', voice: 'Kore', input: 'Hi' });
    expect(response.headers.get('content-type')).toBe('audio/wav');
    expect(response.headers.get('x-sluice-lossy')).toBe('response_format');
  });

  it('is not mp3', async () => {
    const asked = openai().audio.speech.create({
      model: 'speaker',
      voice: 'Kore',
      input: 'Hi',
      response_format: 'mp3',
    });
    await expect(asked).rejects.toMatchObject({ status: 400, code: 'unsupported_parameter', param: 'response_format' });
  });
});

describe('a transcript', () => {
  const USAGE = { type: 'tokens', input_tokens: 92, output_tokens: 6, total_tokens: 98 };

  it('is JSON', async () => {
    const { text, usage } = await openai().audio.transcriptions.create({
      model: 'listener',
      file: await wav(),
      language: 'de',
    });
    expect(text).toBe(TRANSCRIPT);
    expect(usage).toMatchObject({ ...USAGE, input_token_details: { text_tokens: 60, audio_tokens: 32 } });
  });

  it('is text', async () => {
    const text = await openai().audio.transcriptions.create({
      model: 'listener',
      file: await wav(),
      response_format: 'text',
    });
    expect(text).toBe(`${TRANSCRIPT}\n`);
  });

  it('is a stream', async () => {
    const stream = await openai().audio.transcriptions.create({ model: 'listener', file: await wav(), stream: true });
    const events = [];
    for await (const event of stream) events.push(event);
    expect(events).toMatchObject([
      { type: 'transcript.text.delta', delta: 'Grüezi ' },
      { type: 'transcript.text.delta', delta: 'mitenand.' },
      { type: 'transcript.text.done', text: TRANSCRIPT, usage: USAGE },
    ]);
  });

  it('is in English', async () => {
    const { text } = await openai().audio.translations.create({ model: 'listener', file: await wav() });
    expect(text).toBe(TRANSCRIPT);
    expect(own.requests.at(-1)?.body.systemInstruction.parts[0].text).toContain('into English');
  });

  it("is that of somebody else's Gemini", async () => {
    const { text } = await openai().audio.transcriptions.create({ model: 'other-listener', file: await wav() });
    expect(text).toBe('Heard elsewhere.');
  });

  it("is that of somebody else's Gemini, streamed", async () => {
    const asked = { model: 'other-listener', file: await wav(), stream: true as const };
    const events = [];
    for await (const event of await openai().audio.transcriptions.create(asked)) events.push(event);
    expect(events.at(-1)).toMatchObject({ type: 'transcript.text.done', text: 'Heard elsewhere.' });
  });

  it('is counted in the log', async () => {
    await openai().audio.transcriptions.create({ model: 'listener', file: await wav() });
    await until(() => /transcription[^\n]*input_tokens"?[=:]92/.test(gateway.stdout));
  });
});
