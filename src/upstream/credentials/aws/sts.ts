import { ask, form } from '../http.ts';
import { CredentialError } from '../source.ts';
import { readText, type Surroundings, variable } from '../surroundings.ts';
import type { AwsKeys } from './keys.ts';
import { signingHeaders } from './sigv4.ts';

const STS = 'AWS STS';
const VERSION = '2011-06-15';

export interface AssumedRole {
  readonly roleArn: string;
  /** Default: the gateway's own. */
  readonly sessionName?: string | undefined;
  readonly externalId?: string | undefined;
  readonly tags?: readonly { readonly key: string; readonly value: string }[];
}

/** Keys of a role, by other keys (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html). */
export async function assumeRole(
  around: Surroundings,
  role: AssumedRole,
  by: AwsKeys,
  region: string,
  at: Date,
): Promise<AwsKeys> {
  const url = stsUrl(around, region);
  const tags = Object.fromEntries(
    (role.tags ?? []).flatMap(({ key, value }, index) => [
      [`Tags.member.${index + 1}.Key`, key],
      [`Tags.member.${index + 1}.Value`, value],
    ]),
  );
  const { headers, body } = form({
    Action: 'AssumeRole',
    Version: VERSION,
    RoleArn: role.roleArn,
    RoleSessionName: role.sessionName ?? 'sluice',
    ExternalId: role.externalId,
    ...tags,
  });
  const signed = { ...headers, accept: 'application/xml', host: url.host };
  const request = { method: 'POST', path: url.pathname, query: '', headers: signed, body: Buffer.from(body) };
  const signature = await signingHeaders(request, by, { service: 'sts', region }, at);
  return post(url, { ...signed, ...signature }, body);
}

/**
 * Keys of a role, by a token of an identity provider: how service accounts of EKS have roles (IRSA)
 * (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html). The token's file is read each time: it is
 * written anew before the token expires.
 */
export async function assumeRoleWithWebIdentity(
  around: Surroundings,
  role: AssumedRole,
  tokenFile: string,
  region: string,
): Promise<AwsKeys> {
  const token = (await readText(tokenFile)).trim();
  if (token === '') throw new CredentialError(`${tokenFile} is empty`);
  const { headers, body } = form({
    Action: 'AssumeRoleWithWebIdentity',
    Version: VERSION,
    RoleArn: role.roleArn,
    RoleSessionName: role.sessionName ?? 'sluice',
    WebIdentityToken: token,
  });
  return post(stsUrl(around, region), { ...headers, accept: 'application/xml' }, body);
}

function stsUrl(around: Surroundings, region: string): URL {
  const configured = variable(around, 'AWS_ENDPOINT_URL_STS') ?? variable(around, 'AWS_ENDPOINT_URL');
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const url = configured ?? `https://sts.${region}.${domain}/`;
  if (!URL.canParse(url)) throw new CredentialError('AWS_ENDPOINT_URL_STS is no URL');
  return new URL(url);
}

async function post(url: URL, headers: Record<string, string>, body: string): Promise<AwsKeys> {
  const answer = await ask({ what: STS, url: url.href, method: 'POST', headers, body });
  if (answer.status !== 200) {
    const code = element(answer.text, 'Code');
    const word = code !== null && /^[\w.-]{1,64}$/.test(code) ? ` (${code})` : '';
    throw new CredentialError(`${STS} answered ${answer.status}${word}`);
  }
  const credentials = element(answer.text, 'Credentials') ?? '';
  const [accessKeyId, secretAccessKey, sessionToken] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map((name) =>
    element(credentials, name),
  );
  const expiresAt = Date.parse(element(credentials, 'Expiration') ?? '');
  if (!accessKeyId || !secretAccessKey || !sessionToken || Number.isNaN(expiresAt))
    throw new CredentialError(`the answer of ${STS} holds no credentials`);
  return { accessKeyId, secretAccessKey, sessionToken, expiresAt };
}

/** The text between the first tags of a name: STS answers without attributes, sections or comments. */
function element(xml: string, name: string): string | null {
  const start = xml.indexOf(`<${name}>`);
  const end = start < 0 ? -1 : xml.indexOf(`</${name}>`, start);
  return end < 0 ? null : xml.slice(start + name.length + 2, end).trim();
}
