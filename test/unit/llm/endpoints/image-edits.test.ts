import { describe, expect, it } from 'vitest';
import { FORM_HEADERS, type FormPart, formOf, PNG } from '../../../support/forms.ts';
import { type LlmExchange, llmBench, model, provider, serve } from '../../../support/llm.ts';

const URL = '/v1/images/edits';
const MODEL = 'gemini-2.5-flash-image';
const IMAGE: FormPart = { name: 'image', value: PNG, filename: 'a.png', type: 'image/png' };
const PROMPT: FormPart = { name: 'prompt', value: 'a hat'.repeat(400) };
const VERTEX = { settings: { projectId: 'p', region: 'global' }, policies: { backendAuth: { key: 'own' } } };

const field = (name: string, value: string): FormPart => ({ name, value });

async function edit(
  parts: readonly FormPart[],
  { name = MODEL, kind = 'gemini', values = {} as object, maxBufferBytes = 1 << 24 } = {},
) {
  const of = kind === 'vertex' ? provider('vertex', VERTEX) : provider('gemini');
  const llm = llmBench({
    models: [model('*', { provider: of })],
    values: { ai: values },
    maxBufferBytes,
    bodyBudget: 1 << 26,
  });
  const exchange = await serve(llm, {
    url: URL,
    headers: FORM_HEADERS,
    body: formOf([...parts, field('model', name)]),
  });
  return { exchange, flight: llm.flights[0] };
}

function told(exchange: LlmExchange) {
  return JSON.parse(exchange.downstream.text);
}

const inline = (data: Buffer, mimeType = 'image/png') => ({ inlineData: { mimeType, data: data.toString('base64') } });
const MADE = JSON.stringify({
  candidates: [{ content: { parts: [inline(Buffer.from('new'))] }, finishReason: 'STOP' }],
  usageMetadata: {
    promptTokenCount: 300,
    candidatesTokenCount: 1290,
    totalTokenCount: 1590,
    promptTokensDetails: [
      { modality: 'TEXT', tokenCount: 42 },
      { modality: 'IMAGE', tokenCount: 258 },
    ],
    candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1290 }],
  },
});

describe('an image to edit', () => {
  it('is said to Gemini in front of what to do with it', async () => {
    const { exchange, flight } = await edit([IMAGE, PROMPT, field('size', '1024x1024'), field('n', '1')]);
    expect(flight?.call.path).toBe(`/v1beta/models/${MODEL}:generateContent`);
    expect(flight?.header('content-type')).toBe('application/json');
    expect(flight?.json).toEqual({
      contents: [{ role: 'user', parts: [inline(PNG), { text: PROMPT.value }] }],
      generationConfig: { responseModalities: ['IMAGE'], imageConfig: { aspectRatio: '1:1' } },
    });
    flight?.answer(200, MADE);
    expect(told(exchange).data).toEqual([{ b64_json: Buffer.from('new').toString('base64') }]);
    expect(exchange.downstream.header('x-sluice-lossy')).toBeUndefined();
    expect(exchange.llm).toMatchObject({
      operation: 'image_edit',
      usage: { input: 300, output: 1290 },
      usageDetails: { inputTextTokens: 42, inputImageTokens: 258, outputImageTokens: 1290 },
    });
  });

  it('is one of several, whatever their parts call them', async () => {
    const jpeg = Buffer.from('\xff\xd8\xff', 'latin1');
    const parts = [
      { ...IMAGE, name: 'image[]' },
      { name: 'image[]', value: jpeg, filename: 'b', type: 'application/octet-stream' },
    ];
    const { flight } = await edit([...parts, PROMPT]);
    expect(flight?.json.contents[0].parts.slice(0, 2)).toEqual([inline(PNG), inline(jpeg, 'image/jpeg')]);
  });

  it('goes to Vertex AI, which can be told the encoding', async () => {
    const parts = [IMAGE, PROMPT, field('output_format', 'jpeg'), field('output_compression', '70')];
    const { flight } = await edit(parts, { kind: 'vertex' });
    expect(flight?.json.generationConfig.imageConfig).toEqual({
      imageOutputOptions: { mimeType: 'image/jpeg', compressionQuality: 70 },
    });
  });

  it('is told of what was left out', async () => {
    const parts = [
      IMAGE,
      { ...IMAGE, name: 'mask' },
      PROMPT,
      field('quality', 'high'),
      field('input_fidelity', 'high'),
    ];
    const { exchange, flight } = await edit([...parts, field('background', 'auto')]);
    flight?.answer(200, MADE);
    expect(exchange.downstream.header('x-sluice-lossy')).toBe('quality, input_fidelity, mask');
  });

  it('comes as an event of its kind', async () => {
    const { exchange, flight } = await edit([IMAGE, PROMPT, field('stream', 'true')]);
    flight?.answer(200, MADE);
    const [event, data = ''] = exchange.downstream.text.split('\n');
    expect(event).toBe('event: image_edit.completed');
    expect(JSON.parse(data.slice('data: '.length))).toMatchObject({ usage: { total_tokens: 1590 } });
    expect(exchange.llm.usage?.output).toBe(1290);
  });

  it.each<[string, FormPart[], object, string]>([
    ['a mask where nothing may be lost', [{ ...IMAGE, name: 'mask' }], { strict: true }, 'mask'],
    ['several images of one', [field('n', '2')], {}, 'n'],
    ['URLs', [field('response_format', 'url')], {}, 'response_format'],
    ['a transparent background', [field('background', 'transparent')], {}, 'background'],
  ])('is refused with %s', async (_, parts, values, param) => {
    const { exchange, flight } = await edit([IMAGE, PROMPT, ...parts], { values });
    expect(flight).toBeUndefined();
    expect(told(exchange).error).toMatchObject({ code: 'unsupported_parameter', param });
  });

  it('is refused for Imagen, whose masks are of another kind', async () => {
    const { exchange, flight } = await edit([IMAGE, PROMPT], { name: 'imagen-3.0-capability-001', kind: 'vertex' });
    expect(flight).toBeUndefined();
    expect(told(exchange).error).toMatchObject({ code: 'unsupported_parameter', param: 'image' });
  });

  it.each<[string, FormPart[]]>([
    ['is none', [PROMPT]],
    ['is a text', [field('image', 'x'), PROMPT]],
    ['is no image', [{ ...IMAGE, value: '<svg>' }, PROMPT]],
    ['is empty', [{ ...IMAGE, value: '' }, PROMPT]],
    ['is one of too many', [...Array.from({ length: 17 }, () => IMAGE), PROMPT]],
    ['has no prompt', [IMAGE]],
    ['is asked for in words', [IMAGE, PROMPT, field('n', 'two')]],
  ])('that %s is malformed', async (_, parts) => {
    const { exchange, flight } = await edit(parts);
    expect(flight).toBeUndefined();
    expect(told(exchange).error.code).toBe('invalid_request_body');
  });

  it('that is huge is sent whole', async () => {
    const large = Buffer.concat([PNG, Buffer.alloc(8 << 20, 7)]);
    const { flight } = await edit([{ ...IMAGE, value: large }, PROMPT]);
    expect(Buffer.from(flight?.json.contents[0].parts[0].inlineData.data, 'base64').equals(large)).toBe(true);
  });

  it('whose answer is larger than may be held is an error', async () => {
    const { exchange, flight } = await edit([IMAGE, PROMPT], { maxBufferBytes: 10_000 });
    flight?.answer(200, MADE.replace('bmV3', 'A'.repeat(20_000)));
    expect(exchange.status).toBe(502);
    expect(flight?.aborted).toBe(true);
  });

  it('has what policies set', async () => {
    const values = { overrides: { prompt: 'a scarf' }, defaults: { size: '1024x1024' }, finalTransformations: {} };
    const { flight } = await edit([IMAGE, PROMPT], { values });
    expect(flight?.json.contents[0].parts[1]).toEqual({ text: 'a scarf' });
    expect(flight?.json.generationConfig.imageConfig).toEqual({ aspectRatio: '1:1' });
  });
});
