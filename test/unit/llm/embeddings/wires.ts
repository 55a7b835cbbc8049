import type { AiProvider, PolicyMap } from '../../../../src/resources/types.ts';
import { type FakeFlight, type LlmBench, type LlmExchange, llmBench, provider, serve } from '../../../support/llm.ts';

/** Providers of each wire, and requests to them through a gateway whose upstream the tests play. */

const KEY = { backendAuth: { key: 'a-key' } };
const of = (kind: string, settings: object = {}, more: Partial<AiProvider> = {}): AiProvider =>
  provider(kind, { settings: { ...settings }, policies: KEY, ...more });

export const openai = of('openAI');
export const cohere = of('cohere');
export const gemini = of('gemini');
export const vertex = of('vertex', { projectId: 'p', region: 'us-central1' });
export const bedrock = of('bedrock', { region: 'eu-west-1' });
export const vllm = of('vllm');
export const anthropic = of('anthropic');
/** Takes Cohere's embeddings and nothing else, as a client of OpenAI's would find it behind a proxy. */
export const cohereOnly = of(
  'custom',
  { formats: [{ type: 'cohereEmbed' }, { type: 'cohereRerank' }] },
  { hostOverride: 'cohere.test:443', hostOverrideTls: true },
);

export interface Asked {
  readonly llm: LlmBench;
  readonly exchange: LlmExchange;
  readonly flights: FakeFlight[];
}

export async function ask(target: AiProvider, url: string, body: object, values: PolicyMap = {}): Promise<Asked> {
  const llm = llmBench({ providers: [[target]], values });
  const exchange = await serve(llm, { url, body: JSON.stringify(body), headers: ['content-type', 'application/json'] });
  return { llm, exchange, flights: llm.flights };
}

export function addressOf({ call }: FakeFlight): string {
  const { target } = call.cluster.spec;
  return target.kind === 'host' ? target.host + call.path : '';
}

export function answerOf({ exchange }: Asked): any {
  return JSON.parse(exchange.downstream.text);
}
