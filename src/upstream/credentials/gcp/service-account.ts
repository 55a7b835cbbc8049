import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { askJson, form } from '../http.ts';
import { jwtToken, optionalText, textOf, tokenOf } from '../json.ts';
import { CredentialError, type Token } from '../source.ts';
import { GOOGLE_TOKEN_URL, type Wanted } from './wanted.ts';

const WHAT = "Google's token endpoint";
/** The longest an assertion may be valid, s. */
const ASSERTION_SECONDS = 3600;

/**
 * A token for a service account, by an assertion signed with its key
 * (https://developers.google.com/identity/protocols/oauth2/service-account#httprest; RFC 7523 §2.1).
 *
 * @param now Unix ms
 */
export async function serviceAccountToken(
  credential: Record<string, unknown>,
  wanted: Wanted,
  now: number,
): Promise<Token> {
  const tokenUrl = optionalText(credential, 'token_uri') ?? GOOGLE_TOKEN_URL;
  const email = textOf(credential, 'client_email', 'the service account');
  const issuedAt = Math.floor(now / 1000);
  const claims = {
    iss: email,
    sub: email,
    aud: tokenUrl,
    iat: issuedAt,
    exp: issuedAt + ASSERTION_SECONDS,
    ...(wanted.kind === 'id' ? { target_audience: wanted.audience } : { scope: wanted.scopes.join(' ') }),
  };
  const keyId = optionalText(credential, 'private_key_id');
  const header = { alg: 'RS256', typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) };
  const assertion = signed(header, claims, textOf(credential, 'private_key', 'the service account'));
  const asked = form({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion });
  const answer = await askJson({ what: WHAT, url: tokenUrl, ...asked });
  return wanted.kind === 'id' ? jwtToken(textOf(answer, 'id_token', WHAT), WHAT, now) : tokenOf(answer, WHAT, now);
}

/** A JWS in compact form (RFC 7515 §7.1), RS256. */
function signed(header: object, claims: object, pem: string): string {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new CredentialError("the service account's private_key is no PEM key");
  }
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
}
