import fc from 'fast-check';
import type {
  Citation,
  Conversation,
  FilePart,
  ImagePart,
  JsonObject,
  Message,
  Part,
  TextPart,
  ThinkingPart,
  ToolResultPart,
} from '../../../../../src/facts/conversation.ts';
import {
  anyBase64,
  anyFunctionTool,
  anyId,
  anyJsonObject,
  anyName,
  anySchema,
  anyText,
  anyToolCall,
  anyUrl,
} from '../hub.ts';

/** Everything that Converse can say to a model which takes all of it. */

/** Takes all but both of `temperature` and `top_p`. */
export const MODEL = 'us.anthropic.claude-opus-4-6-v1';

/** Text that isn't blank, and doesn't end in white space, which Bedrock refuses at an answer's beginning. */
const anySaid = anyText.map((text) => text.trim()).filter((text) => text !== '');

const anyCache = fc.constantFrom({ ttl: '' }, { ttl: '5m' }, { ttl: '1h' });

/** With a cache mark, or without. */
function marked<T extends Part>(part: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 4, arbitrary: part },
    { weight: 1, arbitrary: fc.tuple(part, anyCache).map(([p, cache]) => ({ ...p, cache })) },
  );
}

function ownFields(fields: JsonObject) {
  return { extra: { format: 'converse' as const, fields } };
}

const anyPlain: fc.Arbitrary<TextPart> = anySaid.map((text) => ({ kind: 'text', text }));

const anyGuarded: fc.Arbitrary<TextPart> = fc
  .tuple(anySaid, fc.constantFrom({}, { qualifiers: ['query'] }, { qualifiers: ['guard_content', 'query'] }))
  .map(([text, guardContent]) => ({ kind: 'text', text, ...ownFields({ guardContent }) }));

const anyPlace = fc.record({
  index: fc.nat(5),
  unit: fc.constantFrom('char' as const, 'page' as const, 'block' as const),
  start: fc.integer({ min: -1, max: 50 }),
  end: fc.integer({ min: -1, max: 50 }),
});

export const anyCitation: fc.Arbitrary<Citation> = fc.oneof(
  fc.record(
    { kind: fc.constant('document' as const), title: anyText, quote: anyText, document: anyPlace },
    { requiredKeys: ['kind'] },
  ),
  fc.record({ url: anyUrl, title: anyText, place: anyPlace }).map(({ place, ...rest }) => ({
    ...rest,
    kind: 'search' as const,
    document: { ...place, unit: 'block' as const },
  })),
);

const anyCited: fc.Arbitrary<TextPart> = fc
  .record({ text: anySaid, citations: fc.array(anyCitation, { maxLength: 3 }) })
  .map((part) => ({ kind: 'text', ...part }));

const anyImage: fc.Arbitrary<ImagePart> = fc.oneof(
  fc
    .record({ mediaType: fc.constantFrom('image/png', 'image/jpeg', 'image/gif', 'image/webp'), data: anyBase64 })
    .map((source) => ({ kind: 'image' as const, source: { type: 'base64' as const, ...source } })),
  fc.tuple(anyName, fc.boolean()).map(([name, owned]) => ({
    kind: 'image' as const,
    source: { type: 'url' as const, url: `s3://bucket/${name}`, mediaType: 'image/png' },
    ...(owned ? ownFields({ bucketOwner: '123456789012' }) : {}),
  })),
);

const anyDocument: fc.Arbitrary<FilePart> = fc
  .record(
    {
      source: fc.oneof(
        fc
          .record({ mediaType: fc.constantFrom('application/pdf', 'text/csv', 'text/plain'), data: anyBase64 })
          .map((source) => ({ type: 'base64' as const, ...source })),
        anyText.map((text) => ({ type: 'text' as const, text })),
      ),
      name: fc.uuid(),
      context: anyText,
      citations: fc.boolean(),
    },
    { requiredKeys: ['source', 'name'] },
  )
  .map((part) => ({ kind: 'file', ...part }));

const anySearchResult: fc.Arbitrary<FilePart> = fc
  .record({
    name: anyText,
    context: anyUrl,
    citations: fc.boolean(),
    texts: fc.array(anyText, { minLength: 1, maxLength: 2 }),
  })
  .map(({ texts, ...rest }) => ({
    kind: 'file',
    source: { type: 'text', text: texts.join('\n\n') },
    ...rest,
    ...ownFields({ searchResult: texts.map((text) => ({ text })) }),
  }));

const anyResult: fc.Arbitrary<ToolResultPart> = fc
  .record({
    callId: anyId,
    isError: fc.boolean(),
    content: fc.array(
      fc.oneof<fc.Arbitrary<Part>[]>(
        anyText.map((text) => ({ kind: 'text', text })),
        anyJsonObject.map((json) => ({ kind: 'text', text: JSON.stringify(json), ...ownFields({ json: true }) })),
        anyImage,
        anyDocument,
      ),
      { maxLength: 3 },
    ),
  })
  .map((part) => ({ kind: 'tool_result', name: '', ...part }));

export const anyThinking: fc.Arbitrary<ThinkingPart> = fc.oneof(
  fc
    .tuple(fc.oneof(anyText, fc.constant('')), anyBase64)
    .map(([text, data]) => ({ kind: 'thinking' as const, text, signature: { issuer: 'anthropic', data } })),
  anyBase64.map((data) => ({ kind: 'thinking' as const, text: '', redacted: { issuer: 'anthropic', data } })),
);

const anyOther: fc.Arbitrary<Part> = anyName.map((name) => ({
  kind: 'other',
  format: 'converse',
  name: 'toolAddition',
  value: { toolAddition: { tool: { name } } },
}));

const anyUserParts = fc.oneof(
  // Results come first.
  fc
    .tuple(fc.array(marked(anyResult), { minLength: 1, maxLength: 2 }), fc.array(anyPlain, { maxLength: 1 }))
    .map(([results, texts]) => [...results, ...texts]),
  // With documents there is a text.
  fc
    .tuple(
      fc.array(fc.oneof(marked(anyPlain), anyGuarded, marked(anyImage), marked(anyDocument), anySearchResult), {
        maxLength: 4,
      }),
      anyPlain,
    )
    .map(([parts, last]) => [...parts, last]),
);

const anyAssistantParts = fc
  .tuple(
    fc.array(anyThinking, { maxLength: 2 }),
    fc.array(fc.oneof(marked(anyPlain), anyCited, anyOther, marked(anyToolCall())), { minLength: 1, maxLength: 4 }),
  )
  .map(([thinking, rest]): Part[] => [...thinking, ...rest]);

const anyMessages: fc.Arbitrary<Message[]> = fc
  .tuple(
    fc.array(marked(anyPlain), { maxLength: 2 }),
    fc.array(fc.tuple(anyUserParts, anyAssistantParts), { maxLength: 2 }),
    anyUserParts,
  )
  .map(([system, turns, last]) => [
    ...(system.length > 0 ? [{ role: 'system' as const, parts: system }] : []),
    ...turns.flatMap(([user, assistant]): Message[] => [
      { role: 'user', parts: user },
      { role: 'assistant', parts: assistant },
    ]),
    { role: 'user', parts: last },
  ]);

/** Bedrock refuses a blank description. */
const anyTool = anyFunctionTool({ strict: true }).map(({ description, ...tool }) =>
  description === undefined || description.trim() === '' ? tool : { ...tool, description },
);
const anyTools = fc.uniqueArray(anyTool, {
  minLength: 1,
  maxLength: 3,
  selector: ({ name }) => name,
});

function callsTools(messages: readonly Message[]): boolean {
  return messages.some(({ parts }) => parts.some(({ kind }) => kind === 'tool_call' || kind === 'tool_result'));
}

const anyOptions = fc.record(
  {
    parallelToolCalls: fc.boolean(),
    output: fc.record(
      {
        type: fc.constant('schema' as const),
        name: anyName,
        description: anyText,
        schema: anySchema,
        strict: fc.constant(true),
      },
      { requiredKeys: ['type', 'name', 'schema', 'strict'] },
    ),
    serviceTier: fc.constantFrom('default', 'flex', 'priority', 'reserved'),
    metadata: fc.dictionary(anyName, anyName, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
    extra: fc
      .record(
        {
          guardrailConfig: anyJsonObject,
          promptVariables: anyJsonObject,
          performanceConfig: fc.constant({ latency: 'optimized' }),
          additionalModelRequestFields: fc.constant({ anthropic_beta: ['context-1m-2025-08-07'] }),
        },
        { requiredKeys: ['performanceConfig'] },
      )
      .map((fields) => ({ format: 'converse' as const, fields })),
  },
  { requiredKeys: [] },
);

/** Thinking rules sampling out, so that it is one or the other. */
const anyNumbers: fc.Arbitrary<Pick<Conversation, 'sampling' | 'reasoning'>> = fc.oneof(
  fc
    .record(
      {
        maxTokens: fc.integer({ min: 1, max: 60_000 }),
        temperature: fc.integer({ min: 0, max: 100 }).map((n) => n / 100),
        topK: fc.integer({ min: 1, max: 500 }),
        stop: fc.array(anySaid, { minLength: 1, maxLength: 3 }),
      },
      { requiredKeys: [] },
    )
    .map((sampling) => ({ sampling })),
  fc.record({
    reasoning: fc.oneof(
      fc.integer({ min: 1024, max: 30_000 }).map((budget) => ({ mode: 'enabled' as const, budget })),
      fc.record(
        {
          mode: fc.constant('adaptive' as const),
          effort: fc.constantFrom('low', 'medium', 'high', 'max'),
          include: fc.boolean(),
        },
        { requiredKeys: ['mode'] },
      ),
      fc.constant({ mode: 'disabled' as const }),
      fc.constantFrom('low', 'high').map((effort) => ({ effort, effortOnly: true })),
    ),
    sampling: fc.constant({ maxTokens: 40_000 }),
  }),
);

export const anyConversation: fc.Arbitrary<Conversation> = fc
  .record({ messages: anyMessages, tools: anyTools, numbers: anyNumbers, options: anyOptions, stream: fc.boolean() })
  .chain(({ messages, tools, numbers, options, stream }) => {
    // History with calls needs tools; within a budget of thinking it needs the thinking too, which is tested on its own.
    const calls = callsTools(messages);
    const { reasoning, ...rest } = numbers;
    const thinks = calls && reasoning?.mode === 'enabled' ? {} : { ...(reasoning && { reasoning }) };
    const choices = reasoning === undefined ? (['auto', 'required', 'tool', 'none'] as const) : (['auto'] as const);
    return fc.tuple(fc.boolean(), fc.constantFrom(...choices), fc.boolean()).map(([offered, mode, says]) => {
      const { parallelToolCalls, ...others } = options;
      const choice = mode === 'tool' ? { mode, name: tools[0]!.name } : { mode };
      const withTools = calls || (offered && mode !== 'none');
      const parallel = mode === 'none' ? {} : { ...(parallelToolCalls !== undefined && { parallelToolCalls }) };
      // Claude's own words for a choice name it always; Bedrock's only where it is said.
      const said =
        withTools && (says || mode !== 'auto' || 'parallelToolCalls' in parallel) ? { toolChoice: choice } : {};
      return {
        model: MODEL,
        stream,
        messages,
        tools: withTools ? tools : [],
        ...said,
        ...(withTools ? parallel : {}),
        ...rest,
        ...thinks,
        ...others,
      } as Conversation;
    });
  });
