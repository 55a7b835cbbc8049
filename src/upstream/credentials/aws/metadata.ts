import { ask, askJson, UnreachableError } from '../http.ts';
import { headerText } from '../json.ts';
import { CredentialError } from '../source.ts';
import { readText, type Surroundings, variable } from '../surroundings.ts';
import { type AwsKeys, keysOf, parseKeys } from './keys.ts';

const CONTAINER = 'the container credentials endpoint';
const INSTANCE = 'the EC2 instance metadata service';

/**
 * Keys of an ECS task or an EKS pod identity (https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html); null
 * where neither is set up.
 */
export async function containerKeys(around: Surroundings): Promise<AwsKeys | null> {
  const relative = variable(around, 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI');
  const url =
    relative === undefined ? variable(around, 'AWS_CONTAINER_CREDENTIALS_FULL_URI') : around.endpoints.ecs + relative;
  if (url === undefined) return null;
  if (!URL.canParse(url)) throw new CredentialError('AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL');
  // The file is written anew when the token in it nears its end.
  const file = variable(around, 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE');
  const token =
    file === undefined ? variable(around, 'AWS_CONTAINER_AUTHORIZATION_TOKEN') : (await readText(file)).trim();
  const headers = { accept: 'application/json', ...(token === undefined ? {} : { authorization: token }) };
  if (token !== undefined && /[\r\n]/.test(token)) throw new CredentialError('the authorization token has line breaks');
  return keysOf(await askJson({ what: CONTAINER, url, headers }), CONTAINER);
}

/** Off AWS nobody answers at that address, and nobody should wait for it, ms. */
const PROBE_TIMEOUT_MS = 1_000;
const SESSION_SECONDS = 21_600;

/**
 * Keys of the instance's role, by IMDSv2 (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html);
 * null where the service is switched off, out of reach, or the instance has no role.
 */
export async function instanceKeys(around: Surroundings): Promise<AwsKeys | null> {
  if (variable(around, 'AWS_EC2_METADATA_DISABLED')?.toLowerCase() === 'true') return null;
  const base = `${instanceBase(around)}/latest/`;
  const session = await instanceSession(base);
  if (session === null) return null;
  const get = (path: string) =>
    ask({ what: INSTANCE, url: base + path, headers: { 'x-aws-ec2-metadata-token': session } });
  const list = 'meta-data/iam/security-credentials/';
  const roles = await get(list);
  if (roles.status === 404) return null;
  const role = roles.text.trim().split('\n')[0]?.trim() ?? '';
  if (roles.status !== 200 || role === '')
    throw new CredentialError(`${INSTANCE} answered ${roles.status}, and no role`);
  const keys = await get(list + encodeURIComponent(role));
  if (keys.status !== 200) throw new CredentialError(`${INSTANCE} answered ${keys.status}`);
  return parseKeys(keys.text, INSTANCE);
}

function instanceBase(around: Surroundings): string {
  const configured = variable(around, 'AWS_EC2_METADATA_SERVICE_ENDPOINT');
  if (configured !== undefined) return configured.replace(/\/+$/, '');
  const ipv6 = variable(around, 'AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE')?.toLowerCase() === 'ipv6';
  return ipv6 ? 'http://[fd00:ec2::254]' : 'http://169.254.169.254';
}

async function instanceSession(base: string): Promise<string | null> {
  const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': String(SESSION_SECONDS) };
  try {
    const url = `${base}api/token`;
    const answer = await ask({ what: INSTANCE, url, method: 'PUT', headers, timeoutMs: PROBE_TIMEOUT_MS });
    if (answer.status !== 200) throw new CredentialError(`${INSTANCE} answered ${answer.status}`);
    return headerText(answer.text.trim(), INSTANCE);
  } catch (error) {
    if (error instanceof UnreachableError) return null;
    throw error;
  }
}
