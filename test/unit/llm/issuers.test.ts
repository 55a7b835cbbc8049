import { describe, expect, it } from 'vitest';
import type { AiProvider, LlmModel } from '../../../src/resources/types.ts';
import { type BenchOptions, type LlmBench, llmBench, model, provider, serve } from '../../support/llm.ts';

const openAI = (key = 'sk-1', more: Partial<AiProvider> = {}) =>
  provider('openAI', { name: `openai ${key}`, policies: { backendAuth: { key } }, ...more });
const azure = (resourceName = 'east', key = 'azure-key') =>
  provider('azure', {
    name: resourceName,
    settings: { resourceName, resourceType: 'openAI' },
    policies: { backendAuth: { key } },
  });
const anthropic = provider('anthropic');
const custom = provider('custom', {
  settings: { formats: [{ type: 'messages' }] },
  hostOverride: 'custom.test:80',
});
const claudeOnVertex = provider('vertex', { settings: { projectId: 'p', model: 'claude-sonnet-4-5' } });
const entry = (name: string, of: AiProvider, more: Partial<LlmModel> = {}) => model(name, { provider: of, ...more });

const reasoning = (encrypted: string) => ({
  type: 'reasoning',
  id: 'rs_1',
  summary: [{ type: 'summary_text', text: 'Hm.' }],
  encrypted_content: encrypted,
});
const said = {
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  content: [{ type: 'output_text', text: 'Yes.', annotations: [] }],
};
const asked = { role: 'user', content: 'Well?' };
const INCLUDE = { include: ['reasoning.encrypted_content'], store: false };
const RESPONSES = '/v1/responses';
const MESSAGES = '/v1/messages';

const response = (signature: string) =>
  JSON.stringify({
    id: 'resp_1',
    object: 'response',
    status: 'completed',
    model: 'gpt-5',
    output: [reasoning(signature), said],
    usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 },
  });
const message = (signature: string) =>
  JSON.stringify({
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content: [
      { type: 'thinking', thinking: 'Hm.', signature },
      { type: 'text', text: 'Yes.' },
    ],
    stop_reason: 'end_turn',
    usage: { input_tokens: 1, output_tokens: 2 },
  });

/** One request, what of it was sent on, and what the client got. */
async function exchange(bench: LlmBench, url: string, body: object, answer: string) {
  const bytes = JSON.stringify(body);
  const done = await serve(bench, { url, body: bytes });
  const flight = bench.flights.at(-1);
  flight?.answer(200, answer);
  await new Promise(setImmediate);
  return { bytes, sent: flight?.sent ?? '', json: flight?.json ?? {}, text: done.downstream.text, status: done.status };
}

/** The signature in an answer of either format. */
const signatureIn = (text: string): string => {
  const { output, content } = JSON.parse(text);
  return output?.[0].encrypted_content ?? content[0].signature;
};
const routed = (...models: LlmModel[]): BenchOptions => ({ models });

describe('a route with one issuer for a format', () => {
  const conversation = { input: [asked, reasoning('gAAA'), said, asked], ...INCLUDE };
  it.each<[string, BenchOptions]>([
    ['one provider', { providers: [[openAI()]] }],
    ['others that are spoken to otherwise', routed(entry('gpt-5', openAI()), entry('claude-*', anthropic))],
    ['one account at one place twice', routed(entry('gpt-5', openAI()), entry('o*', openAI()))],
    ['one credential for all', { providers: [[provider('openAI')], [provider('openAI', { name: 'b' })]] }],
    ['an entry nobody can ask for', routed(entry('gpt-5', openAI()), entry('x', azure(), { visibility: 'internal' }))],
  ])('passes requests and answers as they are: %s', async (_, options) => {
    const { bytes, sent, text } = await exchange(
      llmBench(options),
      RESPONSES,
      { model: 'gpt-5', ...conversation },
      response('gAAA'),
    );
    expect(sent).toBe(bytes);
    expect(text).toBe(response('gAAA'));
  });

  it("passes Claude's, whoever runs it: its signatures are Anthropic's", async () => {
    const llm = llmBench(routed(entry('claude-*', anthropic), entry('vertex', claudeOnVertex)));
    const messages = [asked, { role: 'assistant', content: JSON.parse(message('sig')).content }, asked];
    const body = { model: 'claude-sonnet-4-5', max_tokens: 9, messages };
    const { bytes, sent, text } = await exchange(llm, MESSAGES, body, message('sig'));
    expect(sent).toBe(bytes);
    expect(text).toBe(message('sig'));
  });
});

describe('a route with several issuers for a format', () => {
  it.each<[string, BenchOptions]>([
    ['models of two providers', routed(entry('a', openAI()), entry('b', azure()))],
    ['two resources of Azure', routed(entry('a', azure('east')), entry('b', azure('west')))],
    ['two accounts at OpenAI', routed(entry('a', openAI('sk-1')), entry('b', openAI('sk-2')))],
    [
      'OpenAI and what stands in for it',
      routed(entry('a', openAI()), entry('b', openAI('sk-1', { hostOverride: 'h.test:80' }))),
    ],
    [
      'an entry for virtual models',
      {
        ...routed(entry('a', openAI()), entry('b', azure(), { visibility: 'internal' })),
        virtualModels: [{ name: 'b', routing: { kind: 'weighted', targets: [{ model: 'b', weight: 1 }] } }],
      },
    ],
  ])('gives each the signatures that it issued, and nobody the others: %s', async (_, options) => {
    const llm = llmBench(options);
    const ask = (name: string, ...input: object[]) =>
      exchange(llm, RESPONSES, { model: name, input, ...INCLUDE }, response(`made by ${name}`));
    const first = await ask('a', asked);
    const marked = signatureIn(first.text);
    expect(marked).toMatch(/^sluice:.*:made by a$/);
    const { output } = JSON.parse(first.text);
    const other = await ask('b', asked, ...output, asked);
    expect(other.sent).not.toContain('encrypted_content":');
    expect(other.json.input).toMatchObject([asked, { summary: [{ text: 'Hm.' }] }, { role: 'assistant' }, asked]);
    expect(signatureIn(other.text)).toMatch(/^sluice:.*:made by b$/);
    const back = await ask('a', asked, ...output, asked, ...JSON.parse(other.text).output, asked);
    expect((back.json.input as object[])[1]).toEqual(reasoning('made by a'));
    expect(back.sent).not.toContain('made by b');
  });

  it('tells the keys of one provider apart', async () => {
    const keys = provider('openAI', { policies: { backendAuth: { keys: ['sk-1', 'sk-2'] } } });
    const llm = llmBench({ providers: [[keys]], values: { ai: { prefixAffinity: false } } });
    const marks = new Map<unknown, string>();
    for (let i = 0; i < 60; i++) {
      const { text } = await exchange(llm, RESPONSES, { model: 'gpt-5', input: [asked], ...INCLUDE }, response('x'));
      const key = llm.flights.at(-1)?.call.credential;
      expect(marks.get(key) ?? signatureIn(text)).toBe(signatureIn(text));
      marks.set(key, signatureIn(text));
    }
    expect(new Set(marks.values()).size).toBe(2);
    expect([...marks.values()].join()).not.toContain('sk-');
  });

  it('takes a mark without an account for that of any, and what bears none for that of the format', async () => {
    const llm = llmBench(routed(entry('a', openAI('sk-1')), entry('b', openAI('sk-2')), entry('c', azure())));
    const ask = (name: string, encrypted: string) =>
      exchange(llm, RESPONSES, { model: name, input: [asked, reasoning(encrypted), asked], ...INCLUDE }, response('x'));
    for (const name of ['a', 'b'])
      for (const encrypted of ['sluice:openai:gAAA', 'gAAA'])
        expect((await ask(name, encrypted)).json.input).toMatchObject([{}, { encrypted_content: 'gAAA' }, {}]);
    for (const encrypted of ['sluice:openai:gAAA', 'gAAA'])
      expect((await ask('c', encrypted)).sent).not.toContain('gAAA');
    expect((await ask('c', 'sluice:azure:gAAA')).sent).toContain('gAAA');
  });

  it.each<[string, object]>([
    ['asks for no encrypted reasoning', {}],
    ['is answered in the background', { ...INCLUDE, store: true, background: true }],
  ])('passes a request as it is that %s', async (_, more) => {
    const llm = llmBench(routed(entry('a', openAI()), entry('b', azure())));
    const { bytes, sent } = await exchange(llm, RESPONSES, { model: 'a', input: [asked], ...more }, response('x'));
    expect(sent).toBe(bytes);
  });

  it('leaves files to whom they are sent', async () => {
    const llm = llmBench(routed(entry('a', openAI()), entry('b', azure())));
    const input = [{ role: 'user', content: [{ type: 'input_file', file_id: 'assistant-1' }] }];
    const { json } = await exchange(llm, RESPONSES, { model: 'b', input, ...INCLUDE }, response('x'));
    expect(json.input).toMatchObject(input);
  });

  it.each<[string, AiProvider]>([
    ['that takes the format', custom],
    [
      'that is converted to',
      provider('bedrock', { settings: { region: 'us-east-1', model: 'us.anthropic.claude-sonnet-4-5-v1:0' } }),
    ],
  ])('keeps what another issued from Claude %s', async (_, other) => {
    const llm = llmBench(
      other === custom
        ? routed(entry('a', anthropic), entry('b', custom))
        : routed(entry('a', custom), entry('b', other)),
    );
    const ask = (name: string, ...messages: object[]) =>
      exchange(llm, MESSAGES, { model: name, max_tokens: 9, messages }, message(`made by ${name}`));
    const first = await ask('a', asked);
    const { content } = JSON.parse(first.text);
    expect(content[0].signature).toMatch(/^sluice:.*:made by a$/);
    const sent = await ask('b', asked, { role: 'assistant', content }, asked);
    expect(sent.sent).not.toContain('made by a');
    expect(sent.sent).toContain('Hm.');
    const back = await ask('a', asked, { role: 'assistant', content }, asked);
    expect((back.json.messages as { content: object[] }[])[1]?.content[0]).toEqual({
      type: 'thinking',
      thinking: 'Hm.',
      signature: 'made by a',
    });
  });
});
