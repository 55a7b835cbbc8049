import { askJson, UnreachableError } from '../http.ts';
import { tokenOf } from '../json.ts';
import type { Token } from '../source.ts';
import { type Surroundings, variable } from '../surroundings.ts';

/** One of a machine's several identities; one of the three is given. */
export interface UserAssignedIdentity {
  readonly clientId?: string | undefined;
  readonly objectId?: string | undefined;
  readonly resourceId?: string | undefined;
}

const IMDS = 'the Azure instance metadata service';
const APP_SERVICE = "App Service's identity endpoint";
/** Off Azure nobody answers at that address, ms. */
const IMDS_TIMEOUT_MS = 3_000;

/**
 * A token of the identity that the platform manages: App Service's and Container Apps' endpoint where it is set up
 * (https://learn.microsoft.com/azure/app-service/overview-managed-identity), else that of virtual machines
 * (https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token). null where there is neither.
 */
export async function managedIdentityToken(
  around: Surroundings,
  identity: UserAssignedIdentity | null,
  scope: string,
  now: number,
): Promise<Token | null> {
  const resource = scope.replace(/\/\.default$/, '');
  const endpoint = variable(around, 'IDENTITY_ENDPOINT');
  const secret = variable(around, 'IDENTITY_HEADER');
  if (endpoint !== undefined && secret !== undefined) {
    const url = withQuery(endpoint, {
      'api-version': '2019-08-01',
      resource,
      client_id: identity?.clientId,
      principal_id: identity?.objectId,
      mi_res_id: identity?.resourceId,
    });
    const answer = await askJson({ what: APP_SERVICE, url, headers: { 'x-identity-header': secret } });
    return tokenOf(withLife(answer, now), APP_SERVICE, now);
  }
  const base = variable(around, 'AZURE_POD_IDENTITY_AUTHORITY_HOST') ?? around.endpoints.azureImds;
  const url = withQuery(`${base.replace(/\/+$/, '')}/metadata/identity/oauth2/token`, {
    'api-version': '2018-02-01',
    resource,
    client_id: identity?.clientId,
    object_id: identity?.objectId,
    msi_res_id: identity?.resourceId,
  });
  try {
    const answer = await askJson({ what: IMDS, url, headers: { metadata: 'true' }, timeoutMs: IMDS_TIMEOUT_MS });
    return tokenOf(withLife(answer, now), IMDS, now);
  } catch (error) {
    if (error instanceof UnreachableError) return null;
    throw error;
  }
}

/** App Service says only when a token ends: `expires_on`, Unix seconds as text. */
function withLife(answer: Record<string, unknown>, now: number): Record<string, unknown> {
  if (answer.expires_in !== undefined || answer.expires_on === undefined) return answer;
  return { ...answer, expires_in: Number(answer.expires_on) - now / 1000 };
}

function withQuery(url: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return `${url}${url.includes('?') ? '&' : '?'}${new URLSearchParams(given)}`;
}
