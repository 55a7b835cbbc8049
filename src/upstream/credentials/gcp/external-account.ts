import { isObject } from '../../../resources/json.ts';
import { ask, askJson, form } from '../http.ts';
import { optionalText, textOf, tokenOf } from '../json.ts';
import { CredentialError, type Token } from '../source.ts';
import { readText } from '../surroundings.ts';
import { impersonated } from './impersonation.ts';
import { CLOUD_PLATFORM, type Wanted } from './wanted.ts';

const STS = "Google's STS";
const SUBJECT = "the subject token's service";

/**
 * A token by workload identity federation (https://google.aip.dev/auth/4117): an outside identity's token is exchanged at Google's STS
 * (RFC 8693) and, where the file says so, for a service account's.
 *
 * @param now Unix ms
 */
export async function externalAccountToken(
  credential: Record<string, unknown>,
  wanted: Wanted,
  now: number,
): Promise<Token> {
  const url = optionalText(credential, 'service_account_impersonation_url');
  if (wanted.kind === 'id' && url === undefined)
    throw new CredentialError('an external account has ID tokens only by impersonation of a service account');
  const scopes = wanted.kind === 'access' && url === undefined ? wanted.scopes : [CLOUD_PLATFORM];
  const federated = await exchanged(credential, scopes, now);
  if (url === undefined) return federated;
  const { service_account_impersonation: settings } = credential;
  const seconds = isObject(settings) ? settings.token_lifetime_seconds : undefined;
  const lifetimeSeconds = typeof seconds === 'number' ? seconds : undefined;
  return impersonated(url, federated, wanted, { delegates: [], lifetimeSeconds }, now);
}

async function exchanged(credential: Record<string, unknown>, scopes: readonly string[], now: number): Promise<Token> {
  const what = 'the external account';
  const clientId = optionalText(credential, 'client_id');
  const project = optionalText(credential, 'workforce_pool_user_project');
  const asked = form({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: textOf(credential, 'audience', what),
    scope: scopes.join(' '),
    subject_token_type: textOf(credential, 'subject_token_type', what),
    subject_token: await subjectToken(credential),
    options: project === undefined || clientId !== undefined ? undefined : JSON.stringify({ userProject: project }),
  });
  if (clientId !== undefined) {
    const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(optionalText(credential, 'client_secret') ?? '')}`;
    asked.headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  const url = optionalText(credential, 'token_url') ?? 'https://sts.googleapis.com/v1/token';
  return tokenOf(await askJson({ what: STS, url, ...asked }), STS, now);
}

/** From a file, which its issuer writes anew, or a service nearby. */
async function subjectToken(credential: Record<string, unknown>): Promise<string> {
  const { credential_source: source } = credential;
  if (!isObject(source)) throw new CredentialError('the external account has no "credential_source"');
  const file = optionalText(source, 'file');
  const url = optionalText(source, 'url');
  if (file !== undefined) return extracted(await readText(file), source, file);
  if (url === undefined || source.environment_id !== undefined)
    throw new CredentialError('of external accounts only those with a file or a URL are supported');
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(isObject(source.headers) ? source.headers : {}))
    if (typeof value === 'string') headers[name] = value;
  const answer = await ask({ what: SUBJECT, url, headers });
  if (answer.status !== 200) throw new CredentialError(`${SUBJECT} answered ${answer.status}`);
  return extracted(answer.text, source, SUBJECT);
}

/** The token itself, or the field of a JSON object that holds it. */
function extracted(text: string, source: Record<string, unknown>, from: string): string {
  const { format } = source;
  if (!isObject(format) || format.type !== 'json') return nonEmpty(text.trim(), from);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (!isObject(value)) throw new CredentialError(`${from} holds no JSON object`);
  return textOf(value, textOf(format, 'subject_token_field_name', 'the format of the credential source'), from);
}

function nonEmpty(text: string, from: string): string {
  if (text === '') throw new CredentialError(`${from} is empty`);
  return text;
}
