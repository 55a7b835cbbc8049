import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Store, StoreError } from '../../../../src/state/stores/store.ts';
import { type LlmBench, type LlmExchange, llmBench, provider } from '../../../support/llm.ts';
import { ask, events, json, PROVIDERS, respond } from '../../../support/responses-api.ts';

const OWN_ID = /^resp_sluice_[0-9a-f]{32}$/;

/** Waits until the exchange has ended, which takes a turn of the store. */
async function ended(exchange: LlmExchange): Promise<LlmExchange> {
  await expect.poll(() => exchange.endCause).not.toBeNull();
  return exchange;
}

async function whole(llm: LlmBench, body: object, answer: object): Promise<any> {
  const exchange = await respond(llm, body);
  llm.flights.at(-1)?.answer(200, JSON.stringify(answer));
  return json(await ended(exchange));
}

describe.each(Object.entries(PROVIDERS))('responses of a provider of %s', (_, format) => {
  const open = () => llmBench({ providers: [[format.provider]] });
  const sent = (llm: LlmBench) => format.said(llm.flights.at(-1)?.json);

  it('go on from the one before, whole, without its instructions', async () => {
    const llm = open();
    const first = await whole(llm, { input: 'one?', instructions: 'Be brief.' }, format.answer('1'));
    expect(first).toMatchObject({ id: expect.stringMatching(OWN_ID), store: true, previous_response_id: null });
    const second = await whole(llm, { input: 'two?', previous_response_id: first.id }, format.answer('2'));
    expect(sent(llm)).toEqual(['user: one?', 'assistant: 1', 'user: two?']);
    expect(llm.flights.at(-1)?.sent).not.toContain('Be brief');
    expect(second).toMatchObject({ previous_response_id: first.id, instructions: null });
    const input = [{ role: 'user', content: [{ type: 'input_text', text: 'three?' }] }];
    const third = await whole(llm, { input, previous_response_id: second.id }, format.answer('3'));
    expect(sent(llm)).toEqual(['user: one?', 'assistant: 1', 'user: two?', 'assistant: 2', 'user: three?']);
    // Another answer to the same: a conversation may branch.
    await whole(llm, { input: 'or?', previous_response_id: first.id }, format.answer('2b'));
    expect(sent(llm)).toEqual(['user: one?', 'assistant: 1', 'user: or?']);
    expect(json(await ended(await ask(llm, 'GET', third.id)))).toEqual(third);
  });

  it('go on from the one before, streamed', async () => {
    const llm = open();
    const streamed = async (body: object, text: string) => {
      const exchange = await respond(llm, { ...body, stream: true });
      const flight = llm.flights.at(-1);
      flight?.stream(...format.events(text));
      flight?.sink.onEnd([]);
      return events(await ended(exchange));
    };
    const first = await streamed({ input: 'one?' }, 'abc');
    const { id } = first[0].response;
    expect(id).toMatch(OWN_ID);
    expect(first.at(-1)).toMatchObject({ type: 'response.completed', response: { id, store: true } });
    const second = await streamed({ input: 'two?', previous_response_id: id }, 'def');
    expect(sent(llm)).toEqual(['user: one?', 'assistant: abc', 'user: two?']);
    for (const event of second) if (event.response) expect(event.response.previous_response_id).toBe(id);
    expect(json(await ended(await ask(llm, 'GET', id)))).toEqual(first.at(-1).response);
  });

  it('go on with the result of a tool', async () => {
    const llm = open();
    const tools = [{ type: 'function', name: 'look', parameters: { type: 'object' }, strict: false }];
    const first = await whole(llm, { input: 'look!', tools }, format.call('call_1'));
    const call = first.output.find((item: any) => item.type === 'function_call');
    const output = [{ type: 'function_call_output', call_id: call.call_id, output: 'seen' }];
    await whole(llm, { input: output, tools, previous_response_id: first.id }, format.answer('ok'));
    const turns = sent(llm);
    expect(turns).toHaveLength(3);
    expect(turns[1]).toMatch(/^assistant: .*look/);
    expect(turns[2]).toContain('seen');
  });
});

const ANTHROPIC = PROVIDERS.messages;

describe('stored responses', () => {
  it('are as their client was told when the answer was cut off', async () => {
    const llm = llmBench({ providers: [[ANTHROPIC.provider]] });
    const cut = { ...ANTHROPIC.answer('half'), stop_reason: 'max_tokens' };
    const first = await whole(llm, { input: 'x' }, cut);
    expect(first).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    await whole(llm, { input: 'go on', previous_response_id: first.id }, ANTHROPIC.answer('rest'));
    expect(ANTHROPIC.said(llm.flights.at(-1)?.json)).toEqual(['user: x', 'assistant: half', 'user: go on']);
  });

  it('are not made where the client says so, nor of what went wrong', async () => {
    const llm = llmBench({ providers: [[ANTHROPIC.provider]] });
    const unstored = await whole(llm, { input: 'x', store: false }, ANTHROPIC.answer('1'));
    expect(unstored.store).toBe(false);
    const missing = await ended(await respond(llm, { input: 'y', previous_response_id: unstored.id }));
    expect(missing.status).toBe(400);
    expect(json(missing).error).toMatchObject({
      code: 'previous_response_not_found',
      type: 'invalid_request_error',
      param: 'previous_response_id',
      message: expect.stringContaining(`Previous response with id '${unstored.id}' not found.`),
    });
    const failing = await respond(llm, { input: 'x', stream: true });
    llm.flights.at(-1)?.stream(...ANTHROPIC.events('ab').slice(0, 3));
    llm.flights
      .at(-1)
      ?.stream('event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"no"}}\n\n');
    llm.flights.at(-1)?.sink.onEnd([]);
    const last = events(await ended(failing)).at(-1);
    expect(last.type).toBe('response.failed');
    expect((await ended(await ask(llm, 'GET', last.response.id))).status).toBe(404);
  });

  it('are there before the client knows that its answer is complete', async () => {
    const order: string[] = [];
    const inner = new Map<string, Uint8Array>();
    const store = {
      put: async (key: string, value: Uint8Array) => {
        await sleep(20);
        inner.set(key, value);
        order.push('stored');
      },
    } as unknown as Store;
    const llm = llmBench({ providers: [[ANTHROPIC.provider]], store });
    const exchange = await respond(llm, { input: 'x', stream: true });
    const write = exchange.downstream.write.bind(exchange.downstream);
    exchange.downstream.write = (chunk) => {
      for (const [, type] of chunk.toString().matchAll(/^event: (response\.(?:completed|output_text\.delta))$/gm))
        order.push(type ?? '');
      return write(chunk);
    };
    // The provider says the end and keeps its connection open.
    llm.flights.at(-1)?.stream(...ANTHROPIC.events('a'));
    // The response, and where its one item is.
    await expect.poll(() => order).toEqual(['response.output_text.delta', 'stored', 'stored', 'response.completed']);
    expect(exchange.endCause).toBeNull();
    llm.flights.at(-1)?.sink.onEnd([]);
    expect((await ended(exchange)).endCause).toBe('complete');
  });

  it('are told as not stored where the store fails, and nothing is lost', async () => {
    const store = {
      put: async () => {
        throw new StoreError('timeout', 'late');
      },
    } as unknown as Store;
    const llm = llmBench({ providers: [[ANTHROPIC.provider]], store });
    expect(await whole(llm, { input: 'x' }, ANTHROPIC.answer('1'))).toMatchObject({
      store: false,
      status: 'completed',
    });
    const exchange = await respond(llm, { input: 'x', stream: true });
    llm.flights.at(-1)?.stream(...ANTHROPIC.events('a'));
    llm.flights.at(-1)?.sink.onEnd([]);
    expect(events(await ended(exchange)).at(-1)).toMatchObject({
      type: 'response.completed',
      response: { store: false, output: [{ content: [{ text: 'a' }] }] },
    });
  });

  it('are refused clearly where the store does not answer', async () => {
    const store = {
      get: async () => {
        throw new StoreError('timeout', 'late');
      },
    } as unknown as Store;
    const llm = llmBench({ providers: [[ANTHROPIC.provider]], store });
    const id = `resp_sluice_${'0'.repeat(32)}`;
    for (const exchange of [await respond(llm, { input: 'x', previous_response_id: id }), await ask(llm, 'GET', id)]) {
      expect((await ended(exchange)).status).toBe(503);
      expect(json(exchange).error).toMatchObject({ code: 'store_unavailable', type: 'server_error' });
    }
    expect(llm.flights).toEqual([]);
  });

  it('end with the client, once, while they are being stored', async () => {
    const writes: (() => void)[] = [];
    const store = { put: () => new Promise<void>((resolve) => writes.push(resolve)) } as unknown as Store;
    const llm = llmBench({ providers: [[ANTHROPIC.provider]], store });
    const exchange = await respond(llm, { input: 'x' });
    llm.flights.at(-1)?.answer(200, JSON.stringify(ANTHROPIC.answer('1')));
    exchange.downstream.onAbort?.();
    for (const stored of writes) stored();
    await ended(exchange);
    expect(exchange.endCause).toBe('client_gone');
    expect(llm.drains.used).toBe(0);
    expect(exchange.downstream.status).toBe(0);
  });

  it('are no larger than configured', async () => {
    const llm = llmBench({ providers: [[ANTHROPIC.provider]], storedResponses: { maxBytes: 2000 } });
    const large = await whole(llm, { input: 'x'.repeat(3000) }, ANTHROPIC.answer('1'));
    expect(large.store).toBe(false);
    expect((await ended(await ask(llm, 'GET', large.id))).status).toBe(404);
  });

  it('make no request larger than a route accepts, nor than the process may hold', async () => {
    const llm = llmBench({ providers: [[ANTHROPIC.provider]], maxBufferBytes: 3000 });
    const first = await whole(llm, { input: 'x'.repeat(2500) }, ANTHROPIC.answer('1'));
    const over = await ended(await respond(llm, { input: 'x'.repeat(800), previous_response_id: first.id }));
    expect([over.status, json(over).error.code]).toEqual([413, 'request_body_too_large']);
    const tight = llmBench({ providers: [[ANTHROPIC.provider]], bodyBudget: 4000 });
    const one = await whole(tight, { input: 'x'.repeat(3500) }, ANTHROPIC.answer('1'));
    const full = await ended(await respond(tight, { input: 'y'.repeat(100), previous_response_id: one.id }));
    expect([full.status, json(full).error.code]).toEqual([503, 'overloaded']);
    expect(tight.bodies.used).toBe(0);
  });

  it('are refused where only their provider could do what is asked', async () => {
    const llm = llmBench({ providers: [[ANTHROPIC.provider]] });
    const asked = [{ background: true }, { conversation: 'conv_1' }, { prompt: { id: 'pmpt_1' } }];
    for (const more of asked) {
      const exchange = await ended(await respond(llm, { input: 'x', ...more }));
      expect([exchange.status, json(exchange).error.code]).toEqual([400, 'unsupported_parameter']);
      expect(json(exchange).error.message).toContain(Object.keys(more)[0]);
    }
    const first = await whole(llm, { input: 'x' }, ANTHROPIC.answer('1'));
    const both = await ended(await respond(llm, { input: 'x', previous_response_id: first.id, conversation: 'c' }));
    expect([both.status, json(both).error.param]).toEqual([400, 'conversation']);
  });

  it('are refused where one of the conversation was deleted', async () => {
    const llm = llmBench({ providers: [[ANTHROPIC.provider]] });
    const first = await whole(llm, { input: 'x' }, ANTHROPIC.answer('1'));
    const second = await whole(llm, { input: 'y', previous_response_id: first.id }, ANTHROPIC.answer('2'));
    await ended(await ask(llm, 'DELETE', first.id));
    const gone = await ended(await respond(llm, { input: 'z', previous_response_id: second.id }));
    expect(gone.status).toBe(400);
    expect(json(gone).error.message).toContain(first.id);
  });
});

describe('a provider of responses', () => {
  const native = () => llmBench({ providers: [[provider('openAI')]] });
  const answer = (id: string, text: string) => ({
    id,
    object: 'response',
    status: 'completed',
    model: 'm',
    output: [
      { id: 'msg_1', type: 'message', role: 'assistant', content: [{ type: 'output_text', text, annotations: [] }] },
    ],
  });

  it('keeps its own: bytes pass as they are', async () => {
    const llm = native();
    const body = { input: 'x', previous_response_id: 'resp_abc' };
    const exchange = await respond(llm, body);
    expect(llm.flights[0]?.json).toEqual({ model: 'm', ...body });
    llm.flights[0]?.answer(200, JSON.stringify(answer('resp_def', '1')));
    expect(json(await ended(exchange)).id).toBe('resp_def');
  });

  it('is told all where it keeps nothing itself', async () => {
    const llm = llmBench({ providers: [[provider('ollama')]] });
    const first = await whole(llm, { input: 'one?' }, answer('resp_1', '1'));
    expect(first.id).toMatch(OWN_ID);
    await whole(llm, { input: 'two?', previous_response_id: first.id }, answer('resp_2', '2'));
    expect(llm.flights.at(-1)?.json.input).toHaveLength(3);
    const unstored = await whole(llm, { input: 'x', store: false, metadata: { a: 'b' } }, answer('resp_3', '3'));
    expect(unstored.id).toBe('resp_3');
    for (const store of [true, false]) {
      const foreign = await ended(await respond(llm, { input: 'x', store, previous_response_id: 'resp_3' }));
      expect([foreign.status, json(foreign).error.code]).toEqual([400, 'previous_response_not_found']);
    }
    expect((await ended(await ask(llm, 'GET', 'resp_3'))).status).toBe(404);
  });

  it('is told the whole of a conversation that began elsewhere, which goes on being kept here', async () => {
    const llm = llmBench({
      models: [
        { ...modelOf('claude'), provider: ANTHROPIC.provider },
        { ...modelOf('gpt'), provider: provider('openAI') },
      ],
    });
    const first = await whole(llm, { model: 'claude', input: 'one?' }, ANTHROPIC.answer('1'));
    const second = await whole(
      llm,
      { model: 'gpt', input: 'two?', previous_response_id: first.id },
      answer('resp_native', '2'),
    );
    const sent = llm.flights.at(-1)?.json;
    expect(sent).not.toHaveProperty('previous_response_id');
    expect(sent.store).toBe(false);
    expect(sent.input).toEqual([
      { type: 'message', role: 'user', content: 'one?' },
      { type: 'message', role: 'assistant', content: '1' },
      { type: 'message', role: 'user', content: 'two?' },
    ]);
    expect(second).toMatchObject({ id: expect.stringMatching(OWN_ID), previous_response_id: first.id });
    await whole(llm, { model: 'claude', input: 'three?', previous_response_id: second.id }, ANTHROPIC.answer('3'));
    expect(ANTHROPIC.said(llm.flights.at(-1)?.json)).toHaveLength(5);
    // What only the other provider has is not found here.
    const foreign = await ended(
      await respond(llm, { model: 'claude', input: 'x', previous_response_id: 'resp_native' }),
    );
    expect([foreign.status, json(foreign).error.code]).toEqual([400, 'previous_response_not_found']);
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
