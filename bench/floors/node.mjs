#!/usr/bin/env node
/**
 * The least forwarder there is with node:http: request head and body to undici, response head and body back, both streamed
 * with backpressure; nothing is matched, counted or logged.   node floors/node.mjs <port> <upstream port>
 */
import { createServer } from 'node:http';
import { Pool } from 'undici';
import { requestHeaders, responseHeaders } from './headers.mjs';

const [port, upstream] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${upstream}`, { headersTimeout: 0, bodyTimeout: 0 });

class Forward {
  #response;
  #resume = null;
  #abort = null;

  constructor(response) {
    this.#response = response;
    response.on('drain', () => this.#resume?.());
    response.on('close', () => {
      if (!response.writableFinished) this.#abort?.();
    });
  }

  onConnect(abort) {
    this.#abort = abort;
  }

  onHeaders(status, raw, resume) {
    if (status < 200) return true;
    this.#resume = resume;
    this.#response.writeHead(status, responseHeaders(raw));
    return true;
  }

  onData(chunk) {
    return this.#response.write(chunk);
  }

  onComplete() {
    this.#response.end();
  }

  onError() {
    if (this.#response.headersSent) this.#response.destroy();
    else this.#response.writeHead(502).end();
  }
}

const server = createServer((request, response) => {
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  pool.dispatch(
    {
      method: request.method,
      path: request.url,
      headers: requestHeaders(request.rawHeaders),
      body: hasBody ? request : null,
    },
    new Forward(response),
  );
});
server.keepAliveTimeout = 0;
server.listen(port, '127.0.0.1', 1024);
