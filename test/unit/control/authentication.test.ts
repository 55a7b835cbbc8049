import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerCertificate } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/fault.ts';
import { Authentication, namesOf, readTokens } from '../../../src/control/authentication.ts';
import { CODES, type NodeIdentity, type StreamRefusal } from '../../../src/xds/server/node.ts';

const TLS = { cert: 'c', key: 'k', clientCa: 'ca' };
const node = (gateway = 'edge', namespace = 'prod'): NodeIdentity => {
  return { id: 'n', namespace, gateway, labels: {}, statsAddress: '' };
};
const peer = (token: string | null, certificate: Partial<PeerCertificate> | null = null) => {
  return { address: '10.0.0.1', token, certificate: certificate as PeerCertificate | null };
};

/** The status it is refused with; 0 where it is let in. */
function enter(authentication: Authentication, who: ReturnType<typeof peer>, as: NodeIdentity): number {
  try {
    authentication.open(who)(as);
    return 0;
  } catch (error) {
    return (error as StreamRefusal).code;
  }
}

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-tokens-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const written = (text: string) => {
  const path = join(folder, 'tokens.yaml');
  writeFileSync(path, text);
  return path;
};

const EDGE = 'edge-token-0123456789';
const ANY = 'any-token-0123456789';

describe('Authentication', () => {
  it('by token: each for the gateways it is for', async () => {
    const sha256 = createHash('sha256').update(ANY).digest('hex');
    const tokens = await readTokens(
      written(`tokens:\n- { token: ${EDGE}, gateways: prod/edge }\n- { sha256: ${sha256}, gateways: ["staging/*"] }\n`),
    );
    const authentication = new Authentication({ identities: [], tls: null }, tokens);
    expect(enter(authentication, peer(EDGE), node())).toBe(0);
    expect(enter(authentication, peer(ANY), node('any', 'staging'))).toBe(0);
    expect(enter(authentication, peer(ANY), node())).toBe(CODES.permissionDenied);
    expect(enter(authentication, peer(EDGE), node('other'))).toBe(CODES.permissionDenied);
    expect(enter(authentication, peer('wrong-token-0123456789'), node())).toBe(CODES.unauthenticated);
    expect(enter(authentication, peer(null), node())).toBe(CODES.unauthenticated);
  });

  it('by token: what is read anew holds from then on', async () => {
    const authentication = new Authentication(
      { identities: [], tls: null },
      await readTokens(written(`tokens: [{ token: ${EDGE}, gateways: prod/edge }]`)),
    );
    expect(authentication.admits(peer(EDGE), node())).toBe(true);
    authentication.tokens = await readTokens(written(`tokens: [{ token: ${ANY}, gateways: prod/edge }]`));
    expect(authentication.admits(peer(EDGE), node())).toBe(false);
    expect(authentication.admits(peer(ANY), node())).toBe(true);
  });

  it('by certificate: whose name must be that of the role', () => {
    const identities = ['spiffe://fleet/ns/{namespace}/gw/{gateway}', '{gateway}.{namespace}.internal'];
    const authentication = new Authentication({ identities, tls: TLS }, null);
    const of = (subjectaltname: string) => peer(null, { subjectaltname });
    expect(enter(authentication, of('URI:spiffe://fleet/ns/prod/gw/edge'), node())).toBe(0);
    expect(enter(authentication, of('DNS:x.internal, DNS:edge.prod.internal'), node())).toBe(0);
    expect(enter(authentication, of('URI:spiffe://fleet/ns/prod/gw/other'), node())).toBe(CODES.permissionDenied);
    expect(enter(authentication, of(''), node())).toBe(CODES.permissionDenied);
    expect(enter(authentication, peer(null), node())).toBe(CODES.unauthenticated);
  });

  it('by certificate alone, where no name is asked for', () => {
    const authentication = new Authentication({ identities: [], tls: TLS }, null);
    expect(enter(authentication, peer(null, { subjectaltname: '' }), node())).toBe(0);
    expect(enter(authentication, peer(null), node())).toBe(CODES.unauthenticated);
  });

  it('by both, where both are asked for', async () => {
    const tokens = await readTokens(written(`tokens: [{ token: ${EDGE}, gateways: "*/*" }]`));
    const authentication = new Authentication({ identities: ['{gateway}'], tls: TLS }, tokens);
    const certificate = { subject: { CN: 'edge' } } as unknown as PeerCertificate;
    expect(enter(authentication, peer(EDGE, certificate), node())).toBe(0);
    expect(enter(authentication, peer(null, certificate), node())).toBe(CODES.unauthenticated);
    expect(enter(authentication, peer(EDGE), node())).toBe(CODES.unauthenticated);
    expect(enter(authentication, peer(EDGE, certificate), node('other'))).toBe(CODES.permissionDenied);
  });

  it('of nobody, where nothing is asked for', () => {
    expect(enter(new Authentication({ identities: [], tls: null }, null), peer(null), node())).toBe(0);
  });
});

describe('namesOf', () => {
  const named = (subjectaltname: string) => [...namesOf({ subjectaltname } as PeerCertificate)];

  it('takes no name out of the text of another', () => {
    expect(named('DNS:"a.test, DNS:edge.prod.internal"')).toEqual(['a.test, DNS:edge.prod.internal']);
    expect(named('DNS:a.test, IP Address:127.0.0.1, URI:spiffe://x/y')).toEqual(['a.test', 'spiffe://x/y']);
  });
});

describe('readTokens', () => {
  it.each([
    ['tokens: [{ token: short, gateways: a/b }]', 'at least 16 characters'],
    ['tokens: [{ gateways: a/b }]', 'give token or sha256'],
    [`tokens: [{ token: ${EDGE}, sha256: "${'0'.repeat(64)}", gateways: a/b }]`, 'give token or sha256'],
    [`tokens: [{ token: ${EDGE}, gateways: edge }]`, '<namespace>/<gateway>'],
    [`tokens: [{ token: ${EDGE} }]`, 'missing'],
    ['token: x', 'unknown field'],
  ])('refuses %s', async (text, reason) => {
    const refused = await readTokens(written(text)).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConfigError);
    expect(String(refused)).toContain(reason);
    expect(String(refused)).not.toContain(EDGE);
  });
});
