import { RE2JS } from 're2js';
import { z } from 'zod';

/**
 * The small shapes that every part of the configuration is made of: durations, sizes, addresses, files, CEL, and the marks
 * (secret, own) that the reference pages and `/config_dump` read.
 */

/**
 * What `.meta()` may say of a schema here, beside title and description. `json-schema.ts` turns the marks into keywords,
 * `redact.ts` hides what is secret.
 */
export interface SchemaMarks {
  /** The value must never be shown: dumps and logs replace it. */
  secret?: boolean;
  /** Sluice's own field, unknown to agentgateway. */
  own?: boolean;
  /** The text is a CEL expression. */
  cel?: boolean;
  /** Keywords for the JSON schema that the schema's structure alone can't say. */
  keywords?: Readonly<Record<string, unknown>>;
}

/** Marks a field as secret: `/config_dump` shows `<redacted>` in its place. */
export function secret<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.meta({ secret: true } satisfies SchemaMarks);
}

/** Marks a field as Sluice's own; the reference pages and the JSON schema show it. */
export function own<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.meta({ own: true } satisfies SchemaMarks);
}

/** A CEL expression. Compiled by the policy that evaluates it; here it only must not be blank. */
export function celExpression() {
  return z
    .string()
    .refine((text) => text.trim() !== '', 'an expression must not be empty')
    .meta({ cel: true } satisfies SchemaMarks);
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** Also how the JSON schema tells durations. */
const DURATION = /^(?:0|(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h|d))+)$/;
const DURATION_PART = /(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h|d)/g;

/**
 * Reads a duration such as `500ms`, `1m30s` or `1.5h` (Go's notation, and `d` for days); `0` needs no unit.
 * @returns milliseconds
 * @throws RangeError when `text` is no duration
 */
export function parseDuration(text: string): number {
  if (!DURATION.test(text)) throw new RangeError(`"${text}" is not a duration; write it like 500ms, 10s or 1m30s`);
  let total = 0;
  for (const [, amount = '0', unit = 'ms'] of text.matchAll(DURATION_PART))
    total += Number(amount) * (UNIT_MS[unit] ?? 0);
  return total;
}

/** A duration, kept as text. */
export function duration() {
  return z.string().regex(DURATION, 'not a duration; write it like 500ms, 10s or 1m30s');
}

/** A duration, read as milliseconds. */
export function durationMs() {
  return duration().transform(parseDuration);
}

const SIZE = /^(\d+)(Ki|Mi|Gi|k|M|G)?$/;
const SIZE_UNIT: Readonly<Record<string, number>> = {
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  k: 1000,
  M: 1000 ** 2,
  G: 1000 ** 3,
};

/**
 * Reads a size in bytes: a number, or text with a Kubernetes quantity suffix (`64Ki`, `256Mi`, `1Gi`, `10M`).
 * @throws RangeError when it is no size
 */
export function parseSize(value: number | string): number {
  if (typeof value === 'number') return value;
  const [, amount, unit = ''] = SIZE.exec(value) ?? [];
  if (amount === undefined) throw new RangeError(`"${value}" is not a size; write bytes, or 64Ki, 256Mi, 1Gi`);
  return Number(amount) * (SIZE_UNIT[unit] ?? 1);
}

/** A size: bytes as a number, or text such as `256Mi`. The text form is ours. */
export function size() {
  return z.union([
    z.int().min(0),
    own(z.string().regex(SIZE, 'not a size; write bytes, or 64Ki, 256Mi, 1Gi').describe('Text form, e.g. 256Mi.')),
  ]);
}

/** A port to listen on or to connect to. */
export function port() {
  return z.int().min(0).max(65535);
}

/** An integer of at most 32 bits, unsigned. */
export function uint32() {
  return z.int().min(0).max(0xffffffff);
}

/** An unsigned integer. */
export function uint() {
  return z.int().min(0);
}

/** An HTTP status code. */
export function httpStatus() {
  return z.int().min(1).max(65535);
}

/** Field name syntax of RFC 9110 §5.1 (a token). */
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const PSEUDO_HEADERS: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path', ':status']);

/** A header's name. */
export function headerName() {
  return z.string().refine((name) => FIELD_NAME.test(name), 'not a header name (RFC 9110 §5.1)');
}

/** A header's name, or a pseudo-header such as `:path`. */
export function headerOrPseudo() {
  return z
    .string()
    .refine((name) => FIELD_NAME.test(name) || PSEUDO_HEADERS.has(name), 'not a header name or pseudo-header');
}

/** A regular expression in RE2 syntax: runs in time linear in the input. */
export function regex() {
  return z.string().check((context) => {
    try {
      RE2JS.compile(context.value);
    } catch (error) {
      context.issues.push({
        code: 'custom',
        input: context.value,
        message: `not a regular expression in RE2 syntax: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  });
}

/** `host:port` taken apart, or a Unix socket's path. */
export type HostPort = { host: string; port: number } | { path: string };

/**
 * Reads `host:port`, `[::1]:port` or `unix:/path`.
 * @throws RangeError when it is none of them
 */
export function parseHostPort(text: string): HostPort {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (path !== '') return { path };
  }
  const [, host = '', digits = ''] = /^(\[[0-9a-fA-F:.%]+\]|[^:[\]/\s]+):(\d{1,5})$/.exec(text) ?? [];
  const number = Number(digits);
  if (host === '' || number > 65535) throw new RangeError(`"${text}" is not host:port or unix:/path`);
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port: number };
}

/** Text that is given in the configuration itself or in a file next to it. */
export function fileOrInline() {
  return z.union([z.string(), z.strictObject({ file: z.string().describe('Path of a file that holds the text.') })]);
}

/** As `fileOrInline`, or fetched from a URL. */
export function fileInlineOrRemote() {
  return z.union([
    z.string(),
    z.strictObject({ file: z.string().describe('Path of a file that holds the document.') }),
    z.strictObject({ url: z.string().describe('URL the document is fetched from.') }),
  ]);
}

/** Text that may be given as a list of bytes. */
export function bytes() {
  return z.union([z.string(), z.array(z.int().min(0).max(255))]);
}

/** A map of names to CEL expressions. */
export function celMap() {
  return z.record(z.string(), celExpression());
}

/** A map of free-form JSON. */
export function jsonMap() {
  return z.record(z.string(), z.unknown());
}

function given(value: Readonly<Record<string, unknown>>, keys: readonly string[]): string[] {
  return keys.filter((key) => value[key] !== undefined);
}

/** Exactly one of `keys` must be given. One object with a rule reads better in errors than a union of objects. */
export function exactlyOne<Schema extends z.ZodObject>(schema: Schema, keys: readonly string[]): Schema {
  return schema
    .check((context) => {
      const found = given(context.value as Record<string, unknown>, keys);
      if (found.length === 1) return;
      context.issues.push({
        code: 'custom',
        input: context.value,
        message:
          found.length === 0
            ? `give one of ${keys.join(', ')}`
            : `give only one of ${keys.join(', ')}, not ${found.join(' and ')}`,
      });
    })
    .meta({ keywords: { oneOf: keys.map((key) => ({ required: [key] })) } } satisfies SchemaMarks);
}

/** At most one of each group of `groups` may be given: the names are aliases of one field. */
export function aliases<Schema extends z.ZodObject>(schema: Schema, groups: readonly (readonly string[])[]): Schema {
  if (groups.length === 0) return schema;
  return schema
    .check((context) => {
      for (const group of groups) {
        const found = given(context.value as Record<string, unknown>, group);
        if (found.length <= 1) continue;
        context.issues.push({
          code: 'custom',
          input: context.value,
          message: `${found.join(' and ')} are the same field; give one`,
        });
      }
    })
    .meta({ keywords: { allOf: groups.map((group) => ({ not: { required: [...group] } })) } } satisfies SchemaMarks);
}
