import type { InactivePart, PolicyFault } from '../resources/catalogue.ts';
import { takesUnsignedBodies } from '../upstream/credentials/aws/sign-call.ts';
import type { AssumedRole } from '../upstream/credentials/aws/sts.ts';
import type { AzureIdentity } from '../upstream/credentials/azure/tokens.ts';
import type { Authorize, Credentials } from '../upstream/credentials/credentials.ts';
import { parseCredential } from '../upstream/credentials/gcp/tokens.ts';
import type { AwsValue, AzureValue, GcpValue } from './backend-auth-kinds.ts';

/** The kinds of `backendAuth` whose credentials a cloud gives out: what they come to, and what is wrong with them. */

type CloudValue = 'copilot' | CloudKinds;

interface CloudKinds {
  readonly gcp?: GcpValue | undefined;
  readonly aws?: AwsValue | undefined;
  readonly azure?: AzureValue | undefined;
}

/** null where the value names no cloud. */
export function cloudAuth(value: CloudValue, credentials: Credentials): Authorize | null {
  if (value === 'copilot') return credentials.copilot();
  const { gcp, aws, azure } = value;
  if (azure !== undefined) return credentials.azure(identityOf(azure));
  if (gcp !== undefined) {
    const credential = gcp.credential ?? '';
    if (typeof credential !== 'string') throw new Error('a credential was left in its file');
    return credentials.gcp({ type: gcp.type ?? 'accessToken', audience: gcp.audience ?? '', credential });
  }
  if (aws === undefined) return null;
  const { accessKeyId, secretAccessKey, sessionToken, region, serviceName, assumeRole } = aws;
  const keys =
    accessKeyId === undefined || secretAccessKey === undefined
      ? null
      : { accessKeyId, secretAccessKey, sessionToken: sessionToken ?? null };
  return credentials.aws({ keys, region: region ?? '', service: serviceName ?? '', role: roleOf(assumeRole) });
}

/** A signature covers the body, so that it has to be there before the request leaves. */
export function holdsBody(value: CloudValue): boolean {
  return value !== 'copilot' && value.aws !== undefined && !takesUnsignedBodies(value.aws.serviceName ?? '');
}

export function inactiveCloudParts({ aws }: CloudKinds): InactivePart[] {
  const parts: InactivePart[] = [];
  const role = aws?.assumeRole;
  const path = ['aws', 'assumeRole'];
  if (typeof role?.sessionName === 'object' && role.sessionName !== null)
    parts.push({ path: [...path, 'sessionName', 'expression'], protects: true });
  for (const [index, tag] of (role?.tags ?? []).entries())
    if (tag.expression) parts.push({ path: [...path, 'tags', index, 'expression'], protects: true });
  return parts;
}

export function cloudFaults({ aws, gcp }: CloudKinds): PolicyFault[] {
  const faults: PolicyFault[] = [];
  if ((aws?.accessKeyId === undefined) !== (aws?.secretAccessKey === undefined))
    faults.push({ path: ['aws'], message: 'accessKeyId and secretAccessKey go together' });
  for (const [index, tag] of (aws?.assumeRole?.tags ?? []).entries()) {
    if ((tag.value ?? null) === null && (tag.expression ?? null) === null)
      faults.push({ path: ['aws', 'assumeRole', 'tags', index], message: 'give value or expression' });
  }
  if (typeof gcp?.credential === 'string') {
    try {
      parseCredential(gcp.credential);
    } catch (error) {
      faults.push({ path: ['gcp', 'credential'], message: error instanceof Error ? error.message : String(error) });
    }
  }
  return faults;
}

function roleOf(role: AwsValue['assumeRole']): AssumedRole | null {
  if (!role) return null;
  const tags = (role.tags ?? []).map(({ key, value }) => ({ key, value: value ?? '' }));
  const { roleArn, sessionName } = role;
  return { roleArn, tags, ...(typeof sessionName === 'string' ? { sessionName } : {}) };
}

function identityOf({ explicitConfig, developerImplicit }: AzureValue): AzureIdentity {
  if (developerImplicit !== undefined) return { kind: 'developer' };
  if (explicitConfig?.workloadIdentity !== undefined) return { kind: 'workloadIdentity' };
  if (explicitConfig?.managedIdentity !== undefined)
    return { kind: 'managedIdentity', userAssigned: explicitConfig.managedIdentity.userAssignedIdentity ?? null };
  if (explicitConfig?.clientSecret !== undefined) {
    const { tenant_id: tenantId, client_id: clientId, client_secret: clientSecret } = explicitConfig.clientSecret;
    return { kind: 'clientSecret', tenantId, clientId, clientSecret };
  }
  return { kind: 'ambient' };
}
