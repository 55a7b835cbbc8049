import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { geminiCodec } from '../../../../../src/adapters/llm/formats/gemini/codec.ts';
import { safeName } from '../../../../../src/adapters/llm/formats/names.ts';
import type { Answer, AnswerChoice, StopCause } from '../../../../../src/facts/answer.ts';
import type { Citation, JsonObject, Part } from '../../../../../src/facts/conversation.ts';
import { totalTokens } from '../../../../../src/facts/llm.ts';
import {
  answerContext,
  anyBase64,
  anyId,
  anyJson,
  anyJsonObject,
  anyName,
  anyText,
  anyToolCall,
  anyUrl,
  anyUsage,
  asJson,
  conversation,
  replyContext,
} from '../hub.ts';

function decode(body: JsonObject): Answer {
  return geminiCodec.decodeAnswer(body, answerContext(geminiCodec));
}

function encode(answer: Answer): JsonObject {
  return asJson(geminiCodec.encodeAnswer(answer, replyContext()));
}

const GOLDEN: JsonObject = {
  candidates: [
    {
      content: {
        role: 'model',
        parts: [
          { text: 'I should look it up.', thought: true },
          { text: 'Größer ist der Turm.' },
          { functionCall: { id: 'fc_1', name: 'get_weather', args: { place: 'Kiel' } } },
          { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
          { executableCode: { language: 'PYTHON', code: 'print(1)' } },
        ],
      },
      finishReason: 'STOP',
      index: 0,
      groundingMetadata: {
        groundingChunks: [
          { web: { uri: 'https://a.example', title: 'a' } },
          { web: { uri: 'https://b.example', title: 'b' } },
        ],
        groundingSupports: [{ segment: { partIndex: 1, startIndex: 9, endIndex: 22 }, groundingChunkIndices: [0, 1] }],
        webSearchQueries: ['tower'],
      },
      citationMetadata: { citations: [{ uri: 'https://c.example', endIndex: 8, license: 'MIT' }] },
      logprobsResult: {
        chosenCandidates: [{ token: 'Gr', logProbability: -0.1 }],
        topCandidates: [
          {
            candidates: [
              { token: 'Gr', logProbability: -0.1 },
              { token: 'Kl', logProbability: -2 },
            ],
          },
        ],
      },
      safetyRatings: [{ category: 'HARM_CATEGORY_HARASSMENT', probability: 'LOW' }],
    },
  ],
  usageMetadata: {
    promptTokenCount: 100,
    cachedContentTokenCount: 40,
    candidatesTokenCount: 20,
    thoughtsTokenCount: 30,
    totalTokenCount: 150,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: 100 }],
  },
  modelVersion: 'gemini-3-flash-preview',
  responseId: 'r-1',
  createTime: '2026-05-01T10:00:00.000Z',
};

describe('a golden answer', () => {
  test('keeps all it says', () => {
    expect(encode(decode(GOLDEN))).toEqual(GOLDEN);
  });

  test('says in the hub what other formats can say', () => {
    const answer = decode(GOLDEN);
    expect(answer).toMatchObject({ id: 'r-1', model: 'gemini-3-flash-preview', created: 1_777_629_600 });
    expect(answer.usage).toEqual({ input: 60, cachedInput: 40, cacheWrite: 0, output: 20, reasoning: 30 });
    const [choice] = answer.choices;
    expect(choice?.stop).toEqual({ cause: 'tool_calls', raw: 'STOP' });
    expect(choice?.parts.map(({ kind }) => kind)).toEqual(['thinking', 'text', 'tool_call', 'image', 'other']);
    const text = choice?.parts[1];
    const citations = text?.kind === 'text' ? (text.citations ?? []) : [];
    expect(citations).toMatchObject([
      { kind: 'url', url: 'https://a.example', title: 'a', start: 7, end: 20 },
      { kind: 'url', url: 'https://b.example', title: 'b', start: 7, end: 20 },
      { kind: 'url', url: 'https://c.example', start: 0, end: 6 },
    ]);
    expect(choice?.logprobs).toEqual([
      {
        token: 'Gr',
        logprob: -0.1,
        top: [
          { token: 'Gr', logprob: -0.1 },
          { token: 'Kl', logprob: -2 },
        ],
      },
    ]);
  });
});

test.each<[string, StopCause]>([
  ['STOP', 'stop'],
  ['MAX_TOKENS', 'length'],
  ['SAFETY', 'content_filter'],
  ['RECITATION', 'content_filter'],
  ['LANGUAGE', 'content_filter'],
  ['BLOCKLIST', 'content_filter'],
  ['PROHIBITED_CONTENT', 'content_filter'],
  ['SPII', 'content_filter'],
  ['IMAGE_SAFETY', 'content_filter'],
  ['MALFORMED_FUNCTION_CALL', 'malformed_tool_call'],
  ['UNEXPECTED_TOOL_CALL', 'malformed_tool_call'],
  ['TOO_MANY_TOOL_CALLS', 'error'],
  ['CONTINUATION', 'pause'],
  ['OTHER', 'error'],
  ['SOMETHING_NEW', 'error'],
])('finish reason %s is %s', (finishReason, cause) => {
  const answer = decode({ candidates: [{ finishReason }] });
  expect(answer.choices[0]?.stop).toEqual({ cause, raw: finishReason });
  const known = finishReason !== 'SOMETHING_NEW';
  expect(encode(answer)).toMatchObject({ candidates: [{ finishReason: known ? finishReason : 'OTHER' }] });
});

test.each([
  ['sluice_answer', { a: 1 }, '{"a":1}'],
  ['sluice_value', { value: 5 }, '5'],
])('a call of %s is the answer', (name, args, text) => {
  const answer = decode({
    candidates: [{ content: { parts: [{ functionCall: { name, args } }] }, finishReason: 'STOP' }],
  });
  expect(answer.choices[0]).toMatchObject({ parts: [{ kind: 'text', text }], stop: { cause: 'stop' } });
});

test('a reason that Gemini does not have ends an answer that there is', () => {
  const stopOf = (part: JsonObject) =>
    decode({ candidates: [{ content: { parts: [part] }, finishReason: 'FUNCTION_CALL' }] }).choices[0]?.stop?.cause;
  expect(stopOf({ functionCall: { name: 'f', args: {} } })).toBe('tool_calls');
  expect(stopOf({ text: 'Hi' })).toBe('stop');
});

test.each<[StopCause, string]>([
  ['stop_sequence', 'STOP'],
  ['tool_calls', 'STOP'],
  ['context_length', 'MAX_TOKENS'],
  ['refusal', 'SAFETY'],
  ['pause', 'OTHER'],
  ['malformed_tool_call', 'MALFORMED_FUNCTION_CALL'],
])('an answer of another provider that stopped for %s says %s', (cause, finishReason) => {
  const answer: Answer = {
    id: 'x',
    model: '',
    created: 0,
    usage: null,
    choices: [{ index: 0, parts: [], stop: { cause, raw: 'stop' } }],
  };
  expect(encode(answer)).toMatchObject({ candidates: [{ finishReason }], modelVersion: 'client-model' });
});

test('a refused prompt has one choice that was filtered', () => {
  const body = {
    promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
    usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 0, totalTokenCount: 5 },
    modelVersion: 'm',
    responseId: 'r',
  };
  const answer = decode(body);
  expect(answer.choices).toEqual([
    { index: 0, parts: [], stop: { cause: 'content_filter', raw: 'PROHIBITED_CONTENT' } },
  ]);
  expect(encode(answer)).toEqual(body);
});

test.each([
  [
    { promptTokenCount: 10, toolUsePromptTokenCount: 50, candidatesTokenCount: 20, totalTokenCount: 80 },
    { input: 60, output: 20, reasoning: 0 },
  ],
  [
    { promptTokenCount: 10, totalTokenCount: 30 },
    { input: 10, output: 20, reasoning: 0 },
  ],
  [
    { promptTokenCount: 10, thoughtsTokenCount: 7, candidatesTokenCount: 3, totalTokenCount: 20 },
    { input: 10, output: 3, reasoning: 7 },
  ],
])('usage %j', (usageMetadata, expected) => {
  const { usage } = decode({ usageMetadata });
  expect(usage).toMatchObject(expected);
  expect(usage === null ? 0 : totalTokens(usage)).toBe(usageMetadata.totalTokenCount);
});

test('calls without ids get some, the same again and unlike those of any other answer', () => {
  const body = (responseId: string) => ({
    responseId,
    candidates: [{ content: { parts: [{ functionCall: { name: 'f' } }, { functionCall: { name: 'f' } }] } }],
  });
  const ids = (responseId: string) =>
    decode(body(responseId)).choices[0]?.parts.map((part) => (part.kind === 'tool_call' ? part.id : ''));
  expect(ids('a')).toEqual(ids('a'));
  expect(new Set([...(ids('a') ?? []), ...(ids('b') ?? [])]).size).toBe(4);
  expect(ids('a')?.[0]).toMatch(/^call_[a-z0-9]{24}$/);
});

test('signatures go to the client as base64 that says whose they are, and come back as they were', () => {
  const parts: Part[] = [
    { kind: 'thinking', text: 'hm', signature: { issuer: 'anthropic', data: 'sig' } },
    { kind: 'thinking', text: '', redacted: { issuer: 'anthropic', data: 'secret' } },
    { kind: 'thinking', text: 'short', id: 'rs_1', redacted: { issuer: 'openai', data: 'gAAA' } },
    { kind: 'text', text: 'x', signature: { issuer: 'google', data: 'AAAA' } },
    { kind: 'tool_call', id: '1', name: 'f', arguments: '{}', signature: { issuer: 'google', data: 'BBBB' } },
  ];
  const body = encode({ id: '', model: '', created: 0, usage: null, choices: [{ index: 0, parts, stop: null }] });
  const content = (body.candidates as { content: { parts: { thoughtSignature: string }[] } }[])[0]?.content;
  for (const { thoughtSignature } of content?.parts ?? []) expect(thoughtSignature).toMatch(/^[A-Za-z0-9+/]+=*$/);
  const urlSafe = JSON.parse(JSON.stringify(content).replaceAll('+', '-'));
  const back = geminiCodec.decodeRequest({ contents: [urlSafe] }, { model: 'm', stream: false }).messages[0]?.parts;
  expect(back).toEqual(parts.map((part) => (part.kind === 'thinking' ? { ...part, summary: true } : part)));
});

test('a call of a free-text tool is read as one', () => {
  const answer = decode({
    candidates: [
      { content: { parts: [{ functionCall: { id: '1', name: 'sluice_text_patch', args: { input: 'x' } } }] } },
    ],
  });
  expect(answer.choices[0]?.parts[0]).toEqual({
    kind: 'tool_call',
    id: '1',
    name: 'patch',
    arguments: 'x',
    custom: true,
  });
});

test("a tool's name is told as the client wrote it", () => {
  const name = 'ns.tool:with-a-long-name';
  const request = conversation({ tools: [{ kind: 'function', name, parameters: null }] });
  const parts: Part[] = [{ kind: 'tool_call', id: '1', name: safeName(name), arguments: '{}' }];
  const answer: Answer = { id: '', model: '', created: 0, usage: null, choices: [{ index: 0, parts, stop: null }] };
  expect(geminiCodec.encodeAnswer(answer, replyContext({ request }))).toMatchObject({
    candidates: [{ content: { parts: [{ functionCall: { name } }] } }],
  });
});

test('whatever JSON comes, decoding an answer does not throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        anyJsonObject,
        fc.record({ candidates: anyJson, usageMetadata: anyJson, promptFeedback: anyJson, createTime: anyJson }),
        fc.record({
          candidates: fc.array(
            fc.record({
              content: fc.record({
                parts: fc.array(
                  fc.record(
                    {
                      text: anyJson,
                      functionCall: anyJson,
                      inlineData: anyJson,
                      thought: anyJson,
                      functionResponse: anyJson,
                    },
                    { requiredKeys: [] },
                  ),
                ),
              }),
              groundingMetadata: fc.record({
                groundingChunks: anyJson,
                groundingSupports: fc.array(fc.record({ segment: anyJson, groundingChunkIndices: fc.array(anyJson) })),
              }),
              citationMetadata: anyJson,
              logprobsResult: anyJson,
              index: anyJson,
              finishReason: anyJson,
            }),
          ),
        }),
      ),
      (body) => {
        encode(decode(body as JsonObject));
      },
    ),
  );
});

// ---- round trips ----

const anyCitations = (text: string): fc.Arbitrary<Citation[]> =>
  fc.uniqueArray(
    fc
      .record({
        url: anyUrl,
        title: anyText,
        quote: fc.option(anyText, { nil: undefined }),
        from: fc.nat(text.length),
        to: fc.nat(text.length),
      })
      .map(({ url, title, quote, from, to }): Citation => {
        const [start, end] = [boundary(text, Math.min(from, to)), boundary(text, Math.max(from, to))];
        return { kind: 'url', url, title, ...(quote !== undefined && { quote }), start, end };
      }),
    { minLength: 1, maxLength: 2, selector: ({ start, end }) => `${start}/${end}` },
  );

/** Not between the halves of a character. */
function boundary(text: string, at: number): number {
  const code = text.charCodeAt(at - 1);
  return code >= 0xd800 && code < 0xdc00 ? at - 1 : at;
}

const anyPart: fc.Arbitrary<Part> = fc.oneof(
  anyText.chain((text) =>
    fc.oneof(
      fc.constant({ kind: 'text' as const, text }),
      anyCitations(text).map((citations) => ({ kind: 'text' as const, text, citations })),
    ),
  ),
  anyText.map((text): Part => ({ kind: 'thinking', text, summary: true })),
  anyToolCall(),
  anyBase64.map((data): Part => ({ kind: 'image', source: { type: 'base64', mediaType: 'image/png', data } })),
  anyBase64.map(
    (data): Part => ({ kind: 'audio', source: { type: 'base64', mediaType: 'audio/L16;rate=24000', data } }),
  ),
  anyJsonObject.map(
    (value): Part => ({
      kind: 'other',
      format: 'generateContent',
      name: 'executableCode',
      value: { executableCode: value },
    }),
  ),
);

const anyLogprobs = fc.array(fc.record({ token: anyText, logprob: fc.integer({ min: -9, max: 0 }) }), {
  minLength: 1,
  maxLength: 3,
});

const anyChoice: fc.Arbitrary<Omit<AnswerChoice, 'index'>> = fc
  .record(
    {
      parts: fc.array(anyPart, { maxLength: 4 }),
      reason: fc.constantFrom('STOP', 'MAX_TOKENS', 'SAFETY', 'OTHER'),
      logprobs: anyLogprobs,
      ratings: anyJsonObject,
    },
    { requiredKeys: ['parts', 'reason'] },
  )
  .map(({ parts, reason, logprobs, ratings }) => {
    const called = parts.some(({ kind }) => kind === 'tool_call');
    const cause = (
      { STOP: called ? 'tool_calls' : 'stop', MAX_TOKENS: 'length', SAFETY: 'content_filter', OTHER: 'error' } as const
    )[reason];
    return {
      parts,
      stop: { cause, raw: reason },
      ...(logprobs !== undefined && { logprobs }),
      ...(ratings !== undefined && {
        extra: { format: 'generateContent' as const, fields: { safetyRatings: [ratings] } },
      }),
    };
  });

test('an answer that Gemini can give comes back as it was', () => {
  const anyAnswer = fc.record({
    id: anyId,
    model: anyName,
    created: fc.nat(4_000_000_000),
    usage: fc.option(anyUsage.map((usage) => ({ ...usage, cacheWrite: 0 }))),
    choices: fc
      .array(anyChoice, { minLength: 1, maxLength: 2 })
      .map((all) => all.map((choice, index) => ({ index, ...choice }))),
  });
  fc.assert(
    fc.property(anyAnswer, (answer) => {
      // What grounds an answer is kept twice: as the hub says it, and as it stood.
      const again = decode(encode(answer));
      for (const choice of again.choices) delete choice.extra?.fields.groundingMetadata;
      const bare = again.choices.map(({ extra, ...choice }) =>
        extra === undefined || Object.keys(extra.fields).length === 0 ? choice : { ...choice, extra },
      );
      expect({ ...again, choices: bare }).toEqual(answer);
    }),
    { numRuns: 300 },
  );
});
