#!/usr/bin/env node
/**
 * The backend that every peer forwards to: its answers are made before the first request, so that it is never what limits a
 * run. Serves on a free loopback port and prints it as one JSON line.
 *
 *   GET  /json                     1 KB of JSON
 *   GET  /bytes/<n>                n bytes, as fast as they are taken
 *   POST /v1/chat/completions      an OpenAI chat completion of 1 KB with usage; where the body asks for a stream, 100 events
 *                                  and usage; where it asks for the model "idle", one event and then nothing
 */
import { createServer } from 'node:http';
import { loadUws } from './lib/uws.mjs';

const EVENTS = 100;
/** Events that leave in one write: a provider's tokens come in bursts as well. */
const BURST = 2;
const CHUNK = Buffer.alloc(64 * 1024, 'x');

const json = Buffer.from(JSON.stringify({ id: 1, text: 'x'.repeat(1000) }));
const completion = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1_760_000_000,
    model: 'bench-model-2026',
    choices: [
      { index: 0, message: { role: 'assistant', content: 'word '.repeat(130) }, logprobs: null, finish_reason: 'stop' },
    ],
    usage: {
      prompt_tokens: 220,
      completion_tokens: 130,
      total_tokens: 350,
      prompt_tokens_details: { cached_tokens: 100, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 10, audio_tokens: 0 },
    },
    system_fingerprint: 'fp_bench',
  }),
);

function event(choices, usage) {
  const body = {
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1_760_000_000,
    model: 'bench-model-2026',
  };
  return `data: ${JSON.stringify({ ...body, choices, usage })}\n\n`;
}

const bursts = [];
for (let first = 0; first < EVENTS; first += BURST) {
  let text = '';
  for (let i = first; i < first + BURST; i++) {
    const delta = i === 0 ? { role: 'assistant', content: '' } : { content: ` word${i}` };
    text += event([{ index: 0, delta, finish_reason: i === EVENTS - 1 ? 'stop' : null }], null);
  }
  bursts.push(text);
}
const usage = {
  prompt_tokens: 220,
  completion_tokens: 99,
  total_tokens: 319,
  prompt_tokens_details: { cached_tokens: 100 },
};
bursts[bursts.length - 1] += `${event([], usage)}data: [DONE]\n\n`;
for (const [index, text] of bursts.entries()) bursts[index] = Buffer.from(text);

/** What a chat request asks for; the bench's bodies say so at their beginning. */
function kind(start) {
  const text = start.toString('latin1', 0, 200);
  if (text.includes('"model":"idle"')) return 'idle';
  return text.includes('"stream":true') ? 'stream' : 'json';
}

function listening(port) {
  process.stdout.write(`${JSON.stringify({ port })}\n`);
}

function serveNode() {
  const server = createServer((request, response) => {
    if (request.url === '/json') {
      response.writeHead(200, ['content-type', 'application/json', 'content-length', String(json.length)]);
      response.end(json);
    } else if (request.url.startsWith('/bytes/')) {
      let left = Number(request.url.slice(7));
      response.writeHead(200, ['content-length', String(left)]);
      const more = () => {
        while (left > 0) {
          const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
          left -= chunk.length;
          if (!response.write(chunk) && left > 0) return;
        }
        response.end();
      };
      response.on('drain', more);
      more();
    } else {
      let start = null;
      request.on('data', (chunk) => {
        start ??= chunk;
      });
      request.on('end', () => answer(start ?? Buffer.alloc(0)));
    }
    function answer(start) {
      const what = kind(start);
      if (what === 'json') {
        response.writeHead(200, ['content-type', 'application/json', 'content-length', String(completion.length)]);
        response.end(completion);
        return;
      }
      response.writeHead(200, ['content-type', 'text/event-stream', 'x-accel-buffering', 'no']);
      let next = 0;
      const step = () => {
        response.write(bursts[next++]);
        if (what === 'idle') return;
        if (next < bursts.length) setImmediate(step);
        else response.end();
      };
      step();
    }
  });
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1', 1024, () => listening(server.address().port));
}

function serveUws(uws) {
  const reply = (response, body) => {
    response.cork(() => response.writeHeader('content-type', 'application/json').end(body));
  };
  const stream = (response, what, gone) => {
    let next = 0;
    const step = () => {
      if (gone.value) return;
      response.cork(() => {
        if (next === 0)
          response.writeHeader('content-type', 'text/event-stream').writeHeader('x-accel-buffering', 'no');
        const last = next === bursts.length - 1;
        response.write(bursts[next++]);
        if (last) response.end();
      });
      if (what !== 'idle' && next < bursts.length) setImmediate(step);
    };
    step();
  };
  const app = new uws.App({});
  app.get('/json', (response) => {
    response.writeHeader('content-type', 'application/json').end(json);
  });
  app.get('/bytes/:n', (response, request) => {
    const total = Number(request.getParameter(0));
    let gone = false;
    response.onAborted(() => {
      gone = true;
    });
    const more = () => {
      while (!gone) {
        const sent = response.getWriteOffset();
        const [ok, done] = response.tryEnd(CHUNK.subarray(0, Math.min(total - sent, CHUNK.length)), total);
        if (done) gone = true;
        if (!ok) break;
      }
      return true;
    };
    response.onWritable(more);
    response.cork(more);
  });
  app.post('/*', (response) => {
    let start = null;
    const gone = { value: false };
    response.onAborted(() => {
      gone.value = true;
    });
    response.onData((chunk, last) => {
      start ??= Buffer.from(Buffer.from(chunk, 0, Math.min(chunk.byteLength, 200)));
      if (!last) return;
      const what = kind(start);
      if (what === 'json') reply(response, completion);
      else stream(response, what, gone);
    });
  });
  app.listen('127.0.0.1', 0, (socket) => listening(uws.us_socket_local_port(socket)));
}

const uws = loadUws();
if (uws === null || process.argv.includes('--node')) serveNode();
else serveUws(uws);
