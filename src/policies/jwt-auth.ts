import { z } from 'zod';
import { definePolicy } from './definition.ts';
import { bearerLocation, issuerShape, TOKEN_MODES, tokenModeSchema } from './jwt-validation.ts';

const common = {
  mode: tokenModeSchema.default('optional').describe(TOKEN_MODES),
  location: bearerLocation().describe('Where the token is sent. By default `Authorization: Bearer`.'),
};

const several = z.strictObject({
  ...common,
  providers: z.array(z.strictObject(issuerShape)).min(1).describe('Issuers whose tokens are accepted.'),
});

/** JWT bearer tokens (RFC 7519) verified against the key sets of their issuers. */
export const jwtAuth = definePolicy({
  name: 'jwtAuth',
  schema: z.union([several, z.strictObject({ ...common, ...issuerShape })]),
  summary: 'Authenticates requests by JWT bearer tokens.',
  levels: ['gateway', 'route'],
  phase: 'authentication',
  protects: true,
});
