/**
 * The primary's end of the mailboxes (mailbox.ts): one port a thread, mail in on one and out on another. It keeps no mail,
 * only who waits for an answer of whom, so that it can answer for a thread that has ended.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { type MailboxErrorCode, type PortMessage, postBytes } from './mailbox.ts';

interface Connection {
  readonly port: MessagePort;
  /** Mail this thread has been given and has not answered: hub's number → who sent it and under which number. */
  readonly unanswered: Map<number, { from: Connection; seq: number }>;
  open: boolean;
}

export class MailboxHub {
  readonly #connections = new Map<number, Connection>();
  #seq = 0;

  /**
   * Connects a thread (its `threadId`; 0 is the primary) and returns the end to hand to it. It is detached when that end
   * closes, which the end of its thread does too.
   */
  connect(thread: number): MessagePort {
    this.detach(thread);
    const { port1, port2 } = new MessageChannel();
    const connection: Connection = { port: port1, unanswered: new Map(), open: true };
    this.#connections.set(thread, connection);
    port1.on('message', (message: PortMessage) => this.#onMessage(connection, message));
    port1.on('close', () => this.#close(thread, connection));
    port1.unref();
    return port2;
  }

  /** The thread has ended: what waits for its answers is told `gone`, and so is everyone who sends to it from now on. */
  detach(thread: number): void {
    const connection = this.#connections.get(thread);
    if (connection !== undefined) this.#close(thread, connection);
  }

  /** Detaches all. */
  close(): void {
    for (const thread of [...this.#connections.keys()]) this.detach(thread);
  }

  #onMessage(from: Connection, message: PortMessage): void {
    if (!from.open) return;
    if (message.type === 'mail') {
      const to = this.#connections.get(message.thread);
      if (to === undefined) {
        answer(from, message.seq, 'gone');
        return;
      }
      const seq = this.#seq++;
      to.unanswered.set(seq, { from, seq: message.seq });
      postBytes(to.port, { ...message, seq });
      return;
    }
    const waiting = from.unanswered.get(message.seq);
    if (waiting === undefined) return;
    from.unanswered.delete(message.seq);
    if (waiting.from.open) postBytes(waiting.from.port, { ...message, seq: waiting.seq });
  }

  #close(thread: number, connection: Connection): void {
    if (!connection.open) return;
    connection.open = false;
    if (this.#connections.get(thread) === connection) this.#connections.delete(thread);
    connection.port.close();
    for (const { from, seq } of connection.unanswered.values()) if (from.open) answer(from, seq, 'gone');
    connection.unanswered.clear();
  }
}

function answer(to: Connection, seq: number, error: MailboxErrorCode): void {
  postBytes(to.port, { type: 'answer', seq, error, bytes: new Uint8Array(0) });
}
