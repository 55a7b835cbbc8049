import type { Definition } from '../definitions.ts';
import { JsonMap } from '../values/json.ts';
import { CelSecret } from '../values/special.ts';
import { CelMap, type CelValue } from '../values/value.ts';
import type { GatewayActivation } from './activation.ts';
import { fieldOf, record } from './fields.ts';

type GatewayDefinition = Definition<GatewayActivation>;

/** Claims, and the credential they were had by under a name of its own. */
class ClaimsMap extends CelMap {
  readonly #claims: JsonMap;
  readonly #name: string;
  readonly #secret: string | null;

  constructor(claims: object, name: string, secret: string | null) {
    super();
    this.#claims = new JsonMap(claims);
    this.#name = name;
    this.#secret = secret;
  }

  get size(): number {
    return [...this.keys()].length;
  }

  get(key: CelValue): CelValue | undefined {
    return key === this.#name ? new CelSecret(this.#secret) : this.#claims.get(key);
  }

  *keys(): Iterable<string> {
    yield this.#name;
    for (const key of this.#claims.keys()) if (key !== this.#name) yield key;
  }
}

export const jwt: GatewayDefinition = {
  description:
    'The claims of a verified JWT. `jwt.rawToken` is the token, shown as `<redacted>` but to `.unredacted()`.',
  read: (activation) => {
    const token = activation.facts.jwt;
    if (token === null || token === undefined) return null;
    return activation.once('jwt', () => new ClaimsMap(token.claims, 'rawToken', token.rawToken));
  },
};

export const apiKey: GatewayDefinition = {
  description:
    'The metadata of a verified API key. `apiKey.key` is the key, shown as `<redacted>` but to `.unredacted()`.',
  read: (activation) => {
    const key = activation.exchange?.apiKey;
    if (key === null || key === undefined) return null;
    const secret = activation.exchange?.apiKeySecret ?? null;
    return activation.once('apiKey', () => new ClaimsMap(key.metadata, 'key', secret));
  },
};

const ofBasic = fieldOf(({ facts }) => facts.basicAuth);

export const basicAuth: GatewayDefinition = record(
  'The user of verified basic credentials.',
  ({ facts }) => (facts.basicAuth ?? null) !== null,
  { username: ofBasic('The name.', ({ username }) => username) },
);
