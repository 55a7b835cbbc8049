import { z } from 'zod';
import { fileInlineOrRemote } from '../resources/schema/common.ts';
import { list, message, oneWord, otherwise, required, text } from '../resources/wire.ts';
import { credentialLocationSchema } from './credential-location.ts';

/** What every policy that validates JWTs shares (RFC 7519, RFC 7517). */

/** Where a bearer token stands by default (RFC 6750 §2.1). */
export const BEARER_LOCATION = { header: { name: 'authorization', prefix: 'Bearer ' } };

export const tokenModeSchema = z.enum(['strict', 'optional', 'permissive']);

export const TOKEN_MODES =
  '`strict`: a valid token is required. `optional`: a token that is sent must be valid. `permissive`: nothing is refused.';

export const jwtValidationOptionsSchema = z.strictObject({
  requiredClaims: z.array(z.string()).default(['exp']).describe('Claims a token must have.'),
});

export const TOKEN_MODE_WORDS = oneWord(
  { optional: 'OPTIONAL', strict: 'STRICT', permissive: 'PERMISSIVE' },
  'optional',
);

/** JWTValidationOptions: an empty list, where the message is there, requires no claim. */
export const jwtValidationOptionsMessage = message({ requiredClaims: otherwise(list(text), []) });

/** One issuer whose tokens are accepted. */
export const issuerShape = {
  issuer: z.string().describe('Expected `iss` claim.'),
  audiences: z.array(z.string()).nullish().describe('Accepted `aud` claims. Default: any.'),
  jwks: fileInlineOrRemote().describe("The issuer's key set (RFC 7517): inline, from a file, or fetched."),
  jwtValidationOptions: jwtValidationOptionsSchema.prefault({}).describe('Requirements beyond the signature.'),
};

export interface IssuerFields {
  issuer?: string;
  audiences?: string[];
  jwks?: string;
  jwtValidationOptions?: object;
}

/** JWTProvider; key sets stand in it, they are not fetched. */
export const issuerMessage = message<IssuerFields>({
  issuer: text,
  audiences: list(text),
  jwks: ['inline', required(text)],
  jwtValidationOptions: jwtValidationOptionsMessage,
});

export function bearerLocation() {
  return credentialLocationSchema.default(BEARER_LOCATION);
}
