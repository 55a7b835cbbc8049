import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { backendTLS } from '../../../src/policies/backend-tls.ts';

const pem = (name: string) => readFileSync(new URL(`../../fixtures/upstream-tls/${name}`, import.meta.url), 'utf8');
const parse = (value: unknown) => backendTLS.schema.parse(value);
const compile = (value: unknown) => backendTLS.compile!(parse(value), { key: 'b', level: 'backend' }, {} as never).tls;

describe('backendTLS', () => {
  it('is plain TLS where nothing is said', () => {
    expect(compile({})).toEqual({
      hostname: '',
      root: '',
      cert: '',
      key: '',
      insecure: false,
      insecureHost: false,
      alpn: [],
      subjectAltNames: [],
    });
  });

  it('takes what is said', () => {
    const value = { hostname: 'a.example', insecureHost: true, subjectAltNames: ['b.example'], root: pem('ca.pem') };
    expect(compile(value)).toMatchObject(value);
  });

  it.each([
    ['a certificate without its key', { cert: pem('client.pem') }, 'cert'],
    ['a key without its certificate', { key: pem('client.key') }, 'key'],
    ['a certificate that is none', { cert: 'x', key: pem('client.key') }, 'cert'],
    ["another certificate's key", { cert: pem('client.pem'), key: pem('server.key') }, 'cert'],
    ['SPIFFE beside a root', { spiffe: {}, root: pem('ca.pem') }, 'spiffe'],
  ])('finds fault with %s', (_name, value, field) => {
    const faults = backendTLS.faults!(parse(value));
    expect(faults.map((fault) => fault.path)).toContainEqual([field]);
    expect(JSON.stringify(faults)).not.toContain('PRIVATE KEY');
  });

  it('finds none with a pair that fits', () => {
    expect(backendTLS.faults!(parse({ cert: pem('client.pem'), key: pem('client.key'), root: pem('ca.pem') }))).toEqual(
      [],
    );
  });

  it('says what is not executed', () => {
    expect(backendTLS.inactiveParts!(parse({ spiffe: {} }))).toEqual([{ path: ['spiffe'], protects: true }]);
    expect(backendTLS.inactiveParts!(parse({ alpn: ['h2'], keyExchangeGroups: ['X25519'] }))).toHaveLength(2);
    expect(backendTLS.inactiveParts!(parse({ alpn: ['h2', 'http/1.1'] }))).toEqual([]);
  });
});
