import { randomUUID } from 'node:crypto';
import { countTokens, type DemoRequest, demoAnswer, splitTokens } from './request.ts';
import { type DemoAnswer, json, stream } from './wire.ts';

/** Chat completions: https://platform.openai.com/docs/api-reference/chat */
export function chatAnswer(request: DemoRequest): DemoAnswer {
  const head = { id: `chatcmpl-demo-${randomUUID()}`, created: unixSeconds(), model: request.model };
  const answer = demoAnswer(request);
  const usage = openaiUsage(request.inputTokens, countTokens(answer));
  if (!request.streaming) {
    const message = { role: 'assistant', content: answer, refusal: null };
    const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop' }];
    return json({ ...head, object: 'chat.completion', choices, usage });
  }
  const base = { ...head, object: 'chat.completion.chunk' };
  const usageMember = request.includeUsage ? { usage: null } : {};
  const chunk = (delta: object, finish: string | null) =>
    data({ ...base, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], ...usageMember });
  return stream(
    (function* () {
      yield { text: chunk({ role: 'assistant', content: '' }, null), paced: false };
      for (const content of splitTokens(answer)) yield { text: chunk({ content }, null), paced: true };
      yield { text: chunk({}, 'stop'), paced: false };
      if (request.includeUsage) yield { text: data({ ...base, choices: [], usage }), paced: false };
      yield { text: 'data: [DONE]\n\n', paced: false };
    })(),
  );
}

/** Legacy completions: https://platform.openai.com/docs/api-reference/completions */
export function textAnswer(request: DemoRequest): DemoAnswer {
  const base = {
    id: `cmpl-demo-${randomUUID()}`,
    object: 'text_completion',
    created: unixSeconds(),
    model: request.model,
  };
  const answer = demoAnswer(request);
  const usage = openaiUsage(request.inputTokens, countTokens(answer));
  const choices = (text: string, finish: string | null) => [{ text, index: 0, logprobs: null, finish_reason: finish }];
  if (!request.streaming) return json({ ...base, choices: choices(answer, 'stop'), usage });
  return stream(
    (function* () {
      for (const text of splitTokens(answer))
        yield { text: data({ ...base, choices: choices(text, null) }), paced: true };
      yield { text: data({ ...base, choices: choices('', 'stop') }), paced: false };
      if (request.includeUsage) yield { text: data({ ...base, choices: [], usage }), paced: false };
      yield { text: 'data: [DONE]\n\n', paced: false };
    })(),
  );
}

/** Responses: https://platform.openai.com/docs/api-reference/responses */
export function responsesAnswer(request: DemoRequest): DemoAnswer {
  const answer = demoAnswer(request);
  const itemId = `msg_demo_${randomUUID()}`;
  const output = countTokens(answer);
  const usage = {
    input_tokens: request.inputTokens,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: request.inputTokens + output,
  };
  const part = (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: [] });
  const item = (status: string, content: object[]) => ({
    id: itemId,
    type: 'message',
    role: 'assistant',
    status,
    content,
  });
  const response = (status: string, items: object[], used: object | null) => ({
    id: `resp_demo_${itemId.slice(9)}`,
    object: 'response',
    created_at: unixSeconds(),
    status,
    error: null,
    incomplete_details: null,
    instructions: null,
    model: request.model,
    output: items,
    parallel_tool_calls: true,
    tool_choice: 'auto',
    tools: [],
    temperature: 1,
    top_p: 1,
    metadata: {},
    usage: used,
  });
  const done = item('completed', [part(answer)]);
  if (!request.streaming) return json(response('completed', [done], usage));
  let sequence = 0;
  const event = (type: string, rest: object, paced = false) => ({
    text: `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...rest })}\n\n`,
    paced,
  });
  const place = { item_id: itemId, output_index: 0, content_index: 0 };
  return stream(
    (function* () {
      yield event('response.created', { response: response('in_progress', [], null) });
      yield event('response.in_progress', { response: response('in_progress', [], null) });
      yield event('response.output_item.added', { output_index: 0, item: item('in_progress', []) });
      yield event('response.content_part.added', { ...place, part: part('') });
      for (const delta of splitTokens(answer))
        yield event('response.output_text.delta', { ...place, delta, logprobs: [] }, true);
      yield event('response.output_text.done', { ...place, text: answer, logprobs: [] });
      yield event('response.content_part.done', { ...place, part: part(answer) });
      yield event('response.output_item.done', { output_index: 0, item: done });
      yield event('response.completed', { response: response('completed', [done], usage) });
    })(),
  );
}

const DEFAULT_DIMENSIONS = 256;
const MAX_DIMENSIONS = 4096;

/** Embeddings: equal texts give equal unit vectors, and that is all they mean. */
export function embeddingsAnswer(request: DemoRequest): DemoAnswer {
  const { input, dimensions, encoding_format: encoding } = request.body;
  const wanted = typeof dimensions === 'number' ? Math.trunc(dimensions) : DEFAULT_DIMENSIONS;
  const size = Math.min(Math.max(wanted, 1), MAX_DIMENSIONS);
  const inputs = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input];
  const vectors = inputs.map((text) => unitVector(JSON.stringify(text) ?? '', size));
  const listed = vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: encoding === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector],
  }));
  const tokens = Math.max(request.inputTokens, 1);
  return json({
    object: 'list',
    data: listed,
    model: request.model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}

/** A unit vector from a text: xorshift32, seeded by FNV-1a. */
function unitVector(text: string, size: number): Float32Array {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  state |= 1;
  const vector = new Float32Array(size);
  let square = 0;
  for (let i = 0; i < size; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const value = state / 0x80000000;
    vector[i] = value;
    square += value * value;
  }
  const length = Math.sqrt(square) || 1;
  return vector.map((value) => value / length);
}

function openaiUsage(prompt: number, completion: number) {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  };
}

function data(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
