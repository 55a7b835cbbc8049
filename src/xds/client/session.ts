import type { Pause, WireDelta, WireIssue } from '../delta.ts';
import { type DeltaDiscoveryRequest, deltaRequestType, type Node } from '../wire/discovery.ts';
import { IncomingResponse } from '../wire/incoming.ts';
import { cut, nackMessage } from './nack.ts';
import { type Outcome, Subscription } from './subscription.ts';

/** A response and what is said to it. */
export interface Answered {
  readonly typeUrl: string;
  readonly result: 'ack' | 'nack' | 'warn' | 'unknown';
  readonly issues: readonly WireIssue[];
  readonly applied: number;
  readonly removed: number;
  /** Bytes of the resources that came. */
  readonly bytes: number;
  /** null where the response has no nonce, without which an answer would be a request. */
  readonly answer: Buffer | null;
}

/**
 * The client's half of Delta ADS without its transport: what is asked first, and how each response is answered. Keeps what is
 * in force between connections (the "variants of the xDS transport protocol" page of Envoy's documentation, agentgateway's
 * reading of it).
 */
export class Session {
  readonly #node: Node;
  readonly #types: ReadonlyMap<string, Subscription>;
  readonly #begin: () => Pause;

  /**
   * `types` in the order in which they are asked for; `handle` is called for one response at a time. `begin`: what to ask for pauses
   * while one is read.
   */
  constructor(
    node: Node,
    types: readonly string[],
    handle: (delta: WireDelta) => Promise<readonly WireIssue[]>,
    begin: () => Pause = () => () => null,
  ) {
    this.#node = node;
    this.#begin = begin;
    this.#types = new Map(types.map((typeUrl) => [typeUrl, new Subscription(typeUrl, handle)]));
  }

  get subscriptions(): Iterable<Subscription> {
    return this.#types.values();
  }

  /** Whether each type has had a response without errors. */
  get synced(): boolean {
    return [...this.#types.values()].every(({ synced }) => synced);
  }

  /** What a new stream begins with: each type, wildcard, and the versions that are in force. */
  open(): Buffer[] {
    return [...this.#types.values()].map(({ typeUrl, known }) =>
      request({
        node: this.#node,
        type_url: typeUrl,
        ...(known.size > 0 && { initial_resource_versions: Object.fromEntries(known) }),
      }),
    );
  }

  /** Takes one response; a second one is to wait until it is answered. Throws where the bytes are none. */
  async take(bytes: Uint8Array): Promise<Answered> {
    const response = new IncomingResponse(bytes);
    const { typeUrl, nonce } = response;
    const answered = (result: Answered['result'], { issues, ...counts }: Outcome) => ({
      typeUrl,
      result,
      issues,
      ...counts,
      answer: nonce === '' ? null : answer(typeUrl, nonce, issues),
    });
    const subscription = this.#types.get(typeUrl);
    if (subscription === undefined) {
      const issues = [{ key: cut(typeUrl), error: 'the type is not known and was not asked for' }];
      return answered('unknown', { issues, applied: 0, removed: 0, bytes: bytes.length });
    }
    const outcome = await subscription.take(response, this.#begin());
    const failed = outcome.issues.some(({ error }) => error !== undefined);
    return answered(failed ? 'nack' : outcome.issues.length > 0 ? 'warn' : 'ack', outcome);
  }
}

function answer(typeUrl: string, nonce: string, issues: readonly WireIssue[]): Buffer {
  return request({
    type_url: typeUrl,
    response_nonce: nonce,
    ...(issues.length > 0 && { error_detail: { message: nackMessage(issues) } }),
  });
}

const request = (message: DeltaDiscoveryRequest): Buffer => deltaRequestType().encode(message);
