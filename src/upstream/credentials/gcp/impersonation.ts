import { askJson } from '../http.ts';
import { headerText, jwtToken, textOf, timeOf } from '../json.ts';
import { CredentialError, type Token } from '../source.ts';
import type { Wanted } from './wanted.ts';

const WHAT = "Google's IAM credentials service";
const ACCESS = ':generateAccessToken';

/**
 * A token of a service account, for whoever may impersonate it
 * (https://cloud.google.com/iam/docs/create-short-lived-credentials-direct).
 *
 * @param url the account's `generateAccessToken` URL, as credential files give it
 * @param now Unix ms
 */
export async function impersonated(
  url: string,
  by: Token,
  wanted: Wanted,
  more: { readonly delegates: readonly string[]; readonly lifetimeSeconds: number | undefined },
  now: number,
): Promise<Token> {
  const headers = { authorization: `Bearer ${by.value}`, 'content-type': 'application/json' };
  const { delegates, lifetimeSeconds } = more;
  if (wanted.kind === 'id') {
    if (!url.endsWith(ACCESS)) throw new CredentialError(`the impersonation URL does not end in ${ACCESS}`);
    const body = JSON.stringify({ audience: wanted.audience, includeEmail: true, delegates });
    const idUrl = `${url.slice(0, -ACCESS.length)}:generateIdToken`;
    const answer = await askJson({ what: WHAT, url: idUrl, method: 'POST', headers, body });
    return jwtToken(textOf(answer, 'token', WHAT), WHAT, now);
  }
  const lifetime = lifetimeSeconds === undefined ? {} : { lifetime: `${lifetimeSeconds}s` };
  const body = JSON.stringify({ scope: wanted.scopes, delegates, ...lifetime });
  const answer = await askJson({ what: WHAT, url, method: 'POST', headers, body });
  return {
    value: headerText(textOf(answer, 'accessToken', WHAT), WHAT),
    expiresAt: timeOf(answer, 'expireTime', WHAT),
  };
}
