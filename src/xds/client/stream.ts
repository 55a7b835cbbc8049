import { type ChannelOptions, Client, type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import { DELTA_METHOD } from '../wire/discovery.ts';
import type { Presented } from './credentials.ts';

/** Largest message, both ways. Bytes. */
const MAX_MESSAGE = 200 * 1024 * 1024;
/** Answers that wait for the server to read them. */
const MAX_UNREAD_ANSWERS = 1024;
/** How grpc-js says ENHANCE_YOUR_CALM, with which servers refuse connections that ping too often. */
const TOO_MANY_PINGS = 'Bandwidth exhausted or memory limit exceeded';

/** Milliseconds. */
export interface ConnectionTimes {
  /** How long a connection may take to be there. */
  readonly connectMs: number;
  /** How long nothing must have come for a ping to be sent, and how long its answer may take. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** Why a stream ended, in agentgateway's words. */
export type EndReason = 'ConnectionError' | 'Error' | 'Reconnect' | 'Complete';

/** How a stream ended: by an error, where it is one. */
export interface End {
  readonly reason: EndReason;
  readonly message: string;
  /** Whether the server took our pings amiss. */
  readonly tooManyPings: boolean;
}

/** One connection to the control plane and the one stream on it. Messages are bytes; they are read one by one. */
export class AdsStream {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  #opened = false;
  #late = false;
  #over = false;

  /** `onOpen` is called once there is a connection. */
  constructor(address: string, presented: Presented, times: ConnectionTimes, onOpen: () => void) {
    const target = `dns:${address.slice(address.indexOf('//') + 2)}`;
    const same = (message: Buffer): Buffer => message;
    this.#client = new Client(target, presented.channel, channelOptions(times));
    this.#call = this.#client.makeBidiStreamRequest(DELTA_METHOD, same, same, presented.metadata);
    // Errors are what reading ends with; one that comes when nobody reads any more is none.
    this.#call.on('error', () => undefined);
    this.#client.waitForReady(Date.now() + times.connectMs, (error) => {
      if (this.#over) return;
      if (error === undefined) {
        this.#opened = true;
        onOpen();
      } else {
        this.#late = true;
        this.#call.cancel();
      }
    });
  }

  /** Messages as they come; the next one is read when this one has been dealt with. Throws what `endOf` reads. */
  get messages(): AsyncIterable<Buffer> {
    return this.#call;
  }

  send(message: Buffer): void {
    if (this.#call.writableLength > MAX_UNREAD_ANSWERS) throw new Error('the server reads no answers');
    this.#call.write(message);
  }

  /** Ends the stream with the connection. */
  close(): void {
    this.#over = true;
    this.#call.cancel();
    this.#client.close();
  }

  /** Reads what `messages` threw. */
  endOf(error: unknown): End {
    const message = error instanceof Error ? error.message : String(error);
    const { code, details = '' } = error as Partial<ServiceError>;
    const tooManyPings = code === status.RESOURCE_EXHAUSTED && details === TOO_MANY_PINGS;
    const end = (reason: EndReason, text = message): End => ({ reason, message: text, tooManyPings });
    if (this.#late) return end('ConnectionError', 'there was no connection in time');
    if (tooManyPings || code === status.CANCELLED || code === status.DEADLINE_EXCEEDED) return end('Reconnect');
    if (code !== status.UNAVAILABLE) return end('Error');
    if (/transport is closing|received prior goaway/i.test(details)) return end('Reconnect');
    return end(this.#opened ? 'Error' : 'ConnectionError');
  }
}

function channelOptions({ keepaliveMs, keepaliveTimeoutMs }: ConnectionTimes): ChannelOptions {
  return {
    'grpc.max_receive_message_length': MAX_MESSAGE,
    'grpc.max_send_message_length': MAX_MESSAGE,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    // Each connection is a channel of its own, and when the next one is tried is not decided there.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    // A fleet spreads over the servers behind one name.
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ pick_first: { shuffleAddressList: true } }] }),
  };
}
