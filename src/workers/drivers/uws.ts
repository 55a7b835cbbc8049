/**
 * The `uws` driver: uWebSockets.js on a cleartext HTTP/1.1 port. It is fast and lax: what its parser lets through is checked
 * here from the field list before anything else, and what it does not tell (trailers, more fields than it counts, bad syntax)
 * runs into its own time-outs of 10 to 12 s, after which its memory is free again. Meant for ports behind a load balancer that
 * normalises requests; `test/conformance/http1` says case by case where it falls short.
 *
 * A thread that runs it must end by itself: an exception that reaches native code, or `worker.terminate()`, ends the whole
 * process. So everything is caught, and `drain` then `close` leave the thread's loop empty. It tells nothing of connections, only of
 * requests: `openConnections` counts open exchanges and WebSockets.
 */
import { Exchange } from '../../exchange.ts';
import type { Driver, Listening, ListenOptions } from './driver.ts';
import { HeadFlusher } from './head-flusher.ts';
import { REFUSALS, Refusal } from './refusals.ts';
import { checkHttp1Head } from './request-head.ts';
import { serve } from './serve.ts';
import { Slabs } from './slabs.ts';
import type { UwsApp, UwsBinding, UwsContext, UwsRequest, UwsResponse } from './uws-binding.ts';
import { loadUws } from './uws-binding.ts';
import type { UwsPortState } from './uws-downstream.ts';
import { UwsDownstream } from './uws-downstream.ts';
import { statusLine } from './uws-fields.ts';
import { asksForWebSocket, UwsUpgradeDownstream } from './uws-upgrade.ts';
import { type UwsWebSocket, type UwsWebSocketPort, webSocketBehavior } from './uws-websocket.ts';

export const uwsDriver: Driver = {
  name: 'uws',
  async listen(options: ListenOptions): Promise<Listening> {
    if (options.tls !== null) throw new Error('driver uws serves cleartext HTTP/1.1 only: use driver node for TLS');
    const port = new UwsPort(loadUws(), options);
    await port.open();
    return port;
  },
};

/** What is complete, and the last words of WebSockets, are sent within so long once the port closes. */
const GOODBYE_MS = 300;
const NOT_FIELD_NAME = /[^!#$%&'*+\-.^_`|~0-9a-z]/;
const NOT_PLAIN = /[^\t\x20-\x7e]/;

/** Where `forEach` puts the fields of the request at hand. */
let collected: string[] = [];
const collect = (name: string, value: string): void => {
  collected.push(name, value);
};

class UwsPort implements Listening, UwsPortState, UwsWebSocketPort {
  readonly driver = 'uws';
  readonly options: ListenOptions;
  readonly slabs = new Slabs();
  readonly heads = new HeadFlusher();
  port = 0;
  draining = false;
  readonly webSockets = new Set<UwsWebSocket>();
  readonly #binding: UwsBinding;
  #app: UwsApp | null = null;
  #token: object | null = null;
  #first: UwsDownstream | null = null;
  #exchanges = 0;
  #sweeper: NodeJS.Timeout | null = null;
  #drained: (() => void)[] = [];

  constructor(binding: UwsBinding, options: ListenOptions) {
    this.#binding = binding;
    this.options = options;
  }

  open(): Promise<void> {
    const { address, ipv6, port, reusePort, limits } = this.options;
    const host = address === '' && !ipv6 ? '0.0.0.0' : address;
    const exclusive = reusePort ? 0 : this.#binding.LIBUS_LISTEN_EXCLUSIVE_PORT;
    const app = this.#binding.App();
    this.#app = app;
    app.any('/*', (response, request) => this.#onRequest(response, request, null));
    const accept = this.#onRequest.bind(this);
    app.ws('/*', webSocketBehavior(limits.maxMessageBytes, accept));
    return new Promise((resolve, reject) => {
      const listening = (token: object | false): void => {
        if (token === false) {
          // The binding does not say why; in nearly every case it is this.
          const error = new Error(`listen EADDRINUSE: address already in use ${host}:${port}`);
          reject(Object.assign(error, { code: 'EADDRINUSE', syscall: 'listen', address: host, port }));
          return;
        }
        this.#token = token;
        this.port = this.#binding.us_socket_local_port(token);
        const shortest = Math.min(limits.bodyIdleTimeoutMs, limits.sendIdleTimeoutMs);
        this.#sweeper = setInterval(() => this.#sweep(), Math.max(25, Math.min(1000, Math.ceil(shortest / 4))));
        this.#sweeper.unref();
        resolve();
      };
      if (host === '') app.listen(port, exclusive, listening);
      else app.listen(host, port, exclusive, listening);
    });
  }

  get pendingBytes(): number {
    let bytes = 0;
    for (let at = this.#first; at !== null; at = at.next) bytes += at.bufferedBytes;
    for (const webSocket of this.webSockets) bytes += webSocket.pendingBytes;
    return bytes;
  }

  get openConnections(): number {
    return this.#exchanges + this.webSockets.size;
  }

  drain(): Promise<void> {
    this.draining = true;
    this.#stopListening();
    if (this.openConnections === 0) {
      this.#release();
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  close(): void {
    this.draining = true;
    this.#stopListening();
    let at = this.#first;
    while (at !== null) {
      const next: UwsDownstream | null = at.next;
      try {
        at.destroy();
      } catch {
        this.failed();
      }
      at = next;
    }
    for (const webSocket of [...this.webSockets]) {
      try {
        if (webSocket.onClose === null) webSocket.destroy();
        else webSocket.onClose();
      } catch {
        webSocket.failed();
      }
    }
    const app = this.#app;
    this.#app = null;
    if (app !== null) setTimeout(() => app.close(), GOODBYE_MS);
    this.#release();
  }

  opened(downstream: UwsDownstream): void {
    downstream.next = this.#first;
    if (this.#first !== null) this.#first.previous = downstream;
    this.#first = downstream;
    this.#exchanges++;
  }

  closed(downstream: UwsDownstream): void {
    if (downstream.previous === null && this.#first !== downstream) return;
    if (downstream.previous === null) this.#first = downstream.next;
    else downstream.previous.next = downstream.next;
    if (downstream.next !== null) downstream.next.previous = downstream.previous;
    downstream.previous = null;
    downstream.next = null;
    this.#exchanges--;
    this.#ended();
  }

  webSocketEnded(): void {
    this.#ended();
  }

  #ended(): void {
    if (this.draining && this.openConnections === 0) this.#release();
  }

  failed(): void {
    this.options.onRejected(REFUSALS.internal.status, REFUSALS.internal.reason);
  }

  #stopListening(): void {
    if (this.#token !== null) this.#binding.us_listen_socket_close(this.#token);
    this.#token = null;
  }

  #release(): void {
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#sweeper = null;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  #sweep(): void {
    const now = performance.now();
    let at = this.#first;
    while (at !== null) {
      const next: UwsDownstream | null = at.next;
      try {
        at.sweep(now, this.options.limits);
      } catch {
        at.fail();
      }
      at = next;
    }
  }

  #onRequest(response: UwsResponse, request: UwsRequest, context: UwsContext | null): void {
    try {
      const head = this.#readHead(request);
      if (head instanceof Refusal) {
        this.#refuse(response, head);
        return;
      }
      const downstream =
        head.upgrade !== '' && asksForWebSocket(head)
          ? new UwsUpgradeDownstream(this, response, head, context)
          : new UwsDownstream(this, response, head);
      if (head.hasBody) downstream.receive();
      serve(this.options, new Exchange(downstream, head));
      downstream.detach();
    } catch {
      this.failed();
      try {
        response.close();
      } catch {
        // Complete or closed already.
      }
    }
  }

  #readHead(request: UwsRequest): ReturnType<typeof checkHttp1Head> {
    const method = request.getCaseSensitiveMethod();
    const query = request.getQuery();
    const path = request.getUrl();
    collected = [];
    request.forEach(collect);
    const fields = collected;
    let bytes = method.length + path.length + (query?.length ?? 0);
    for (let i = 0; i < fields.length; i += 2) {
      if (NOT_FIELD_NAME.test(fields[i] as string) || fields[i] === '') return REFUSALS.fieldSyntax;
      const value = fields[i + 1] as string;
      bytes += (fields[i] as string).length + value.length;
      if (NOT_PLAIN.test(value)) {
        // The binding reads values as UTF-8; the bytes are wanted. What was none can't be passed on as it was.
        const text = Buffer.from(value, 'utf8').toString('latin1');
        if (value.includes('\ufffd') || CONTROL.test(text)) return REFUSALS.fieldSyntax;
        fields[i + 1] = text;
      }
      const last = value.charCodeAt(value.length - 1);
      if (last === 0x20 || last === 0x09) fields[i + 1] = (fields[i + 1] as string).replace(/[\t ]+$/, '');
    }
    if (bytes > this.options.limits.maxHeaderBytes) return REFUSALS.headTooLarge;
    const target = query === undefined || query === '' ? path : `${path}?${query}`;
    return checkHttp1Head(method, target, 1, fields, 'http', this.options.limits.maxHeaderCount);
  }

  /**
   * Refuses a request in the next turn. Answered at once, the binding would go on with the bytes behind it, and serve as a
   * request what is the body of one that can't be trusted; while an answer is due it closes the connection instead.
   */
  #refuse(response: UwsResponse, refusal: Refusal): void {
    this.options.onRejected(refusal.status, refusal.reason);
    let open = true;
    response.onAborted(() => {
      open = false;
    });
    setImmediate(() => {
      if (!open) return;
      open = false;
      response.cork(() => {
        try {
          response.writeStatus(statusLine(refusal.status)).writeHeader('content-type', 'text/plain; charset=utf-8');
          response.end(`${refusal.message}\n`, true);
        } catch {
          this.failed();
        }
      });
    });
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
