#!/usr/bin/env node
/**
 * The backend that every peer forwards to: its answers are made before the first request, so that it is never what limits a
 * run. Serves on a free loopback port and prints it as one JSON line.
 *
 *   GET  /json                     1 KB of JSON
 *   GET  /bytes/<n>                n bytes, as fast as they are taken
 *   POST /v1/chat/completions      an OpenAI chat completion of 1 KB with usage; where the body asks for a stream, 100 events
 *                                  and usage; where it asks for the model "idle", one event and then nothing,
 *                                  for the model "paced", two events every 2 ms
 *   POST …/messages                the same as Anthropic says it
 */
import { createServer } from 'node:http';
import { answersAt } from './lib/answers.mjs';
import { loadUws } from './lib/uws.mjs';

const PACE_MS = 2;
const CHUNK = Buffer.alloc(64 * 1024, 'x');

const json = Buffer.from(JSON.stringify({ id: 1, text: 'x'.repeat(1000) }));
/** What an LLM request asks for; the bench's bodies say so at their beginning. */
function kind(start) {
  const text = start.toString('latin1', 0, 200);
  if (text.includes('"model":"idle"')) return 'idle';
  if (text.includes('"model":"paced"')) return 'paced';
  return text.includes('"stream":true') ? 'stream' : 'json';
}

/** Bursts a reader can't keep up with arrive several at a time; paced ones each by itself. */
function later(what, step) {
  if (what === 'paced') setTimeout(step, PACE_MS);
  else setImmediate(step);
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
      const { whole, bursts } = answersAt(request.url);
      if (what === 'json') {
        response.writeHead(200, ['content-type', 'application/json', 'content-length', String(whole.length)]);
        response.end(whole);
        return;
      }
      response.writeHead(200, ['content-type', 'text/event-stream', 'x-accel-buffering', 'no']);
      let next = 0;
      const step = () => {
        response.write(bursts[next++]);
        if (what === 'idle') return;
        if (next === bursts.length) response.end();
        else later(what, step);
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
  const stream = (response, bursts, what, gone) => {
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
      if (what !== 'idle' && next < bursts.length) later(what, step);
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
  app.post('/*', (response, request) => {
    const { whole, bursts } = answersAt(request.getUrl());
    let start = null;
    const gone = { value: false };
    response.onAborted(() => {
      gone.value = true;
    });
    response.onData((chunk, last) => {
      start ??= Buffer.from(Buffer.from(chunk, 0, Math.min(chunk.byteLength, 200)));
      if (!last) return;
      const what = kind(start);
      if (what === 'json') reply(response, whole);
      else stream(response, bursts, what, gone);
    });
  });
  app.listen('127.0.0.1', 0, (socket) => listening(uws.us_socket_local_port(socket)));
}

const uws = loadUws();
if (uws === null || process.argv.includes('--node')) serveNode();
else serveUws(uws);
