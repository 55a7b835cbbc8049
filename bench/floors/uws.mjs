#!/usr/bin/env node
/**
 * The least forwarder there is with uWebSockets.js' native binding: request bodies are copied into slabs that are used again,
 * and everything written to a client within one tick leaves in one cork.   node floors/uws.mjs <port> <upstream port>
 */
import { Pool } from 'undici';
import { loadUws } from '../lib/uws.mjs';
import { responseHeaders } from './headers.mjs';

const [port, upstream] = process.argv.slice(2).map(Number);
const uws = loadUws();
if (uws === null) throw new Error('uWebSockets.js does not load here');
const pool = new Pool(`http://127.0.0.1:${upstream}`, { headersTimeout: 0, bodyTimeout: 0 });

const SLAB = 256 * 1024;
const free = [];
const takeSlab = () => free.pop() ?? Buffer.allocUnsafeSlow(SLAB);

const SKIPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'upgrade',
  'expect',
]);

class Forward {
  #response;
  #slab = null;
  #resume = null;
  #abort = null;
  #gone = false;
  #paused = false;
  #status = 0;
  #headers = null;
  #queue = [];
  #ended = false;
  #scheduled = false;
  #flushNow = () => this.#flush();

  constructor(response) {
    this.#response = response;
    response.onAborted(() => {
      this.#gone = true;
      this.#abort?.();
    });
    response.onWritable(() => {
      this.#paused = false;
      this.#resume?.();
      return true;
    });
  }

  send(options, slab) {
    this.#slab = slab;
    if (!this.#gone) pool.dispatch(options, this);
  }

  onConnect(abort) {
    this.#abort = abort;
  }

  onHeaders(status, raw, resume) {
    if (status < 200) return true;
    this.#resume = resume;
    this.#status = status;
    this.#headers = responseHeaders(raw);
    this.#schedule();
    return true;
  }

  onData(chunk) {
    this.#queue.push(chunk);
    this.#schedule();
    return !this.#paused;
  }

  onComplete() {
    if (this.#slab !== null) free.push(this.#slab);
    this.#ended = true;
    this.#schedule();
  }

  onError() {
    if (!this.#gone) this.#response.close();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#flushNow);
  }

  #flush() {
    this.#scheduled = false;
    if (this.#gone) return;
    this.#response.cork(() => {
      const response = this.#response;
      if (this.#headers !== null) {
        response.writeStatus(String(this.#status));
        const headers = this.#headers;
        for (let i = 0; i < headers.length; i += 2) {
          if (headers[i].toLowerCase() !== 'content-length') response.writeHeader(headers[i], headers[i + 1]);
        }
        this.#headers = null;
      }
      const queue = this.#queue;
      const last = this.#ended ? queue.length - 1 : queue.length;
      for (let i = 0; i < last; i++) if (!response.write(queue[i])) this.#paused = true;
      if (this.#ended) {
        if (last >= 0) response.end(queue[last]);
        else response.end();
      }
      this.#queue = [];
    });
  }
}

const app = new uws.App({});
app.any('/*', (response, request) => {
  const headers = [];
  let length = 0;
  let chunked = false;
  request.forEach((name, value) => {
    if (name === 'transfer-encoding') chunked = true;
    if (SKIPPED.has(name)) return;
    if (name === 'content-length') length = Number(value);
    headers.push(name, value);
  });
  const query = request.getQuery();
  const path = query ? `${request.getUrl()}?${query}` : request.getUrl();
  const options = { method: request.getMethod().toUpperCase(), path, headers, body: null };
  const forward = new Forward(response);
  if (length === 0 && !chunked) {
    forward.send(options, null);
    return;
  }
  const slab = length <= SLAB && !chunked ? takeSlab() : null;
  const chunks = [];
  let filled = 0;
  response.onData((chunk, last) => {
    if (slab === null) chunks.push(Buffer.from(chunk.slice(0)));
    else filled += Buffer.from(chunk).copy(slab, filled);
    if (!last) return;
    options.body = slab === null ? Buffer.concat(chunks) : slab.subarray(0, filled);
    forward.send(options, slab);
  });
});
app.listen('127.0.0.1', port, (socket) => {
  if (!socket) process.exit(1);
});
