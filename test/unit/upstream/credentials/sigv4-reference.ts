import { createHash, createHmac } from 'node:crypto';

/**
 * Signature Version 4 from the service's side, written from its specification alone
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html): what a request that has arrived must be
 * signed with.
 */
export interface ArrivedRequest {
  readonly method: string;
  /** The request line's target. */
  readonly target: string;
  /** Lower-case names; values of one name in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

const hex = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex');
const hmac = (key: Uint8Array | string, text: string) => createHmac('sha256', key).update(text).digest();

function uriEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const character = String.fromCharCode(byte);
    encoded += /[A-Za-z0-9\-._~]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

function canonicalPath(path: string, plain: boolean): string {
  if (plain) return path;
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') kept.pop();
    else kept.push(uriEncode(segment));
  }
  return `/${kept.join('/')}${path.endsWith('/') && kept.length > 0 ? '/' : ''}`;
}

function canonicalQuery(query: string): string {
  const pairs = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', ...rest] = pair.split('=');
      return [name, rest.join('=')].map((part) => uriEncode(decodeURIComponent(part))) as [string, string];
    });
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return pairs
    .sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** The signature in hex. */
export function signatureOf(
  request: ArrivedRequest,
  signedNames: readonly string[],
  scope: { readonly region: string; readonly service: string; readonly at: string },
  secretAccessKey: string,
): string {
  const [path = '', query = ''] = request.target.split(/\?(.*)/s, 2);
  const valuesOf = (name: string) =>
    request.headers.filter(([field]) => field === name).map(([, value]) => value.trim().replace(/ +/g, ' '));
  const declared = valuesOf('x-amz-content-sha256')[0];
  const payload = declared === 'UNSIGNED-PAYLOAD' ? declared : hex(request.body);
  const names = [...signedNames].sort();
  const canonical = [
    request.method,
    canonicalPath(path, scope.service === 's3'),
    canonicalQuery(query),
    ...names.map((name) => `${name}:${valuesOf(name).join(',')}`),
    '',
    names.join(';'),
    payload,
  ].join('\n');
  const date = scope.at.slice(0, 8);
  const credentialScope = `${date}/${scope.region}/${scope.service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', scope.at, credentialScope, hex(canonical)].join('\n');
  const key = [scope.region, scope.service, 'aws4_request'].reduce(hmac, hmac(`AWS4${secretAccessKey}`, date));
  return hmac(key, text).toString('hex');
}

export interface Verdict {
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
  readonly signed: string[];
  readonly valid: boolean;
}

/** Checks a request the way the service does. */
export function verify(request: ArrivedRequest, secretAccessKey: string): Verdict {
  const field = (name: string) => request.headers.find(([given]) => given === name)?.[1] ?? '';
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      field('authorization'),
    );
  if (match === null) throw new Error(`no signature: ${field('authorization')}`);
  const [, accessKeyId = '', date, region = '', service = '', names = '', signature] = match;
  const at = field('x-amz-date');
  const declared = field('x-amz-content-sha256');
  const honest = declared === '' || declared === 'UNSIGNED-PAYLOAD' || declared === hex(request.body);
  const signed = names.split(';');
  const expected = signatureOf(request, signed, { region, service, at }, secretAccessKey);
  return {
    accessKeyId,
    region,
    service,
    signed,
    valid: honest && at.startsWith(date ?? '?') && signature === expected,
  };
}
