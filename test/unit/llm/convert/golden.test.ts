import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  EVENT_STREAM_TYPE,
  eventTypeOf,
  MessageCutter,
  messageOf,
  payloadOf,
} from '../../../../src/adapters/llm/convert/event-stream.ts';
import { llmBench, provider, serve } from '../../../support/llm.ts';

/**
 * What each client's request, and each provider's answer and stream, becomes in every format: golden files in
 * test/fixtures/conversions/<client's format>/, made from one rich example a format in `inputs/`. UPDATE_GOLDEN=1 rewrites them; read
 * the difference before it is committed.
 */
const FIXTURES = new URL('../../../fixtures/conversions/', import.meta.url);

interface Frame {
  event: string;
  data: string;
}

interface Input {
  path: string;
  streamPath?: string;
  headers?: string[];
  request: Record<string, unknown>;
  /** What the request has besides where it asks for a stream. */
  stream: Record<string, unknown>;
  answer: Record<string, unknown>;
  events: Frame[];
}

const inputs = new Map(
  readdirSync(new URL('inputs/', FIXTURES)).map((file) => [
    file.slice(0, -'.json'.length),
    JSON.parse(readFileSync(new URL(`inputs/${file}`, FIXTURES), 'utf8')) as Input,
  ]),
);
const cells = [...inputs.keys()].flatMap((client) =>
  [...inputs.keys()].filter((target) => target !== client).map((target) => [client, target] as const),
);

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: 1_790_000_000_000 });
});
afterAll(() => {
  vi.useRealTimers();
});

describe.each(cells)('from a client of %s to a provider of %s', (client, target) => {
  const { path, streamPath = path, headers = [], request: rich, stream } = inputs.get(client)!;
  const request = target === 'responses' ? withoutStops(rich) : rich;
  const { answer, events } = inputs.get(target)!;
  const settings = target === 'converse' ? { region: 'eu-west-1' } : { formats: [{ type: target }] };
  const bench = () =>
    llmBench({
      providers: [[provider(target === 'converse' ? 'bedrock' : 'custom', { settings, hostOverride: 'p:1' })]],
    });
  const ask = async (url: string, body: unknown) => {
    const llm = bench();
    const exchange = await serve(llm, { url, headers, body: JSON.stringify(body) });
    return { exchange, flight: llm.flights[0] };
  };

  test('the request', async () => {
    const { exchange, flight } = await ask(path, request);
    golden(client, `${target}.request.json`, {
      path: flight?.call.path,
      lossy: exchange.downstream.header('x-sluice-lossy') ?? '',
      body: flight?.json ?? exchange.downstream.text,
    });
  });

  test('the answer', async () => {
    const { exchange, flight } = await ask(path, request);
    flight!.answer(200, JSON.stringify(answer));
    golden(client, `${target}.answer.json`, {
      lossy: exchange.downstream.header('x-sluice-lossy') ?? '',
      usage: exchange.llm.usage,
      body: JSON.parse(exchange.downstream.text),
    });
  });

  test('the stream', async () => {
    const { exchange, flight } = await ask(streamPath, { ...request, ...stream });
    const aws = target === 'converse';
    flight!.sink.onHead(200, ['content-type', aws ? EVENT_STREAM_TYPE : 'text/event-stream']);
    for (const frame of events) flight!.sink.onData(aws ? messageOf(frame) : Buffer.from(sse(frame)));
    flight!.sink.onEnd([]);
    const bytes = Buffer.concat(exchange.downstream.chunks);
    golden(client, `${target}.stream.txt`, client === 'converse' ? readable(bytes) : bytes.toString('utf8'));
  });
});

test('there is a golden file for each, and none besides', () => {
  for (const client of inputs.keys()) {
    const expected = cells
      .filter(([from]) => from === client)
      .flatMap(([, to]) => ['answer.json', 'request.json', 'stream.txt'].map((kind) => `${to}.${kind}`));
    expect(readdirSync(new URL(`${client}/`, FIXTURES)).sort()).toEqual(expected.sort());
  }
});

function golden(client: string, name: string, made: unknown): void {
  const text = steady(typeof made === 'string' ? made : `${JSON.stringify(made, null, 2)}\n`);
  const file = new URL(`${client}/${name}`, FIXTURES);
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(new URL('.', file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, 'utf8'));
}

/** OpenAI's responses know no stop sequences, and such requests are refused. */
function withoutStops(request: object): Record<string, unknown> {
  const text = JSON.stringify(request, (name, value) => (/^stop(?:_s|S|$)/.test(name) ? undefined : value));
  return JSON.parse(text);
}

/** Random ids by the order in which they turn up. */
function steady(text: string): string {
  const seen = new Map<string, string>();
  return text.replaceAll(/[0-9a-f]{32}/g, (id) => {
    if (!seen.has(id)) seen.set(id, `<id ${seen.size + 1}>`);
    return seen.get(id)!;
  });
}

function sse({ event, data }: Frame): string {
  return `${event === '' ? '' : `event: ${event}\n`}data: ${data}\n\n`;
}

/** An AWS event stream as server-sent events would say it. */
function readable(bytes: Buffer): string {
  let text = '';
  const cutter = new MessageCutter(1 << 20);
  cutter.write(bytes, (message) => {
    text += sse({ event: eventTypeOf(message), data: payloadOf(message).toString() });
  });
  return text;
}
