import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { isWireFormat, spokenFormat } from '../../../../src/adapters/llm/convert/choose.ts';
import { isClientFormat } from '../../../../src/adapters/llm/convert/client-codecs.ts';
import { EVENT_STREAM_TYPE, messageOf } from '../../../../src/adapters/llm/convert/event-stream.ts';
import { CODECS } from '../../../../src/adapters/llm/formats/codecs.ts';
import { routeByPath } from '../../../../src/adapters/llm/paths.ts';
import { PROVIDERS } from '../../../../src/adapters/llm/providers/index.ts';
import type { WireFormat } from '../../../../src/facts/conversation.ts';
import { ROUTE_TYPES, type RouteType } from '../../../../src/facts/llm.ts';
import type { AiProvider } from '../../../../src/resources/types.ts';
import { llmBench, provider, serve } from '../../../support/llm.ts';
import { golden, goldenFiles, inputsOf, readable, type SentEvent, sse } from './golden-files.ts';

/** What each client's conversation, and each provider's answer and stream, becomes in every format: golden files, from one rich example a format. */

interface Input {
  path: string;
  streamPath?: string;
  headers?: string[];
  request: Record<string, unknown>;
  /** What the request has besides where it asks for a stream. */
  stream: Record<string, unknown>;
  /** Of formats that providers speak. */
  answer?: Record<string, unknown>;
  events?: SentEvent[];
}

const inputs = inputsOf<Input>('');
const clientFormats = ROUTE_TYPES.filter((route) => isClientFormat(route));
const routeOf = (name: string) => routeByPath(inputs.get(name)?.path ?? '') as RouteType;

/** Providers that speak a format and not others that a client might have; Groq has no legacy completions. */
function providersOf(target: WireFormat): AiProvider[] {
  if (target === 'converse') return [provider('bedrock', { settings: { region: 'eu-west-1' }, hostOverride: 'p:1' })];
  const custom = provider('custom', { settings: { formats: [{ type: target }] }, hostOverride: 'p:1' });
  return target === 'completions' ? [custom, provider('groq', { hostOverride: 'p:1' })] : [custom];
}

function formatsOf(of: AiProvider, model = 'the-model') {
  const open = PROVIDERS.get(of.provider)?.open?.(of);
  return open?.formatsFor?.(model) ?? open?.formats ?? new Map();
}

/** Who is spoken to in `target` for a client of `client`; undefined where nobody has to be. */
function converterFor(client: RouteType, target: WireFormat): AiProvider | undefined {
  return providersOf(target).find((one) => {
    const formats = formatsOf(one);
    return !formats.has(client as never) && spokenFormat(client, formats) === target;
  });
}

const cells = [...inputs.keys()].flatMap((name) =>
  [...CODECS.keys()].flatMap((target) => {
    const to = converterFor(routeOf(name), target);
    return to === undefined ? [] : [[name, target, to] as const];
  }),
);

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: 1_790_000_000_000 });
});
afterAll(() => {
  vi.useRealTimers();
});

describe.each(cells)('from a client of %s to a provider of %s', (client, target, to) => {
  const { path, streamPath = path, headers = [], request: rich, stream } = inputs.get(client)!;
  const request = target === 'responses' ? withoutStops(rich) : rich;
  const { answer, events } = inputs.get(target)!;
  const ask = async (url: string, body: unknown) => {
    const llm = llmBench({ providers: [[to]] });
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
    for (const frame of events!) flight!.sink.onData(aws ? messageOf(frame) : Buffer.from(sse(frame)));
    flight!.sink.onEnd([]);
    const bytes = Buffer.concat(exchange.downstream.chunks);
    const text = exchange.downstream.header('content-type') === EVENT_STREAM_TYPE ? readable(bytes) : bytes.toString();
    golden(client, `${target}.stream.txt`, text);
  });
});

describe('the golden files', () => {
  test('have an example of each format that clients speak', () => {
    const given = new Set([...inputs.keys()].map(routeOf));
    expect([...given].sort()).toEqual([...clientFormats].sort());
  });

  test('have an answer of each format that providers speak', () => {
    const given = [...inputs].filter(([, { answer, events }]) => answer !== undefined && events !== undefined);
    expect(given.map(([name]) => name).sort()).toEqual([...CODECS.keys()].sort());
  });

  const settings: Readonly<Record<string, AiProvider['settings']>> = {
    vertex: { projectId: 'p' },
    bedrock: { region: 'eu-west-1' },
    azure: { resourceName: 'r', resourceType: 'openAI' },
    custom: { formats: [{ type: 'completions' }] },
  };
  const models = ['', 'the-model', 'gemini-2.5-pro', 'claude-sonnet-4-5', 'meta/llama-4', 'gpt-5'];
  const kinds = [...PROVIDERS.keys()].filter((kind) => PROVIDERS.get(kind)?.open !== undefined);

  test.each(kinds)('are there for whatever is converted to %s', (kind) => {
    const of = provider(kind, { settings: settings[kind] ?? {}, hostOverride: 'p:1' });
    for (const model of models) {
      const formats = formatsOf(of, model);
      for (const client of clientFormats) {
        const spoken = formats.has(client) ? null : spokenFormat(client, formats);
        if (spoken === null || !isWireFormat(spoken)) continue;
        expect(cells.some(([name, target]) => routeOf(name) === client && target === spoken)).toBe(true);
      }
    }
  });

  test('are one for each cell, and none besides', () => {
    for (const client of inputs.keys()) {
      const expected = cells
        .filter(([from]) => from === client)
        .flatMap(([, to]) => ['answer.json', 'request.json', 'stream.txt'].map((kind) => `${to}.${kind}`));
      expect(goldenFiles(client)).toEqual(expected.sort());
    }
  });
});

/** OpenAI's responses know no stop sequences, and such requests are refused. */
function withoutStops(request: object): Record<string, unknown> {
  const text = JSON.stringify(request, (name, value) => (/^stop(?:_s|S|$)/.test(name) ? undefined : value));
  return JSON.parse(text);
}
