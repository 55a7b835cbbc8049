import { GatewayError } from '../../../errors/table.ts';
import type { JsonObject } from '../../../facts/conversation.ts';
import type { CompiledAiPolicy } from '../ai-policy.ts';
import { parseObject } from '../formats/fields.ts';
import { type FieldEdit, MultipartForm } from '../multipart.ts';
import type { ReadableBody } from '../mutate/activation.ts';
import type { MemberValues } from '../mutate/expressions.ts';
import { type BodyMembers, RequestBody } from '../request-body.ts';
import { contentOfForm, type EndpointContent } from './content.ts';

/** A held request that names a model, as JSON or as a form: what the gateway has to know of it, and its changes, made in its bytes. */
export interface EndpointBody extends ReadableBody {
  /** '' where none is named. Throws `missing_model` where it isn't a usable name. */
  readonly model: string;
  readonly streaming: boolean;
  /** What policies make of the members, as `RequestBody.changes` says. */
  changes(policy: CompiledAiPolicy, computed: MemberValues, asked: string): MemberValues;
  /** The body as it goes to the provider: with these changes, `model` ('' leaves the client's), and what `final` makes of that. */
  encode(model: string, changes: MemberValues, final: Final | null): Buffer;
  /** What it says with these changes, to be said in another API's words. Throws `invalid_request_body`. */
  content(changes: MemberValues): EndpointContent;
}

/** What is computed of a body as the provider would get it. */
export interface Final {
  values(body: ReadableBody): MemberValues;
  /** Sets them in a JSON body. */
  apply(bytes: Buffer): Buffer;
}

/** Throws `invalid_request_body` for what is neither one JSON object nor a form. */
export function readBody(bytes: Buffer, contentType: string, members: BodyMembers): EndpointBody {
  if (/^multipart\/form-data\b/i.test(contentType)) return new FormBody(bytes, contentType);
  const body = new RequestBody(bytes, members);
  return {
    get json() {
      return body.json;
    },
    model: body.model,
    streaming: body.streaming,
    changes: (policy, computed, asked) => body.changes(policy, computed, asked),
    encode(model, changes, final) {
      const encoded = body.encode(model, changes, false);
      return final === null ? encoded : final.apply(encoded);
    },
    content(changes) {
      const json = parseObject(body.encode('', changes, false).toString('utf8'));
      if (json === null) throw new GatewayError('invalid_request_body');
      return { json, files: [] };
    },
  };
}

class FormBody implements EndpointBody {
  readonly model: string;
  readonly streaming: boolean;
  readonly #form: MultipartForm;
  readonly #type: string;

  constructor(bytes: Buffer, contentType: string) {
    this.#type = contentType;
    const form = MultipartForm.read(bytes, contentType);
    if (form === null) throw new GatewayError('invalid_request_body', 'The request body is not a well-formed form.');
    this.#form = form;
    const model = form.value('model');
    if (model === null && form.has('model'))
      throw new GatewayError('missing_model', 'The field "model" is not a usable name, or occurs more than once.');
    this.model = model ?? '';
    this.streaming = form.value('stream') === 'true';
  }

  /** The fields that are short texts. */
  get json(): JsonObject {
    return this.#form.texts();
  }

  changes({ overrides, defaults }: CompiledAiPolicy, computed: MemberValues, asked: string): MemberValues {
    const changes = new Map<string, string | null>();
    for (const { name, json } of overrides) changes.set(name, json);
    for (const [name, json] of computed) changes.set(name, json);
    for (const { name, json } of defaults) {
      const set = changes.get(name);
      const there = set === undefined ? (name === 'model' ? asked !== '' : this.#form.has(name)) : set !== null;
      if (!there) changes.set(name, json);
    }
    return changes;
  }

  /** A field's text is the value itself where that is a string, else its JSON, which for numbers and truth values is what forms say. */
  encode(model: string, changes: MemberValues, final: Final | null): Buffer {
    const edits = editsOf(changes);
    if (model !== '' && model !== this.model) edits.push({ name: 'model', value: model });
    const encoded = this.#form.encode(edits);
    if (final === null) return encoded;
    const form = MultipartForm.read(encoded, this.#type);
    const values = final.values({ json: form?.texts() ?? {} });
    return form?.encode([...values].map(([name, json]) => ({ name, value: textOf(json) }))) ?? encoded;
  }

  content(changes: MemberValues): EndpointContent {
    const edits = editsOf(changes);
    const form = edits.length === 0 ? this.#form : MultipartForm.read(this.#form.encode(edits), this.#type);
    if (form === null) throw new GatewayError('invalid_request_body');
    return contentOfForm(form);
  }
}

function editsOf(changes: MemberValues): FieldEdit[] {
  const named = [...changes].filter(([name]) => name !== 'model');
  return named.map(([name, json]) => ({ name, value: textOf(json) }));
}

function textOf(json: string | null): string | null {
  const value: unknown = json === null ? null : JSON.parse(json);
  return typeof value === 'string' || value === null ? value : json;
}
