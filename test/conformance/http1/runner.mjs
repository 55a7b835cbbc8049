/** Sends the cases of `cases.mjs` to a port of a driver and says what each came to. */
import net from 'node:net';

/** Short where a case has to wait for them. Milliseconds, bytes. */
const LIMITS = {
  headTimeoutMs: 600,
  bodyIdleTimeoutMs: 600,
  keepAliveTimeoutMs: 700,
  maxHeaderBytes: 32 * 1024,
  maxHeaderCount: 100,
  handshakeTimeoutMs: 1000,
  sendIdleTimeoutMs: 3000,
  maxMessageBytes: 1_048_576,
};
const PATIENCE_MS = 3000;
/** Most cases wait rather than work. */
const AT_ONCE = 40;

/** What the port answers with: an echo, and some replies of other shapes. Counts what it serves, by connection. */
export class Handler {
  /** Client port → how many requests of it came here; all under 0 with a driver that does not know the port. */
  served = new Map();
  paths = new Set();

  onExchange(exchange) {
    const { downstream } = exchange;
    this.served.set(downstream.remotePort, (this.served.get(downstream.remotePort) ?? 0) + 1);
    this.paths.add(exchange.path);
    switch (exchange.path) {
      case '/ignore':
        return text(downstream, 'ignored');
      case '/whole':
        return text(downstream, 'whole');
      case '/size':
        return readAll(downstream, (body) => text(downstream, String(body.length)));
      case '/stream':
        downstream.writeHead(200, ['content-type', 'text/plain']);
        return pipe(downstream.bodyStream(), downstream);
      case '/later':
        setTimeout(() => text(downstream, '{"path":"/later"}'), 80);
        return;
      case '/status/204':
        downstream.writeHead(204, ['content-length', '0']);
        return downstream.end();
      case '/status/304':
        downstream.writeHead(304, ['etag', '"a"']);
        return downstream.end();
      case '/parts':
        downstream.writeHead(200, ['content-type', 'text/plain']);
        downstream.write(Buffer.from('one'));
        setTimeout(() => downstream.end(Buffer.from('two')), 30);
        return;
      case '/counted':
        downstream.writeHead(200, ['content-type', 'text/plain', 'content-length', '6']);
        downstream.write(Buffer.from('one'));
        setTimeout(() => downstream.end(Buffer.from('two')), 30);
        return;
      case '/empty':
        downstream.writeHead(200, ['content-length', '0']);
        setTimeout(() => downstream.end(), 30);
        return;
      case '/large':
        downstream.writeHead(200, ['content-length', '2000000']);
        return send(downstream, 20, Buffer.alloc(100_000, 120));
      case '/date':
        downstream.writeHead(200, ['date', 'Tue, 15 Nov 1994 08:12:31 GMT', 'content-length', '2']);
        return downstream.end('ok');
      case '/split':
        downstream.writeHead(200, ['x-a', 'v\r\nx-injected: 1', 'content-length', '2']);
        return downstream.end('ok');
      case '/framing':
        downstream.writeHead(200, ['transfer-encoding', 'gzip', 'connection', 'upgrade', 'content-length', '5']);
        return downstream.end('hello');
      case '/trailers':
        downstream.writeHead(200, ['content-type', 'text/plain', 'trailer', 'x-sum']);
        downstream.write(Buffer.from('body'));
        return downstream.end(undefined, ['x-sum', '1']);
      case '/hints':
        downstream.inform(103, ['link', '</style.css>; rel=preload']);
        return text(downstream, 'hinted');
      default:
        return readAll(downstream, (body, trailers) => echo(exchange, body, trailers));
    }
  }
}

function text(downstream, body) {
  const bytes = Buffer.from(body, 'latin1');
  downstream.writeHead(200, ['content-type', 'text/plain', 'content-length', String(bytes.length)]);
  downstream.end(bytes);
}

function echo(exchange, body, trailers) {
  const { method, path, query, authority, host, headers } = exchange;
  const said = { method, path, query, authority, host, headers: headers.raw, body: body.toString('latin1'), trailers };
  text(exchange.downstream, JSON.stringify(said));
}

function readAll(downstream, done) {
  const parts = [];
  downstream.readBody({
    onChunk: (chunk) => parts.push(chunk),
    onEnd: (trailers) => done(Buffer.concat(parts), trailers),
    onError: () => {},
  });
}

function pipe(stream, downstream) {
  stream.on('data', (chunk) => {
    if (!downstream.write(chunk)) stream.pause();
  });
  downstream.onDrain = () => stream.resume();
  stream.on('end', () => downstream.end());
  stream.on('error', () => {});
}

function send(downstream, times, piece) {
  let left = times;
  const go = () => {
    while (left > 0) {
      left--;
      if (left === 0) return downstream.end(piece);
      if (!downstream.write(piece)) return;
    }
  };
  downstream.onDrain = go;
  go();
}

/** A cleartext port of its own, with the limits the table of cases goes by. */
export function listenOptions(onExchange) {
  return {
    address: '127.0.0.1',
    port: 0,
    ipv6: false,
    reusePort: false,
    tls: null,
    limits: LIMITS,
    onExchange,
    onRejected: () => {},
    onConnection: () => {},
  };
}

/** Listens with `driver`, runs all `cases`, closes. Resolves to [{id, passed, complaint, known}] in the table's order. */
export async function runCases(driver, cases) {
  const handler = new Handler();
  const listening = await driver.listen(listenOptions((exchange) => handler.onExchange(exchange)));
  const results = new Array(cases.length);
  let next = 0;
  const one = async () => {
    while (next < cases.length) {
      const at = next++;
      const complaint = await runCase(listening, handler, cases[at], at, driver.name);
      results[at] = {
        id: cases[at].id,
        passed: complaint === null,
        complaint,
        known: driver.name === 'uws' && cases[at].uws !== undefined,
      };
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  } finally {
    listening.close();
  }
  return results;
}

async function runCase(listening, handler, probe, number, driver) {
  const hidden = `/smuggled-${String(number).padStart(3, '0')}`;
  const client = new Client(listening.port, probe, hidden);
  await client.run();
  if (handler.paths.has(hidden)) return 'bytes behind the request were served as a request';
  for (let i = 0; i < probe.answers.length; i++) {
    const response = client.responses[i];
    const allowed = probe.answers[i];
    if (response === undefined) {
      if (client.closedByPeer && allowed.includes('close')) continue;
      return client.closedByPeer ? 'closed without an answer' : 'neither answered nor closed';
    }
    if (!allowed.includes(response.status)) return `answered ${response.status}, not ${allowed.join(' or ')}`;
  }
  const extra = client.responses[probe.answers.length + (probe.closed === false ? 1 : 0)];
  if (extra !== undefined) return `one answer too many: ${extra.status}`;
  if (probe.closed === true && !client.closedByPeer) return 'the connection stays open';
  if (probe.closed === false && client.responses[probe.answers.length]?.status !== 200)
    return 'the connection takes no further request';
  const expected = probe.served === undefined ? null : probe.served + (probe.closed === false ? 1 : 0);
  const got = handler.served.get(client.localPort) ?? 0;
  // Whose requests were served can be told by the client's port, which uws does not know.
  if (expected !== null && driver === 'node' && got !== expected) return `${got} requests were served, not ${expected}`;
  if (client.broken !== null) return client.broken;
  return probe.check && client.responses.length > 0
    ? probe.check(client.responses.slice(0, probe.answers.length))
    : null;
}

/** One connection: sends a case's steps, reads responses until all have come and the connection's fate is known. */
class Client {
  responses = [];
  closedByPeer = false;
  broken = null;
  localPort = 0;
  #received = Buffer.alloc(0);
  #interim = [];
  #asked = false;

  constructor(port, probe, hidden) {
    this.port = port;
    this.probe = probe;
    this.hidden = hidden;
  }

  run() {
    const { probe } = this;
    return new Promise((resolve) => {
      const socket = net.connect(this.port, '127.0.0.1');
      const finish = () => {
        clearTimeout(timer);
        this.#parse(true);
        socket.destroy();
        resolve();
      };
      const timer = setTimeout(finish, probe.patience ?? PATIENCE_MS);
      socket.on('connect', async () => {
        this.localPort = socket.localPort;
        for (const step of Array.isArray(probe.send) ? probe.send : [probe.send]) {
          if (typeof step === 'string') {
            if (step !== '' && socket.writable) socket.write(step.replaceAll('/smuggled-000', this.hidden), 'latin1');
          } else if (step.wait) await new Promise((go) => setTimeout(go, step.wait));
          else socket.end();
        }
      });
      socket.on('data', (bytes) => {
        this.#received = Buffer.concat([this.#received, bytes]);
        this.#parse(false);
        const all = probe.answers.length;
        if (this.responses.length >= all && probe.closed === false && !this.#asked) {
          this.#asked = true;
          socket.write('GET /again HTTP/1.1\r\nHost: localhost\r\n\r\n');
        }
        // A little longer, for an answer that should not come.
        if (this.responses.length >= all + (this.#asked ? 1 : 0) && probe.closed !== true) setTimeout(finish, 60);
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        this.closedByPeer = true;
        finish();
      });
    });
  }

  /** Reads as many responses as there are (RFC 9112 §6.3). `ended`: no more bytes come. */
  #parse(ended) {
    for (;;) {
      const bytes = this.#received;
      const headEnd = bytes.indexOf('\r\n\r\n');
      if (headEnd === -1) return;
      const [line, ...rest] = bytes.toString('latin1', 0, headEnd).split('\r\n');
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1]);
      if (!status) {
        this.broken = `not a response: ${JSON.stringify(line.slice(0, 60))}`;
        return;
      }
      const headers = rest.flatMap((one) => [one.slice(0, one.indexOf(':')), one.slice(one.indexOf(':') + 1).trim()]);
      const header = (name) => {
        const at = headers.findIndex((one, i) => i % 2 === 0 && one.toLowerCase() === name);
        return at === -1 ? undefined : headers[at + 1];
      };
      const start = headEnd + 4;
      if (status < 200) {
        this.#interim.push(status);
        this.#received = bytes.subarray(start);
        continue;
      }
      const isHead = this.probe.heads?.includes(this.responses.length) ?? false;
      const body = readBody(bytes, start, status, header, isHead, ended);
      if (body === null) return;
      body.body = body.body.replaceAll(this.hidden, '/smuggled-000');
      this.responses.push({ status, headers, header, interim: this.#interim, ...body });
      this.#interim = [];
      this.#received = bytes.subarray(body.end);
    }
  }
}

function readBody(bytes, start, status, header, isHead, ended) {
  const none = { body: '', trailers: [], end: start };
  if (isHead || status === 204 || status === 304) return none;
  if (header('transfer-encoding') !== undefined) return readChunks(bytes, start);
  const length = header('content-length');
  if (length === undefined)
    return ended ? { body: bytes.toString('latin1', start), trailers: [], end: bytes.length } : null;
  const end = start + Number(length);
  return bytes.length < end ? null : { body: bytes.toString('latin1', start, end), trailers: [], end };
}

function readChunks(bytes, start) {
  let at = start;
  let body = '';
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (!(size >= 0)) return { body: `${body}<broken chunk>`, trailers: [], end: bytes.length };
    at = lineEnd + 2;
    if (size === 0) break;
    if (bytes.length < at + size + 2) return null;
    body += bytes.toString('latin1', at, at + size);
    at += size + 2;
  }
  const trailers = [];
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const line = bytes.toString('latin1', at, lineEnd);
    at = lineEnd + 2;
    if (line === '') return { body, trailers, end: at };
    trailers.push(line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim());
  }
}
