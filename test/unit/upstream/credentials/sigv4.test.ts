import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UpstreamCall } from '../../../../src/upstream/call.ts';
import { staticKeys } from '../../../../src/upstream/credentials/aws/keys.ts';
import { scopeOfHost, signCall } from '../../../../src/upstream/credentials/aws/sign-call.ts';
import { type SignedRequest, signingHeaders } from '../../../../src/upstream/credentials/aws/sigv4.ts';
import { callTowards, fieldOf } from './helpers.ts';
import { type ArrivedRequest, signatureOf, verify } from './sigv4-reference.ts';

const SUITE_SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const SUITE_AT = '20150830T123600Z';
const NOTHING = new Uint8Array();

describe('the reference used here', () => {
  // AWS's published test suite, and the example of its documentation.
  const iam = 'application/x-www-form-urlencoded; charset=utf-8';
  it.each([
    ['get-vanilla', 'GET', '/', 'service', [], '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    [
      'get-vanilla-query-order-key-case',
      'GET',
      '/?Param2=value2&Param1=value1',
      'service',
      [],
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
    ['post-vanilla', 'POST', '/', 'service', [], '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
    [
      'ListUsers',
      'GET',
      '/?Action=ListUsers&Version=2010-05-08',
      'iam',
      [['content-type', iam]],
      '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
    ],
  ] as const)('agrees with %s', (_name, method, target, service, more, expected) => {
    const host = service === 'iam' ? 'iam.amazonaws.com' : 'example.amazonaws.com';
    const headers = [['host', host], ['x-amz-date', SUITE_AT], ...more] as const;
    const request: ArrivedRequest = { method, target, headers, body: NOTHING };
    const names = headers.map(([name]) => name);
    expect(signatureOf(request, names, { region: 'us-east-1', service, at: SUITE_AT }, SUITE_SECRET)).toBe(expected);
  });
});

describe('signingHeaders', () => {
  const S3_AT = new Date(Date.UTC(2013, 4, 24));
  const s3Keys = staticKeys('AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', null);
  const s3 = (more: Partial<SignedRequest>) =>
    signingHeaders(
      {
        method: 'GET',
        path: '/',
        query: '',
        body: null,
        ...more,
        headers: { host: 'examplebucket.s3.amazonaws.com', ...more.headers },
      },
      s3Keys,
      { service: 's3', region: 'us-east-1' },
      S3_AT,
    );

  it.each([
    [
      'an object',
      { path: '/test.txt', headers: { range: 'bytes=0-9' } },
      'host;range;x-amz-content-sha256;x-amz-date',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ],
    [
      'a parameter without a value',
      { query: 'lifecycle=' },
      'host;x-amz-content-sha256;x-amz-date',
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
    [
      'parameters',
      { query: 'max-keys=2&prefix=J' },
      'host;x-amz-content-sha256;x-amz-date',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
  ])("agrees with S3's documentation on %s", async (_name, request, names, signature) => {
    const { authorization } = await s3(request);
    expect(authorization).toBe(
      `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=${names}, Signature=${signature}`,
    );
  });

  it('brings the token of temporary keys along, signed', async () => {
    const keys = staticKeys('AKID', 'secret', 'the-token');
    const request = { method: 'GET', path: '/', query: '', headers: { host: 'a' }, body: null };
    const signed = await signingHeaders(request, keys, { service: 's', region: 'r' }, S3_AT);
    expect(signed['x-amz-security-token']).toBe('the-token');
    expect(signed.authorization).toContain('x-amz-security-token');
  });
});

const KEYS = staticKeys('AKID', SUITE_SECRET, 'session');
const SCOPE = { service: 'bedrock', region: 'eu-central-1' };
const AT = new Date(Date.UTC(2026, 0, 2, 3, 4, 5));

function arrived(call: UpstreamCall): ArrivedRequest {
  const headers: [string, string][] = [['host', call.authority === '' ? call.cluster.authority : call.authority]];
  for (let i = 0; i < call.headers.length; i += 2)
    headers.push([call.headers[i] as string, call.headers[i + 1] as string]);
  const body = Buffer.isBuffer(call.body) ? call.body : NOTHING;
  return { method: call.method, target: call.path, headers, body };
}

describe('signCall', () => {
  it.each([
    ['a model id', '/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse', '{"a":1}'],
    ['a colon as it is', '/model/anthropic.claude-v2:1/converse-stream', '{}'],
    ['an ARN', '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/invoke', '{}'],
    ['no body', '/a/b/', null],
    ['a query out of order, with a plus and a name twice', '/x?b=2&a=x+y&b=1&c', null],
    ['a query that is not validly encoded', '/x?a=%zz&b=%E4', null],
    ['bytes beyond ASCII', '/x?q=%C3%A4%20~!*()', 'ä'],
  ])('signs %s as the service will see it', async (_name, path, body) => {
    const method = body === null ? 'GET' : 'POST';
    const more = { method, path, body: body === null ? null : Buffer.from(body), headers: ['content-type', 'x/y'] };
    const call = callTowards('bedrock-runtime.eu-central-1.amazonaws.com', more);
    await signCall(call, KEYS, SCOPE, AT);
    expect(verify(arrived(call), SUITE_SECRET)).toEqual({
      accessKeyId: 'AKID',
      region: 'eu-central-1',
      service: 'bedrock',
      signed: ['content-type', 'host', 'x-amz-content-sha256', 'x-amz-date', 'x-amz-security-token'],
      valid: true,
    });
  });

  it('signs whatever may be on a request line', async () => {
    const part = fc.stringMatching(/^[A-Za-z0-9\-._~!$'()*,;:@%+/]{0,20}$/);
    const pair = fc
      .tuple(part, part)
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
    const query = fc.array(pair, { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(part, query, fc.uint8Array({ maxLength: 40 }), async (path, pairs, body) => {
        const target = `/${path}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`;
        const call = callTowards('h', { method: 'POST', path: target, body: Buffer.from(body), headers: [] });
        await signCall(call, KEYS, SCOPE, AT);
        expect(verify(arrived(call), SUITE_SECRET).valid).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('leaves out the one parameter that the signer would lose', async () => {
    const call = callTowards('h', { method: 'GET', path: '/a?__proto__=x&b=1', body: null, headers: [] });
    await signCall(call, KEYS, SCOPE, AT);
    expect(call.path).toBe('/a?b=1');
    expect(verify(arrived(call), SUITE_SECRET).valid).toBe(true);
  });

  it("puts its own fields in the place of a client's, and of an earlier attempt's", async () => {
    const headers = ['authorization', 'AWS4-HMAC-SHA256 theirs', 'x-amz-date', '1', 'x-amz-security-token', 'theirs'];
    const call = callTowards('h', { method: 'POST', headers, body: Buffer.from('{}') });
    await signCall(call, KEYS, SCOPE, AT);
    call.body = Buffer.from('{"more":1}');
    await signCall(call, staticKeys('LONG', SUITE_SECRET, null), SCOPE, AT);
    expect(fieldOf(call, 'x-amz-security-token')).toBeUndefined();
    expect(call.headers.filter((field) => field === 'authorization')).toHaveLength(1);
    expect(verify(arrived(call), SUITE_SECRET)).toMatchObject({ accessKeyId: 'LONG', valid: true });
  });

  it("covers AWS's own fields, several of a name too, and leaves out what may change on the way", async () => {
    const headers = ['x-amz-meta', 'a', 'user-agent', 'u', 'x-amz-meta', 'b  c', 'accept-encoding', 'identity'];
    const call = callTowards('h', { method: 'GET', headers });
    await signCall(call, KEYS, SCOPE, AT);
    const verdict = verify(arrived(call), SUITE_SECRET);
    expect(verdict.valid).toBe(true);
    expect(verdict.signed).toContain('x-amz-meta');
    expect(verdict.signed).not.toContain('user-agent');
  });

  it('leaves a stream out of the signature where the service takes that, and refuses elsewhere', async () => {
    const stream = () => Readable.from([Buffer.from('later')]);
    const call = callTowards('b.s3.eu-central-1.amazonaws.com', { method: 'PUT', body: stream(), headers: [] });
    await signCall(call, KEYS, { service: 's3', region: 'eu-central-1' }, AT);
    expect(fieldOf(call, 'x-amz-content-sha256')).toBe('UNSIGNED-PAYLOAD');
    expect(verify(arrived(call), SUITE_SECRET).valid).toBe(true);
    const other = callTowards('h', { method: 'PUT', body: stream(), headers: [] });
    await expect(signCall(other, KEYS, SCOPE, AT)).rejects.toMatchObject({ code: 'invalid_backend' });
  });
});

describe('scopeOfHost', () => {
  it.each([
    ['bedrock-runtime.us-east-1.amazonaws.com', { service: 'bedrock', region: 'us-east-1' }],
    ['bedrock-agent-runtime.eu-west-1.amazonaws.com:443', { service: 'bedrock', region: 'eu-west-1' }],
    ['abc123.execute-api.ap-southeast-2.amazonaws.com', { service: 'execute-api', region: 'ap-southeast-2' }],
    ['x.lambda-url.us-west-2.on.aws', { service: 'lambda', region: 'us-west-2' }],
    ['sqs.cn-north-1.amazonaws.com.cn', { service: 'sqs', region: 'cn-north-1' }],
    ['ec2.us-gov-west-1.amazonaws.com', { service: 'ec2', region: 'us-gov-west-1' }],
    ['bedrock-runtime.us-east-1.amazonaws.com.evil.example', {}],
    ['iam.amazonaws.com', {}],
    ['10.0.0.1:8080', {}],
  ])('%s', (host, scope) => {
    expect(scopeOfHost(host)).toEqual(scope);
  });
});
