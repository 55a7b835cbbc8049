/** What the mock upstream answers to LLM requests, made before the first of them: in OpenAI's format and in Anthropic's. */

const EVENTS = 100;
/** Events that leave in one write: a provider's tokens come in bursts as well. */
const BURST = 2;
const TEXT = 'word '.repeat(130);

function chatCompletion() {
  return {
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1_760_000_000,
    model: 'bench-model-2026',
    choices: [{ index: 0, message: { role: 'assistant', content: TEXT }, logprobs: null, finish_reason: 'stop' }],
    usage: {
      prompt_tokens: 220,
      completion_tokens: 130,
      total_tokens: 350,
      prompt_tokens_details: { cached_tokens: 100, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 10, audio_tokens: 0 },
    },
    system_fingerprint: 'fp_bench',
  };
}

function chatEvents() {
  const head = {
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1_760_000_000,
    model: 'bench-model-2026',
  };
  const event = (choices, usage) => `data: ${JSON.stringify({ ...head, choices, usage })}\n\n`;
  const events = [];
  for (let i = 0; i < EVENTS; i++) {
    const delta = i === 0 ? { role: 'assistant', content: '' } : { content: ` word${i}` };
    events.push(event([{ index: 0, delta, finish_reason: i === EVENTS - 1 ? 'stop' : null }], null));
  }
  const usage = {
    prompt_tokens: 220,
    completion_tokens: 99,
    total_tokens: 319,
    prompt_tokens_details: { cached_tokens: 100 },
  };
  return [...events, `${event([], usage)}data: [DONE]\n\n`];
}

function message() {
  return {
    id: 'msg_bench',
    type: 'message',
    role: 'assistant',
    model: 'bench-model-2026',
    content: [{ type: 'text', text: TEXT }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: {
      input_tokens: 120,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 100,
      output_tokens: 130,
      service_tier: 'standard',
    },
  };
}

function messageEvents() {
  const event = (type, body) => `event: ${type}\ndata: ${JSON.stringify({ type, ...body })}\n\n`;
  const { usage, ...head } = message();
  const start = { message: { ...head, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } } };
  const delta = (i) => ({ index: 0, delta: { type: 'text_delta', text: ` word${i}` } });
  const texts = Array.from({ length: EVENTS - 4 }, (_, i) => event('content_block_delta', delta(i)));
  return [
    event('message_start', start) +
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ...texts,
    event('content_block_stop', { index: 0 }),
    event('message_delta', {
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: EVENTS - 4 },
    }) + event('message_stop', {}),
  ];
}

function answers(whole, events) {
  const bursts = [];
  for (let first = 0; first < events.length; first += BURST)
    bursts.push(Buffer.from(events.slice(first, first + BURST).join('')));
  return { whole: Buffer.from(JSON.stringify(whole)), bursts };
}

const CHAT = answers(chatCompletion(), chatEvents());
const MESSAGES = answers(message(), messageEvents());

/** `{whole, bursts}`: the whole answer, and the writes of a streamed one. */
export function answersAt(path) {
  return path.endsWith('/messages') ? MESSAGES : CHAT;
}
