import { isObject } from '../../../resources/json.ts';
import { optionalText, textOf, timeOf } from '../json.ts';
import { CredentialError, type Expiring } from '../source.ts';

/** What AWS requests are signed with. */
export interface AwsKeys extends Expiring {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** '' = long-term keys, which need none. */
  readonly sessionToken: string;
}

/** Keys that were written down somewhere. */
export function staticKeys(
  accessKeyId: string,
  secretAccessKey: string,
  sessionToken: string | null | undefined,
  expiresAt = Number.POSITIVE_INFINITY,
): AwsKeys {
  return { accessKeyId, secretAccessKey, sessionToken: sessionToken ?? '', expiresAt };
}

/**
 * Keys in the form both metadata services give them in: `{AccessKeyId, SecretAccessKey, Token, Expiration}`
 * (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html).
 */
export function keysOf(answer: Record<string, unknown>, what: string): AwsKeys {
  const { Code: code } = answer;
  if (code !== undefined && code !== 'Success')
    throw new CredentialError(`${what} has no credentials${typeof code === 'string' ? ` (${code.slice(0, 64)})` : ''}`);
  return {
    accessKeyId: textOf(answer, 'AccessKeyId', what),
    secretAccessKey: textOf(answer, 'SecretAccessKey', what),
    sessionToken: optionalText(answer, 'Token') ?? '',
    expiresAt: answer.Expiration === undefined ? Number.POSITIVE_INFINITY : timeOf(answer, 'Expiration', what),
  };
}

export function parseKeys(text: string, what: string): AwsKeys {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (!isObject(value)) throw new CredentialError(`the answer of ${what} is no JSON object`);
  return keysOf(value, what);
}
