import { hash } from 'node:crypto';
import { z } from 'zod';
import { GatewayError } from '../errors/table.ts';
import type { ApiKeyIdentity, Exchange } from '../exchange.ts';
import { own, secret } from '../resources/schema/common.ts';
import { list, message, oneWord, otherwise, struct, text } from '../resources/wire.ts';
import {
  type CredentialLocation,
  type CredentialPlace,
  compileCredentialLocation,
  credentialLocationMessage,
  credentialLocationSchema,
  HeaderPlace,
} from './credential-location.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';

const KEY_HASH = /^sha256:[0-9a-fA-F]{64}$/;
const DEFAULT_LOCATION: CredentialLocation = { header: { name: 'authorization', prefix: 'Bearer ' } };

const keySchema = z
  .strictObject({
    key: secret(z.string().min(1)).optional().describe('The key itself.'),
    keyHash: z
      .string()
      .regex(KEY_HASH, 'must be sha256: and 64 hexadecimal digits')
      .optional()
      .describe('SHA-256 of the key, as `sha256:<hex>`: the key itself need not be in the configuration.'),
    metadata: z.unknown().optional().describe('Facts about the key: `name` names it in logs, `group` is its tenant.'),
    allowedModels: z
      .array(z.string())
      .nullish()
      .describe('Model patterns the key may use; absent means all, an empty list none.'),
    allowBatches: own(
      z
        .boolean()
        .optional()
        .describe(
          'Lets a key with `allowedModels` use files and batches, which can ask any model of a provider. Default: it may not.',
        ),
    ),
  })
  .refine((entry) => (entry.key === undefined) !== (entry.keyHash === undefined), 'give one of key and keyHash');

const schema = z.strictObject({
  keys: z.array(keySchema).describe('Keys that are accepted.'),
  mode: z
    .enum(['strict', 'optional', 'permissive'])
    .default('optional')
    .describe(
      '`strict`: a valid key is required. `optional`: a key that is sent must be valid. `permissive`: a valid key is noted, nothing is refused.',
    ),
  location: credentialLocationSchema
    .default(DEFAULT_LOCATION)
    .describe(
      'Where the key is sent. By default `Authorization: Bearer`, and then `x-api-key`, `x-goog-api-key` and `api-key` are read as well.',
    ),
});

type Value = z.infer<typeof schema>;

/** Which models a key may use control planes have no word for: such a key they can't be told of. */
const apiKeyMessage = message({
  keys: ['api_keys', otherwise(list(message({ key: text, keyHash: text, metadata: struct })), [])],
  mode: oneWord({ strict: 'STRICT', optional: 'OPTIONAL', permissive: 'PERMISSIVE' }, 'strict'),
  location: ['authorization_location', credentialLocationMessage],
});

/** Authenticates callers by a static key. A key that was used is not forwarded. */
export const apiKey = definePolicy({
  name: 'apiKey',
  schema,
  summary: 'Authenticates requests by API keys.',
  levels: ['gateway', 'route'],
  phase: 'authentication',
  protects: true,
  wire: [{ spec: 'traffic', field: 'api_key_auth', message: apiKeyMessage }],
  inactiveParts: (value) =>
    value.location.expression === undefined ? [] : [{ path: ['location', 'expression'], protects: true }],
  faults(value) {
    const seen = new Map<string, number>();
    return value.keys.flatMap((entry, index) => {
      const digest = digestOf(entry);
      const first = seen.get(digest);
      seen.set(digest, first ?? index);
      return first === undefined ? [] : [{ path: ['keys', index], message: `is the same key as keys[${first}]` }];
    });
  },
  compile: (value) => (value.location.expression === undefined ? new ApiKeys(value) : {}),
});

type KeyEntry = Value['keys'][number];

/** SHA-256 of the key, lower-case hex. */
function digestOf(entry: KeyEntry): string {
  if (entry.key !== undefined) return hash('sha256', entry.key, 'hex');
  return (entry.keyHash ?? '').slice('sha256:'.length).toLowerCase();
}

function identityOf(entry: KeyEntry, digest: string): ApiKeyIdentity {
  const given = entry.metadata;
  const metadata = typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {};
  const name = metadata.name;
  return {
    id: typeof name === 'string' && name !== '' ? name : digest.slice(0, 8),
    metadata,
    allowedModels: entry.allowedModels ?? null,
    ...(entry.allowBatches === true && { allowsBatches: true }),
  };
}

/**
 * Keys are looked up by the digest of what was presented. How long a look-up takes says something about digests alone, from
 * which no key can be found, so that nothing is compared with a secret byte by byte.
 */
class ApiKeys implements CompiledPolicy {
  readonly #identities = new Map<string, ApiKeyIdentity>();
  readonly #places: readonly CredentialPlace[];
  readonly #strict: boolean;
  readonly #permissive: boolean;

  constructor(value: Value) {
    for (const entry of value.keys) {
      const digest = digestOf(entry);
      this.#identities.set(digest, identityOf(entry, digest));
    }
    this.#places = places(value.location);
    this.#strict = value.mode === 'strict';
    this.#permissive = value.mode === 'permissive';
  }

  onRequest(exchange: Exchange): undefined {
    let presented = false;
    let identity: ApiKeyIdentity | undefined;
    for (let i = 0; i < this.#places.length; i++) {
      const place = this.#places[i] as CredentialPlace;
      const credential = place.read(exchange);
      if (credential === undefined) continue;
      // What stands in an alternative header without being a key of ours may be meant for the backend.
      presented ||= i === 0;
      const found = this.#identities.get(hash('sha256', credential, 'hex'));
      if (found === undefined) continue;
      if (identity === undefined) {
        identity = found;
        exchange.apiKeySecret = credential;
        place.consume(exchange);
      } else {
        // A second copy of a gateway key must not get to the backend either, and the exchange remembers one header.
        exchange.headers.remove(ALTERNATIVE_HEADERS[i - 1] as string);
      }
    }
    if (identity !== undefined) {
      exchange.apiKey = identity;
      exchange.principal = identity.id;
      const group = identity.metadata.group;
      exchange.tenant = typeof group === 'string' && group !== '' ? group : identity.id;
    } else if (!this.#permissive && (presented || this.#strict)) {
      throw this.#refusal(presented);
    }
    return undefined;
  }

  /** RFC 9110 §15.5.2 asks for a challenge; its parameters are those of RFC 6750 §3. */
  #refusal(presented: boolean): GatewayError {
    const scheme = this.#places[0]?.challenge ?? 'Bearer';
    const challenge = presented ? `${scheme} realm="gateway", error="invalid_token"` : `${scheme} realm="gateway"`;
    const message = presented ? 'The API key is not valid here.' : 'This route needs an API key.';
    return new GatewayError('unauthenticated', message, { headers: ['www-authenticate', challenge] });
  }
}

/** Where clients of Anthropic's, Google's and Azure's send their key, and can't be told otherwise; read beside the default location only. */
const ALTERNATIVE_HEADERS = ['x-api-key', 'x-goog-api-key', 'api-key'];

function places(location: CredentialLocation): CredentialPlace[] {
  const place = compileCredentialLocation(location);
  const header = location.header;
  const isDefault = header?.name.toLowerCase() === 'authorization' && header.prefix?.trim().toLowerCase() === 'bearer';
  return isDefault ? [place, ...ALTERNATIVE_HEADERS.map((name) => new HeaderPlace(name, ''))] : [place];
}
