import { GatewayError } from '../../errors/table.ts';
import type { JsonObject } from '../../facts/conversation.ts';
import type { CompiledAiPolicy } from './ai-policy.ts';
import { isObject, parseObject } from './formats/fields.ts';
import { editMembers, type MemberEdit, scanObject } from './json-edit.ts';
import type { Found, JsonScanner } from './json-scan.ts';
import { jsonString, jsonValue } from './json-value.ts';
import { Wanted } from './json-wanted.ts';
import type { MemberValues } from './mutate/expressions.ts';

/** Longest model name a request may have, in bytes. */
const MAX_MODEL_BYTES = 1024;
const ESSENTIAL = ['model', 'stream', 'stream_options'] as const;

/** The members a backend looks for in request bodies: the essential ones and those its `ai` policies set. */
export class BodyMembers {
  readonly wanted: Wanted;
  readonly model: number;
  readonly stream: number;
  readonly streamOptions: number;

  constructor(policies: readonly CompiledAiPolicy[]) {
    const names = new Set<string>(ESSENTIAL);
    for (const { overrides, defaults, transformations } of policies) {
      for (const { name } of [...overrides, ...defaults, ...transformations]) names.add(name);
    }
    this.wanted = new Wanted(Object.fromEntries([...names].map((name) => [name, true as const])));
    this.model = this.wanted.slot('model');
    this.stream = this.wanted.slot('stream');
    this.streamOptions = this.wanted.slot('stream_options');
  }
}

/**
 * A held JSON request body: what the gateway has to know of it, and its changes, made in the client's own bytes.
 */
export class RequestBody {
  readonly bytes: Buffer;
  readonly #members: BodyMembers;
  readonly #scan: JsonScanner;
  #json: JsonObject | null | undefined;
  #model: string | null = null;

  /** Throws `invalid_request_body` as `scanObject` does. */
  constructor(bytes: Buffer, members: BodyMembers) {
    this.bytes = bytes;
    this.#members = members;
    this.#scan = scanObject(bytes, members.wanted);
  }

  /** The same request with other bytes. Throws as the constructor does. */
  with(bytes: Buffer): RequestBody {
    return new RequestBody(bytes, this.#members);
  }

  /** The model asked for; '' where none is. Throws `missing_model` where it isn't a usable name. */
  get model(): string {
    this.#model ??= this.#readModel();
    return this.#model;
  }

  #readModel(): string {
    const found = this.#scan.found(this.#members.model);
    if (found === null) return '';
    const model = found.end - found.start > MAX_MODEL_BYTES ? null : jsonString(found.value);
    if (model === null) throw new GatewayError('missing_model', 'The member "model" is not a usable name.');
    return model;
  }

  /** Parsed when it is first asked for; null where the bytes turn out to be no JSON in full. */
  get json(): JsonObject | null {
    if (this.#json === undefined) this.#json = parseObject(this.bytes.toString('utf8'));
    return this.#json;
  }

  get streaming(): boolean {
    return isTrue(this.#scan.found(this.#members.stream));
  }

  /**
   * What policies make of the members, in agentgateway's order: overrides, then what was computed of the body as it came, then defaults
   * for members that are not there by then. `asked`: the model asked for so far, '' = none.
   */
  changes({ overrides, defaults }: CompiledAiPolicy, computed: MemberValues, asked: string): MemberValues {
    if (overrides.length === 0 && defaults.length === 0) return computed;
    const changes = new Map<string, string | null>();
    for (const { name, json } of overrides) changes.set(name, json);
    for (const [name, json] of computed) changes.set(name, json);
    for (const { name, json } of defaults) {
      const set = changes.get(name);
      const there = set === undefined ? this.#has(name, asked) : set !== null;
      if (!there) changes.set(name, json);
    }
    return changes;
  }

  /** The model that a request with these changes goes to: as they have it, then aliased. '' = none. */
  modelFor(asked: string, changes: MemberValues, { aliases }: CompiledAiPolicy): string {
    const set = changes.get('model');
    const model = set === undefined ? asked : (jsonString(set === null ? null : Buffer.from(set)) ?? '');
    return aliases === null ? model : aliases.resolve(model);
  }

  /** True where the answer is to be a stream, these changes made. */
  streamingWith(changes: MemberValues): boolean {
    const set = changes.get('stream');
    return set === undefined ? this.streaming : set === 'true';
  }

  /** True where the stream must be made to report usage that the client did not ask for. */
  lacksUsageOption(): boolean {
    const options = jsonValue(this.#scan.value(this.#members.streamOptions));
    return !(isObject(options) && options.include_usage === true);
  }

  /**
   * The body as it goes to the provider; the client's own bytes where nothing changes. `model` '': the format has it in the path.
   */
  encode(model: string, changes: MemberValues, includeUsage: boolean): Buffer {
    const edits: MemberEdit[] = [];
    for (const [name, json] of changes) if (name !== 'model') this.#edit(edits, name, json);
    if (model !== '' && model !== this.model) this.#edit(edits, 'model', JSON.stringify(model));
    if (includeUsage) this.#includeUsage(edits);
    return edits.length === 0 ? this.bytes : editMembers(this.bytes, this.#scan, edits);
  }

  #has(name: string, asked: string): boolean {
    return name === 'model' ? asked !== '' : this.#scan.found(this.#members.wanted.slot(name)) !== null;
  }

  #edit(edits: MemberEdit[], name: string, json: string | null): void {
    edits.push({ name, slot: this.#members.wanted.slot(name), json });
  }

  #includeUsage(edits: MemberEdit[]): void {
    const set = edits.findIndex((edit) => edit.name === 'stream_options');
    const before =
      set < 0 ? jsonValue(this.#scan.value(this.#members.streamOptions)) : JSON.parse(edits[set]?.json ?? 'null');
    if (set >= 0) edits.splice(set, 1);
    const options = { ...(isObject(before) ? before : {}), include_usage: true };
    this.#edit(edits, 'stream_options', JSON.stringify(options));
  }
}

function isTrue(found: Found | null): boolean {
  return found?.value?.length === 4 && found.value.toString('latin1') === 'true';
}
