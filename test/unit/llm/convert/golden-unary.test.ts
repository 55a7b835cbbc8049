import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { spokenFormat } from '../../../../src/adapters/llm/convert/choose.ts';
import { EMBEDDINGS } from '../../../../src/adapters/llm/formats/embeddings.ts';
import { RERANKING } from '../../../../src/adapters/llm/formats/reranking.ts';
import type { FormatName } from '../../../../src/adapters/llm/formats/route-types.ts';
import { PROVIDERS } from '../../../../src/adapters/llm/providers/index.ts';
import type { RouteType } from '../../../../src/facts/llm.ts';
import type { AiProvider } from '../../../../src/resources/types.ts';
import { llmBench, provider, serve } from '../../../support/llm.ts';
import { golden, goldenFiles, inputsOf } from './golden-files.ts';

/** What embeddings and rerankings of each client become at each provider: golden files, from one example a format. */

interface Input {
  /** Of formats that clients speak. `MODEL` is where the path names it. */
  path?: string;
  request?: Record<string, unknown>;
  /** How many inputs the request has. */
  inputs?: number;
  /** Answers to calls with one input, and with as many as there are. */
  answers: Record<string, unknown>[];
}

const KEY = { backendAuth: { key: 'a-key' } };
const of = (kind: string, settings: AiProvider['settings'] = {}) => provider(kind, { settings, policies: KEY });
const only = (type: string) => provider('custom', { settings: { formats: [{ type }] }, hostOverride: 'p:1' });
const bedrock = of('bedrock', { region: 'eu-west-1' });
const vertex = of('vertex', { projectId: 'p', region: 'us-central1' });

/** Who speaks a format, and of which model. */
const SPEAKERS: Readonly<Partial<Record<FormatName, readonly [AiProvider, model: string]>>> = {
  embeddings: [only('embeddings'), 'the-model'],
  cohereEmbed: [only('cohereEmbed'), 'the-model'],
  embedContent: [only('embedContent'), 'the-model'],
  batchEmbedContents: [only('batchEmbedContents'), 'the-model'],
  vertexPredict: [vertex, 'text-embedding-005'],
  vertexMultimodal: [vertex, 'multimodalembedding@001'],
  titanEmbed: [bedrock, 'amazon.titan-embed-text-v2:0'],
  novaEmbed: [bedrock, 'amazon.nova-2-multimodal-embeddings-v1:0'],
  bedrockCohereEmbed: [bedrock, 'cohere.embed-v4:0'],
  rerank: [only('rerank'), 'the-model'],
  cohereRerank: [only('cohereRerank'), 'the-model'],
  vertexRank: [vertex, 'semantic-ranker-default@latest'],
  bedrockRerank: [bedrock, 'cohere.rerank-v3-5:0'],
};

function formatsOf(to: AiProvider, model: string): ReadonlyMap<FormatName, unknown> {
  const open = PROVIDERS.get(to.provider)?.open?.(to);
  return open?.formatsFor?.(model) ?? open?.formats ?? new Map();
}

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: 1_790_000_000_000 });
});
afterAll(() => {
  vi.useRealTimers();
});

describe.each([
  ['embeddings', EMBEDDINGS.codecs],
  ['rerank', RERANKING.codecs],
] as const)('%s', (folder, codecs) => {
  const inputs = inputsOf<Input>(folder);
  const targets = codecs.map(({ format }) => format);
  const clients = codecs.filter(({ client }) => client !== null).map(({ format }) => format);
  const cells = clients.flatMap((client) =>
    targets.filter((target) => target !== client).map((target) => [client, target] as const),
  );

  test('has an example and a speaker of each format', () => {
    expect([...inputs.keys()].sort()).toEqual([...targets].sort());
    for (const client of clients) expect(inputs.get(client)?.request).toBeDefined();
    for (const target of targets) expect(SPEAKERS[target]).toBeDefined();
  });

  test.each(cells)('from a client of %s to a provider of %s', async (client, target) => {
    const [to, model] = SPEAKERS[target]!;
    expect(spokenFormat(client as RouteType, formatsOf(to, model))).toBe(target);
    const { path = '', request = {}, inputs: count = 1 } = inputs.get(client)!;
    const named = JSON.parse(JSON.stringify(request).replaceAll('MODEL', model));
    const llm = llmBench({ providers: [[to]] });
    const exchange = await serve(llm, {
      url: path.replace('MODEL', encodeURIComponent(model)),
      headers: ['content-type', 'application/json'],
      body: JSON.stringify('model' in named ? { ...named, model } : named),
    });
    for (let i = 0; i < llm.flights.length; i++) {
      const { answers } = inputs.get(target)!;
      llm.flights[i]!.answer(200, JSON.stringify(answers[llm.flights.length === count ? 0 : answers.length - 1]));
      await turn();
    }
    golden(`${folder}/${client}`, `${target}.request.json`, {
      path: llm.flights[0]?.call.path,
      lossy: exchange.downstream.header('x-sluice-lossy') ?? '',
      bodies: llm.flights.map(({ json }) => json),
    });
    expect(exchange.downstream.status).toBe(200);
    golden(`${folder}/${client}`, `${target}.answer.json`, {
      usage: exchange.llm.usage,
      estimated: exchange.llm.usageEstimated,
      body: JSON.parse(exchange.downstream.text),
    });
  });

  test('has golden files for each, and none besides', () => {
    for (const client of clients) {
      const expected = cells
        .filter(([from]) => from === client)
        .flatMap(([, target]) => [`${target}.answer.json`, `${target}.request.json`]);
      expect(goldenFiles(`${folder}/${client}`)).toEqual(expected.sort());
    }
    expect(goldenFiles(folder)).toEqual([...clients].sort());
  });
});
