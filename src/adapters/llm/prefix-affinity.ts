import type { Exchange } from '../../exchange.ts';
import { hashBytes, hashText, mix } from '../../upstream/affinity.ts';
import type { AffinityKey } from '../../upstream/call.ts';
import type { RouteContext } from '../adapter.ts';
import { JsonScanner } from './json-scan.ts';
import { Wanted } from './json-wanted.ts';

/** Where the formats have what stays the same over a conversation: chat, responses, messages, Gemini, converse, legacy completions. */
const PREFIX = new Wanted({
  prompt_cache_key: true,
  system: true,
  instructions: true,
  systemInstruction: true,
  system_instruction: true,
  tools: true,
  toolConfig: true,
  messages: true,
  input: true,
  contents: true,
  prompt: true,
});
/** A client that names the cache it wants has said it all (https://platform.openai.com/docs/guides/prompt-caching). */
const CACHE_KEY = PREFIX.slot('prompt_cache_key');
const FIXED = ['system', 'instructions', 'systemInstruction', 'system_instruction', 'tools', 'toolConfig'].map((name) =>
  PREFIX.slot(name),
);
const TURNS = ['messages', 'input', 'contents', 'prompt'].map((name) => PREFIX.slot(name));

/** What an `ai` policy can say here. */
interface AffinityPolicy {
  readonly prefixAffinity?: boolean | null;
}

/** What keeps a conversation together. */
export interface ConversationKey extends AffinityKey {
  /** It began in an earlier request, as far as can be told. */
  readonly goesOn: boolean;
}

/**
 * What keeps a request's conversation together, or null where the route's policy is against it.
 *
 * @param bytes its JSON body; null where it has none: then the tenant's requests go together, for what they made may be known there alone
 */
export function affinityOf({ tenant }: Exchange, context: RouteContext, bytes: Buffer | null): ConversationKey | null {
  if ((context.values.ai as AffinityPolicy | null | undefined)?.prefixAffinity === false) return null;
  return bytes === null ? { hash: hashText(tenant), goesOn: false } : new PrefixAffinity(tenant, bytes);
}

/**
 * A conversation's stable prefix: the tenant, the system prompt, the tools and everything up to the first user turn. Providers keep prompt
 * caches apart by account and machine, so that a conversation that moves pays for its prompt again.
 *
 * It is hashed from the client's bytes, without parsing them, and only once somebody asks. What counts are the texts alone, so that a
 * cache mark that moves on with the conversation, or a content that is sometimes a text and sometimes a list of one, changes nothing.
 */
export class PrefixAffinity implements ConversationKey {
  readonly #tenant: string;
  #bytes: Buffer | null;
  #hash = -1;

  constructor(tenant: string, bytes: Buffer) {
    this.#tenant = tenant;
    this.#bytes = bytes;
  }

  get hash(): number {
    if (this.#hash < 0 && this.#bytes !== null) this.#hash = prefixHash(this.#tenant, this.#bytes);
    return Math.max(this.#hash, 0);
  }

  /** A turn of the model stands behind the first of the user. Read from the bytes each time it is asked. */
  get goesOn(): boolean {
    return this.#bytes !== null && wasAnswered(this.#bytes);
  }

  release(): void {
    this.#bytes = null;
  }
}

function prefixHash(tenant: string, bytes: Buffer): number {
  const scan = new JsonScanner(PREFIX, bytes.length);
  scan.write(bytes);
  const texts = new TextHash(hashText(tenant));
  const key = scan.value(CACHE_KEY);
  if (key !== null && key.length > 2) texts.addAll(key);
  else {
    for (const slot of FIXED) {
      const value = scan.value(slot);
      if (value !== null) texts.addAll(value);
    }
    for (const slot of TURNS) {
      const value = scan.value(slot);
      if (value !== null) texts.addFirstTurn(value);
    }
  }
  return texts.count === 0 ? 0 : mix(texts.hash, texts.count) || 1;
}

function wasAnswered(bytes: Buffer): boolean {
  const scan = new JsonScanner(PREFIX, bytes.length);
  scan.write(bytes);
  return TURNS.some((slot) => {
    const value = scan.value(slot);
    return value !== null && new TextHash(0).wasAnswered(value);
  });
}

/** Of a text so much is hashed: its beginning, its end and its length tell it from others. Bytes. */
const HEAD_BYTES = 1024;
const TAIL_BYTES = 512;
/** Texts of one member that are hashed; what stands in the hundredth tool changes with the first ones. */
const MAX_TEXTS = 256;
const MAX_DEPTH = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Members that say nothing of a conversation, or change while it goes on. */
const SKIPPED = ['type', 'cache_control', 'cachePoint', 'id'].map((name) => Buffer.from(name));
const ROLE = Buffer.from('role');
const USER = Buffer.from('user');
/** The model's turns, by the formats' words for it. */
const MODEL = ['assistant', 'model'].map((name) => Buffer.from(name));
const USER_TEXT = Buffer.from('"user"');

/** Hashes the texts within JSON values, their order and their lengths. The values' brackets are known to be balanced. */
class TextHash {
  hash: number;
  /** Texts hashed. */
  count = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #left = 0;
  /** Whose the turn is that was read last, as far as that matters; null: it doesn't say. */
  #speaker: 'user' | 'model' | 'other' | null = null;

  constructor(seed: number) {
    this.hash = seed;
  }

  addAll(json: Buffer): void {
    this.#begin(json);
    this.#value(0, true);
  }

  /** A text, which is the user's, or the turns of a list up to the first of the user. */
  addFirstTurn(json: Buffer): void {
    if (json[0] !== OPEN_BRACKET) {
      // The next request of the conversation has it as the first turn of a list.
      if (json[0] === QUOTE) this.addAll(USER_TEXT);
      this.addAll(json);
      return;
    }
    this.#begin(json);
    this.#at++;
    while (this.#turn(true)) if (this.#speaker === 'user') return;
  }

  /** Whether a list of turns has one of the model's behind the first of the user. What the model did beside speaking names no speaker. */
  wasAnswered(json: Buffer): boolean {
    if (json[0] !== OPEN_BRACKET) return false;
    this.#begin(json);
    this.#at++;
    let asked = false;
    while (this.#turn(false)) {
      if (asked && (this.#speaker === 'model' || this.#speaker === null)) return true;
      asked ||= this.#speaker === 'user';
    }
    return false;
  }

  /** Reads the next turn of a list; false where there is none. */
  #turn(counts: boolean): boolean {
    if (this.#next() === CLOSE_BRACKET || this.#at >= this.#bytes.length || this.#left <= 0) return false;
    this.#speaker = null;
    this.#value(1, counts);
    return true;
  }

  #begin(json: Buffer): void {
    this.#bytes = json;
    this.#at = 0;
    this.#left = MAX_TEXTS;
  }

  /** The next byte that means something. */
  #next(): number {
    let byte = this.#bytes[this.#at];
    while (byte !== undefined && (byte <= 0x20 || byte === COMMA || byte === COLON)) byte = this.#bytes[++this.#at];
    return byte ?? CLOSE_BRACKET;
  }

  #value(depth: number, counts: boolean): void {
    const byte = this.#next();
    if (this.#left === 0 || depth > MAX_DEPTH) this.#at = this.#bytes.length;
    else if (byte === QUOTE) this.#string(counts);
    else if (byte === OPEN_BRACE) this.#object(depth, counts);
    else if (byte === OPEN_BRACKET) {
      this.#at++;
      while (this.#next() !== CLOSE_BRACKET && this.#at < this.#bytes.length) this.#value(depth + 1, counts);
      this.#at++;
    } else this.#scalar();
  }

  #object(depth: number, counts: boolean): void {
    this.#at++;
    while (this.#next() === QUOTE) {
      const start = this.#at + 1;
      this.#string(false);
      const end = this.#at - 1;
      if (this.#is(start, end, ROLE)) this.#role(depth);
      else this.#value(depth + 1, counts && !SKIPPED.some((name) => this.#is(start, end, name)));
    }
    if (this.#next() === CLOSE_BRACE) this.#at++;
    else this.#at = this.#bytes.length;
  }

  #role(depth: number): void {
    if (this.#next() !== QUOTE) {
      this.#value(depth + 1, true);
      return;
    }
    const start = this.#at + 1;
    this.#string(true);
    if (depth !== 1) return;
    const end = this.#at - 1;
    if (this.#is(start, end, USER)) this.#speaker = 'user';
    else this.#speaker = MODEL.some((name) => this.#is(start, end, name)) ? 'model' : 'other';
  }

  #is(start: number, end: number, name: Buffer): boolean {
    if (end - start !== name.length) return false;
    for (let i = 0; i < name.length; i++) if (this.#bytes[start + i] !== name[i]) return false;
    return true;
  }

  /** From a text's opening quote to behind its closing one. */
  #string(counts: boolean): void {
    const bytes = this.#bytes;
    const start = this.#at + 1;
    const end = endOfString(bytes, start);
    this.#at = end + 1;
    if (!counts) return;
    this.count++;
    this.#left--;
    const head = Math.min(end, start + HEAD_BYTES);
    let hash = Math.imul(this.hash ^ (end - start), 0x01000193);
    hash = hashBytes(bytes, start, head, hash);
    this.hash = head === end ? hash : hashBytes(bytes, Math.max(head, end - TAIL_BYTES), end, hash);
  }

  #scalar(): void {
    let byte = this.#bytes[this.#at];
    while (byte !== undefined && byte > 0x20 && byte !== COMMA && byte !== CLOSE_BRACKET && byte !== CLOSE_BRACE)
      byte = this.#bytes[++this.#at];
  }
}

/** Where the string that begins at `start` has its closing quote; the end of the bytes where it has none. */
function endOfString(bytes: Buffer, start: number): number {
  let quote = bytes.indexOf(QUOTE, start);
  while (quote >= 0) {
    let run = quote;
    while (run > start && bytes[run - 1] === BACKSLASH) run--;
    if (((quote - run) & 1) === 0) return quote;
    quote = bytes.indexOf(QUOTE, quote + 1);
  }
  return bytes.length;
}
