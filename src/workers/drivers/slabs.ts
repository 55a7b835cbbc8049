/**
 * Memory for bytes that are copied out of borrowed buffers. Bodies are cut from shared slabs, so that a short one costs a
 * copy and no allocation outside the heap: those are what drives V8 to full collections. A slab lives as long as any piece
 * of it is held, which is why large pieces get memory of their own. Slabs are small enough for the allocator to use their pages again: of
 * larger ones every page is faulted in anew, which doubles the price of a copy.
 */
const SLAB_BYTES = 512 * 1024;
const LARGE_BYTES = 256 * 1024;

export class Slabs {
  #slab = Buffer.allocUnsafeSlow(0);
  #used = 0;

  /** `bytes` of uninitialised memory. */
  take(bytes: number): Buffer {
    if (bytes > LARGE_BYTES) return Buffer.allocUnsafeSlow(bytes);
    if (this.#used + bytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    const piece = this.#slab.subarray(this.#used, this.#used + bytes);
    this.#used += bytes;
    return piece;
  }

  copy(source: Uint8Array): Buffer {
    const piece = this.take(source.length);
    piece.set(source);
    return piece;
  }
}
