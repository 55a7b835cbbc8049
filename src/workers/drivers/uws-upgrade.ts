import type { DownstreamUpgrade } from '../../facts/upgrade.ts';
import type { CheckedHead } from './request-head.ts';
import type { UwsContext, UwsResponse } from './uws-binding.ts';
import { UwsDownstream, type UwsPortState } from './uws-downstream.ts';
import { UwsWebSocket, type UwsWebSocketPort } from './uws-websocket.ts';

const KEY = 'sec-websocket-key';

/** Whether it is a handshake (RFC 6455 §4.1): a GET without a body that brings a key. */
export function asksForWebSocket({ method, upgrade, headers, contentLength, chunked }: CheckedHead): boolean {
  return upgrade === 'websocket' && method === 'GET' && contentLength === -1 && !chunked && headers.has(KEY);
}

/** The client's half of an exchange that may end in a WebSocket. It can be answered like any other; the connection is to close behind that. */
export class UwsUpgradeDownstream extends UwsDownstream {
  override readonly upgrade: DownstreamUpgrade;

  /** `context`: null where the key is none that the binding could answer. */
  constructor(
    port: UwsPortState & UwsWebSocketPort,
    response: UwsResponse,
    head: CheckedHead,
    context: UwsContext | null,
  ) {
    super(port, response, head);
    this.close = true;
    const key = head.headers.get(KEY) ?? '';
    this.upgrade = {
      protocol: head.upgrade,
      keyed: true,
      accept: (headers) => {
        if (context !== null) return this.handOver(() => UwsWebSocket.open(port, response, key, context, headers));
        this.abort();
        return null;
      },
    };
  }
}
