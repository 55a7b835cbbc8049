import { askJson, form } from '../http.ts';
import { tokenOf } from '../json.ts';
import { CredentialError, type Token } from '../source.ts';
import { readText, type Surroundings, variable } from '../surroundings.ts';

const WHAT = 'Entra ID';

/** A token for an app with a secret (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow). */
export function clientSecretToken(
  around: Surroundings,
  app: { readonly tenantId: string; readonly clientId: string; readonly clientSecret: string },
  scope: string,
  now: number,
): Promise<Token> {
  return granted(around, app.tenantId, { client_id: app.clientId, client_secret: app.clientSecret, scope }, now);
}

/**
 * A token for an app that trusts the cluster's service account tokens; null where the pod has none. The file is read each time: it is
 * written anew before the token in it expires.
 */
export async function workloadIdentityToken(around: Surroundings, scope: string, now: number): Promise<Token | null> {
  const file = variable(around, 'AZURE_FEDERATED_TOKEN_FILE');
  const tenantId = variable(around, 'AZURE_TENANT_ID');
  const clientId = variable(around, 'AZURE_CLIENT_ID');
  if (file === undefined || tenantId === undefined || clientId === undefined) return null;
  const fields = {
    client_id: clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: (await readText(file)).trim(),
    scope,
  };
  return granted(around, tenantId, fields, now);
}

async function granted(
  around: Surroundings,
  tenantId: string,
  fields: Record<string, string>,
  now: number,
): Promise<Token> {
  const authority = variable(around, 'AZURE_AUTHORITY_HOST') ?? 'https://login.microsoftonline.com';
  const url = `${authority.replace(/\/+$/, '')}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
  if (!URL.canParse(url)) throw new CredentialError('AZURE_AUTHORITY_HOST is no URL');
  return tokenOf(
    await askJson({ what: WHAT, url, ...form({ grant_type: 'client_credentials', ...fields }) }),
    WHAT,
    now,
  );
}
