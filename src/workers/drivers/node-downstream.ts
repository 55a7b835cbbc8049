import type { DownstreamTls } from '../../exchange.ts';
import type { DownstreamUpgrade } from '../../facts/upgrade.ts';
import type { Peer } from './node-connection.ts';
import type { CheckedHead } from './request-head.ts';

/** What a client's half of an exchange has whatever the version: who the client is, and what its request announced. */
export abstract class NodeDownstream {
  readonly hasBody: boolean;
  readonly contentLength: number;
  readonly upgrade: DownstreamUpgrade | null = null;
  onDrain: (() => void) | null = null;
  onAbort: (() => void) | null = null;
  readonly #peer: Peer;

  constructor(peer: Peer, head: CheckedHead) {
    this.#peer = peer;
    this.hasBody = head.hasBody;
    this.contentLength = head.contentLength;
  }

  get remoteAddress(): string {
    return this.#peer.remoteAddress;
  }

  get knownAddress(): string {
    return this.#peer.remoteAddress;
  }

  get remotePort(): number {
    return this.#peer.remotePort;
  }

  get localPort(): number {
    return this.#peer.localPort;
  }

  get localAddress(): string {
    return this.#peer.localAddress;
  }

  get tls(): DownstreamTls | null {
    return this.#peer.tls;
  }
}
