import { describe, expect, it } from 'vitest';
import { Message } from '../../../../src/adapters/llm/realtime/message.ts';
import { ModelGuard } from '../../../../src/adapters/llm/realtime/model-guard.ts';
import { modelInQuery, withModelQuery } from '../../../../src/adapters/llm/realtime/model-query.ts';
import { Passage } from '../../../../src/adapters/llm/realtime/passage.ts';
import { UsageReader } from '../../../../src/adapters/llm/realtime/usage-reader.ts';
import type { LlmFacts } from '../../../../src/facts/llm.ts';
import type { MessageHook, MessageVerdict } from '../../../../src/facts/realtime.ts';
import { HeaderList } from '../../../../src/headers.ts';
import { liftCredential } from '../../../../src/workers/websocket-credential.ts';
import { fakeExchange } from '../../../support/exchange.ts';
import { AUDIO_USAGE, TEXT_USAGE } from '../../../support/mock-realtime.ts';

const said = (text: string, binary = false) => new Message('client', Buffer.from(text), binary);

describe('a message', () => {
  it.each([
    ['{"type":"a.b","x":1}', 'a.b'],
    ['{"audio":"AAAA","nested":{"type":"no"},"type":"a\\u002eb"}', 'a.b'],
    ['{"nested":{"type":"no"}}', ''],
    ['{"type":7}', ''],
    ['["type"]', ''],
    ['{"type":"cut', ''],
    ['', ''],
  ])('%s has the type "%s"', (text, type) => {
    expect(said(text).type).toBe(type);
  });

  it('is parsed when asked for, and null where it is no object', () => {
    expect(said('{"a":[1]}').json()).toEqual({ a: [1] });
    expect(said('[1]').json()).toBeNull();
    expect(said('{').json()).toBeNull();
  });
});

describe("the models of a client's events", () => {
  const guard = new ModelGuard({ client: 'voice', provider: 'gpt-real', allowed: ['gpt-*'] });
  const verdict = (text: string, binary = false) => guard.onMessage(said(text, binary));
  const code = (given: MessageVerdict | Promise<MessageVerdict>) =>
    ((given as { answer: { error: { code: string } }[] }).answer[0] as { error: { code: string } }).error.code;

  it.each([
    '{"type":"response.create"}',
    '{"type":"session.update","session":{"instructions":"\\"model\\":\\"x\\""}}',
    '{"type":"session.update","session":{"model":"gpt-real"}}',
    '{"type":"session.update","session":{"model":null}}',
    '{"session":{"audio":{"input":{"transcription":{"model":"gpt-4o-transcribe"}}}}}',
    '{"type":"conversation.item.create","item":{"model":"whatever"}}',
  ])('%s goes on', (text) => {
    expect(verdict(text)).toBeUndefined();
  });

  it.each([
    ['{"session":{"model":"voice"},"a":1}', '{"session":{"model":"gpt-real"},"a":1}'],
    [
      '{"response":{"model":"voice"},"session":{"model":"voice"}}',
      '{"response":{"model":"gpt-real"},"session":{"model":"gpt-real"}}',
    ],
  ])('%s goes on as %s', (text, sent) => {
    expect(String((verdict(text) as { replace: Buffer }).replace)).toBe(sent);
  });

  it.each([
    ['{"session":{"model":"gpt-other"}}', 'model_not_allowed'],
    ['{"response":{"model":"gpt-other"}}', 'model_not_allowed'],
    ['{"session":{"mod\\u0065l":"gpt-other"}}', 'model_not_allowed'],
    ['{"session":{"model":"gpt-real"},"session":{"model":"gpt-other"}}', 'invalid_event'],
    ['{"session":{"Model":"gpt-other"}}', 'invalid_event'],
    ['{"session":{"model":["gpt-other"]}}', 'invalid_event'],
    ['{"session":{"input_audio_transcription":{"model":"whisper-1"}}}', 'model_not_allowed'],
    ['{"session":{"audio":{"input":{"transcription":{"model":"whisper-1"}}}}}', 'model_not_allowed'],
    ['{"session":{"model":"gpt-other"}', 'invalid_json'],
    ['hello', 'invalid_json'],
  ])('%s is answered with %s', (text, expected) => {
    expect(code(verdict(text))).toBe(expected);
    if (text.startsWith('{')) expect(code(verdict(text, true))).toBe(expected);
  });

  it('raw audio goes on', () => {
    expect(guard.onMessage(new Message('client', Buffer.from([0, 1, 2]), true))).toBeUndefined();
  });

  it('a session without a known model is limited to what its key may use', () => {
    const open = new ModelGuard({ client: '', provider: '', allowed: ['gpt-*'] });
    expect(open.onMessage(said('{"session":{"model":"gpt-other"}}'))).toBeUndefined();
    expect(code(open.onMessage(said('{"session":{"model":"o-other"}}')))).toBe('model_not_allowed');
  });
});

describe('the model in the URL', () => {
  it.each([
    ['model=gpt-4o', 'gpt-4o'],
    ['a=b&model=a%2Fb+c', 'a/b c'],
    ['m%6fdel=hidden', 'hidden'],
    ['api-version=1&deployment=mine', 'mine'],
    ['model=first&model=second', 'first'],
    ['models=x', ''],
    ['', ''],
    ['model=%zz', '%zz'],
  ])('of "%s" is "%s"', (query, model) => {
    expect(modelInQuery(query)).toBe(model);
  });

  it.each([
    ['/v1/realtime?model=a&model=b&m%6Fdel=c&x=1', 'real', '/v1/realtime?x=1&model=real'],
    ['/v1/realtime', '', '/v1/realtime'],
    ['/v1/realtime?deployment=a&api-version=1&api-key=k', 'real', '/v1/realtime?model=real'],
    ['/openai/realtime?api-version=1&model=a', 'mine', '/openai/realtime?api-version=1&deployment=mine'],
    ['/openai/v1/realtime?deployment=a', 'a b', '/openai/v1/realtime?model=a%20b'],
    ['/v1/realtime?intent=transcription', '', '/v1/realtime?intent=transcription'],
  ])('%s for "%s" is %s', (target, model, sent) => {
    expect(withModelQuery(target, model)).toBe(sent);
  });
});

describe('a key among the subprotocols', () => {
  it.each([
    [
      ['realtime, openai-insecure-api-key.k1, openai-beta.realtime-v1'],
      [],
      'realtime, openai-beta.realtime-v1',
      'Bearer k1',
    ],
    [['realtime', 'OpenAI-Insecure-Api-Key.k1'], [], 'realtime', 'Bearer k1'],
    [['openai-insecure-api-key.k1'], [], undefined, 'Bearer k1'],
    [['openai-insecure-api-key.k1, openai-insecure-api-key.k2, x'], [], 'x', 'Bearer k1'],
    [['realtime, openai-insecure-api-key.k1'], ['authorization', 'Bearer own'], 'realtime', 'Bearer own'],
    [['realtime'], [], 'realtime', undefined],
  ])('%j', (offers, more, kept, authorization) => {
    const headers = new HeaderList([...offers.flatMap((offer) => ['sec-websocket-protocol', offer]), ...more]);
    liftCredential(headers);
    expect(headers.getJoined('sec-websocket-protocol')).toBe(kept);
    expect(headers.get('authorization')).toBe(authorization);
  });
});

describe('usage', () => {
  const facts = () => ({ responseModel: '' }) as LlmFacts;
  const event = (json: object) => new Message('provider', Buffer.from(JSON.stringify(json)), false);

  it('is the sum over responses, in disjoint buckets, with what was audio', () => {
    const known = facts();
    const reader = new UsageReader(known);
    reader.onMessage(event({ type: 'session.created', session: { model: 'gpt-real' } }));
    for (const [id, usage] of [
      ['a', TEXT_USAGE],
      ['b', AUDIO_USAGE],
    ] as const) {
      reader.onMessage(event({ type: 'response.created', response: { id } }));
      expect(reader.open).toEqual([id]);
      reader.onMessage(event({ type: 'response.done', response: { id, usage } }));
    }
    expect(known.responseModel).toBe('gpt-real');
    expect(reader.usage).toEqual({ input: 95, cachedInput: 5, cacheWrite: 0, output: 60, reasoning: 0 });
    expect(reader.details).toEqual({
      inputTextTokens: 30,
      inputAudioTokens: 70,
      cachedAudioTokens: 0,
      outputTextTokens: 18,
      outputAudioTokens: 42,
    });
    expect(reader.open).toEqual([]);
  });

  it('survives reports that make no sense', () => {
    const reader = new UsageReader(facts());
    for (const usage of [null, 7, [], { input_tokens: -5, output_tokens: 'x' }, { total_tokens: Number.MAX_VALUE }])
      reader.onMessage(event({ type: 'response.done', response: { usage } }));
    for (const text of ['', '[]', '{"type":"response.done"}', '{"type":"response.done","response":[]}'])
      reader.onMessage(new Message('provider', Buffer.from(text), false));
    for (const count of Object.values(reader.usage)) expect(count >= 0 && count <= 2 ** 45).toBe(true);
  });

  it('tells when the last response under way is done', () => {
    const reader = new UsageReader(facts());
    let idle = 0;
    reader.onIdle = () => idle++;
    for (const id of ['a', 'b']) reader.onMessage(event({ type: 'response.created', response: { id } }));
    reader.onMessage(event({ type: 'response.done', response: { id: 'a' } }));
    expect(idle).toBe(0);
    reader.onMessage(event({ type: 'response.done', response: { id: 'b' } }));
    expect(idle).toBe(1);
  });
});

describe('a passage', () => {
  function passage(...hooks: MessageHook['onMessage'][]) {
    const log: string[] = [];
    const state = { room: true };
    const one = new Passage(
      'client',
      fakeExchange(),
      hooks.map((onMessage) => ({ from: 'client', types: null, onMessage })),
      {
        forward: (data) => {
          log.push(`> ${data}`);
          return state.room;
        },
        answer: (event) => log.push(`< ${JSON.stringify(event)}`),
        hold: () => log.push('hold'),
        release: () => log.push('release'),
        close: (code, reason) => log.push(`close ${code} ${reason}`),
        failed: (error) => log.push(`failed ${(error as Error).message}`),
      },
    );
    return { one, log, state, take: (text: string) => one.take(Buffer.from(text), false) };
  }
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it('shows a message to each hook as the one before left it', () => {
    const { take, log } = passage(
      ({ data }) => ({ replace: Buffer.from(`${data}1`) }),
      ({ data }) => ({ replace: Buffer.from(`${data}2`) }),
    );
    take('a');
    expect(log).toEqual(['> a12']);
  });

  it('keeps the order while a hook thinks, and holds the sender back meanwhile', async () => {
    const thoughts: ((verdict: MessageVerdict) => void)[] = [];
    const { take, log } = passage(() => new Promise((resolve) => thoughts.push(resolve)));
    for (const text of ['a', 'b', 'c']) take(text);
    expect(log).toEqual(['hold']);
    thoughts[0]?.(undefined);
    await settled();
    expect(log).toEqual(['hold', '> a', 'hold']);
    thoughts[1]?.({ answer: [{ no: 'b' }] });
    await settled();
    thoughts[2]?.({ replace: Buffer.from('C') });
    await settled();
    expect(log.filter((entry) => entry !== 'hold')).toEqual(['> a', '< {"no":"b"}', '> C', 'release']);
  });

  it('drops, closes and fails', async () => {
    const closing = passage(() => ({ close: 1008, reason: 'no' }));
    closing.take('a');
    expect(closing.log).toEqual(['close 1008 no']);
    const dropping = passage(() => ({ answer: [] }));
    dropping.take('a');
    expect(dropping.log).toEqual([]);
    const throwing = passage(() => {
      throw new Error('x');
    });
    throwing.take('a');
    const rejecting = passage(() => Promise.reject(new Error('y')));
    rejecting.take('a');
    await settled();
    expect([...throwing.log, ...rejecting.log]).toEqual(['failed x', 'hold', 'failed y']);
  });

  it('holds the sender back while the other side is full, thinking or not', async () => {
    const { one, take, log, state } = passage();
    state.room = false;
    take('a');
    expect(log).toEqual(['> a', 'hold']);
    one.drained();
    expect(log.at(-1)).toBe('release');

    let decide: (verdict: MessageVerdict) => void = () => {};
    const thinking = passage(
      () =>
        new Promise((resolve) => {
          decide = resolve;
        }),
    );
    thinking.take('b');
    thinking.one.drained();
    expect(thinking.log).toEqual(['hold']);
    decide(undefined);
    await settled();
    expect(thinking.log).toEqual(['hold', '> b', 'release']);
  });

  it('forgets what waits once it has ended', async () => {
    let decide: (verdict: MessageVerdict) => void = () => {};
    const { one, take, log } = passage(
      () =>
        new Promise((resolve) => {
          decide = resolve;
        }),
    );
    take('a');
    take('b');
    one.end();
    decide(undefined);
    await settled();
    take('c');
    expect(log).toEqual(['hold']);
  });
});
