import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
} from 'node:tls';
import type { UpstreamTls } from './cluster.ts';

/** What a TLS connection to an endpoint is opened with; made once a pool. */
export interface TlsClient {
  /** SNI; '' where the name is an address, which SNI can't carry (RFC 6066 §3). */
  readonly servername: string;
  readonly options: ConnectionOptions;
}

/**
 * @param host the endpoint's host as configured: name to verify where `tls` gives none
 * @throws where certificate, key or CA bundle can't be read
 */
export function tlsClient(tls: UpstreamTls, host: string): TlsClient {
  const name = tls.hostname !== '' ? tls.hostname : host;
  const servername = isIP(name) === 0 ? name : '';
  const options: ConnectionOptions = {
    secureContext: secureContext(tls),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: !tls.insecure,
    checkServerIdentity: identityCheck(tls, name),
    ...(servername === '' ? {} : { servername }),
  };
  return { servername, options };
}

function secureContext(tls: UpstreamTls): SecureContext {
  return createSecureContext({
    ...(tls.root === '' ? {} : { ca: tls.root }),
    ...(tls.cert === '' ? {} : { cert: tls.cert, key: tls.key }),
    minVersion: 'TLSv1.2',
  });
}

/**
 * Which certificate names are accepted (RFC 9525 §6): the hostname, or, where `subjectAltNames` is given, any of those (and the
 * hostname if it was configured too). `URI:` names are compared whole, as SPIFFE ids are.
 */
function identityCheck(
  tls: UpstreamTls,
  name: string,
): (host: string, certificate: PeerCertificate) => Error | undefined {
  if (tls.insecure || tls.insecureHost) return () => undefined;
  if (tls.subjectAltNames.length === 0) return (_host, certificate) => checkServerIdentity(name, certificate);
  const accepted = tls.hostname === '' ? tls.subjectAltNames : [tls.hostname, ...tls.subjectAltNames];
  return (_host, certificate) => {
    let refusal: Error | undefined;
    for (const candidate of accepted) {
      if (candidate.includes('://')) {
        if (uris(certificate).includes(candidate)) return undefined;
        continue;
      }
      refusal = checkServerIdentity(candidate, certificate);
      if (refusal === undefined) return undefined;
    }
    return refusal ?? new Error('The certificate carries none of the accepted subject alternative names.');
  };
}

function uris(certificate: PeerCertificate): string[] {
  const names = certificate.subjectaltname ?? '';
  const found: string[] = [];
  for (const part of names.split(', ')) if (part.startsWith('URI:')) found.push(part.slice(4));
  return found;
}

/** Names a TLS configuration without showing its key: connections of equal identity may be shared. */
export function tlsIdentity(tls: UpstreamTls | null): string {
  if (tls === null) return '';
  const hash = createHash('sha256');
  for (const part of [tls.hostname, tls.root, tls.cert, tls.key, ...tls.alpn, '', ...tls.subjectAltNames]) {
    hash.update(`${part.length}:`).update(part);
  }
  return `${hash.digest('hex')}${tls.insecure ? '!' : ''}${tls.insecureHost ? '~' : ''}`;
}
