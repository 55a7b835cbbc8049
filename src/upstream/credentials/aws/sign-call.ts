import { GatewayError } from '../../../errors/table.ts';
import { HeaderList } from '../../../headers.ts';
import type { UpstreamCall } from '../../call.ts';
import type { AwsKeys } from './keys.ts';
import { type SigningScope, signableQuery, signingHeaders } from './sigv4.ts';

/** Fields of a signature; a client's own say nothing about the request that leaves here. */
const SIGNATURE_FIELDS = ['authorization', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token'];

/** Services that take a body the signature leaves out (the trait `aws.auth#unsignedPayload` in their models). */
const TAKE_UNSIGNED_BODIES = /^(?:s3(?:-.+)?|s3express|vpc-lattice-svcs|lex|mediastore)$/;

/** Whether a call to the service can be signed while its body is still on its way. */
export function takesUnsignedBodies(service: string): boolean {
  return TAKE_UNSIGNED_BODIES.test(service);
}

/**
 * Signs a call as it is about to leave. What proxies on the way may change stays out of the signature: it covers host, content-type and
 * AWS's own fields. Throws `invalid_backend` where the body is a stream and the service insists on its hash.
 */
export async function signCall(call: UpstreamCall, keys: AwsKeys, scope: SigningScope, at: Date): Promise<void> {
  const { body } = call;
  const streamed = body !== null && !Buffer.isBuffer(body);
  if (streamed && !takesUnsignedBodies(scope.service))
    throw new GatewayError('invalid_backend', 'The request was not held, so that it could not be signed.');
  const fields = new HeaderList(call.headers);
  for (const name of SIGNATURE_FIELDS) fields.remove(name);
  const question = call.path.indexOf('?');
  const path = question < 0 ? call.path : call.path.slice(0, question);
  const query = question < 0 ? '' : signableQuery(call.path.slice(question + 1));
  const signed = await signingHeaders(
    {
      method: call.method,
      path,
      query,
      headers: signedFields(fields, call.authority === '' ? call.cluster.authority : call.authority),
      body: streamed ? 'unsigned' : body,
    },
    keys,
    scope,
    at,
  );
  call.path = query === '' ? path : `${path}?${query}`;
  for (const [name, value] of Object.entries(signed)) fields.set(name, value);
}

function signedFields(fields: HeaderList, host: string): Record<string, string> {
  const signed: Record<string, string> = { host };
  const { raw } = fields;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name !== 'content-type' && !name.startsWith('x-amz-')) continue;
    signed[name] = name in signed ? `${signed[name]},${raw[i + 1]}` : (raw[i + 1] as string);
  }
  return signed;
}

/** Hosts named after another label than the service signs with. */
const SIGNING_NAMES: Readonly<Record<string, string>> = {
  'bedrock-runtime': 'bedrock',
  'bedrock-agent': 'bedrock',
  'bedrock-agent-runtime': 'bedrock',
  'lambda-url': 'lambda',
};
const AWS_SUFFIXES = ['.amazonaws.com', '.amazonaws.com.cn', '.on.aws', '.api.aws'];
const REGION = /^[a-z]{2}(?:-[a-z]+)+-\d{1,2}$/;

/** What AWS's own host names say of a call: `bedrock-runtime.us-east-1.amazonaws.com`, `id.execute-api.eu-west-1.amazonaws.com`. */
export function scopeOfHost(authority: string): Partial<SigningScope> {
  const host = authority.replace(/:\d+$/, '').toLowerCase();
  if (!AWS_SUFFIXES.some((suffix) => host.endsWith(suffix))) return {};
  const labels = host.split('.');
  const at = labels.findIndex((label) => REGION.test(label));
  const region = labels[at];
  const label = labels[at - 1];
  if (region === undefined || label === undefined) return {};
  return { region, service: SIGNING_NAMES[label] ?? label };
}
