import { isHostname, normalHostname } from '../../resources/hostnames.ts';
import { certificateFault } from '../../resources/server-tls.ts';
import type { Listener, ServerTls } from '../../resources/types.ts';
import { list, message, oneWord, textBytes, unless, WireError, type WireMessage } from '../../resources/wire.ts';
import { nameOf } from './keys.ts';
import { below, messageIn, type Notes, required, textIn } from './notes.ts';
import type { GivenTls, Piece } from './pieces.ts';

type Protocol = Listener['protocol'];

const protocolWire = oneWord<Protocol>({ HTTP: 'HTTP', HTTPS: 'HTTPS', TLS: 'TLS', TCP: 'TCP', HBONE: 'HBONE' });

const version = unless(
  'TLS_VERSION_UNSPECIFIED',
  oneWord<ServerTls['minVersion']>({ 'TLSv1.2': 'TLS_V1_2', 'TLSv1.3': 'TLS_V1_3' }),
);

/** IANA's names, but for the prefix that the protos give to all alike. */
const CIPHER_SUITES = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
] as const;

const source = oneWord(
  { inline: 'INLINE', istioWorkload: 'ISTIO_WORKLOAD', dynamicCa: 'DYNAMIC_CA', spiffe: 'SPIFFE' },
  'inline',
);

interface TlsMessage {
  cert?: string;
  privateKey?: string;
  root?: string;
  cipherSuites?: string[];
  minVersion?: ServerTls['minVersion'];
  maxVersion?: ServerTls['maxVersion'];
  mtlsMode: 'strict' | 'allowInsecureFallback' | 'disable';
  certificateSource: 'inline' | 'istioWorkload' | 'dynamicCa' | 'spiffe';
}

const tlsWire = message<TlsMessage>({
  cert: textBytes,
  privateKey: textBytes,
  root: textBytes,
  cipherSuites: list(oneWord(Object.fromEntries(CIPHER_SUITES.map((suite) => [suite, suite])))),
  minVersion: version,
  maxVersion: version,
  mtlsMode: oneWord(
    { strict: 'STRICT', allowInsecureFallback: 'ALLOW_INSECURE_FALLBACK', disable: 'DISABLE' },
    'strict',
  ),
  certificateSource: source,
});

/** How a file's listener names what isn't served of a certificate's source. */
const SOURCES = {
  istioWorkload: 'tls.certificateSource istioWorkload',
  dynamicCa: 'tls.mode dynamicCa',
  spiffe: 'tls.spiffe',
} as const;

/** Stands among what isn't active for certificates that are refused. */
const UNUSABLE = 'tls';

/** Throws WireError. */
export function readListener(wire: WireMessage, notes: Notes): Piece {
  const key = `listener/${required(wire, 'key')}`;
  const name = messageIn(wire, 'name');
  if (name === undefined) throw new WireError('is missing', ['name']);
  const hostname = normalHostname(textIn(wire, 'hostname'));
  if (!isHostname(hostname)) throw new WireError(`"${hostname}" is not a host name or *.suffix`, ['hostname']);
  const protocol = below(['protocol'], () => protocolWire.read(wire.protocol));
  if (protocol === undefined) throw new WireError('is missing', ['protocol']);
  const inactive: string[] = [];
  if (protocol !== 'HTTP' && protocol !== 'HTTPS') inactive.push(`protocol ${protocol}`);
  const tlsMessage = messageIn(wire, 'tls');
  if (protocol === 'HTTPS' && tlsMessage === undefined) throw new WireError('protocol HTTPS needs it', ['tls']);
  if ((protocol === 'HTTP' || protocol === 'TCP' || protocol === 'HBONE') && tlsMessage !== undefined) {
    throw new WireError(`protocol ${protocol} takes none`, ['tls']);
  }
  const tls = tlsMessage === undefined ? null : readUsableTls(tlsMessage, inactive, notes);
  for (const part of inactive)
    if (part !== UNUSABLE) notes.warn(`${part}: accepted, not yet active; its routes answer 503`);
  const set = messageIn(name, 'listener_set');
  const listener: Listener = {
    kind: 'listener',
    key,
    bindKey: `bind/${textIn(wire, 'bind_key')}`,
    name: textIn(name, 'listener_name'),
    gateway: textIn(name, 'gateway_name'),
    namespace: textIn(name, 'gateway_namespace'),
    ...(set !== undefined && { listenerSet: { name: textIn(set, 'name'), namespace: textIn(set, 'namespace') } }),
    hostname,
    protocol,
    tls: null,
    policies: {},
    inactive,
  };
  return { kind: 'listener', key, listener, tls };
}

/** Without certificates that can be used the listener still claims its host name, so that no other listener answers for it. */
function readUsableTls(wire: WireMessage, inactive: string[], notes: Notes): GivenTls | null {
  try {
    return below(['tls'], () => readTls(wire, inactive, notes));
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    notes.refuse(error);
    inactive.push(UNUSABLE);
    return null;
  }
}

function readTls(wire: WireMessage, inactive: string[], notes: Notes): GivenTls | null {
  const { key_exchange_groups: groups, ...rest } = wire;
  if (groups !== undefined) notes.warn('tls.key_exchange_groups: accepted, not yet active');
  const tls = tlsWire.read(rest) as TlsMessage;
  const {
    certificateSource,
    cert = '',
    privateKey: key = '',
    root = '',
    cipherSuites = [],
    minVersion,
    maxVersion,
  } = tls;
  if (certificateSource !== 'inline') {
    inactive.push(SOURCES[certificateSource]);
    return null;
  }
  // Who comes without a certificate would be let in by a policy that asks for one; the platform only knows all or none.
  if (tls.mtlsMode === 'allowInsecureFallback' && root !== '') inactive.push('tls.mtlsMode allowInsecureFallback');
  if (cert === '' || key === '') throw new WireError('needs cert and private_key');
  const fault = certificateFault({ cert, key, root });
  if (fault !== null) throw new WireError(`these certificates cannot be used: ${fault}`);
  return { cert, key, root, cipherSuites, ...(minVersion && { minVersion }), ...(maxVersion && { maxVersion }) };
}

/** What of the `frontend.tls` policy a listener takes where it says nothing itself. */
export interface TlsDefaults {
  alpn?: (string | number[])[] | null;
  minVersion?: string | null;
  maxVersion?: string | null;
  cipherSuites?: string[] | null;
}

const VERSIONS: Readonly<Record<string, ServerTls['minVersion']>> = { TLS_V1_2: 'TLSv1.2', TLS_V1_3: 'TLSv1.3' };

/** The TLS of a listener with what it leaves out filled in, as for a file's listeners. */
export function completeTls(given: GivenTls, defaults: TlsDefaults): ServerTls {
  const { cert, key, root, cipherSuites } = given;
  const alpn = defaults.alpn?.map((name) => (typeof name === 'string' ? name : String.fromCharCode(...name)));
  return {
    cert,
    key,
    root,
    minVersion: given.minVersion ?? VERSIONS[defaults.minVersion ?? ''] ?? 'TLSv1.2',
    maxVersion: given.maxVersion ?? VERSIONS[defaults.maxVersion ?? ''] ?? 'TLSv1.3',
    cipherSuites: cipherSuites.length > 0 ? [...cipherSuites] : [...(defaults.cipherSuites ?? [])],
    alpn: alpn ?? ['h2', 'http/1.1'],
  };
}

/** All of a listener but its policies, which are resources of their own. Throws WireError for what only files can say. */
export function writeListener(listener: Listener): WireMessage {
  const { key, bindKey, name, gateway, namespace, listenerSet, hostname, protocol, tls, inactive } = listener;
  const given = tls === null ? sourceOf(inactive) : tlsMessage(tls, inactive);
  return {
    key: nameOf(key),
    bind_key: nameOf(bindKey),
    name: {
      gateway_name: gateway,
      gateway_namespace: namespace,
      listener_name: name,
      ...(listenerSet && { listener_set: listenerSet }),
    },
    hostname,
    protocol: protocolWire.write(protocol),
    ...(given && { tls: tlsWire.write(given) }),
  };
}

function tlsMessage(
  { cert, key, root, cipherSuites, minVersion, maxVersion }: ServerTls,
  inactive: readonly string[],
): TlsMessage {
  const fallback = inactive.includes('tls.mtlsMode allowInsecureFallback');
  return {
    cert,
    privateKey: key,
    root,
    cipherSuites,
    minVersion,
    maxVersion,
    mtlsMode: fallback ? 'allowInsecureFallback' : 'strict',
    certificateSource: 'inline',
  };
}

function sourceOf(inactive: readonly string[]): TlsMessage | null {
  for (const [certificateSource, part] of Object.entries(SOURCES)) {
    if (inactive.includes(part)) {
      return { mtlsMode: 'strict', certificateSource: certificateSource as keyof typeof SOURCES };
    }
  }
  return null;
}
