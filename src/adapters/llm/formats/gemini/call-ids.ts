import { createHash } from 'node:crypto';

/**
 * Ids of tool calls. Gemini gives them since version 3 and clients may leave them out; where there are none they are made up: the same ones
 * for the same conversation, so that each turn says what the last one said.
 */
export interface CallIds {
  call(id: string | undefined, name: string, args: string): string;
  result(id: string | undefined, name: string): { readonly id: string; readonly name: string };
}

/** Ids within a request: a result without an id belongs to the first open call of its name. */
export class RequestCallIds implements CallIds {
  #calls = 0;
  #open: { readonly id: string; readonly name: string }[] = [];

  call(id: string | undefined, name: string): string {
    const own = id ?? this.#madeUp();
    this.#open.push({ id: own, name });
    return own;
  }

  result(id: string | undefined, name: string): { readonly id: string; readonly name: string } {
    let at = id === undefined ? -1 : this.#open.findIndex((call) => call.id === id);
    if (at < 0) at = this.#open.findIndex((call) => call.name === name);
    const [call] = at < 0 ? [] : this.#open.splice(at, 1);
    return { id: call?.id ?? id ?? this.#madeUp(), name: name === '' ? (call?.name ?? '') : name };
  }

  #madeUp(): string {
    return `gcall_${this.#calls++}`;
  }
}

/** Ids within one choice of an answer: unlike those of any other answer, and the same whether it is streamed or not. */
export class AnswerCallIds implements CallIds {
  readonly #responseId: string;
  readonly #choice: number;
  #calls = 0;

  constructor(responseId: string, choice: number) {
    this.#responseId = responseId;
    this.#choice = choice;
  }

  call(id: string | undefined, name: string, args: string): string {
    const place = this.#calls++;
    if (id !== undefined) return id;
    const seed = JSON.stringify([this.#responseId, this.#choice, place, name, args]);
    return `call_${createHash('sha256').update(seed).digest('hex').slice(0, 24)}`;
  }

  result(id: string | undefined, name: string): { readonly id: string; readonly name: string } {
    return { id: id ?? '', name };
  }
}
