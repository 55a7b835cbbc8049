import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { convertedFor } from '../../../../src/adapters/llm/endpoints/conversions.ts';
import { PROVIDERS } from '../../../../src/adapters/llm/providers/index.ts';
import { FORM_HEADERS, type FormPart, formOf } from '../../../support/forms.ts';
import { llmBench, provider, serve } from '../../../support/llm.ts';
import { golden, goldenFiles, inputsOf } from './golden-files.ts';

/** What requests for media by OpenAI's APIs become at the providers that they are converted for: golden files, from one example an API. */

interface Input {
  path: string;
  fields: Record<string, string>;
  /** The request is a form then. */
  files?: { name: string; filename: string; type: string; base64: string }[];
  /** What the request has besides where it asks for a stream; absent: the API has none. */
  stream?: Record<string, string>;
  /** The answers of models that are asked. */
  models: Record<string, object>;
  /** What streams consist of, where the provider is asked for one. */
  events?: object[];
}

const SETTINGS = { gemini: {}, vertex: { projectId: 'p', region: 'us-central1' } } as Record<string, object>;
const inputs = inputsOf<Input>('media');
const kinds = [...PROVIDERS.keys()].filter((kind) => convertedFor(kind).length > 0);
const endpoints = [...new Set(kinds.flatMap((kind) => convertedFor(kind)))];
const cells = kinds.flatMap((kind) =>
  convertedFor(kind).flatMap((endpoint) =>
    Object.keys(inputs.get(endpoint)?.models ?? { 'no example': {} }).map((name) => [endpoint, kind, name] as const),
  ),
);
/** Imagen doesn't edit. */
const refused = (endpoint: string, name: string) => endpoint === 'imageEdit' && name.startsWith('imagen');

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: 1_790_000_000_000 });
});
afterAll(() => {
  vi.useRealTimers();
});

async function ask({ path, files }: Input, kind: string, fields: Record<string, unknown>) {
  const to = provider(kind, { settings: SETTINGS[kind] as never, policies: { backendAuth: { key: 'a-key' } } });
  const llm = llmBench({ providers: [[to]] });
  const parts: FormPart[] = [
    ...Object.entries(fields).map(([name, value]) => ({ name, value: String(value) })),
    ...(files ?? []).map(({ base64, ...file }) => ({ ...file, value: Buffer.from(base64, 'base64') })),
  ];
  const json = ['content-type', 'application/json'];
  const exchange = await serve(
    llm,
    files === undefined
      ? { url: path, headers: json, body: JSON.stringify(fields) }
      : { url: path, headers: FORM_HEADERS, body: formOf(parts) },
  );
  return { exchange, flight: llm.flights[0] };
}

function told({ downstream }: Awaited<ReturnType<typeof ask>>['exchange']): unknown {
  const type = downstream.header('content-type') ?? '';
  if (type.startsWith('application/json')) return JSON.parse(downstream.text);
  if (type.startsWith('audio/')) return Buffer.concat(downstream.chunks).toString('base64');
  return downstream.text;
}

test.each(cells)('%s by %s of %s', async (endpoint, kind, name) => {
  const input = inputs.get(endpoint)!;
  const { exchange, flight } = await ask(input, kind, { ...input.fields, model: name });
  golden(`media/${endpoint}`, `${kind}.${name}.request.json`, {
    path: flight?.call.path,
    body: flight?.json ?? told(exchange),
  });
  expect(flight === undefined).toBe(refused(endpoint, name));
  if (flight === undefined) return;
  flight.answer(200, JSON.stringify(input.models[name]));
  expect(exchange.status).toBe(200);
  golden(`media/${endpoint}`, `${kind}.${name}.answer.json`, {
    type: exchange.downstream.header('content-type'),
    lossy: exchange.downstream.header('x-sluice-lossy') ?? '',
    usage: exchange.llm.usage,
    details: exchange.llm.usageDetails,
    body: told(exchange),
  });
});

const streamed = cells.filter(
  ([endpoint, , name]) => inputs.get(endpoint)?.stream !== undefined && !refused(endpoint, name),
);

test.each(streamed)('%s by %s of %s, as a stream', async (endpoint, kind, name) => {
  const input = inputs.get(endpoint)!;
  const { exchange, flight } = await ask(input, kind, { ...input.fields, ...input.stream, model: name });
  if (input.events === undefined) flight!.answer(200, JSON.stringify(input.models[name]));
  else {
    expect(flight!.call.path).toMatch(/:streamGenerateContent\?alt=sse$/);
    flight!.stream(...input.events.map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`));
    flight!.sink.onEnd([]);
  }
  golden(`media/${endpoint}`, `${kind}.${name}.stream.txt`, exchange.downstream.text);
});

test('there is an example of each API, a golden file for each cell, and none besides', () => {
  expect([...inputs.keys()].sort()).toEqual([...endpoints].sort());
  for (const endpoint of endpoints) {
    const expected = cells
      .filter(([one]) => one === endpoint)
      .flatMap(([, kind, name]) => {
        const streams = streamed.some((cell) => cell[0] === endpoint && cell[1] === kind && cell[2] === name);
        const made = refused(endpoint, name) ? [] : ['answer.json', ...(streams ? ['stream.txt'] : [])];
        return ['request.json', ...made].map((one) => `${kind}.${name}.${one}`);
      });
    expect(goldenFiles(`media/${endpoint}`)).toEqual(expected.sort());
  }
});
