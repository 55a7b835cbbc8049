import { isObject } from '../../../resources/json.ts';
import { ask, type TokenAnswer, UnreachableError } from '../http.ts';
import { jwtToken, tokenOf } from '../json.ts';
import { CredentialError, type Token } from '../source.ts';
import { type Surroundings, variable } from '../surroundings.ts';
import type { Wanted } from './wanted.ts';

const WHAT = 'the GCE metadata server';
/** Off Google Cloud its name doesn't resolve, or nobody answers, ms. */
const TIMEOUT_MS = 3_000;

/**
 * A token of the machine's (or, on GKE, the pod's) service account
 * (https://cloud.google.com/compute/docs/access/authenticate-workloads); null where there is no metadata server.
 *
 * @param now Unix ms
 */
export async function metadataToken(around: Surroundings, wanted: Wanted, now: number): Promise<Token | null> {
  const host = variable(around, 'GCE_METADATA_HOST') ?? 'metadata.google.internal';
  const account = `http://${host}/computeMetadata/v1/instance/service-accounts/default`;
  const url =
    wanted.kind === 'id'
      ? `${account}/identity?audience=${encodeURIComponent(wanted.audience)}&format=full`
      : `${account}/token?scopes=${encodeURIComponent(wanted.scopes.join(','))}`;
  let answer: TokenAnswer;
  try {
    answer = await ask({ what: WHAT, url, headers: { 'metadata-flavor': 'Google' }, timeoutMs: TIMEOUT_MS });
  } catch (error) {
    if (error instanceof UnreachableError) return null;
    throw error;
  }
  // Somebody else's server at that address, say a captive portal, is not believed.
  if (answer.headers['metadata-flavor'] !== 'Google') return null;
  if (answer.status !== 200) throw new CredentialError(`${WHAT} answered ${answer.status}`);
  if (wanted.kind === 'id') return jwtToken(answer.text.trim(), WHAT, now);
  let value: unknown;
  try {
    value = JSON.parse(answer.text);
  } catch {
    value = null;
  }
  if (!isObject(value)) throw new CredentialError(`the answer of ${WHAT} is no JSON object`);
  return tokenOf(value, WHAT, now);
}
