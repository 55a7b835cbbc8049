import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import type { AwsKeys } from './keys.ts';

/** What a signature is good for. */
export interface SigningScope {
  /** The service's signing name: `bedrock`, `execute-api` … */
  readonly service: string;
  readonly region: string;
}

/** A request as far as a signature covers it. */
export interface SignedRequest {
  readonly method: string;
  /** As it goes on the request line, without query. */
  readonly path: string;
  /** As it goes on the request line, without '?'. */
  readonly query: string;
  /** Lower-case names; only what is to be signed, `host` among it. */
  readonly headers: Readonly<Record<string, string>>;
  /** null = none; `unsigned` = a stream that the signature leaves out. */
  readonly body: Uint8Array | null | 'unsigned';
}

type Data = string | NodeJS.ArrayBufferView;

/** SHA-256, or HMAC-SHA-256 with a secret, in the form the signer takes it. */
class Sha256 {
  readonly #secret: Data | null;
  #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret === undefined ? null : viewOf(secret);
    this.#hash = this.#start();
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(viewOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = this.#start();
  }

  #start(): Hash | Hmac {
    return this.#secret === null ? createHash('sha256') : createHmac('sha256', this.#secret);
  }
}

function viewOf(data: string | ArrayBuffer | ArrayBufferView): Data {
  return data instanceof ArrayBuffer ? new Uint8Array(data) : (data as Data);
}

type Signer = typeof import('@smithy/signature-v4');

let signer: Promise<Signer> | null = null;

/** The signer takes a tenth of a second to load: only who signs pays for it, when its configuration is compiled. */
export function loadSigner(): Promise<Signer> {
  signer ??= import('@smithy/signature-v4');
  return signer;
}

/** Paths of S3 are signed as they are, all others encoded once more. */
const PLAIN_PATHS = /^s3/;

/**
 * The fields that sign a request (AWS Signature Version 4,
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html): authorization, x-amz-date,
 * x-amz-content-sha256 and, for temporary keys, x-amz-security-token.
 */
export async function signingHeaders(
  request: SignedRequest,
  keys: AwsKeys,
  scope: SigningScope,
  at: Date,
): Promise<Record<string, string>> {
  const { accessKeyId, secretAccessKey, sessionToken } = keys;
  const { SignatureV4 } = await loadSigner();
  const signature = new SignatureV4({
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) },
    region: scope.region,
    service: scope.service,
    sha256: Sha256,
    uriEscapePath: !PLAIN_PATHS.test(scope.service),
  });
  const unsigned = request.body === 'unsigned' ? { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } : {};
  const { headers } = await signature.sign(
    {
      method: request.method,
      protocol: 'https:',
      hostname: '',
      path: request.path,
      query: queryBag(request.query),
      headers: { ...request.headers, ...unsigned },
      ...(request.body === null || request.body === 'unsigned' ? {} : { body: request.body }),
    },
    { signingDate: at },
  );
  const added: Record<string, string> = {};
  for (const name of ['authorization', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token']) {
    const value = headers[name];
    if (value !== undefined) added[name] = value;
  }
  return added;
}

/** A query's parameters by name, decoded; several of one name as a list. */
function queryBag(query: string): Record<string, string | string[]> {
  const bag: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of queryPairs(query)) {
    const before = bag[name];
    if (before === undefined) bag[name] = value;
    else bag[name] = Array.isArray(before) ? [...before, value] : [before, value];
  }
  return bag;
}

/** The signer collects parameters in an object, where one of this name is lost: it is neither signed nor sent. */
const UNSIGNABLE = '__proto__';

function queryPairs(query: string): [string, string][] {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair): [string, string] => {
      const equals = pair.indexOf('=');
      return equals < 0 ? [decoded(pair), ''] : [decoded(pair.slice(0, equals)), decoded(pair.slice(equals + 1))];
    })
    .filter(([name]) => name !== UNSIGNABLE);
}

/** `+` is a space to some who read a query and a plus to others: on the way it is always written out. */
function decoded(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

/** The same query in the one spelling that a signature covers and every reader decodes alike. */
export function signableQuery(query: string): string {
  return queryPairs(query)
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .join('&');
}

/** RFC 3986 unreserved characters stay. */
function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
