import { firstOf, type Token } from '../source.ts';
import { type Surroundings, variable } from '../surroundings.ts';
import { developerToken } from './developer.ts';
import { clientSecretToken, workloadIdentityToken } from './entra.ts';
import { managedIdentityToken, type UserAssignedIdentity } from './managed-identity.ts';

/** agentgateway's ways to be somebody at Azure. */
export type AzureIdentity =
  | {
      readonly kind: 'clientSecret';
      readonly tenantId: string;
      readonly clientId: string;
      readonly clientSecret: string;
    }
  | { readonly kind: 'managedIdentity'; readonly userAssigned: UserAssignedIdentity | null }
  | { readonly kind: 'workloadIdentity' }
  /** The developer's own login. */
  | { readonly kind: 'developer' }
  /** Whatever the surroundings offer. */
  | { readonly kind: 'ambient' };

/**
 * A token for `scope` (`https://…/.default`). Throws `CredentialError` where there is none.
 *
 * @param now Unix ms
 */
export async function azureToken(
  around: Surroundings,
  identity: AzureIdentity,
  scope: string,
  now: number,
): Promise<Token> {
  switch (identity.kind) {
    case 'clientSecret':
      return clientSecretToken(around, identity, scope, now);
    case 'managedIdentity':
      return only('the managed identity', () => managedIdentityToken(around, identity.userAssigned, scope, now));
    case 'workloadIdentity':
      return only('workload identity', () => workloadIdentityToken(around, scope, now));
    case 'developer':
      return only('the developer tools', () => developerToken(around, scope, now));
    case 'ambient':
      return ambientToken(around, scope, now);
  }
}

function only(name: string, load: () => Promise<Token | null>): Promise<Token> {
  return firstOf('Azure credentials', [{ name, load }]);
}

/**
 * The order of Azure's DefaultAzureCredential
 * (https://learn.microsoft.com/azure/developer/go/sdk/authentication/credential-chains): environment, workload identity, managed identity,
 * developer tools.
 */
function ambientToken(around: Surroundings, scope: string, now: number): Promise<Token> {
  const clientId = variable(around, 'AZURE_CLIENT_ID');
  const userAssigned = clientId === undefined ? null : { clientId };
  return firstOf('Azure credentials', [
    { name: 'the environment', load: () => environmentToken(around, scope, now) },
    { name: 'workload identity', load: () => workloadIdentityToken(around, scope, now) },
    { name: 'the managed identity', load: () => managedIdentityToken(around, userAssigned, scope, now) },
    { name: 'the developer tools', load: () => developerToken(around, scope, now) },
  ]);
}

async function environmentToken(around: Surroundings, scope: string, now: number): Promise<Token | null> {
  const [tenantId, clientId, clientSecret] = ['AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET'].map((name) =>
    variable(around, name),
  );
  if (tenantId === undefined || clientId === undefined || clientSecret === undefined) return null;
  return clientSecretToken(around, { tenantId, clientId, clientSecret }, scope, now);
}
