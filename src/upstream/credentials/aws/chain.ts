import { CredentialError, firstOf, type Link } from '../source.ts';
import { type Surroundings, variable } from '../surroundings.ts';
import { type AwsKeys, staticKeys } from './keys.ts';
import { containerKeys, instanceKeys } from './metadata.ts';
import { type Profile, profileName, profileNamed, readProfiles } from './profile.ts';
import { assumeRole, assumeRoleWithWebIdentity } from './sts.ts';

/** Keys in a file may be exchanged by hand: they are read again after this long, ms. */
const FILE_LIFE_MS = 900_000;
/** Profiles that refer to each other. */
const MAX_DEPTH = 5;
const FALLBACK_REGION = 'us-east-1';

/**
 * The keys the process has from where it runs, the way AWS's SDKs look for them
 * (https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html): environment, shared files, web identity, container,
 * instance.
 *
 * @param now Unix ms
 */
export async function ambientKeys(around: Surroundings, now: () => number): Promise<AwsKeys> {
  const links: Link<AwsKeys>[] = [
    { name: 'the environment', load: async () => environmentKeys(around) },
    { name: 'the shared files', load: () => profileKeys(around, now) },
    { name: 'web identity', load: () => webIdentityKeys(around) },
    { name: 'the container', load: () => containerKeys(around) },
    { name: 'the instance metadata', load: () => instanceKeys(around) },
  ];
  return firstOf('AWS credentials', links);
}

/** AWS_REGION, else the profile's. */
export async function ambientRegion(around: Surroundings): Promise<string | undefined> {
  const set = variable(around, 'AWS_REGION') ?? variable(around, 'AWS_DEFAULT_REGION');
  return set ?? (await readProfiles(around)).get(profileName(around).name)?.region;
}

function environmentKeys(around: Surroundings): AwsKeys | null {
  const accessKeyId = variable(around, 'AWS_ACCESS_KEY_ID');
  const secretAccessKey = variable(around, 'AWS_SECRET_ACCESS_KEY');
  if (accessKeyId === undefined && secretAccessKey === undefined) return null;
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new CredentialError('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together');
  return staticKeys(accessKeyId, secretAccessKey, variable(around, 'AWS_SESSION_TOKEN'));
}

async function webIdentityKeys(around: Surroundings): Promise<AwsKeys | null> {
  const tokenFile = variable(around, 'AWS_WEB_IDENTITY_TOKEN_FILE');
  const roleArn = variable(around, 'AWS_ROLE_ARN');
  if (tokenFile === undefined || roleArn === undefined) return null;
  const region = (await ambientRegion(around)) ?? FALLBACK_REGION;
  const role = { roleArn, sessionName: variable(around, 'AWS_ROLE_SESSION_NAME') };
  return assumeRoleWithWebIdentity(around, role, tokenFile, region);
}

async function profileKeys(around: Surroundings, now: () => number): Promise<AwsKeys | null> {
  const profiles = await readProfiles(around);
  const { name, asked } = profileName(around);
  if (!profiles.has(name) && !asked) return null;
  return keysOfProfile({ around, profiles, now }, name, []);
}

/** What is the same for every profile that leads to another. */
interface ProfileSearch {
  readonly around: Surroundings;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly now: () => number;
}

/**
 * @param through profiles that led here
 * @returns null where the profile says nothing of credentials
 */
async function keysOfProfile(search: ProfileSearch, name: string, through: readonly string[]): Promise<AwsKeys | null> {
  const { around, now } = search;
  const profile = profileNamed(search.profiles, name);
  // A role whose source is the profile itself is assumed with the keys that stand beside it.
  const bySelf = through.at(-1) === name;
  if ((through.includes(name) && !bySelf) || through.length >= MAX_DEPTH)
    throw new CredentialError(`the profile "${name}" leads back to itself, or is behind too many others`);
  const { role_arn: roleArn, source_profile: source, web_identity_token_file: tokenFile } = profile;
  if (roleArn !== undefined && !bySelf) {
    const region = profile.region ?? (await ambientRegion(around)) ?? FALLBACK_REGION;
    const role = { roleArn, sessionName: profile.role_session_name, externalId: profile.external_id };
    if (tokenFile !== undefined) return assumeRoleWithWebIdentity(around, role, tokenFile, region);
    const by =
      source !== undefined
        ? await keysOfProfile(search, source, [...through, name])
        : await keysOfSource(around, profile.credential_source);
    if (by === null) throw new CredentialError(`the profile "${name}" names a role, and nobody to assume it`);
    return assumeRole(around, role, by, region, new Date(now()));
  }
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = profile;
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return staticKeys(accessKeyId, secretAccessKey, profile.aws_session_token, now() + FILE_LIFE_MS);
  for (const unsupported of ['credential_process', 'sso_session', 'sso_start_url', 'login_session'])
    if (profile[unsupported] !== undefined)
      throw new CredentialError(`the profile "${name}" uses ${unsupported}, which is not supported here`);
  return null;
}

/** `credential_source` of a profile. */
async function keysOfSource(around: Surroundings, source: string | undefined): Promise<AwsKeys | null> {
  if (source === 'Environment') return environmentKeys(around);
  if (source === 'EcsContainer') return containerKeys(around);
  if (source === 'Ec2InstanceMetadata') return instanceKeys(around);
  return null;
}
