const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Sees, piece by piece, whether a JSON object or array is complete. */
export class JsonEnd {
  #depth = 0;
  #inString = false;
  #escaped = false;
  complete = false;

  write(text: string): void {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (this.#inString) this.#string(code);
      else if (code === QUOTE) this.#inString = true;
      else if (code === 0x7b || code === 0x5b) this.#depth++;
      else if ((code === 0x7d || code === 0x5d) && this.#depth > 0 && --this.#depth === 0) this.complete = true;
    }
  }

  #string(code: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (code === BACKSLASH) this.#escaped = true;
    else if (code === QUOTE) this.#inString = false;
  }
}
