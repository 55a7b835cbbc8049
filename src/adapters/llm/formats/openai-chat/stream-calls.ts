import type { StreamPart } from '../../../../facts/answer.ts';
import type { JsonObject, Part } from '../../../../facts/conversation.ts';
import { isObject, rest } from '../fields.ts';
import { madeUpCallId } from './answer.ts';
import { JsonEnd } from './json-end.ts';
import { extraOf } from './own.ts';
import type { Sign } from './thinking.ts';
import { googleSignature, OF_CALL } from './tool-calls.ts';

type Emit = (part: StreamPart) => void;

/** More calls than any model makes in one answer. */
const MAX_CALLS = 1024;
/** Of a call whose name hasn't come so many characters of arguments are kept. */
const MAX_NAMELESS = 65_536;

interface Call {
  id: string;
  name: string;
  readonly custom: boolean;
  /** Its part; -1 until its name has come. */
  index: number;
  open: boolean;
  /** Arguments that came before the name. */
  early: string;
  readonly json: JsonEnd;
}

/** Opens a part and says its index. */
type Begin = (part: Part, emit: Emit) => number;

/**
 * The tool calls of one choice of a stream. Deltas say by index to which they belong; some providers leave the index out, or give all
 * calls the same and tell them apart by id. A call ends when something else begins and its arguments are complete, at the latest with
 * its choice: so one whose arguments come between those of others is not cut off.
 */
export class StreamCalls {
  readonly #choice: number;
  readonly #seed: string;
  readonly #sign: Sign;
  readonly #begin: Begin;
  readonly #calls = new Map<number, Call>();
  #last: Call | null = null;
  #count = 0;

  constructor(choice: number, seed: string, sign: Sign, begin: Begin) {
    this.#choice = choice;
    this.#seed = seed;
    this.#sign = sign;
    this.#begin = begin;
  }

  get any(): boolean {
    return this.#count > 0;
  }

  /** One element of `tool_calls`. */
  delta(value: JsonObject, emit: Emit): void {
    const custom = isObject(value.custom) ? value.custom : null;
    const tool = custom ?? (isObject(value.function) ? value.function : {});
    const id = text(value.id);
    const name = text(tool.name);
    const call = this.#find(value.index, id, name) ?? this.#create(value.index, id, custom !== null);
    if (call === null) return;
    if (call.name === '') call.name = name;
    const signature = googleSignature(value);
    const announced = call.index >= 0;
    if (!announced && call.name !== '') this.#announce(call, signature, emit, rest(value, OF_CALL));
    this.#arguments(call, argumentsOf(custom === null ? tool.arguments : tool.input), emit);
    if (announced && call.open && signature !== undefined) {
      emit({ type: 'signature', choice: this.#choice, index: call.index, signature: this.#sign(signature) });
    }
  }

  /** The legacy `function_call`: one call, without an id. */
  legacyDelta(value: JsonObject, emit: Emit): void {
    this.delta({ index: 0, function: value }, emit);
  }

  /** Ends the calls whose arguments are complete. */
  endComplete(emit: Emit): void {
    for (const call of this.#calls.values()) if (call.open && call.json.complete) this.#end(call, emit);
  }

  endAll(emit: Emit): void {
    for (const call of this.#calls.values()) {
      if (call.index < 0) this.#announce(call, undefined, emit);
      if (call.open) this.#end(call, emit);
    }
  }

  #find(index: unknown, id: string, name: string): Call | null {
    const found =
      typeof index === 'number'
        ? this.#calls.get(index)
        : id === ''
          ? this.#last
          : [...this.#calls.values()].find((call) => call.id === id);
    if (found === undefined || found === null) return null;
    const isAnother = id !== '' && name !== '' && found.name !== '' && found.id !== id;
    return isAnother ? null : found;
  }

  #create(index: unknown, id: string, custom: boolean): Call | null {
    if (this.#count >= MAX_CALLS) return null;
    const call: Call = {
      id: id === '' ? madeUpCallId(this.#seed, this.#choice, this.#count) : id,
      name: '',
      custom,
      index: -1,
      open: false,
      early: '',
      json: new JsonEnd(),
    };
    this.#count++;
    const key = typeof index === 'number' ? index : -this.#count;
    // A call whose index another takes over stays to be ended.
    const before = this.#calls.get(key);
    if (before !== undefined) this.#calls.set(-this.#count - MAX_CALLS, before);
    this.#calls.set(key, call);
    this.#last = call;
    return call;
  }

  #announce(call: Call, signature: string | undefined, emit: Emit, own?: JsonObject): void {
    call.index = this.#begin(
      {
        kind: 'tool_call',
        id: call.id,
        name: call.name,
        arguments: '',
        ...(call.custom ? { custom: true } : {}),
        ...(signature === undefined ? {} : { signature: this.#sign(signature) }),
        ...extraOf(own),
      },
      emit,
    );
    call.open = true;
    const { early } = call;
    call.early = '';
    this.#arguments(call, early, emit);
  }

  #arguments(call: Call, json: string, emit: Emit): void {
    if (json === '') return;
    if (call.index < 0) {
      call.early += json;
      if (call.early.length > MAX_NAMELESS) this.#announce(call, undefined, emit);
    } else if (call.open) {
      if (!call.custom) call.json.write(json);
      emit({ type: 'arguments', choice: this.#choice, index: call.index, json });
    }
  }

  #end(call: Call, emit: Emit): void {
    call.open = false;
    emit({ type: 'part_end', choice: this.#choice, index: call.index });
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function argumentsOf(value: unknown): string {
  return isObject(value) ? JSON.stringify(value) : text(value);
}
