import { z } from 'zod';
import type { HeaderList } from '../headers.ts';
import type { PolicyFault } from '../resources/catalogue.ts';
import { entries, list, message, text } from '../resources/wire.ts';

/**
 * What requestHeaderModifier and responseHeaderModifier share: the value's schema, its faults, and the edit itself.
 * Gateway API HTTPHeaderFilter: names compare without case; `add` appends, `set` replaces, `remove` deletes, in that order
 * (agentgateway's; Gateway API leaves open what happens to a name that stands in two of them).
 */
export const headerModifierSchema = z.strictObject({
  add: z
    .record(z.string(), z.string())
    .optional()
    .describe('Headers to append without replacing values that are already there.'),
  set: z.record(z.string(), z.string()).optional().describe('Headers to set, replacing all values that are there.'),
  remove: z.array(z.string()).optional().describe('Names of headers to remove.'),
});

export type HeaderModifier = z.infer<typeof headerModifierSchema>;

/** HeaderModifier. */
export const headerModifierMessage = message<HeaderModifier>({
  add: entries('name', 'value'),
  set: entries('name', 'value'),
  remove: list(text),
});

/** RFC 9110 §5.6.2 token. */
export const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9110 §5.5: visible characters, spaces, tabs and obs-text; no control characters. */
export const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Fields that frame a message or belong to one connection (RFC 9110 §7.6.1, RFC 9112 §6): the gateway writes them itself. */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** `host` and its HTTP/2 name are not fields here but `Exchange.authority`. */
export function isHost(name: string): boolean {
  return name === 'host' || name === ':authority';
}

/** What is wrong with a modifier; `kind` decides whether `host` means something. */
export function headerModifierFaults(value: HeaderModifier, kind: 'request' | 'response'): PolicyFault[] {
  const faults: PolicyFault[] = [];
  const check = (name: string, path: (string | number)[]): void => {
    const lower = name.toLowerCase();
    if (kind === 'request' && isHost(lower)) {
      if (path[0] === 'set') return;
      faults.push({ path, message: `"${name}" can only be set: a request has exactly one host` });
    } else if (!FIELD_NAME.test(name)) faults.push({ path, message: `"${name}" is not a header name` });
    else if (CONNECTION_FIELDS.has(lower)) {
      faults.push({ path, message: `"${name}" frames the message; the gateway writes it itself` });
    }
  };
  for (const list of ['add', 'set'] as const) {
    for (const [name, content] of Object.entries(value[list] ?? {})) {
      check(name, [list, name]);
      if (!FIELD_VALUE.test(content)) {
        faults.push({ path: [list, name], message: 'the value holds characters that a header cannot carry' });
      }
    }
  }
  for (const [index, name] of (value.remove ?? []).entries()) check(name, ['remove', index]);
  return faults;
}

/** A modifier with its names folded to lower case, ready to run. */
export class HeaderEdit {
  readonly #add: readonly string[];
  readonly #set: readonly string[];
  readonly #remove: readonly string[];
  /** What `set` gives for the host; null where it says nothing of it. */
  readonly host: string | null;

  constructor(value: HeaderModifier) {
    this.#add = pairs(value.add);
    const set = pairs(value.set);
    let host: string | null = null;
    for (let i = set.length - 2; i >= 0; i -= 2) {
      if (!isHost(set[i] as string)) continue;
      host ??= (set[i + 1] as string).toLowerCase();
      set.splice(i, 2);
    }
    this.host = host;
    this.#set = set;
    this.#remove = (value.remove ?? []).map((name) => name.toLowerCase());
  }

  apply(headers: HeaderList): void {
    const add = this.#add;
    for (let i = 0; i < add.length; i += 2) headers.add(add[i] as string, add[i + 1] as string);
    const set = this.#set;
    for (let i = 0; i < set.length; i += 2) headers.set(set[i] as string, set[i + 1] as string);
    for (const name of this.#remove) headers.remove(name);
  }
}

function pairs(fields: Record<string, string> | undefined): string[] {
  const flat: string[] = [];
  for (const [name, value] of Object.entries(fields ?? {})) flat.push(name.toLowerCase(), value.trim());
  return flat;
}
