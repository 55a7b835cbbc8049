import { z } from 'zod';
import type { Catalogue } from './catalogue.ts';
import type { SchemaMarks } from './schema/common.ts';
import { unwrapped } from './schema/unwrap.ts';
import type { Resource } from './types.ts';

/**
 * Takes secrets out of configuration before it is shown (`/config_dump`, logs). Three nets, one behind the other: fields that
 * a schema marks as secret; names that speak of secrets, wherever no schema vouches for the field; and texts that give
 * themselves away (private keys, `Bearer …`, passwords in URLs). Where in doubt a value is hidden.
 */
export const REDACTED = '<redacted>';

/** A copy of `value` without its secrets; `schema`, where given, is the one `value` was read with. */
export function redact(value: unknown, schema?: z.ZodType): unknown {
  return new Redactor(null).free(value, '', false, schema);
}

/** A copy of a resource without its secrets: policies and provider settings are read with the catalogue's schemas. */
export function redactResource(resource: Resource, catalogue: Catalogue): unknown {
  return new Redactor(catalogue).free(resource, '', false);
}

/** What a schema comes down to: its concrete alternatives, and whether any layer is marked as secret. */
interface Expanded {
  nodes: z.ZodType[];
  secret: boolean;
}

class Redactor {
  readonly #catalogue: Catalogue | null;

  constructor(catalogue: Catalogue | null) {
    this.#catalogue = catalogue;
  }

  /** A value of which nothing is known but the names on the way to it; `suspect`: one of them speaks of secrets. */
  free(value: unknown, key: string, suspect: boolean, schema?: z.ZodType): unknown {
    if (schema !== undefined) return this.#known(value, key, suspect, [schema]);
    if (suspect) return hide(value);
    if (typeof value === 'string') return scrub(value);
    if (Array.isArray(value)) return this.#list(value, (item) => this.free(item, key, false));
    if (!isRecord(value)) return value;
    const named = namesSecret(value);
    return mapValues(value, (name, inner) => {
      if ((named && name === 'value') || (name === 'key' && 'cert' in value)) return hide(inner);
      if (name === 'policies' && this.#catalogue !== null && isRecord(inner)) return this.#policies(inner);
      if (name === 'settings' && typeof value.provider === 'string') {
        return this.free(inner, name, false, this.#catalogue?.providers.get(value.provider)?.schema);
      }
      return this.free(inner, name, speaksOfSecrets(name) || HOLDERS.test(name));
    });
  }

  #policies(policies: Record<string, unknown>): unknown {
    return mapValues(policies, (name, value) => {
      const entry = this.#catalogue?.policies.get(name);
      if (entry === undefined) return this.free(value, name, speaksOfSecrets(name) || HOLDERS.test(name));
      return this.#known(value, name, HOLDERS.test(name) || speaksOfSecrets(name), [
        entry.schema,
        ...Object.values(entry.schemas ?? {}),
      ]);
    });
  }

  /**
   * A value that `schemas` describe. `suspect` is only carried along: it decides for fields that no schema knows, which is
   * where a policy's own transformation may have put anything.
   */
  #known(value: unknown, key: string, suspect: boolean, schemas: readonly unknown[]): unknown {
    const { nodes, secret } = expand(schemas);
    if (secret) return hide(value);
    if (typeof value === 'string') return speaksOfSecrets(key) && !DESCRIBES.test(key) ? REDACTED : scrub(value);
    if (value === null || typeof value !== 'object') return value;
    // Declared as free-form: what its own names say counts, not where it stands.
    if (nodes.some(isFreeForm)) return this.free(value, key, speaksOfSecrets(key));
    if (Array.isArray(value)) {
      const items = nodes.flatMap((node) => (node instanceof z.ZodArray ? [node.def.element] : []));
      return this.#list(value, (item) =>
        items.length > 0 ? this.#known(item, key, suspect, items) : this.free(item, key, suspect),
      );
    }
    if (!isRecord(value)) return hide(value);
    const named = namesSecret(value);
    return mapValues(value, (name, inner) => {
      if (named && name === 'value') return hide(inner);
      const below = suspect || speaksOfSecrets(name) || HOLDERS.test(name);
      const fields = nodes.flatMap((node) => fieldOf(node, name));
      return fields.length > 0 ? this.#known(inner, name, below, fields) : this.free(inner, name, below);
    });
  }

  /** Arguments of a command line hide what follows an option such as `--token`. */
  #list(values: readonly unknown[], each: (value: unknown) => unknown): unknown[] {
    return values.map((value, index) => {
      const before = values[index - 1];
      const option = typeof before === 'string' && before.startsWith('-') && !before.includes('=');
      return option && typeof value === 'string' && speaksOfSecrets(before) ? REDACTED : each(value);
    });
  }
}

/** Names that speak of secrets, letters and digits only. */
const SECRET_NAME =
  /secret|passw|passphrase|credential|apikey|privatekey|signingkey|accesskey|sessionkey|encryptionkey|keyhash|htpasswd|authorization|authkey|cookie|token|bearer/;
/** Fields that hold secrets, or whole objects around one, without a telling name. */
const HOLDERS = /^(?:auth|env|digests?|hash(?:es)?|(?:backend|basic|jwt|proxy)Auth|oidc|session)$/i;
/** A known field with such an ending tells something about a secret, not the secret. */
const DESCRIBES = /(?:type|endpoint|endpointauth|scopes?|ur[il]|location|header|prefix|expression|ttl|mode|arn)$/i;

function speaksOfSecrets(name: string): boolean {
  return SECRET_NAME.test(name.toLowerCase().replaceAll(/[^a-z0-9]/g, ''));
}

/** `{name: 'x-api-key', value: …}` and its like. */
function namesSecret(value: Record<string, unknown>): boolean {
  return ['name', 'key'].some((field) => typeof value[field] === 'string' && speaksOfSecrets(value[field]));
}

/** Hides every text and number in `value`; that something is on, off or absent, or stands in a file, may be seen. */
function hide(value: unknown): unknown {
  if (value === null || value === undefined || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(hide);
  if (!isRecord(value)) return REDACTED;
  const entries = Object.entries(value);
  const [first] = entries;
  if (entries.length === 1 && first?.[0] === 'file' && typeof first[1] === 'string') return value;
  return mapValues(value, (_, inner) => hide(inner));
}

const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
const SCHEME_AND_CREDENTIAL = /^\s*(?:bearer|basic|digest|negotiate)\s+\S{6,}/i;
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/)[^/?#@\s]+@/gi;
const QUERY_OR_OPTION = /([?&]|^--?)([\w.-]+)=[^&#\s]+/g;

/** Hides what gives itself away as a secret within a text. */
function scrub(text: string): string {
  if (PRIVATE_KEY.test(text) || SCHEME_AND_CREDENTIAL.test(text)) return REDACTED;
  if (!text.includes('@') && !text.includes('=')) return text;
  return text
    .replaceAll(URL_PASSWORD, `$1${REDACTED}@`)
    .replaceAll(QUERY_OR_OPTION, (whole, lead: string, name: string) =>
      speaksOfSecrets(name) || /^(?:key|sig|signature|code)$/i.test(name) ? `${lead}${name}=${REDACTED}` : whole,
    );
}

function mapValues(
  value: Record<string, unknown>,
  each: (name: string, value: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, each(name, inner)]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function isFreeForm(node: z.ZodType): boolean {
  return node instanceof z.ZodUnknown || node instanceof z.ZodAny || node instanceof z.ZodCustom;
}

/** Schemas of the field `name` of `node`; none where the node doesn't declare it. */
function fieldOf(node: z.ZodType, name: string): unknown[] {
  if (node instanceof z.ZodRecord) return [node.def.valueType];
  if (!(node instanceof z.ZodObject)) return [];
  const shape = node.shape as Record<string, unknown>;
  return Object.hasOwn(shape, name) ? [shape[name]] : [];
}

/** Both sides of a transformation count: what is shown may be either. */
function expand(schemas: readonly unknown[]): Expanded {
  const found: Expanded = { nodes: [], secret: false };
  const seen = new Set<unknown>();
  const visit = (schema: unknown): void => {
    if (!(schema instanceof z.ZodType) || seen.has(schema)) return;
    seen.add(schema);
    const marks = schema.meta() as SchemaMarks | undefined;
    if (marks?.secret === true) found.secret = true;
    const inner = unwrapped(schema);
    if (inner !== undefined) visit(inner);
    else if (schema instanceof z.ZodUnion) schema.def.options.forEach(visit);
    else if (schema instanceof z.ZodLazy) visit(schema.def.getter());
    else if (schema instanceof z.ZodPipe) {
      visit(schema.def.in);
      visit(schema.def.out);
    } else if (schema instanceof z.ZodIntersection) {
      visit(schema.def.left);
      visit(schema.def.right);
    } else found.nodes.push(schema);
  };
  schemas.forEach(visit);
  return found;
}
