import { z } from 'zod';
import type { Exchange } from '../exchange.ts';
import { celExpression, exactlyOne, headerName } from '../resources/schema/common.ts';
import { mapped, message, present, text, type Wire } from '../resources/wire.ts';

/** Where a client's credential stands in a request: agentgateway's `AuthorizationLocation`. */
export const credentialLocationSchema = exactlyOne(
  z.strictObject({
    header: z
      .strictObject({
        name: headerName().describe('Header that holds the credential.'),
        prefix: z.string().nullish().describe('Text in front of the credential, such as `Bearer `; removed.'),
      })
      .optional()
      .describe('A header.'),
    queryParameter: z
      .strictObject({ name: z.string().min(1).describe('Name of the parameter.') })
      .optional()
      .describe('A parameter of the query.'),
    cookie: z
      .strictObject({ name: z.string().min(1).describe('Name of the cookie.') })
      .optional()
      .describe('A cookie.'),
    expression: celExpression().optional().describe('A CEL expression that gives the credential.'),
  }),
  ['header', 'queryParameter', 'cookie', 'expression'],
).meta({ id: 'CredentialLocation', title: 'Credential location' });

export type CredentialLocation = z.infer<typeof credentialLocationSchema>;

/** AuthorizationLocation; where it names no place it says nothing. */
export const credentialLocationMessage: Wire<CredentialLocation> = mapped(
  message<CredentialLocation>({
    header: message({ name: text, prefix: present(text) }),
    queryParameter: message({ name: text }),
    cookie: message({ name: text }),
    expression: present(text),
  }),
  {
    read: (location) => (Object.keys(location).length === 0 ? undefined : location),
    write: (location) => location,
  },
);

/** Reads a credential from its place and, once it was used, keeps it from being forwarded. */
export interface CredentialPlace {
  /** The credential, or undefined where there is none. */
  read(exchange: Exchange): string | undefined;
  consume(exchange: Exchange): void;
  /** Scheme of the challenge a 401 carries (RFC 9110 §11.6.1). */
  readonly challenge: string;
}

/** @throws RangeError for `expression`, which is not a place but a computation */
export function compileCredentialLocation(location: CredentialLocation): CredentialPlace {
  if (location.header) return new HeaderPlace(location.header.name, location.header.prefix ?? '');
  if (location.queryParameter) return new QueryPlace(location.queryParameter.name);
  if (location.cookie) return new CookiePlace(location.cookie.name);
  throw new RangeError('a credential location given as an expression needs CEL');
}

/** A header, whose value begins with `prefix`; an authentication scheme has no case (RFC 9110 §11.1). */
export class HeaderPlace implements CredentialPlace {
  readonly #name: string;
  readonly #prefix: string;
  readonly challenge: string;

  constructor(name: string, prefix: string) {
    this.#name = name.toLowerCase();
    this.#prefix = prefix.toLowerCase();
    const scheme = prefix.trim();
    this.challenge = this.#name === 'authorization' && scheme !== '' ? scheme : 'ApiKey';
  }

  read(exchange: Exchange): string | undefined {
    const value = exchange.headers.get(this.#name);
    if (value === undefined) return undefined;
    const length = this.#prefix.length;
    if (length > 0 && value.slice(0, length).toLowerCase() !== this.#prefix) return undefined;
    return value.slice(length).trim() || undefined;
  }

  /** The field stays where policies can see it (a backend may be given it on purpose) and is left out when forwarding. */
  consume(exchange: Exchange): void {
    exchange.credentialHeader = this.#name;
  }
}

/** A query parameter, as application/x-www-form-urlencoded writes it. */
class QueryPlace implements CredentialPlace {
  readonly #name: string;
  readonly challenge = 'ApiKey';

  constructor(name: string) {
    this.#name = name;
  }

  read(exchange: Exchange): string | undefined {
    if (exchange.query === '') return undefined;
    for (const pair of exchange.query.split('&')) {
      if (this.#isOurs(pair)) {
        const equals = pair.indexOf('=');
        return (equals === -1 ? '' : decodeForm(pair.slice(equals + 1))) || undefined;
      }
    }
    return undefined;
  }

  consume(exchange: Exchange): void {
    exchange.query = exchange.query
      .split('&')
      .filter((pair) => !this.#isOurs(pair))
      .join('&');
  }

  #isOurs(pair: string): boolean {
    const equals = pair.indexOf('=');
    return decodeForm(equals === -1 ? pair : pair.slice(0, equals)) === this.#name;
  }
}

/** A cookie (RFC 6265 §4.2.1: `name=value` pairs divided by `; `). */
class CookiePlace implements CredentialPlace {
  readonly #name: string;
  readonly challenge = 'ApiKey';

  constructor(name: string) {
    this.#name = name;
  }

  read(exchange: Exchange): string | undefined {
    const raw = exchange.headers.raw;
    for (let i = 0; i < raw.length; i += 2) {
      if (raw[i] !== 'cookie') continue;
      for (const pair of (raw[i + 1] as string).split(';')) {
        if (this.#isOurs(pair)) return unquote(pair.slice(pair.indexOf('=') + 1).trim()) || undefined;
      }
    }
    return undefined;
  }

  consume(exchange: Exchange): void {
    const others: string[] = [];
    for (const field of exchange.headers.getAll('cookie')) {
      for (const pair of field.split(';')) if (pair.trim() !== '' && !this.#isOurs(pair)) others.push(pair.trim());
    }
    if (others.length === 0) exchange.headers.remove('cookie');
    else exchange.headers.set('cookie', others.join('; '));
  }

  #isOurs(pair: string): boolean {
    const equals = pair.indexOf('=');
    return equals !== -1 && pair.slice(0, equals).trim() === this.#name;
  }
}

function unquote(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

/** Decodes one name or value of a form-encoded query; text that isn't valid percent-encoding stays as it is. */
function decodeForm(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
