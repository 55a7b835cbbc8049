#!/usr/bin/env node
/**
 * Load at a constant rate: a request leaves when it is due, whether or not earlier ones were answered, so that a stall counts
 * for everyone who would have waited in it. (Generators that round latencies to milliseconds can't show what a gateway adds.)
 *
 *   node constant-rate.mjs '{"port":…,"method":…,"path":…,"body":…,"connections":…,"rate":…,"seconds":…}'
 *
 * A request's time begins when it is due: waiting for a free connection is part of it. Prints one JSON line:
 * {requests, seconds, p50, p99, p999, failed}, milliseconds.
 */
import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const self = fileURLToPath(import.meta.url);
const END_OF_HEAD = '\r\n\r\n';
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
/** How long answers may take after the last request was sent. */
const GRACE_MS = 5000;

/** Runs the generator in a process of its own. */
export async function constantRate(port, scenario, { connections, rate, seconds }) {
  const { method, path, body } = scenario;
  const options = JSON.stringify({ port, method, path, body, connections, rate, seconds });
  const { stdout } = await promisify(execFile)(process.execPath, [self, options]);
  return JSON.parse(stdout);
}

/** One connection with at most one request under way. */
class Connection {
  #socket;
  #request;
  #finished;
  #startedAt = 0;
  #head = '';
  #left = -1;
  #chunked = false;
  #ok = false;
  #tail = Buffer.alloc(0);

  /** `finished(connection, startedAt, ok)` */
  constructor(port, request, finished) {
    this.#request = request;
    this.#finished = finished;
    this.#open(port);
  }

  #open(port) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      if (this.#startedAt !== 0) this.#finish(false);
      this.#open(port);
    });
  }

  send(startedAt) {
    this.#startedAt = startedAt;
    this.#head = '';
    this.#socket.write(this.#request);
  }

  close() {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #read(chunk) {
    if (this.#startedAt === 0) return;
    let body = chunk;
    if (this.#left === -1 && !this.#chunked) {
      this.#head += chunk.latin1Slice();
      const end = this.#head.indexOf(END_OF_HEAD);
      if (end === -1) return;
      const head = this.#head.slice(0, end).toLowerCase();
      body = Buffer.from(this.#head.slice(end + END_OF_HEAD.length), 'latin1');
      this.#ok = /^http\/1\.1 2/.test(head);
      const length = /\r\ncontent-length: *(\d+)/.exec(head);
      this.#chunked = length === null;
      this.#left = length === null ? -1 : Number(length[1]);
      this.#tail = Buffer.alloc(0);
    }
    if (this.#chunked) {
      this.#tail = Buffer.concat([this.#tail, body]).subarray(-LAST_CHUNK.length);
      if (this.#tail.equals(LAST_CHUNK)) this.#finish(this.#ok);
    } else {
      this.#left -= body.length;
      if (this.#left <= 0) this.#finish(this.#ok);
    }
  }

  #finish(ok) {
    const startedAt = this.#startedAt;
    this.#startedAt = 0;
    this.#left = -1;
    this.#chunked = false;
    this.#finished(this, startedAt, ok);
  }
}

async function main({ port, method, path, body, connections, rate, seconds }) {
  const head = [`${method} ${path} HTTP/1.1`, `host: 127.0.0.1:${port}`];
  if (body !== null) head.push('content-type: application/json', `content-length: ${Buffer.byteLength(body)}`);
  const request = Buffer.from(`${head.join('\r\n')}\r\n\r\n${body ?? ''}`);
  const latencies = [];
  const waiting = [];
  const free = [];
  let failed = 0;
  let open = 0;
  const all = Array.from({ length: connections }, () => new Connection(port, request, finished));
  free.push(...all);

  function finished(connection, startedAt, ok) {
    open--;
    if (ok) latencies.push(performance.now() - startedAt);
    else failed++;
    const next = waiting.shift();
    if (next === undefined) free.push(connection);
    else connection.send(next);
  }

  const begin = performance.now();
  const total = Math.round(rate * seconds);
  let sent = 0;
  await new Promise((resolve) => {
    const tick = () => {
      const now = performance.now();
      const due = Math.min(Math.floor(((now - begin) / 1000) * rate) + 1, total);
      for (; sent < due; sent++) {
        open++;
        const connection = free.pop();
        if (connection === undefined) waiting.push(now);
        else connection.send(now);
      }
      const over = now - begin > seconds * 1000 + GRACE_MS;
      if (sent < total || (open > 0 && !over)) setTimeout(tick, 1);
      else resolve();
    };
    tick();
  });
  const elapsed = (performance.now() - begin) / 1000;
  for (const connection of all) connection.close();
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(Math.floor(latencies.length * share), latencies.length - 1)] ?? 0;
  const result = { requests: latencies.length, seconds: elapsed, p50: at(0.5), p99: at(0.99), p999: at(0.999) };
  process.stdout.write(`${JSON.stringify({ ...result, failed: failed + open })}\n`);
}

if (process.argv[1] === self) await main(JSON.parse(process.argv[2]));
