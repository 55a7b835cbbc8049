import { describe, expect, it } from 'vitest';
import { Conversion } from '../../../../src/adapters/llm/convert/conversion.ts';
import { OwnAnswer } from '../../../../src/adapters/llm/convert/own-format.ts';
import { bedrockConverseCodec } from '../../../../src/adapters/llm/formats/bedrock-converse/codec.ts';
import { markSignature } from '../../../../src/adapters/llm/formats/signatures.ts';

const MODEL = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
const thought = (signature: string) => ({ reasoningContent: { reasoningText: { text: 'Hm.', signature } } });
const own = markSignature({ issuer: 'anthropic', data: 'c2ln' });
const others = markSignature({ issuer: 'google', data: 'c2ln' });

/** A request that the gateway itself would say otherwise: a model that takes one of the two. */
const request = (signature: string) => ({
  messages: [
    { role: 'user', content: [{ text: 'Hi' }] },
    { role: 'assistant', content: [thought(signature), { text: 'Yes.' }] },
    { role: 'user', content: [{ text: 'And now?' }] },
  ],
  inferenceConfig: { maxTokens: 3000, temperature: 0.5, topP: 0.9 },
  performanceConfig: { latency: 'optimized' },
});

function converted(body: ReturnType<typeof request>, asItIs: boolean): Conversion {
  const codec = bedrockConverseCodec;
  return new Conversion(
    codec.decodeRequest(body, { model: MODEL, stream: false }),
    {
      codec,
      model: MODEL,
      includeUsage: true,
      jsonArray: false,
      betas: [],
      strict: false,
      maxHeldBytes: 1000,
      keeper: null,
      previousId: null,
      own: { bytes: Buffer.from(JSON.stringify(body)), body, asItIs },
    },
    { codec, issuer: 'anthropic', model: MODEL, defaultMaxTokens: 100 },
  );
}

describe('a request of Converse where the format has several issuers', () => {
  it.each([
    ['unmarked', 'c2ln', true],
    ['marked', own, false],
  ])('is the client’s but for marks: %s', (_, signature, asItIs) => {
    const conversion = converted(request(signature), asItIs);
    expect(JSON.parse(String(conversion.request))).toEqual(request('c2ln'));
    expect(conversion.lossy(null)).toBe('');
  });

  it('is written anew with the thinking of others', () => {
    const conversion = converted(request(others), false);
    expect(JSON.stringify(conversion.request)).not.toContain('c2ln');
    expect(conversion.lossy(null)).toBe('inferenceConfig.topP');
  });
});

describe('an answer of Converse where the format has several issuers', () => {
  const redacted = (text: string) => Buffer.from(text).toString('base64');

  it('bears marks on signatures alone', () => {
    const answer = (signature: string, bytes: string) => ({
      output: {
        message: {
          role: 'assistant',
          content: [thought(signature), { reasoningContent: { redactedContent: bytes } }, { future: 1 }],
        },
      },
      trace: { guardrail: {} },
    });
    const marked = answer(own, redacted(markSignature({ issuer: 'anthropic', data: redacted('x') })));
    expect(new OwnAnswer('anthropic').whole(answer('c2ln', redacted('x')))).toEqual(marked);
  });

  it('bears one at the beginning of a signature that comes in pieces', () => {
    const answer = new OwnAnswer('anthropic');
    const piece = (signature: string) => ({
      event: 'contentBlockDelta',
      data: JSON.stringify({ contentBlockIndex: 0, delta: { reasoningContent: { signature } } }),
    });
    expect(answer.frame(piece('c2'))).toEqual(piece(markSignature({ issuer: 'anthropic', data: 'c2' })));
    expect(answer.frame(piece('ln'))).toEqual(piece('ln'));
    const text = { event: 'contentBlockDelta', data: '{"contentBlockIndex":1, "delta":{"text":"a"}}' };
    expect(answer.frame(text)).toBe(text);
  });
});
