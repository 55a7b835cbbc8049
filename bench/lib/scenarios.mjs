/** What is asked of every peer. `group` is what `npm run bench -- <word>` selects by, beside the name. */
const prompt = (bytes) => 'The quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(bytes / 45)).slice(0, bytes);

function chat(bytes, stream) {
  return JSON.stringify({
    model: 'bench-model',
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
    messages: [{ role: 'user', content: prompt(bytes) }],
  });
}

const CHAT_PATH = '/v1/chat/completions';

/** `connections`: closed loop. `rate`: requests a second of the constant-rate runs. `bound`: the factor over the floor aimed at. */
export const SCENARIOS = [
  { name: 'http', group: 'http', method: 'GET', path: '/json', body: null, rate: 1500, bound: 1.25 },
  {
    name: 'llm-json-1k',
    group: 'llm',
    method: 'POST',
    path: CHAT_PATH,
    body: chat(1000, false),
    rate: 1000,
    bound: 1.5,
  },
  {
    name: 'llm-json-100k',
    group: 'llm',
    method: 'POST',
    path: CHAT_PATH,
    body: chat(100_000, false),
    rate: 400,
    bound: 1.25,
  },
  { name: 'sse-100', group: 'llm', method: 'POST', path: CHAT_PATH, body: chat(200, true), rate: 200, bound: 1.4 },
];

/** The body whose answer is one event and then silence. */
export const IDLE_BODY = JSON.stringify({
  model: 'idle',
  stream: true,
  stream_options: { include_usage: true },
  messages: [{ role: 'user', content: 'hold on' }],
});

export { CHAT_PATH };
