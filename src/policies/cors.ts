import { z } from 'zod';
import type { Exchange, LocalReply, ResponseHead } from '../exchange.ts';
import type { HeaderList } from '../headers.ts';
import type { PolicyFault } from '../resources/catalogue.ts';
import { parseDuration } from '../resources/schema/common.ts';
import { duration, flag, list, mapped, message, text } from '../resources/wire.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';
import { compileOrigins, type OriginTest, originFault } from './origins.ts';

const names = (meaning: string) => z.array(z.string()).default([]).describe(meaning);

const schema = z.strictObject({
  allowOrigins: names(
    'Origins that get CORS headers: exact (`https://app.example`), with a wildcard in the host (`https://*.example`), or `*` for any.',
  ),
  allowMethods: names('`Access-Control-Allow-Methods` of preflights; `*` allows the method asked for.'),
  allowHeaders: names('`Access-Control-Allow-Headers` of preflights; `*` allows the headers asked for.'),
  exposeHeaders: names('`Access-Control-Expose-Headers` of responses.'),
  allowCredentials: z.boolean().default(false).describe('Sends `Access-Control-Allow-Credentials: true`.'),
  maxAge: z.string().nullish().describe('`Access-Control-Max-Age` of preflights: a duration (`10m`) or seconds.'),
});

type Value = z.infer<typeof schema>;

const PREFLIGHT_VARY = 'origin, access-control-request-method, access-control-request-headers';
/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const corsMessage = message({
  allowOrigins: list(text),
  allowMethods: list(text),
  allowHeaders: list(text),
  exposeHeaders: list(text),
  allowCredentials: flag,
  maxAge: mapped(duration, {
    read: (age) => age,
    write: (age: string) => (/^\d+$/.test(age) ? `${age}s` : age),
  }),
});

/** Fetch standard §3.2 (CORS protocol) and Gateway API `HTTPCORSFilter`. */
export const cors = definePolicy({
  name: 'cors',
  schema,
  summary: 'Answers CORS preflights and adds CORS headers to responses for allowed origins.',
  levels: ['gateway', 'route'],
  phase: 'cors',
  protects: false,
  wire: [{ spec: 'traffic', field: 'cors', message: corsMessage }],
  faults(value) {
    const faults: PolicyFault[] = [];
    for (const [index, origin] of value.allowOrigins.entries()) {
      const message = originFault(origin);
      if (message !== null) faults.push({ path: ['allowOrigins', index], message });
    }
    for (const list of ['allowMethods', 'allowHeaders', 'exposeHeaders'] as const) {
      for (const [index, name] of value[list].entries()) {
        if (!TOKEN.test(name)) faults.push({ path: [list, index], message: `"${name}" is not a valid name` });
      }
    }
    if (value.maxAge && maxAgeSeconds(value.maxAge) === null) {
      faults.push({ path: ['maxAge'], message: `"${value.maxAge}" is neither a duration nor a number of seconds` });
    }
    return faults;
  },
  compile: (value) => new Cors(value),
});

function maxAgeSeconds(text: string): string | null {
  if (/^[0-9]+$/.test(text)) return text;
  try {
    return String(Math.floor(parseDuration(text) / 1000));
  } catch {
    return null;
  }
}

/**
 * The route's policy decides alone: what the backend itself says of CORS is replaced for every request that names an origin. With
 * `*` and credentials the Fetch standard takes `*` literally, so that concrete names are sent in its place.
 */
class Cors implements CompiledPolicy {
  readonly #origins: OriginTest;
  readonly #credentials: boolean;
  /** null: whatever the preflight asks for. '' = none. */
  readonly #methods: string | null;
  readonly #headers: string | null;
  readonly #expose: string | null;
  readonly #maxAge: string | null;

  constructor(value: Value) {
    this.#origins = compileOrigins(value.allowOrigins);
    this.#credentials = value.allowCredentials;
    this.#methods = value.allowMethods.includes('*') ? null : value.allowMethods.join(', ');
    this.#headers = value.allowHeaders.includes('*') ? null : value.allowHeaders.join(', ');
    this.#expose = value.exposeHeaders.includes('*') ? null : value.exposeHeaders.join(', ');
    this.#maxAge = value.maxAge ? maxAgeSeconds(value.maxAge) : null;
  }

  onRequest(exchange: Exchange): LocalReply | undefined {
    const origin = exchange.headers.get('origin');
    if (origin === undefined) return undefined;
    const allowed = this.#origins(origin);
    if (exchange.method === 'OPTIONS') {
      const method = exchange.headers.get('access-control-request-method');
      if (method) return this.#preflight(exchange, allowed ? origin : null, method);
    }
    exchange.onResponse((head) => this.#decorate(head.headers, allowed ? origin : null));
    return undefined;
  }

  /** Whether the response would differ for another origin is a fact of the resource, so caches are told in any case. */
  onResponse(head: ResponseHead): void {
    addVary(head.headers, 'origin');
  }

  /** An origin that isn't allowed gets an answer without CORS headers, which the browser takes for a refusal. */
  #preflight(exchange: Exchange, origin: string | null, method: string): LocalReply {
    const headers = ['vary', PREFLIGHT_VARY];
    if (origin === null) return { status: 200, headers, body: '' };
    headers.push('access-control-allow-origin', origin);
    const methods = this.#methods ?? method;
    if (methods !== '') headers.push('access-control-allow-methods', methods);
    const allowHeaders = this.#headers ?? exchange.headers.getJoined('access-control-request-headers') ?? '';
    if (allowHeaders !== '') headers.push('access-control-allow-headers', allowHeaders);
    if (this.#credentials) headers.push('access-control-allow-credentials', 'true');
    if (this.#maxAge !== null) headers.push('access-control-max-age', this.#maxAge);
    return { status: 200, headers, body: '' };
  }

  #decorate(headers: HeaderList, origin: string | null): void {
    headers.remove('access-control-allow-credentials');
    headers.remove('access-control-expose-headers');
    if (origin === null) {
      headers.remove('access-control-allow-origin');
      return;
    }
    headers.set('access-control-allow-origin', origin);
    if (this.#credentials) headers.add('access-control-allow-credentials', 'true');
    const expose = this.#expose ?? (this.#credentials ? exposable(headers) : '*');
    if (expose !== '') headers.add('access-control-expose-headers', expose);
  }
}

/** Names of the response's own headers, for `*` with credentials. */
function exposable(headers: HeaderList): string {
  const found = new Set<string>();
  for (let i = 0; i < headers.raw.length; i += 2) {
    const name = headers.raw[i] as string;
    if (name !== 'set-cookie' && !name.startsWith('access-control-')) found.add(name);
  }
  return [...found].join(', ');
}

/** Adds `name` to Vary unless it, or `*`, is there (RFC 9110 §12.5.5). */
function addVary(headers: HeaderList, name: string): void {
  const vary = headers.getJoined('vary');
  if (vary === undefined) headers.add('vary', name);
  else if (!vary.split(',').some((entry) => entry.trim().toLowerCase() === name || entry.trim() === '*')) {
    headers.set('vary', `${vary}, ${name}`);
  }
}
