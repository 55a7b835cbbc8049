import { CelMap, type Expression, type Expressions, type GatewayActivation, isList } from '../cel/index.ts';
import type { Exchange } from '../exchange.ts';
import type { HeaderList } from '../headers.ts';
import { headerValue } from './expressions.ts';
import { CONNECTION_FIELDS, FIELD_NAME } from './header-fields.ts';

/** One side of the `transformations` policy, as configuration gives it. */
export interface TransformSpec {
  readonly add: Readonly<Record<string, string>>;
  readonly set: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
  readonly replace?: string | null | undefined;
  readonly body?: string | null | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The message that a transformation changes. */
export interface TransformTarget {
  readonly headers: HeaderList;
  /** Sets `:path`, `:method`, `:authority` or `:status`; a value that can't be one changes nothing. */
  setPseudo(name: string, value: string): void;
  setBody(body: Buffer): void;
}

type Computed = readonly (readonly [name: string, expression: Expression])[];

/**
 * A request's or a response's transformation. Steps and their order are agentgateway's: metadata, replace, add, set, remove, body; each
 * sees what those before it did. An expression that fails leaves its metadata out, removes its header (a failure must not let the
 * client's own through), changes no pseudo-header, and gives an empty body.
 */
export class Transform {
  readonly #metadata: Computed;
  readonly #replace: Expression | null;
  readonly #add: Computed;
  readonly #set: Computed;
  readonly #remove: readonly string[];
  readonly #body: Expression | null;
  /** The coding of a body that is replaced is not the new one's, unless the transformation says so. */
  readonly #keepsCoding: boolean;

  /** `owner`: `transformations.request` or `transformations.response`. */
  constructor(spec: TransformSpec, expressions: Expressions, owner: string) {
    const compile = (text: string, part: string) => expressions.compile(text, `${owner}.${part}`);
    const computed = (texts: Readonly<Record<string, string>>, part: string) =>
      Object.entries(texts).map(([name, text]) => [name, compile(text, part)] as const);
    const fields = (texts: Readonly<Record<string, string>>, part: string) =>
      computed(texts, part).map(([name, expression]) => [name.toLowerCase(), expression] as const);
    this.#metadata = computed(spec.metadata, 'metadata');
    this.#replace = spec.replace ? compile(spec.replace, 'replace') : null;
    this.#add = fields(spec.add, 'add');
    this.#set = fields(spec.set, 'set');
    this.#remove = spec.remove.map((name) => name.toLowerCase());
    this.#body = spec.body ? compile(spec.body, 'body') : null;
    this.#keepsCoding = [...this.#add, ...this.#set].some(([name]) => name === 'content-encoding');
  }

  get replacesBody(): boolean {
    return this.#body !== null;
  }

  reads(path: string): boolean {
    const computed = [...this.#metadata, ...this.#add, ...this.#set].map(([, expression]) => expression);
    return [...computed, this.#replace, this.#body].some((expression) => expression?.reads(path) === true);
  }

  /** `activation` reads of `target` what is changed, so that later expressions see it. */
  apply(exchange: Exchange, activation: GatewayActivation, target: TransformTarget): void {
    for (const [name, expression] of this.#metadata) {
      const value = expression.plain(activation);
      if (value === undefined) continue;
      exchange.metadata ??= Object.create(null) as Record<string, unknown>;
      exchange.metadata[name] = value;
    }
    if (this.#replace !== null) replaceFields(target.headers, this.#replace, activation);
    for (const [name, expression] of this.#add) this.#field(target, name, expression, activation, true);
    for (const [name, expression] of this.#set) this.#field(target, name, expression, activation, false);
    for (const name of this.#remove) target.headers.remove(name);
    if (this.#body === null) return;
    const body = this.#body.bytes(activation);
    // An error of the gateway's own isn't what the expression was written for.
    if (body === undefined && exchange.error !== null) return;
    target.setBody(body ?? EMPTY);
    if (!this.#keepsCoding) target.headers.remove('content-encoding');
  }

  #field(
    target: TransformTarget,
    name: string,
    expression: Expression,
    activation: GatewayActivation,
    append: boolean,
  ): void {
    const value = expression.as(activation, headerValue) ?? null;
    if (name.startsWith(':')) {
      if (value !== null) target.setPseudo(name, value);
    } else if (value === null) target.headers.remove(name);
    else if (append) target.headers.add(name, value);
    else target.headers.set(name, value);
  }
}

const EMPTY = Buffer.alloc(0);

/** All fields anew, but those that frame the message; nothing changes where the value is no map. A list is as many fields. */
function replaceFields(headers: HeaderList, expression: Expression, activation: GatewayActivation): void {
  const fields = expression.as(activation, (value) => (value instanceof CelMap ? fieldsOf(value) : null));
  if (!fields) return;
  const { raw } = headers;
  const kept: string[] = [];
  for (let i = 0; i < raw.length; i += 2)
    if (CONNECTION_FIELDS.has(raw[i] as string)) kept.push(raw[i] as string, raw[i + 1] as string);
  raw.length = 0;
  raw.push(...kept, ...fields);
}

function fieldsOf(map: CelMap): string[] {
  const fields: string[] = [];
  for (const [key, value] of map.entries()) {
    const name = String(key).toLowerCase();
    if (!FIELD_NAME.test(name) || CONNECTION_FIELDS.has(name) || name === 'host') continue;
    for (const item of isList(value) ? value : [value]) {
      const text = headerValue(item);
      if (text !== null) fields.push(name, text);
    }
  }
  return fields;
}
