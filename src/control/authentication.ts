import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { PeerCertificate } from 'node:tls';
import { z } from 'zod';
import { secret } from '../resources/schema/common.ts';
import type { Peer } from '../xds/server/connection.ts';
import type { ServerCertificate } from '../xds/server/listener.ts';
import { CODES, type NodeIdentity, StreamRefusal } from '../xds/server/node.ts';
import { type Selector, selectsGateway } from './directory/selector.ts';
import type { ControlSettings } from './settings.ts';
import { readYaml } from './yaml-file.ts';

const MAX_TOKENS = 10_000;
const MIN_TOKEN = 16;

const gateway = z
  .string()
  .regex(/^[A-Za-z0-9._*-]+\/[A-Za-z0-9._*-]+$/, 'not "<namespace>/<gateway>" (* stands for any characters)');

/** The file of tokens. */
export const tokensSchema = z.strictObject({
  tokens: z
    .array(
      z.strictObject({
        token: secret(z.string().min(MIN_TOKEN)).optional().describe('The token.'),
        sha256: z
          .string()
          .regex(/^[0-9a-fA-F]{64}$/, 'not 64 hexadecimal digits')
          .optional()
          .describe('Its SHA-256 in its place, so that the file holds no secret.'),
        gateways: z
          .union([gateway, z.array(gateway).min(1)])
          .describe('What its bearer may be, `<namespace>/<gateway>`; `*` stands for any characters.'),
      }),
    )
    .max(MAX_TOKENS),
});

interface Token {
  readonly digest: Buffer;
  readonly selector: Selector;
}

/** Reads a file of tokens. Throws ConfigError. */
export async function readTokens(path: string): Promise<readonly Token[]> {
  const { data, fault } = await readYaml(path, tokensSchema);
  return data.tokens.map(({ token, sha256, gateways }, index) => {
    if ((token === undefined) === (sha256 === undefined)) throw fault(['tokens', index], 'give token or sha256');
    const digest = token === undefined ? Buffer.from(sha256 ?? '', 'hex') : digestOf(token);
    return { digest, selector: { gateways: typeof gateways === 'string' ? [gateways] : gateways, labels: {} } };
  });
}

/** Reads the files of the server's certificate. Throws what reading throws. */
export async function readCertificate({
  cert,
  key,
  clientCa,
}: NonNullable<ControlSettings['tls']>): Promise<ServerCertificate> {
  const text = (path: string) => readFile(path, 'utf8');
  return { cert: await text(cert), key: await text(key), clientCa: clientCa === null ? '' : await text(clientCa) };
}

/**
 * Who may be what. Where tokens and certificates are both asked for, both must allow the node's role. What is read anew holds for
 * streams that are opened from then on; `admits` says which of those there are would not be let in any more.
 */
export class Authentication {
  readonly #identities: readonly string[];
  readonly #asksCertificate: boolean;
  #tokens: readonly Token[] | null;

  constructor(settings: Pick<ControlSettings, 'identities' | 'tls'>, tokens: readonly Token[] | null) {
    this.#identities = settings.identities;
    this.#asksCertificate = settings.tls?.clientCa != null;
    this.#tokens = tokens;
  }

  set tokens(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** Throws StreamRefusal where nobody is to be let in as this client comes; returns the check of what it says it is. */
  open(peer: Peer): (node: NodeIdentity) => void {
    const token = this.#tokens === null ? null : this.#find(peer.token);
    if (this.#asksCertificate && peer.certificate === null) {
      throw new StreamRefusal(CODES.unauthenticated, 'a client certificate is needed');
    }
    return ({ namespace, gateway }) => {
      const role = `${namespace}/${gateway}`;
      if (token !== null && !selectsGateway(token.selector, namespace, gateway)) {
        throw new StreamRefusal(CODES.permissionDenied, `the token is not one of ${role}`);
      }
      if (peer.certificate === null || this.#identities.length === 0) return;
      const names = namesOf(peer.certificate);
      if (this.#identities.some((identity) => names.has(named(identity, namespace, gateway)))) return;
      throw new StreamRefusal(CODES.permissionDenied, `the certificate is not one of ${role}`);
    };
  }

  /** Whether a client that was let in would be again. */
  admits(peer: Peer, node: NodeIdentity): boolean {
    try {
      this.open(peer)(node);
      return true;
    } catch (error) {
      if (error instanceof StreamRefusal) return false;
      throw error;
    }
  }

  #find(given: string | null): Token {
    if (given === null) throw new StreamRefusal(CODES.unauthenticated, 'a bearer token is needed');
    const digest = digestOf(given);
    let found: Token | null = null;
    // All are compared, each in constant time: how long it takes says nothing about them.
    for (const token of this.#tokens ?? []) if (timingSafeEqual(token.digest, digest)) found ??= token;
    if (found === null) throw new StreamRefusal(CODES.unauthenticated, 'the bearer token is not known');
    return found;
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function named(identity: string, namespace: string, gateway: string): string {
  return identity.replaceAll('{namespace}', namespace).replaceAll('{gateway}', gateway);
}

/** URI and DNS names of a certificate, and its common name. */
export function namesOf(certificate: PeerCertificate): Set<string> {
  const names = new Set<string>();
  const { CN: common } = certificate.subject ?? {};
  for (const name of [common].flat()) if (typeof name === 'string') names.add(name);
  for (const [, quoted, plain] of (certificate.subjectaltname ?? '').matchAll(ALTERNATIVE)) {
    // What holds a comma or a quote is written as a JSON string (CVE-2021-44532).
    const name = quoted === undefined ? plain : unquoted(quoted);
    if (name !== undefined) names.add(name);
  }
  return names;
}

const ALTERNATIVE = /(?:^|, )(?:URI|DNS):(?:("(?:[^"\\]|\\.)*")|([^,"]*))/g;

function unquoted(text: string): string | undefined {
  try {
    return String(JSON.parse(text));
  } catch {
    return undefined;
  }
}
