import type { HeaderList } from '../../headers.ts';
import { CelMap, type CelValue } from './value.ts';

/** How a view shows the fields of a name: one string if there is one field and a list if several; joined; a list; split at commas. */
export type HeaderMode = 'plain' | 'join' | 'raw' | 'split';

/** Fields that carry credentials. */
const SENSITIVE = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
]);

/** HTTP fields as a map, read in place. Names are found whatever their case. */
export class HeaderView extends CelMap {
  readonly #headers: HeaderList;
  readonly #mode: HeaderMode;
  readonly #redacted: boolean;
  /** A further name that carries a credential; null = none. */
  readonly #credential: string | null;

  constructor(headers: HeaderList, credential: string | null, mode: HeaderMode = 'plain', redacted = false) {
    super();
    this.#headers = headers;
    this.#credential = credential;
    this.#mode = mode;
    this.#redacted = redacted;
  }

  /** The same fields shown as `mode` says. */
  as(mode: HeaderMode): HeaderView {
    return new HeaderView(this.#headers, this.#credential, mode, this.#redacted);
  }

  /** The same fields, with `<redacted>` for the values of those that carry credentials. */
  redacted(): HeaderView {
    return new HeaderView(this.#headers, this.#credential, this.#mode, true);
  }

  get size(): number {
    return [...this.keys()].length;
  }

  get(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string') return undefined;
    const raw = this.#headers.raw;
    const name = key.toLowerCase();
    let first: string | undefined;
    let all: string[] | null = null;
    for (let i = 0; i < raw.length; i += 2) {
      if (raw[i] !== name) continue;
      const value = raw[i + 1] as string;
      if (first === undefined) first = value;
      else if (all === null) all = [first, value];
      else all.push(value);
    }
    if (first === undefined) return undefined;
    if (this.#mode === 'plain' && !this.#redacted) return all ?? first;
    return this.#shown(name, all ?? [first]);
  }

  #shown(name: string, values: string[]): CelValue {
    const hidden = this.#redacted && (SENSITIVE.has(name) || name === this.#credential);
    const shown = hidden ? values.map(() => '<redacted>') : values;
    switch (this.#mode) {
      case 'plain':
        return shown.length === 1 ? (shown[0] ?? '') : shown;
      case 'join':
        return shown.join(',');
      case 'raw':
        return shown;
      case 'split':
        return shown.flatMap((value) => value.split(',').map((part) => part.trim()));
    }
  }

  *keys(): Iterable<string> {
    const raw = this.#headers.raw;
    const seen = new Set<string>();
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string;
      if (seen.has(name)) continue;
      seen.add(name);
      yield name;
    }
  }

  /** The first cookie of `name` (RFC 6265, section 4.2), its quotes taken off. */
  cookie(name: string): string | undefined {
    for (const field of this.#headers.getAll('cookie')) {
      for (const pair of field.split(';')) {
        const mark = pair.indexOf('=');
        if (mark < 0 || pair.slice(0, mark).trim() !== name) continue;
        const value = pair.slice(mark + 1).trim();
        const shown = value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
        return this.#redacted ? '<redacted>' : shown;
      }
    }
    return undefined;
  }
}
