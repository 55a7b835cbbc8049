import { describe, expect, it } from 'vitest';
import { anthropicMessagesCodec } from '../../../../src/adapters/llm/formats/anthropic-messages/codec.ts';
import { bedrockConverseCodec } from '../../../../src/adapters/llm/formats/bedrock-converse/codec.ts';
import type { Codec, Frame } from '../../../../src/adapters/llm/formats/codec.ts';
import { isObject } from '../../../../src/adapters/llm/formats/fields.ts';
import { geminiCodec } from '../../../../src/adapters/llm/formats/gemini/codec.ts';
import { openaiChatCodec } from '../../../../src/adapters/llm/formats/openai-chat/codec.ts';
import { openaiResponsesCodec } from '../../../../src/adapters/llm/formats/openai-responses/codec.ts';
import type { JsonObject } from '../../../../src/facts/conversation.ts';
import { commonParts, decodeStream, encodeStream, expectWellFormed } from './hub.ts';

/**
 * What only one format knows stays in a stream of that format that passes through the hub: a client that puts the events together has the
 * same in the end. One rich stream for each format, with every kind of event.
 */

interface Rich {
  readonly codec: Codec;
  readonly frames: readonly Frame[];
  /** What a client has of a stream once it is over. */
  accumulate(frames: readonly Frame[]): unknown;
}

function frame(body: JsonObject, event = ''): Frame {
  return { event, data: JSON.stringify(body) };
}

function bodies(frames: readonly Frame[]): JsonObject[] {
  return frames.filter(({ data }) => data !== '[DONE]').map(({ data }) => JSON.parse(data) as JsonObject);
}

/** Members whose pieces are put together in the order in which they come. */
const GROWING = new Set([
  'content',
  'text',
  'refusal',
  'arguments',
  'data',
  'transcript',
  'reasoning_content',
  'notes',
]);

/** `piece` added to what came before it. */
function grown(before: unknown, piece: unknown, name = ''): unknown {
  if (piece === null || piece === undefined) return before ?? null;
  if (typeof before === 'string' && typeof piece === 'string' && GROWING.has(name)) return before + piece;
  if (isObject(before) && isObject(piece)) {
    const all = { ...before };
    for (const key in piece) all[key] = grown(before[key], piece[key], key);
    return all;
  }
  if (name === 'tool_calls' && Array.isArray(piece)) {
    const calls = Array.isArray(before) ? [...before] : [];
    for (const call of piece) if (isObject(call)) calls[Number(call.index)] = grown(calls[Number(call.index)], call);
    return calls;
  }
  return Array.isArray(before) && Array.isArray(piece) && GROWING.has(name) ? [...before, ...piece] : piece;
}

// ---- chat completions ----

const CHAT_HEAD = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'gpt-x' };

function chunk(delta: JsonObject, around: JsonObject = {}, top: JsonObject = {}, index = 0): Frame {
  const choice = { index, delta, logprobs: null, finish_reason: null, ...around };
  const head = { ...CHAT_HEAD, service_tier: 'default', system_fingerprint: 'fp_1', provider: 'Azure' };
  return frame({ ...head, choices: [choice], usage: null, ...top });
}

const SAFE = { hate: { filtered: false, severity: 'safe' } };
const TOKEN = { token: 'No', logprob: -0.5, bytes: [78, 111], top_logprobs: [] };

const chat: Rich = {
  codec: openaiChatCodec,
  frames: [
    frame({
      id: '',
      object: '',
      created: 0,
      model: '',
      choices: [],
      prompt_filter_results: [{ prompt_index: 0, ...SAFE }],
    }),
    chunk({ role: 'assistant', content: '' }, {}, { obfuscation: 'a1' }),
    chunk({ content: 'Hel', notes: 'x' }, { content_filter_results: SAFE }, { obfuscation: 'b22' }),
    chunk({ content: 'lo', notes: 'y' }, { content_filter_results: { ...SAFE, violence: { filtered: false } } }),
    chunk({
      tool_calls: [{ index: 0, id: 'call_1', type: 'function', kind: 'k', function: { name: 'f', arguments: '' } }],
    }),
    chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a":1}' } }] }, {}, { obfuscation: 'c333' }),
    chunk({ audio: { id: 'au_1', data: 'AAAA' } }),
    chunk({ audio: { transcript: 'Hello', expires_at: 1_700_000_900 } }),
    chunk({ role: 'assistant', refusal: 'No' }, { logprobs: { content: null, refusal: [TOKEN] } }, {}, 1),
    chunk({}, { finish_reason: 'stop' }, {}, 1),
    chunk({}, { finish_reason: 'tool_calls', native_finish_reason: 'end' }, { system_fingerprint: 'fp_2' }),
    chunk({}, { finish_reason: null, content_filter_offsets: { start_offset: 3, end_offset: 9 } }),
    frame({
      ...CHAT_HEAD,
      choices: [],
      moderation: { input: { type: 'error', code: 'c', message: 'm' } },
      usage: {
        prompt_tokens: 20,
        completion_tokens: 30,
        total_tokens: 50,
        prompt_tokens_details: { cached_tokens: 4, audio_tokens: 3 },
        completion_tokens_details: { reasoning_tokens: 5, audio_tokens: 2, accepted_prediction_tokens: 1 },
        cost: 0.0021,
      },
    }),
    { event: '', data: '[DONE]' },
  ],
  accumulate(frames) {
    const whole: JsonObject = {};
    const choices: unknown[] = [];
    const paddings: unknown[] = [];
    for (const { choices: pieces, obfuscation, ...top } of bodies(frames)) {
      if (obfuscation !== undefined) paddings.push(obfuscation);
      for (const name in top) if (top[name] !== null && top[name] !== '' && top[name] !== 0) whole[name] = top[name];
      for (const piece of pieces as JsonObject[]) {
        choices[Number(piece.index)] = grown(choices[Number(piece.index)], piece);
      }
    }
    return { ...whole, choices, paddings };
  },
};

// ---- Gemini ----

function candidates(parts: JsonObject[], around: JsonObject = {}, top: JsonObject = {}): Frame {
  const candidate = { content: { role: 'model', parts }, index: 0, ...around };
  return frame({ candidates: [candidate], modelVersion: 'gemini-x', responseId: 'r1', ...top });
}

const RATINGS = [{ category: 'HARM_CATEGORY_HARASSMENT', probability: 'NEGLIGIBLE' }];
const GROUNDING = {
  webSearchQueries: ['tower height'],
  searchEntryPoint: { renderedContent: '<div>' },
  retrievalMetadata: { googleSearchDynamicRetrievalScore: 0.5 },
  groundingChunks: [{ web: { uri: 'https://a.example', title: 'a', domain: 'a.example' } }, { maps: { placeId: 'p' } }],
  groundingSupports: [
    { segment: { startIndex: 0, endIndex: 5, text: 'Hello' }, groundingChunkIndices: [0], confidenceScores: [0.9] },
  ],
};
const GEMINI_USAGE = {
  promptTokenCount: 10,
  toolUsePromptTokenCount: 7,
  candidatesTokenCount: 5,
  thoughtsTokenCount: 3,
  cachedContentTokenCount: 2,
  totalTokenCount: 25,
  promptTokensDetails: [{ modality: 'TEXT', tokenCount: 10 }],
  candidatesTokensDetails: [{ modality: 'TEXT', tokenCount: 5 }],
  trafficType: 'ON_DEMAND',
};

const gemini: Rich = {
  codec: geminiCodec,
  frames: [
    candidates(
      [{ text: 'Let me', thought: true }],
      {},
      { promptFeedback: { safetyRatings: RATINGS }, modelStatus: { modelStage: 'STABLE' } },
    ),
    candidates(
      [{ text: 'Hel' }],
      { safetyRatings: RATINGS },
      { usageMetadata: { promptTokenCount: 10, totalTokenCount: 10 } },
    ),
    candidates([{ text: 'lo' }], {
      citationMetadata: { citations: [{ uri: 'https://c.example', endIndex: 5, license: 'MIT' }] },
      logprobsResult: { chosenCandidates: [{ token: 'lo', tokenId: 7, logProbability: -0.25 }] },
    }),
    candidates([{ executableCode: { language: 'PYTHON', code: '1+1' } }]),
    candidates([{ codeExecutionResult: { outcome: 'OUTCOME_OK', output: '2' } }]),
    candidates([{ text: 'clip', partMetadata: { a: 1 } }]),
    candidates([{ functionCall: { id: 'c1', name: 'f', args: { a: 1 } } }]),
    candidates(
      [{ text: '' }],
      {
        finishReason: 'STOP',
        finishMessage: 'done',
        safetyRatings: RATINGS,
        avgLogprobs: -0.1,
        tokenCount: 5,
        groundingMetadata: GROUNDING,
        urlContextMetadata: { urlMetadata: [{ retrievedUrl: 'https://b.example' }] },
      },
      { usageMetadata: GEMINI_USAGE },
    ),
  ],
  accumulate(frames) {
    const top: JsonObject = {};
    const candidate: JsonObject = {};
    const parts: JsonObject[] = [];
    for (const { candidates: [piece = {}] = [], ...members } of bodies(frames) as { candidates?: JsonObject[] }[]) {
      Object.assign(top, members);
      const { content, ...around } = piece;
      Object.assign(candidate, around);
      for (const part of (content as { parts: JsonObject[] } | undefined)?.parts ?? []) {
        const last = parts.at(-1);
        const { text, ...others } = part;
        const { text: before, ...same } = last ?? {};
        if (text === '' && Object.keys(others).length === 0) continue;
        if (typeof before === 'string' && typeof text === 'string' && JSON.stringify(others) === JSON.stringify(same)) {
          parts[parts.length - 1] = { text: before + text, ...others };
        } else parts.push(part);
      }
    }
    return { ...top, candidate, parts };
  },
};

// ---- Anthropic ----

function event(type: string, members: JsonObject): Frame {
  return frame({ type, ...members }, type);
}

function block(index: number, content_block: JsonObject, ...deltas: JsonObject[]): Frame[] {
  return [
    event('content_block_start', { index, content_block }),
    ...deltas.map((delta) => event('content_block_delta', { index, delta })),
    event('content_block_stop', { index }),
  ];
}

const SEARCH = {
  type: 'web_search_result',
  url: 'https://a.example',
  title: 'A',
  encrypted_content: 'enc',
  page_age: null,
};
const CITED = {
  type: 'web_search_result_location',
  url: 'https://a.example',
  title: 'A',
  encrypted_index: 'idx',
  cited_text: 'so',
};

const anthropic: Rich = {
  codec: anthropicMessagesCodec,
  frames: [
    event('message_start', {
      message: {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'claude-x',
        content: [],
        stop_reason: null,
        stop_sequence: null,
        container: { id: 'cont_1', expires_at: '2026-01-01T00:00:00Z' },
        diagnostics: { cache_miss_reason: 'none' },
        usage: {
          input_tokens: 10,
          output_tokens: 1,
          cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 0 },
          inference_geo: 'us',
          speed: 'standard',
          service_tier: 'standard',
        },
      },
    }),
    event('ping', {}),
    ...block(
      0,
      { type: 'compaction', content: null, encrypted_content: null },
      { type: 'compaction_delta', content: 'So far.', encrypted_content: 'e' },
    ),
    ...block(
      1,
      { type: 'server_tool_use', id: 'srv_1', name: 'web_search', input: {}, caller: { type: 'direct' } },
      { type: 'input_json_delta', partial_json: '{"query":' },
      { type: 'input_json_delta', partial_json: '"q"}' },
    ),
    ...block(2, { type: 'web_search_tool_result', tool_use_id: 'srv_1', content: [SEARCH] }),
    ...block(
      3,
      { type: 'text', text: '' },
      { type: 'citations_delta', citation: CITED },
      { type: 'text_delta', text: 'It is so.' },
    ),
    ...block(
      4,
      { type: 'mcp_tool_use', id: 'mcp_1', name: 'm', server_name: 's', input: {} },
      { type: 'input_json_delta', partial_json: '{}' },
    ),
    ...block(5, {
      type: 'mcp_tool_result',
      tool_use_id: 'mcp_1',
      is_error: false,
      content: [{ type: 'text', text: 'r' }],
    }),
    ...block(6, { type: 'container_upload', file_id: 'file_1' }),
    ...block(7, {
      type: 'code_execution_tool_result',
      tool_use_id: 'srv_2',
      content: { type: 'code_execution_result', stdout: '2', stderr: '', return_code: 0, content: [] },
    }),
    ...block(
      8,
      { type: 'tool_use', id: 'toolu_1', name: 'f', input: {}, caller: { type: 'direct' } },
      { type: 'input_json_delta', partial_json: '{"a":1}' },
    ),
    event('message_delta', {
      delta: {
        stop_reason: 'tool_use',
        stop_sequence: null,
        stop_details: { type: 'refusal', category: 'cyber', explanation: 'x' },
        container: { id: 'cont_1', expires_at: '2026-01-01T00:10:00Z' },
      },
      context_management: { applied_edits: [{ type: 'clear_tool_uses_20250919', cleared_tool_uses: 2 }] },
      usage: {
        input_tokens: 10,
        output_tokens: 40,
        output_tokens_details: { thinking_tokens: 4, other_tokens: 1 },
        server_tool_use: { web_search_requests: 1, web_fetch_requests: 0 },
        iterations: [{ type: 'message', input_tokens: 10, output_tokens: 40 }],
      },
    }),
    event('message_stop', {}),
  ],
  accumulate(frames) {
    let message: JsonObject = {};
    const blocks: JsonObject[] = [];
    for (const body of bodies(frames)) {
      if (body.type === 'message_start') message = body.message as JsonObject;
      if (body.type === 'content_block_start') blocks.push({ ...(body.content_block as JsonObject), json: '' });
      const last = blocks.at(-1) ?? {};
      const delta = (body.delta ?? {}) as JsonObject;
      if (delta.type === 'input_json_delta') last.json = `${last.json}${delta.partial_json}`;
      if (delta.type === 'text_delta') last.text = `${last.text}${delta.text}`;
      if (delta.type === 'citations_delta') last.citations = [...((last.citations ?? []) as unknown[]), delta.citation];
      if (delta.type === 'compaction_delta') Object.assign(last, delta, { type: 'compaction' });
      if (body.type !== 'message_delta') continue;
      const { type: _, delta: end, usage, ...around } = body;
      message = {
        ...message,
        ...(end as object),
        ...around,
        usage: { ...(message.usage as object), ...(usage as object) },
      };
    }
    return { ...message, blocks };
  },
};

// ---- Bedrock ----

const converse: Rich = {
  codec: bedrockConverseCodec,
  frames: [
    frame({ role: 'assistant' }, 'messageStart'),
    frame({ contentBlockIndex: 0, delta: { text: 'It is so.' } }, 'contentBlockDelta'),
    frame(
      {
        contentBlockIndex: 0,
        delta: {
          citation: {
            title: 't',
            source: 's',
            location: { documentChar: { documentIndex: 0, start: 1, end: 2 } },
            weight: 1,
          },
        },
      },
      'contentBlockDelta',
    ),
    frame({ contentBlockIndex: 0 }, 'contentBlockStop'),
    frame(
      {
        contentBlockIndex: 1,
        start: { toolUse: { toolUseId: 's1', name: 'nova_grounding', type: 'server_tool_use' } },
      },
      'contentBlockStart',
    ),
    frame({ contentBlockIndex: 1, delta: { toolUse: { input: '{"q":1}' } } }, 'contentBlockDelta'),
    frame({ contentBlockIndex: 1 }, 'contentBlockStop'),
    frame(
      {
        contentBlockIndex: 2,
        start: { toolResult: { toolUseId: 's1', type: 'nova_grounding_result', status: 'success' } },
      },
      'contentBlockStart',
    ),
    frame({ contentBlockIndex: 2, delta: { toolResult: [{ text: 'r' }] } }, 'contentBlockDelta'),
    frame({ contentBlockIndex: 2, delta: { toolResult: [{ json: { a: 1 } }] } }, 'contentBlockDelta'),
    frame({ contentBlockIndex: 2 }, 'contentBlockStop'),
    frame({ contentBlockIndex: 3, start: { image: { format: 'png' } } }, 'contentBlockStart'),
    frame({ contentBlockIndex: 3, delta: { image: { source: { bytes: 'AAAA' } } } }, 'contentBlockDelta'),
    frame({ contentBlockIndex: 3 }, 'contentBlockStop'),
    frame({ stopReason: 'guardrail_intervened', additionalModelResponseFields: { top: [1] } }, 'messageStop'),
    frame(
      {
        usage: {
          inputTokens: 10,
          outputTokens: 5,
          totalTokens: 17,
          cacheReadInputTokens: 2,
          cacheWriteInputTokens: 0,
          cacheDetails: [{ ttl: '5m', inputTokens: 2 }],
        },
        metrics: { latencyMs: 321 },
        trace: { guardrail: { modelOutput: ['x'], actionReason: 'y' }, promptRouter: { invokedModelId: 'z' } },
        performanceConfig: { latency: 'optimized' },
        serviceTier: { type: 'priority' },
      },
      'metadata',
    ),
  ],
  accumulate(frames) {
    const blocks: JsonObject[] = [];
    const rest: JsonObject = {};
    for (const { event: name, data } of frames) {
      const body = JSON.parse(data) as JsonObject;
      if (typeof body.contentBlockIndex !== 'number') Object.assign(rest, body);
      else {
        blocks[body.contentBlockIndex] ??= { deltas: [] };
        const at = blocks[body.contentBlockIndex] ?? {};
        if (name === 'contentBlockStart') at.start = body.start;
        if (name !== 'contentBlockDelta') continue;
        const { toolResult } = body.delta as JsonObject;
        const pieces = Array.isArray(toolResult) ? toolResult : [body.delta];
        (at.deltas as unknown[]).push(...pieces);
      }
    }
    return { ...rest, blocks };
  },
};

// ---- responses ----

const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  created_at: 1_700_000_000,
  status: 'in_progress',
  model: 'gpt-x',
  output: [],
  usage: null,
  service_tier: 'default',
  conversation: { id: 'conv_1' },
  prompt_cache_retention: '24h',
};
const SEARCH_CALL = { id: 'ws_1', type: 'web_search_call', status: 'in_progress' };
const SEARCHED = { ...SEARCH_CALL, status: 'completed', action: { type: 'search', query: 'q' } };
const CODE_CALL = {
  id: 'ci_1',
  type: 'code_interpreter_call',
  status: 'in_progress',
  code: '',
  container_id: 'c',
  outputs: null,
};
const CODED = { ...CODE_CALL, status: 'completed', code: '1+1', outputs: [{ type: 'logs', logs: '2' }] };
const PICTURE_CALL = { id: 'ig_1', type: 'image_generation_call', status: 'in_progress', result: null };
const PICTURE = { ...PICTURE_CALL, status: 'completed', result: 'AAAA', revised_prompt: 'p', output_format: 'png' };
const MCP_CALL = { id: 'mcp_1', type: 'mcp_call', name: 'm', server_label: 's', arguments: '' };
const MCP = { ...MCP_CALL, arguments: '{}', output: 'r' };
const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  phase: 'final_answer',
  status: 'in_progress',
  content: [],
};
const TEXT = { type: 'output_text', text: 'It is so.', annotations: [], logprobs: [] };
const SAID = { ...MESSAGE, status: 'completed', content: [TEXT] };

function done(at: number, item: JsonObject): Frame {
  return event('response.output_item.done', { output_index: at, item });
}

function added(at: number, item: JsonObject): Frame {
  return event('response.output_item.added', { output_index: at, item });
}

/** An event of a built-in tool. */
function tool(at: number, item_id: string, name: string, members: JsonObject = {}): Frame {
  return event(`response.${name}`, { output_index: at, item_id, ...members });
}

const inMessage = { item_id: 'msg_1', output_index: 4, content_index: 0 };

const responses: Rich = {
  codec: openaiResponsesCodec,
  frames: [
    event('response.created', { response: RESPONSE }),
    event('response.in_progress', { response: RESPONSE }),
    added(0, SEARCH_CALL),
    tool(0, 'ws_1', 'web_search_call.in_progress'),
    tool(0, 'ws_1', 'web_search_call.searching'),
    tool(0, 'ws_1', 'web_search_call.completed'),
    done(0, SEARCHED),
    added(1, CODE_CALL),
    added(2, PICTURE_CALL),
    tool(1, 'ci_1', 'code_interpreter_call_code.delta', { delta: '1+1', obfuscation: 'x9' }),
    tool(2, 'ig_1', 'image_generation_call.generating'),
    tool(2, 'ig_1', 'image_generation_call.partial_image', { partial_image_index: 0, partial_image_b64: 'AA' }),
    tool(1, 'ci_1', 'code_interpreter_call_code.done', { code: '1+1' }),
    done(2, PICTURE),
    done(1, CODED),
    added(3, MCP_CALL),
    tool(3, 'mcp_1', 'mcp_call_arguments.delta', { delta: '{}' }),
    tool(3, 'mcp_1', 'mcp_call_arguments.done', { arguments: '{}' }),
    tool(3, 'mcp_1', 'mcp_call.completed'),
    done(3, MCP),
    added(4, MESSAGE),
    event('response.content_part.added', { ...inMessage, part: { ...TEXT, text: '' } }),
    event('response.output_text.delta', { ...inMessage, delta: 'It is ', logprobs: [], obfuscation: 'p1' }),
    event('response.output_text.delta', { ...inMessage, delta: 'so.', logprobs: [], obfuscation: 'p22' }),
    event('response.audio.transcript.delta', { delta: 'It', response_id: 'resp_1' }),
    event('response.output_text.done', { ...inMessage, text: 'It is so.', logprobs: [] }),
    event('response.content_part.done', { ...inMessage, part: TEXT }),
    done(4, SAID),
    event('response.completed', {
      response: {
        ...RESPONSE,
        status: 'completed',
        output: [SEARCHED, CODED, PICTURE, MCP, SAID],
        moderation: { input: { type: 'error', code: 'c', message: 'm' } },
        usage: {
          input_tokens: 20,
          input_tokens_details: { cached_tokens: 4, cache_write_tokens: 0, audio_tokens: 1 },
          output_tokens: 30,
          output_tokens_details: { reasoning_tokens: 5 },
          total_tokens: 50,
          cost: 1,
        },
      },
    }),
  ],
  accumulate(frames) {
    const all = bodies(frames).map(({ sequence_number: _, ...body }) => body);
    const ends = new Set(['response.created', 'response.in_progress', 'response.completed']);
    return { events: all.filter(({ type }) => !ends.has(String(type))), response: all.at(-1)?.response };
  },
};

const RICH: readonly [string, Rich][] = Object.entries({ chat, gemini, anthropic, converse, responses });

describe.each(RICH)('a stream of %s', (name, { codec, frames, accumulate }) => {
  const parts = decodeStream(codec, frames);

  it('keeps every member through the hub', () => {
    expectWellFormed(parts);
    expect(parts.at(-1)).toEqual({ type: 'end' });
    const whole = accumulate(frames) as JsonObject;
    expect(accumulate(encodeStream(codec, parts))).toMatchObject(whole);
    expect(accumulate(encodeStream(codec, commonParts(parts)))).not.toMatchObject(whole);
  });

  it.each(RICH.filter(([other]) => other !== name))(
    'says nothing of its own in a stream of %s',
    (_, { codec: target }) => {
      const plain = commonParts(parts).map((part) => (part.type === 'ping' ? { type: part.type } : part));
      expect(told(encodeStream(target, parts))).toEqual(told(encodeStream(target, plain)));
    },
  );
});

/** Without the ids that are made up. */
function told(frames: readonly Frame[]): string[] {
  return frames.map(({ data }) => data.replaceAll(/(sluice_|msg_|resp_|chatcmpl-)[0-9a-f]{32}/g, '$1'));
}
