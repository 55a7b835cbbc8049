import { z } from 'zod';
import { list, mapped, message, otherwise, type Wire } from '../resources/wire.ts';
import { credentialLocationMessage } from './credential-location.ts';
import { definePolicy } from './definition.ts';
import {
  bearerLocation,
  type IssuerFields,
  issuerMessage,
  issuerShape,
  TOKEN_MODE_WORDS,
  TOKEN_MODES,
  tokenModeSchema,
} from './jwt-validation.ts';

const common = {
  mode: tokenModeSchema.default('optional').describe(TOKEN_MODES),
  location: bearerLocation().describe('Where the token is sent. By default `Authorization: Bearer`.'),
};

const several = z.strictObject({
  ...common,
  providers: z.array(z.strictObject(issuerShape)).min(1).describe('Issuers whose tokens are accepted.'),
});

interface Several {
  providers: IssuerFields[];
}

const jwtMessage: Wire<Several | IssuerFields> = mapped(
  message<Several & Record<string, unknown>>({
    mode: TOKEN_MODE_WORDS,
    location: ['authorization_location', credentialLocationMessage],
    providers: otherwise(list(issuerMessage), []),
  }),
  {
    read: (value) => value,
    write(value: Several | (IssuerFields & Record<string, unknown>)) {
      if ('providers' in value) return value as Several & Record<string, unknown>;
      const { mode, location, ...issuer } = value;
      return { mode, location, providers: [issuer] };
    },
  },
);

/** JWT bearer tokens (RFC 7519) verified against the key sets of their issuers. */
export const jwtAuth = definePolicy({
  name: 'jwtAuth',
  schema: z.union([several, z.strictObject({ ...common, ...issuerShape })]),
  summary: 'Authenticates requests by JWT bearer tokens.',
  levels: ['gateway', 'route'],
  phase: 'authentication',
  protects: true,
  wire: [{ spec: 'traffic', field: 'jwt', message: jwtMessage }],
});
