import fc from 'fast-check';
import type { Stop } from '../../../../../src/facts/answer.ts';
import type {
  Citation,
  Conversation,
  Extra,
  FilePart,
  ImagePart,
  JsonObject,
  Message,
  Part,
  ThinkingPart,
  ToolChoice,
  ToolResultPart,
} from '../../../../../src/facts/conversation.ts';
import {
  anyBase64,
  anyEffort,
  anyFunctionTool,
  anyId,
  anyJsonObject,
  anyName,
  anySchema,
  anySignature,
  anySource,
  anyText,
  anyTextPart,
  anyToolCall,
  anyUrl,
} from '../hub.ts';

/** What the responses API can say, and nothing else. */

function own(fields: JsonObject): { extra: Extra } {
  return { extra: { format: 'responses', fields } };
}

const anyDetail = fc.constantFrom('low', 'high', 'original');

const anyImage: fc.Arbitrary<ImagePart> = fc.record(
  {
    kind: fc.constant('image' as const),
    source: anySource(['base64', 'url', 'file'], ['image/png', 'image/jpeg'], 'openai'),
    detail: anyDetail,
  },
  { requiredKeys: ['kind', 'source'] },
);

const anyFile: fc.Arbitrary<FilePart> = fc.record({
  kind: fc.constant('file' as const),
  source: anySource(['base64', 'url', 'file'], ['application/pdf'], 'openai'),
  name: anyName,
});

const anyBreakpoint = anyTextPart.map(
  (part): Part => ({ ...part, cache: { ttl: '' }, ...own({ prompt_cache_breakpoint: { mode: 'explicit' } }) }),
);

const anyInput: fc.Arbitrary<Part> = fc.oneof(anyTextPart, anyBreakpoint, anyImage, anyFile);

const anyUserMessage: fc.Arbitrary<Message> = fc.record(
  {
    role: fc.constantFrom('user' as const, 'system' as const, 'developer' as const),
    parts: fc.array(anyInput, { minLength: 1, maxLength: 3 }),
    id: anyId.map((id) => `msg_${id}`),
    extra: anyName.map((name) => own({ note: name }).extra),
  },
  { requiredKeys: ['role', 'parts'] },
);

const anyResult: fc.Arbitrary<ToolResultPart> = fc
  .record({ callId: anyId, content: fc.array(anyInput, { maxLength: 2 }), custom: fc.boolean() })
  .map(({ callId, content, custom }) => ({
    kind: 'tool_result',
    callId,
    name: '',
    content,
    isError: false,
    ...(custom && { custom }),
  }));

const anyOutcome: fc.Arbitrary<Part> = anyJsonObject.map((value) => ({
  kind: 'other',
  format: 'responses',
  name: 'computer_call_output',
  value: { ...value, type: 'computer_call_output' },
}));

const anyToolMessage: fc.Arbitrary<Message> = fc
  .oneof(anyResult, anyOutcome)
  .map((part) => ({ role: 'tool', parts: [part] }));

export const anyCitation: fc.Arbitrary<Citation> = fc.oneof(
  fc
    .record({ url: anyUrl, title: anyText, start: fc.nat(50), end: fc.nat(50) })
    .map((of) => ({ kind: 'url' as const, ...of })),
  fc.record({ fileId: anyId, title: anyText, index: fc.nat(9) }).map(({ index, ...of }) => ({
    kind: 'file' as const,
    ...of,
    ...own({ type: 'file_citation', index }),
  })),
);

/** One item each: what else could not be told from the item before it. */
const anyThinking: fc.Arbitrary<ThinkingPart[]> = fc
  .record({
    id: anyId.map((id) => `rs_${id}`),
    summaries: fc.array(anyText, { maxLength: 2 }),
    texts: fc.array(anyText, { maxLength: 2 }),
    signature: fc.option(anySignature('openai'), { nil: undefined }),
  })
  .map(({ id, summaries, texts, signature }) => {
    const parts: ThinkingPart[] = [
      ...summaries.map((text) => ({ kind: 'thinking' as const, text, summary: true, id })),
      ...texts.map((text) => ({ kind: 'thinking' as const, text, id })),
    ];
    const last = parts.pop();
    if (last === undefined) return [{ kind: 'thinking', text: '', id, ...(signature && { redacted: signature }) }];
    return [...parts, { ...last, ...(signature && { signature }) }];
  });

const anyMessageItem: fc.Arbitrary<Part[]> = fc
  .record({
    pieces: fc.array(
      fc.oneof(
        fc.record({
          kind: fc.constant('text' as const),
          text: anyText,
          citations: fc.array(anyCitation, { minLength: 1, maxLength: 2 }),
        }),
        anyTextPart,
        anyText.map((text) => ({ kind: 'refusal' as const, text })),
      ),
      { minLength: 1, maxLength: 2 },
    ),
    id: anyId.map((id) => `msg_${id}`),
  })
  .map(({ pieces: [first, ...rest], id }) => [{ ...(first as Part), ...own({ item: { id } }) } as Part, ...rest]);

const anyCall: fc.Arbitrary<Part> = fc
  .tuple(anyToolCall(), anyId, fc.boolean(), anyText)
  .map(([call, id, custom, text]) => ({
    ...call,
    ...(custom && { custom, arguments: text }),
    ...own({ id: `fc_${id}` }),
  }));

const anyPicture: fc.Arbitrary<Part> = fc.tuple(anyId, anyBase64).map(([id, data]) => ({
  kind: 'image',
  source: { type: 'base64', mediaType: 'image/png', data },
  ...own({ id: `ig_${id}` }),
}));

const anyBuiltIn: fc.Arbitrary<Part> = anyJsonObject.map((value) => ({
  kind: 'other',
  format: 'responses',
  name: 'web_search_call',
  value: { ...value, type: 'web_search_call' },
}));

/** The parts of one turn of the model. */
export const anyTurn: fc.Arbitrary<Part[]> = fc
  .array(
    fc.oneof(
      anyThinking,
      anyMessageItem,
      anyCall.map((part) => [part]),
      anyPicture.map((part) => [part]),
      anyBuiltIn.map((part) => [part]),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .filter((items) => uniqueReasoning(items))
  .map((items) => items.flat());

/** Reasoning items side by side are told apart by their ids. */
function uniqueReasoning(items: readonly Part[][]): boolean {
  const ids = items.flatMap(([first]) => (first?.kind === 'thinking' ? [first.id] : []));
  return new Set(ids).size === ids.length;
}

/** Why an answer with these parts ends. */
export function stopOf(parts: readonly Part[]): Stop {
  if (parts.some((part) => part.kind === 'tool_call')) return { cause: 'tool_calls', raw: 'completed' };
  return { cause: parts.some((part) => part.kind === 'refusal') ? 'refusal' : 'stop', raw: 'completed' };
}

const anyRound: fc.Arbitrary<Message[]> = fc
  .tuple(anyUserMessage, fc.option(anyTurn, { nil: undefined }), fc.array(anyToolMessage, { maxLength: 2 }))
  .map(([user, turn, results]) => [
    user,
    ...(turn === undefined ? [] : [{ role: 'assistant' as const, parts: turn }]),
    ...results,
  ]);

const anyToolChoice: fc.Arbitrary<ToolChoice> = fc.oneof(
  fc.constantFrom<ToolChoice>({ mode: 'auto' }, { mode: 'none' }, { mode: 'required' }),
  anyName.map((name): ToolChoice => ({ mode: 'tool', name })),
  fc.record({
    mode: fc.constantFrom('auto' as const, 'required' as const),
    allowed: fc.array(anyName, { minLength: 1, maxLength: 3 }),
  }),
);

const anyTools: fc.Arbitrary<Partial<Conversation>> = fc.record(
  {
    tools: fc.array(
      fc.oneof(
        anyFunctionTool({ strict: true }).map((tool) => ({ ...tool, strict: tool.strict ?? false })),
        fc.record({
          kind: fc.constant('custom' as const),
          name: anyName,
          description: anyText,
          grammar: fc.constant({ type: 'grammar', syntax: 'regex', definition: '[a-z]+' }),
        }),
        fc.constant({
          kind: 'provider' as const,
          format: 'responses' as const,
          name: 'web_search',
          value: { type: 'web_search' },
        }),
      ),
      { minLength: 1, maxLength: 3 },
    ),
    toolChoice: anyToolChoice,
    parallelToolCalls: fc.boolean(),
  },
  { requiredKeys: ['tools'] },
);

const anyParameters = fc.record(
  {
    output: fc.oneof(
      fc.constant({ type: 'json' as const }),
      fc.record(
        {
          type: fc.constant('schema' as const),
          name: anyName,
          description: anyText,
          schema: anySchema,
          strict: fc.boolean(),
        },
        { requiredKeys: ['type', 'name', 'schema'] },
      ),
    ),
    verbosity: fc.constantFrom('low', 'medium', 'high'),
    reasoning: fc.oneof(
      anyEffort.map((effort) => ({ effort })),
      anyEffort.map((effort) => ({ effort, summary: 'auto', include: true })),
    ),
    serviceTier: fc.constantFrom('auto', 'default', 'flex', 'scale', 'priority'),
    user: anyName,
    metadata: fc.dictionary(anyName, anyText, { maxKeys: 2, noNullPrototype: true }),
    cacheKey: anyName,
    extra: fc.record({
      format: fc.constant('responses' as const),
      fields: fc.record({
        truncation: fc.constant('auto'),
        prompt: fc.record({ id: anyId }),
        max_tool_calls: fc.nat(),
      }),
    }),
  },
  { requiredKeys: [] },
);

const anySampling = fc.record(
  {
    maxTokens: fc.integer({ min: 16, max: 100_000 }),
    temperature: fc.constantFrom(0, 0.5, 1, 2),
    topP: fc.constantFrom(0.1, 1),
    logprobs: fc.nat(20),
  },
  { requiredKeys: [] },
);

export const anyConversation: fc.Arbitrary<Conversation> = fc
  .record({
    rounds: fc.array(anyRound, { minLength: 1, maxLength: 3 }),
    tools: fc.option(anyTools, { nil: {} }),
    parameters: anyParameters,
    sampling: anySampling,
    stream: fc.boolean(),
    store: fc.boolean(),
    model: anyName,
  })
  .map(({ rounds, tools, parameters, ...rest }) => ({
    messages: rounds.flat(),
    tools: [],
    ...tools,
    ...parameters,
    ...rest,
  }));
