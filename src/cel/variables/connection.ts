import { HeaderList } from '../../headers.ts';
import type { Definition } from '../definitions.ts';
import { HeaderView } from '../values/headers.ts';
import type { GatewayActivation } from './activation.ts';
import { fieldOf, record, text } from './fields.ts';

type GatewayDefinition = Definition<GatewayActivation>;

const ofConnection = fieldOf(({ connection }) => connection);
const ofCertificate = fieldOf(({ connection }) => connection?.tls?.clientCertificate);
const ofWorkload = fieldOf(({ facts }) => facts.workload);

/** Alternative names of the client's certificate without their kind: `spiffe://…`, `example.com`. */
function names({ connection }: GatewayActivation): string[] {
  return (connection?.tls?.clientSans ?? []).map((name) => name.slice(name.indexOf(':') + 1));
}

function spiffeId(activation: GatewayActivation): string | null {
  return names(activation).find((name) => name.startsWith('spiffe://')) ?? null;
}

/** Istio's form of a SPIFFE id: `spiffe://domain/ns/namespace/sa/account`. */
function identity(activation: GatewayActivation) {
  const [, domain, namespace, account] =
    /^spiffe:\/\/([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(spiffeId(activation) ?? '') ?? [];
  return domain === undefined || namespace === undefined || account === undefined
    ? null
    : { domain, namespace, account };
}

const ofIdentity = fieldOf(identity);
const NONE = new HeaderList();

/** Node gives each part of a name a line. */
function oneLine(name: string | undefined): string | null {
  return text(name?.replaceAll('\n', ', '));
}

export const source: GatewayDefinition = record('Who sends the request.', ({ connection }) => connection !== null, {
  address: ofConnection('The IP address.', ({ remoteAddress }, { facts }) => facts.client?.address ?? remoteAddress),
  port: ofConnection('The port.', ({ remotePort }, { facts }) => BigInt(facts.client?.port ?? remotePort)),
  rawAddress: ofConnection(
    'The IP address of the TCP peer, which a proxy in front may be.',
    ({ remoteAddress }) => remoteAddress,
  ),
  rawPort: ofConnection('The port of the TCP peer.', ({ remotePort }) => BigInt(remotePort)),
  identity: record(
    "Istio's identity, of a verified client certificate.",
    (activation) => identity(activation) !== null,
    {
      trustDomain: ofIdentity('Its trust domain.', ({ domain }) => domain),
      namespace: ofIdentity('Its namespace.', ({ namespace }) => namespace),
      serviceAccount: ofIdentity('Its service account.', ({ account }) => account),
    },
  ),
  spiffeId: { description: 'The SPIFFE id of a verified client certificate, of whatever form.', read: spiffeId },
  subjectAltNames: ofConnection('The alternative names of a verified client certificate.', (_, activation) =>
    names(activation),
  ),
  issuer: ofCertificate("The client certificate's issuer: `O=Acme, CN=ca`.", ({ issuer }) => oneLine(issuer)),
  subject: ofCertificate("The client certificate's subject: `O=Acme, CN=alice`.", ({ subject }) => oneLine(subject)),
  subjectCn: ofCertificate("The common name in the client certificate's subject.", (certificate) => {
    const names = certificate.toLegacyObject().subject?.CN as string | string[] | undefined;
    return text(Array.isArray(names) ? names[0] : names);
  }),
  certificate: ofCertificate("The client's certificate, PEM.", (certificate) => certificate.toString()),
  unverifiedWorkload: record(
    'The workload that has the IP address; nothing proves it.',
    ({ facts }) => (facts.workload ?? null) !== null,
    {
      name: ofWorkload('Its pod.', ({ name }) => name),
      namespace: ofWorkload('Its namespace.', ({ namespace }) => namespace),
      serviceAccount: ofWorkload('Its service account.', ({ serviceAccount }) => serviceAccount),
    },
  ),
  connectHeaders: ofConnection('The headers of the CONNECT request that the stream came through.', (_, { facts }) => {
    return new HeaderView(facts.connectHeaders ?? NONE, null);
  }),
});

export const destination: GatewayDefinition = record(
  'Where the client connected to.',
  ({ connection }) => connection !== null,
  {
    address: ofConnection('The IP address.', ({ localAddress }) => text(localAddress)),
    port: ofConnection('The port.', ({ localPort }) => BigInt(localPort)),
    hostname: ofConnection('The host, of TLS connections the SNI.', ({ tls }) => text(tls?.sni)),
  },
);
