import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { modelInBeginning, PartWatch } from '../../../../src/adapters/llm/endpoints/form-beginning.ts';
import type { LlmModel } from '../../../../src/resources/types.ts';
import { FORM_HEADERS, type FormPart, formOf, WAV } from '../../../support/forms.ts';
import { type LlmExchange, llmBench, model, provider, serve } from '../../../support/llm.ts';

const URL = '/v1/audio/transcriptions';
const TYPE = FORM_HEADERS[1] as string;
const SOUND = Buffer.concat([WAV, Buffer.alloc(2 << 20, '\r\n--b')]);
const NAME: FormPart = { name: 'model', value: 'm' };
const FILE: FormPart = { name: 'file', value: SOUND, filename: 'a.wav', type: 'audio/wav' };
const LANGUAGE: FormPart = { name: 'language', value: 'de' };

type Bench = Parameters<typeof llmBench>[0];

/** Serves an upload that comes in pieces of `size`. */
async function upload(
  parts: readonly FormPart[],
  bench: Bench = { models: [model('m')] },
  size = 65_536,
  until: number | undefined = undefined,
) {
  const llm = llmBench({ bodyBudget: 1 << 26, maxBufferBytes: 1 << 24, ...bench });
  const whole = formOf(parts).subarray(0, until);
  const taken = { bytes: 0 };
  const exchange = await serve(llm, { url: URL, headers: FORM_HEADERS, body: whole }, (one) => {
    one.downstream.bodyStream = () =>
      Readable.from(
        (function* () {
          for (let at = 0; at < whole.length; at += size) {
            taken.bytes += Math.min(size, whole.length - at);
            yield whole.subarray(at, at + size);
          }
        })(),
        { objectMode: false },
      );
  });
  for (let i = 0; i < 200 && llm.flights.length === 0 && exchange.endCause === null; i++)
    await new Promise(setImmediate);
  return { llm, exchange, flight: llm.flights[0], whole, taken };
}

type Flight = Awaited<ReturnType<typeof upload>>['flight'];

async function sentBy(flight: Flight): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of flight!.call.body as Readable) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const isStream = (flight: Flight) => flight?.call.body instanceof Readable;
const told = (exchange: LlmExchange) => JSON.parse(exchange.downstream.text).error;

describe('an upload that begins with its model', () => {
  it('goes on as it comes', async () => {
    const { llm, exchange, flight, whole, taken } = await upload([LANGUAGE, NAME, FILE]);
    expect(isStream(flight)).toBe(true);
    expect(taken.bytes).toBeLessThan(whole.length / 2);
    expect(flight?.header('content-length')).toBe(String(whole.length));
    expect(llm.bodies.used).toBe(0);
    expect((await sentBy(flight)).equals(whole)).toBe(true);
    flight?.answer(200, '{"text":"x","usage":{"type":"tokens","input_tokens":3,"output_tokens":2,"total_tokens":5}}');
    expect(exchange.llm).toMatchObject({ clientModel: 'm', requestModel: 'm', usage: { input: 3, output: 2 } });
    expect(exchange.bytesReceived).toBe(whole.length);
  });

  it.each([1000, 4096, 70_000, 1 << 22])(
    'is sent in its own bytes, whatever pieces of %s it comes in',
    async (size) => {
      const { flight, whole } = await upload([NAME, FILE, LANGUAGE], undefined, size);
      expect((await sentBy(flight)).equals(whole)).toBe(true);
    },
  );

  it('has another model where an alias or the provider says so', async () => {
    const settings = { provider: provider('openAI', { settings: { model: 'whisper-large' } }) };
    const { flight, whole } = await upload([NAME, FILE], { models: [model('m', settings)] });
    expect(flight?.header('content-length')).toBe(String(whole.length + 'whisper-large'.length - 1));
    const expected = formOf([{ ...NAME, value: 'whisper-large' }, FILE]);
    expect((await sentBy(flight)).equals(expected)).toBe(true);
  });

  it.each<[string, FormPart[], number]>([
    ['behind its file', [NAME, FILE, { ...NAME, value: 'other' }], 65_536],
    ['at once', [NAME, { ...NAME, value: 'other' }, FILE], 65_536],
    ['in pieces', [NAME, FILE, { ...NAME, value: 'other' }], 997],
  ])('and names another %s breaks off before its end', async (_, parts, size) => {
    const { flight } = await upload(parts, undefined, size);
    const body = flight!.call.body as Readable;
    let sent = '';
    const reading = (async () => {
      for await (const chunk of body) sent += String(chunk);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'missing_model' });
    expect(sent).not.toContain('other');
  });

  it('and has no end breaks off too', async () => {
    const { flight } = await upload([NAME, FILE], undefined, 65_536, -'--bx--\r\n'.length);
    await expect(sentBy(flight)).rejects.toMatchObject({ code: 'invalid_request_body' });
  });
});

describe('an upload is held', () => {
  const rest = (more: Partial<LlmModel> = {}): Bench => ({ models: [model('m', more)] });
  it.each<[string, FormPart[], Bench]>([
    ['with its model behind the file', [FILE, NAME], rest()],
    ['where it is small', [NAME, { ...FILE, value: WAV }], rest()],
    ['behind a text that is too long', [{ name: 'prompt', value: 'x'.repeat(200_000) }, NAME, FILE], rest()],
    ['where fields are set', [NAME, FILE], { ...rest(), values: { ai: { defaults: { language: 'de' } } } }],
    [
      'where somebody else stands by',
      [NAME, FILE],
      { providers: [[provider('openAI', { name: 'a' }), provider('openAI', { name: 'b' })]] },
    ],
  ])('%s', async (_, parts, bench) => {
    const { flight } = await upload(parts, bench);
    expect(Buffer.isBuffer(flight?.call.body)).toBe(true);
  });

  it('in its own bytes', async () => {
    const { llm, flight, whole } = await upload([FILE, NAME]);
    expect((flight!.call.body as Buffer).equals(whole)).toBe(true);
    expect(llm.bodies.used).toBe(whole.length);
    flight?.answer(200, '{"text":"x"}');
    expect(llm.bodies.used).toBe(0);
  });

  it('where it is converted', async () => {
    const { flight } = await upload([NAME, FILE], { models: [model('m', { provider: provider('gemini') })] });
    expect(flight?.json.contents[0].parts[0].inlineData.mimeType).toBe('audio/wav');
  });

  it.each<[string, FormPart[], Bench, number, string]>([
    ['too large', [FILE, NAME], { ...rest(), maxBufferBytes: 1 << 20 }, 413, 'request_body_too_large'],
    ['more than there is memory for', [FILE, NAME], { ...rest(), bodyBudget: 1 << 20 }, 503, 'overloaded'],
    ['no form', [{ name: 'x', value: SOUND }], rest(), 400, 'missing_model'],
    ['for nobody', [{ ...NAME, value: 'other' }, FILE], rest(), 404, 'model_not_found'],
    [
      'for a provider without such an API',
      [NAME, FILE],
      rest({ provider: provider('anthropic') }),
      400,
      'unsupported_conversion',
    ],
  ])('unless it is %s', async (_, parts, bench, status, code) => {
    const { exchange, flight } = await upload(parts, bench);
    expect(flight).toBeUndefined();
    expect(exchange.status).toBe(status);
    expect(told(exchange).code).toBe(code);
  });

  it('for a key that is limited to other models not at all', async () => {
    const llm = llmBench({ providers: [[provider('openAI')]] });
    const exchange = await serve(llm, { url: URL, headers: FORM_HEADERS, body: formOf([NAME, FILE]) }, (one) => {
      one.apiKey = { id: 'k', metadata: {}, allowedModels: ['gpt-*'] };
    });
    for (let i = 0; i < 50 && exchange.endCause === null; i++) await new Promise(setImmediate);
    expect(llm.flights).toEqual([]);
    expect(told(exchange).code).toBe('model_not_allowed');
  });

  it('that its client breaks off', async () => {
    const llm = llmBench({ models: [model('m')] });
    const exchange = await serve(llm, { url: URL, headers: FORM_HEADERS, body: formOf([NAME, FILE]) }, (one) => {
      one.downstream.bodyStream = () =>
        new Readable({
          read() {
            this.destroy(new Error('aborted'));
          },
        });
    });
    for (let i = 0; i < 50 && exchange.endCause === null; i++) await new Promise(setImmediate);
    expect(told(exchange).code).toBe('bad_request');
  });
});

describe('the beginning of a form', () => {
  const whole = formOf([LANGUAGE, NAME, { ...FILE, value: 'x' }]);
  it('has its model from some byte on, and before that asks for more', () => {
    const at = whole.indexOf('"model"\r\n\r\n') + '"model"\r\n\r\n'.length;
    for (let length = 0; length <= whole.length; length++) {
      const found = modelInBeginning(whole.subarray(0, length), TYPE);
      expect(found).toEqual(length < at + 1 + '\r\n--bx'.length ? 'more' : { model: 'm', start: at, end: at + 1 });
    }
  });

  it.each<[string, Buffer, string]>([
    ['without a boundary', whole, 'multipart/form-data'],
    ['of another boundary', whole, 'multipart/form-data; boundary=by'],
    ['that ends', formOf([LANGUAGE]), TYPE],
    ['with a file first', formOf([{ ...FILE, value: 'x' }, NAME]), TYPE],
    ['with an empty model', formOf([{ ...NAME, value: '' }]), TYPE],
    ['with a long model', formOf([{ ...NAME, value: 'x'.repeat(2000) }]), TYPE],
    ['with a head that does not end', Buffer.from(`--bx\r\n${'x'.repeat(5000)}`), TYPE],
  ])('%s has none', (_, bytes, type) => {
    expect(modelInBeginning(bytes, type)).toBe('none');
  });
});

describe('the rest of a form', () => {
  it('that never ends is no form', () => {
    const watch = new PartWatch(TYPE);
    watch.write(Buffer.from('\r\n--bx\r\nContent-Disposition: form-data; name="file"\r\n\r\nxx'));
    expect(() => watch.end()).toThrow('well-formed');
  });

  it('whose fields never end is no form', () => {
    const watch = new PartWatch(TYPE);
    expect(() => watch.write(Buffer.from(`\r\n--bx\r\n${'x'.repeat(5000)}`))).toThrow('well-formed');
  });

  it('passes byte by byte', () => {
    const rest = Buffer.from(
      '\r\n--bx\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--b\r\n--bx--\r\n epilogue',
    );
    const watch = new PartWatch(TYPE);
    const passed = [...rest].map((byte) => watch.write(Buffer.from([byte])));
    watch.end();
    expect(Buffer.concat(passed).equals(rest)).toBe(true);
  });
});
