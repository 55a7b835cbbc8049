import { describe, expect, it } from 'vitest';
import { answerParts } from '../../../../src/adapters/llm/convert/answer.ts';
import { lostInAnswer } from '../../../../src/adapters/llm/convert/answer-losses.ts';
import type { Codec } from '../../../../src/adapters/llm/formats/codec.ts';
import { CODECS } from '../../../../src/adapters/llm/formats/codecs.ts';
import { ANSWER_FEATURES } from '../../../../src/adapters/llm/formats/features.ts';
import type { Answer, Stop } from '../../../../src/facts/answer.ts';
import type { Part, WireFormat } from '../../../../src/facts/conversation.ts';
import { llmBench, provider, serve } from '../../../support/llm.ts';
import { encodeStream, replyContext } from '../formats/hub.ts';

const END: Stop = { cause: 'stop', raw: 'x' };

function answer(parts: readonly Part[], stop: Stop = END): Answer {
  return { id: 'a', model: 'm', created: 1, choices: [{ index: 0, parts, stop }], usage: null };
}

/** A piece of another format than `format`. */
function foreign(format: WireFormat, name = 'a_call'): Part {
  return {
    kind: 'other',
    format: format === 'responses' ? 'messages' : 'responses',
    name,
    value: { type: name, found: 'MARK' },
  };
}

type Feature = keyof typeof ANSWER_FEATURES;

/** An answer that has the feature, with `MARK` in it. */
const SAMPLES: Record<Feature, (format: WireFormat) => Answer> = {
  stopSequence: () => answer([], { cause: 'stop_sequence', raw: 'x', sequence: 'MARK' }),
  thinkingAnswer: () => answer([{ kind: 'thinking', text: 'MARK' }]),
  citationsAnswer: () =>
    answer([
      { kind: 'text', text: 'So.', citations: [{ kind: 'url', url: 'https://a.example/MARK', start: 0, end: 3 }] },
    ]),
  audioAnswer: () =>
    answer([{ kind: 'audio', source: { type: 'base64', mediaType: 'audio/wav', data: 'MARK' }, transcript: 'MARK' }]),
  imageAnswer: () => answer([{ kind: 'image', source: { type: 'base64', mediaType: 'image/png', data: 'MARK' } }]),
  providerToolsAnswer: (format) => answer([foreign(format)]),
};

const CASES = [...CODECS.values()].flatMap((codec) =>
  (Object.keys(ANSWER_FEATURES) as Feature[]).map((feature): [string, Feature, Codec] => [
    codec.format,
    feature,
    codec,
  ]),
);

describe('the conversion table', () => {
  it.each(CASES)('is right on what clients of %s are told of %s', (format, feature, codec) => {
    const sample = SAMPLES[feature](codec.format);
    const said = codec.column.fidelity[feature] !== 'dropped';
    expect(JSON.stringify(codec.encodeAnswer(sample, replyContext())).includes('MARK'), `whole, ${format}`).toBe(said);
    const frames = encodeStream(codec, answerParts(sample));
    expect(
      frames.some(({ data }) => data.includes('MARK')),
      `streamed, ${format}`,
    ).toBe(said);
    expect(lostInAnswer(sample, codec).size).toBe(said ? 0 : 1);
  });
});

describe('what an answer had and its client was not told', () => {
  const RESPONSES = provider('custom', {
    settings: { formats: [{ type: 'responses' }] },
    hostOverride: 'responses.test:443',
  });
  const ask = (more: object) => ({
    url: '/v1/messages',
    headers: [],
    body: JSON.stringify({ model: 'gpt-5', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }], ...more }),
  });
  const whole = (...output: object[]) =>
    JSON.stringify({ id: 'resp_1', object: 'response', model: 'gpt-5', status: 'completed', output, usage: null });

  it.each([
    ['whole', false],
    ['played as a stream', true],
  ])('is named beside what the request lost: %s', async (_, stream) => {
    const llm = llmBench({ providers: [[RESPONSES]] });
    const exchange = await serve(llm, ask({ top_k: 5, stream }));
    const call = { id: 'ws_1', type: 'web_search_call', status: 'completed' };
    llm.flights[0]!.answer(200, whole(call, call, { type: 'message', role: 'assistant', content: [] }));
    expect(exchange.downstream.header('x-sluice-lossy')).toBe('top_k, web_search_call');
  });

  it('does not name what could not stand in a header', async () => {
    const llm = llmBench({ providers: [[RESPONSES]] });
    const exchange = await serve(llm, ask({}));
    llm.flights[0]!.answer(200, whole({ type: 'a\r\nset-cookie: b=c' }));
    expect(exchange.downstream.header('x-sluice-lossy')).toBe('providerToolsAnswer');
  });

  it('is bounded', () => {
    const codec = [...CODECS.values()][0]!;
    const parts = Array.from({ length: 100 }, (_, i) => foreign(codec.format, `call_${i}`));
    expect(lostInAnswer(answer(parts), codec).size).toBe(32);
  });
});
