import { Readable } from 'node:stream';
import type { BodySink, Downstream } from '../../exchange.ts';
import type { DownstreamUpgrade } from '../../facts/upgrade.ts';
import type { DriverLimits, ListenOptions } from './driver.ts';
import type { Refusal } from './refusals.ts';
import { REFUSALS } from './refusals.ts';
import { formatAddress } from './remote-address.ts';
import type { CheckedHead } from './request-head.ts';
import type { Slabs } from './slabs.ts';
import type { UwsResponse } from './uws-binding.ts';
import { type BodyOwner, UwsBody } from './uws-body.ts';
import { statusLine } from './uws-fields.ts';
import { DISCARD_BYTES, UwsReply, type UwsReplyPort } from './uws-reply.ts';

/** What the exchanges of one port share. */
export interface UwsPortState extends UwsReplyPort {
  readonly options: ListenOptions;
  readonly port: number;
  readonly slabs: Slabs;
  opened(downstream: UwsDownstream): void;
  closed(downstream: UwsDownstream): void;
  /** Something threw where nothing may escape to: it is counted, and the exchange ended. */
  failed(): void;
}

/**
 * The client's half of an exchange over uWebSockets.js: whom it is with, the request's body, and how it ends. 20.30 has no trailers, no
 * interim responses but its own 100 and no remote port; its own time-outs close a connection whose body comes slower than about 16 KB/s.
 */
export class UwsDownstream extends UwsReply implements Downstream, BodyOwner {
  readonly httpVersion = '1.1';
  readonly remotePort = 0;
  readonly tls = null;
  readonly hasBody: boolean;
  readonly contentLength: number;
  readonly upgrade: DownstreamUpgrade | null = null;
  onAbort: (() => void) | null = null;
  /** Neighbours in the port's list of open exchanges. */
  next: UwsDownstream | null = null;
  previous: UwsDownstream | null = null;
  readonly #port: UwsPortState;
  readonly #chunked: boolean;
  #address: string | null = null;

  constructor(port: UwsPortState, response: UwsResponse, head: CheckedHead) {
    // Its chunk parser is too lax for what stands behind such a body to be trusted.
    super(port, response, head.method === 'HEAD', head.close, head.close || head.chunked);
    this.#port = port;
    this.#chunked = head.chunked;
    this.hasBody = head.hasBody;
    this.contentLength = head.contentLength;
    if (head.hasBody) this.body = new UwsBody(this, response, port.slabs, head);
  }

  /** Registers for the body: only possible inside the request's handler, so before anyone asked for it. */
  receive(): void {
    const body = this.body;
    if (body === null) return;
    this.response.onData((chunk, last) => {
      try {
        this.#onData(body, chunk, last);
      } catch {
        this.fail();
      }
    });
  }

  /** Called when the handler returns: a reply still under way outlives it. */
  detach(): void {
    if (!this.open) return;
    this.#port.opened(this);
    this.response.onAborted(() => {
      try {
        this.#onAborted();
      } catch {
        this.#port.failed();
      }
    });
  }

  get localPort(): number {
    return this.#port.port;
  }

  get knownAddress(): string {
    return this.#address ?? '';
  }

  /**
   * The binding answers with memory outside of the heap, which costs a seventh of a request: read where it is needed, while the exchange is
   * open; '' when first asked for afterwards.
   */
  get remoteAddress(): string {
    if (this.#address !== null) return this.#address;
    if (!this.open) return '';
    this.#address = formatAddress(new Uint8Array(this.response.getRemoteAddress()));
    return this.#address;
  }

  // Request body

  readBody(sink: BodySink): void {
    if (this.body === null) sink.onEnd([]);
    else if (!this.done) this.body.read(sink);
  }

  bodyStream(): Readable {
    return this.body === null ? Readable.from([]) : this.body.stream();
  }

  get isOpen(): boolean {
    return this.open;
  }

  #onData(body: UwsBody, borrowed: ArrayBuffer, last: boolean): void {
    body.received += borrowed.byteLength;
    if (last) {
      body.complete = true;
      if (this.#chunked && this.open) this.#holdBack();
    }
    if (!this.done) body.take(borrowed, last);
    else if (body.received > DISCARD_BYTES && this.open) this.abandon();
  }

  /**
   * While a reply is due, the binding closes a connection on which another request follows. So behind a chunked body, whose
   * end it may have seen where there was none, the reply waits for the rest of the packet to be parsed.
   */
  #holdBack(): void {
    this.unsettled = true;
    setImmediate(() => this.settle());
  }

  refuseBody({ status, reason }: Refusal): void {
    this.#port.options.onRejected(status, reason);
    if (this.headSent) {
      this.abandon();
      return;
    }
    const abandoned = this.#leave();
    this.body?.unpause();
    this.open = false;
    this.response.cork(() => {
      try {
        this.response.writeStatus(statusLine(status)).end('', true);
      } catch {
        this.#port.failed();
      }
    });
    this.closed();
    abandoned();
  }

  inform(): void {
    // Not in this binding's power; an interim response is never required (RFC 9110 §15.2).
  }

  abort(): void {
    if (this.done) return;
    this.done = true;
    this.abandon();
  }

  protected override abandon(): void {
    const abandoned = this.#leave();
    if (this.open) {
      this.open = false;
      this.response.close();
      this.closed();
    }
    abandoned();
  }

  protected override closed(): void {
    this.#port.closed(this);
  }

  /** Takes the exchange off this connection; the result tells it so. */
  #leave(): () => void {
    const sink = this.body?.drop();
    const told = this.done;
    this.done = true;
    this.dropReply();
    return () => {
      if (told) return;
      sink?.onError(new Error('the client closed the connection before its request was complete'));
      this.onAbort?.();
    };
  }

  /** Nothing of a reply was sent, and now nothing will be: the connection is taken over by `taker`. Null where it is too late. */
  protected handOver<T>(taker: () => T): T | null {
    if (this.done || !this.open || this.headWritten) return null;
    // Who asks for it later can't be told any more.
    this.#address = this.remoteAddress;
    this.done = true;
    this.open = false;
    const taken = taker();
    this.closed();
    return taken;
  }

  #onAborted(): void {
    if (!this.open) return;
    this.open = false;
    this.closed();
    this.#leave()();
  }

  // Time-outs and ends that come from the port

  sweep(now: number, limits: DriverLimits): void {
    if (this.sweepReply(now, limits.sendIdleTimeoutMs)) {
      this.abandon();
      return;
    }
    if (!this.done && this.body?.isStalled(now, limits.bodyIdleTimeoutMs) === true)
      this.refuseBody(REFUSALS.bodyTimeout);
  }

  /** Closes the connection now. */
  destroy(): void {
    this.abandon();
  }

  override fail(): void {
    this.#port.failed();
    try {
      this.abandon();
    } catch {
      this.open = false;
    }
  }
}
