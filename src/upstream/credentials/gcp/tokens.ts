import { join } from 'node:path';
import { isObject } from '../../../resources/json.ts';
import { askJson, form } from '../http.ts';
import { jwtToken, optionalText, textOf, tokenOf } from '../json.ts';
import { CredentialError, firstOf, type Token } from '../source.ts';
import { configHome, readIfThere, readText, type Surroundings, variable } from '../surroundings.ts';
import { externalAccountToken } from './external-account.ts';
import { impersonated } from './impersonation.ts';
import { metadataToken } from './metadata.ts';
import { serviceAccountToken } from './service-account.ts';
import { CLOUD_PLATFORM, GOOGLE_TOKEN_URL, type Wanted } from './wanted.ts';

const WHAT = "Google's token endpoint";

/**
 * A token by Application Default Credentials (https://google.aip.dev/auth/4110): the file that GOOGLE_APPLICATION_CREDENTIALS names,
 * gcloud's own, the metadata server. Files are read each time.
 *
 * @param now Unix ms
 */
export async function ambientToken(around: Surroundings, wanted: Wanted, now: number): Promise<Token> {
  const named = variable(around, 'GOOGLE_APPLICATION_CREDENTIALS');
  const gcloud = join(
    variable(around, 'CLOUDSDK_CONFIG') ?? join(configHome(around), 'gcloud'),
    'application_default_credentials.json',
  );
  const fromText = (text: string | null) => (text === null ? null : tokenByCredential(text, wanted, now));
  return firstOf<Token>('Google credentials', [
    {
      name: 'GOOGLE_APPLICATION_CREDENTIALS',
      load: async () => (named === undefined ? null : fromText(await readText(named))),
    },
    { name: "gcloud's default credentials", load: async () => fromText(await readIfThere(gcloud)) },
    { name: 'the metadata server', load: () => metadataToken(around, wanted, now) },
  ]);
}

/**
 * A token by a credential file's text.
 *
 * @param now Unix ms
 */
export async function tokenByCredential(text: string, wanted: Wanted, now: number): Promise<Token> {
  const credential = parseCredential(text);
  switch (credential.type) {
    case 'service_account':
      return serviceAccountToken(credential, wanted, now);
    case 'authorized_user':
      return userToken(credential, wanted, now);
    case 'external_account':
      return externalAccountToken(credential, wanted, now);
    case 'impersonated_service_account': {
      const { source_credentials: source, delegates } = credential;
      const account = { kind: 'access', scopes: [CLOUD_PLATFORM] } as const;
      const by = await tokenByCredential(JSON.stringify(source), account, now);
      const url = textOf(credential, 'service_account_impersonation_url', 'the credential');
      const chain = Array.isArray(delegates) ? delegates.filter((name) => typeof name === 'string') : [];
      return impersonated(url, by, wanted, { delegates: chain, lifetimeSeconds: undefined }, now);
    }
    default:
      throw new CredentialError('the type of the credential is not supported');
  }
}

const TYPES = ['service_account', 'authorized_user', 'external_account', 'impersonated_service_account'];

/** A credential file's JSON. Throws `CredentialError` where it isn't of a type that is supported. */
export function parseCredential(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CredentialError('the credential is not JSON');
  }
  if (!isObject(value) || typeof value.type !== 'string' || !TYPES.includes(value.type))
    throw new CredentialError(`the credential has none of the types ${TYPES.join(', ')}`);
  if (value.type === 'impersonated_service_account') {
    const { source_credentials: source } = value;
    if (!isObject(source) || source.type === value.type)
      throw new CredentialError('the impersonated account has no source credentials of another type');
  }
  return value;
}

/** A person's, by a refresh token (RFC 6749 §6). */
async function userToken(credential: Record<string, unknown>, wanted: Wanted, now: number): Promise<Token> {
  const asked = form({
    grant_type: 'refresh_token',
    client_id: textOf(credential, 'client_id', 'the credential'),
    client_secret: textOf(credential, 'client_secret', 'the credential'),
    refresh_token: textOf(credential, 'refresh_token', 'the credential'),
  });
  const url = optionalText(credential, 'token_uri') ?? GOOGLE_TOKEN_URL;
  const answer = await askJson({ what: WHAT, url, ...asked });
  return wanted.kind === 'id' ? jwtToken(textOf(answer, 'id_token', WHAT), WHAT, now) : tokenOf(answer, WHAT, now);
}
