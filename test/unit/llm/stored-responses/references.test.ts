import { describe, expect, it } from 'vitest';
import { type LlmBench, type LlmExchange, llmBench, provider } from '../../../support/llm.ts';
import { ask, events, json, PROVIDERS, respond } from '../../../support/responses-api.ts';

async function ended(exchange: LlmExchange): Promise<LlmExchange> {
  await expect.poll(() => exchange.endCause).not.toBeNull();
  return exchange;
}

async function whole(llm: LlmBench, body: object, answer: object): Promise<any> {
  const exchange = await respond(llm, body);
  await expect.poll(() => llm.flights.at(-1)?.call.exchange === exchange || exchange.endCause !== null).toBe(true);
  if (exchange.endCause === null) llm.flights.at(-1)?.answer(200, JSON.stringify(answer));
  return json(await ended(exchange));
}

const refer = (item: { id: string }) => ({ type: 'item_reference', id: item.id });

describe.each(Object.entries(PROVIDERS))('items of stored answers, with a provider of %s', (_, format) => {
  const open = () => llmBench({ providers: [[format.provider]] });
  const sent = (llm: LlmBench) => format.said(llm.flights.at(-1)?.json);

  it('are what references to them say', async () => {
    const llm = open();
    const exchange = await respond(llm, { input: 'one?', stream: true });
    llm.flights.at(-1)?.stream(...format.events('streamed'));
    llm.flights.at(-1)?.sink.onEnd([]);
    const { response: first } = events(await ended(exchange)).at(-1);
    const second = await whole(llm, { input: 'other?' }, format.answer('whole'));
    const input = [
      { role: 'user', content: 'one?' },
      refer(first.output[0]),
      { role: 'user', content: 'other?' },
      { id: second.output[0].id },
      { role: 'user', content: 'and?' },
    ];
    const third = await whole(llm, { input }, format.answer('3'));
    expect(sent(llm)).toEqual(['user: one?', 'assistant: streamed', 'user: other?', 'assistant: whole', 'user: and?']);
    // They are part of what was said, for those that go on and those that ask.
    await whole(llm, { input: 'next?', previous_response_id: third.id }, format.answer('4'));
    expect(sent(llm).slice(1)).toEqual([...sent(llm).slice(1, 5), 'assistant: 3', 'user: next?']);
    expect(sent(llm)[1]).toBe('assistant: streamed');
    const listed = json(await ended(await ask(llm, 'GET', `${third.id}/input_items?order=asc`)));
    expect(listed.data.map(({ type }: any) => type)).toEqual(Array(5).fill('message'));
    expect(listed.data[1].id).toBe(first.output[0].id);
  });

  it('may be calls, whose results follow', async () => {
    const llm = open();
    const first = await whole(llm, { input: 'look' }, format.call('call_1'));
    const [call] = first.output;
    const result = { type: 'function_call_output', call_id: call.call_id, output: 'seen' };
    await whole(llm, { input: [{ role: 'user', content: 'look' }, refer(call), result] }, format.answer('ok'));
    expect(sent(llm)).toHaveLength(3);
    expect(sent(llm)[1]).toContain('look');
  });

  it('are said once where the conversation has them already', async () => {
    const llm = open();
    const first = await whole(llm, { input: 'one?' }, format.answer('1'));
    const input = [refer(first.output[0]), { role: 'user', content: 'two?' }];
    await whole(llm, { input, previous_response_id: first.id }, format.answer('2'));
    expect(sent(llm)).toEqual(['user: one?', 'assistant: 1', 'user: two?']);
  });

  it('are refused where they are not kept, deleted, or nobody’s', async () => {
    const llm = open();
    const first = await whole(llm, { input: 'one?' }, format.answer('1'));
    const unstored = await whole(llm, { input: 'one?', store: false }, format.answer('1'));
    await ended(await ask(llm, 'DELETE', first.id));
    for (const id of [first.output[0].id, unstored.output[0].id, 'msg_unknown']) {
      const refused = await ended(await respond(llm, { input: [refer({ id }), { role: 'user', content: 'x' }] }));
      expect(refused.status).toBe(400);
      expect(json(refused).error.message).toContain('item_reference');
    }
    expect(llm.flights).toHaveLength(2);
  });

  it('are nobody else’s', async () => {
    const llm = open();
    const as = (tenant: string) => (exchange: LlmExchange) => void Object.assign(exchange, { tenant });
    const first = await respond(llm, { input: 'one?' }, as('a'));
    llm.flights.at(-1)?.answer(200, JSON.stringify(format.answer('1')));
    const [item] = json(await ended(first)).output;
    expect((await ended(await respond(llm, { input: [refer(item)] }, as('b')))).status).toBe(400);
    await respond(llm, { input: [refer(item), { role: 'user', content: 'x' }] }, as('a'));
    await expect.poll(() => llm.flights.length).toBe(2);
    expect(sent(llm)).toEqual(['assistant: 1', 'user: x']);
  });

  it('are looked for in bounds', async () => {
    const llm = open();
    const input = Array.from({ length: 1001 }, (_, i) => refer({ id: `msg_${i}` }));
    const refused = await ended(await respond(llm, { input }));
    expect([refused.status, json(refused).error.param]).toEqual([400, 'input']);
  });
});

describe('items of stored answers', () => {
  it('are told to a provider with a memory of its own, whose own references pass as they are', async () => {
    const models = [
      { ...modelOf('claude'), provider: PROVIDERS.messages.provider },
      { ...modelOf('gpt'), provider: provider('openAI') },
    ];
    const llm = llmBench({ models });
    const first = await whole(llm, { model: 'claude', input: 'one?' }, PROVIDERS.messages.answer('1'));
    const input = [refer(first.output[0]), refer({ id: 'msg_theirs' }), { role: 'user', content: 'two?' }];
    await respond(llm, { model: 'gpt', input, previous_response_id: 'resp_theirs' });
    await expect.poll(() => llm.flights.length).toBe(2);
    expect(llm.flights[1]?.json).toMatchObject({
      previous_response_id: 'resp_theirs',
      input: [{ type: 'message', role: 'assistant', content: [{ text: '1' }] }, input[1], input[2]],
    });
    expect(llm.flights[1]?.json.input[0]).not.toHaveProperty('id');
    const alone = { model: 'gpt', input: input.slice(1) };
    await respond(llm, alone);
    await expect.poll(() => llm.flights.length).toBe(3);
    expect(llm.flights[2]?.json).toEqual(alone);
  });
});

function modelOf(name: string) {
  return {
    name,
    visibility: 'public' as const,
    headers: [],
    policies: {},
    passthrough: 'detect' as const,
    inactive: [],
  };
}
