import { Readable } from 'node:stream';
import type { BodySink } from '../../exchange.ts';

/** What a body comes from: asked to hold back when its reader is full. */
export interface BodySource {
  pauseBody(): void;
  resumeBody(): void;
}

const HIGH_WATER = 64 * 1024;

/** A request body as a stream of its own: destroying it leaves the client's connection alone. */
export class BodyReader extends Readable implements BodySink {
  /** Flat, lower-case names; set when the body has ended. */
  trailers: readonly string[] = [];
  readonly #source: BodySource;

  constructor(source: BodySource) {
    super({ highWaterMark: HIGH_WATER });
    this.#source = source;
  }

  onChunk(chunk: Buffer): void {
    if (!this.destroyed && !this.push(chunk)) this.#source.pauseBody();
  }

  onEnd(trailers: string[]): void {
    this.trailers = trailers;
    if (!this.destroyed) this.push(null);
  }

  onError(error: Error): void {
    this.destroy(error);
  }

  override _read(): void {
    this.#source.resumeBody();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // Without a listener an error event would be thrown; `close` tells those who only wait.
    callback(this.listenerCount('error') > 0 ? error : null);
  }
}
