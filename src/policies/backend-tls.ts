import { createSecureContext } from 'node:tls';
import { z } from 'zod';
import type { PolicyFault } from '../resources/catalogue.ts';
import { secret } from '../resources/schema/common.ts';
import {
  list,
  mapped,
  merged,
  message,
  nonEmpty,
  oneWord,
  present,
  text,
  textBytes,
  under,
  unless,
} from '../resources/wire.ts';
import { alpn, keyExchangeGroups } from '../resources/wire-messages.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';

const KEY_EXCHANGE_GROUPS = ['X25519', 'P-256', 'P-384', 'X25519_MLKEM768'] as const;

const schema = z.strictObject({
  cert: z.string().nullish().describe('Client certificate to present, a PEM file.'),
  key: secret(z.string()).nullish().describe("The client certificate's private key, a PEM file."),
  root: z
    .string()
    .nullish()
    .describe('CA bundle the backend must be certified by, a PEM file. Default: the public CAs.'),
  hostname: z.string().nullish().describe('Name for SNI and verification. Default: the host connected to.'),
  insecure: z.boolean().default(false).describe('Accept any certificate.'),
  insecureHost: z.boolean().default(false).describe('Accept a certificate of any name.'),
  alpn: z.array(z.string()).nullish().describe('ALPN protocols to offer.'),
  subjectAltNames: z
    .array(z.string())
    .nullish()
    .describe('Subject alternative names accepted beside `hostname`: DNS names, IP addresses, or URIs.'),
  keyExchangeGroups: z.array(z.enum(KEY_EXCHANGE_GROUPS)).nullish().describe('Key exchange groups to offer.'),
  spiffe: z
    .strictObject({})
    .nullish()
    .describe("Take the gateway's certificate and its trust bundle from the SPIFFE Workload API."),
});

type Value = z.infer<typeof schema>;

/** What isn't verified, the more of both. */
const verificationMessage = mapped(
  oneWord({ strict: 'STRICT', insecureHost: 'INSECURE_HOST', insecure: 'INSECURE_ALL' }, 'strict'),
  {
    read: (mode) => (mode === 'strict' ? {} : { [mode]: true }),
    write: ({ insecure, insecureHost }: { insecure?: boolean; insecureHost?: boolean }) =>
      insecure ? 'insecure' : insecureHost ? 'insecureHost' : 'strict',
  },
);

const tlsMessage = merged(
  message({
    cert: nonEmpty(textBytes),
    key: nonEmpty(textBytes),
    root: nonEmpty(textBytes),
    hostname: present(text),
    alpn,
    subjectAltNames: ['verify_subject_alt_names', list(text)],
    keyExchangeGroups,
    spiffe: [
      'certificate_source',
      mapped(unless('INLINE', oneWord({ spiffe: 'SPIFFE' })), { read: () => ({}), write: (): 'spiffe' => 'spiffe' }),
    ],
  }),
  under('verification', verificationMessage, 'insecure', 'insecureHost'),
);

/** TLS towards a backend. HTTP/1.1 is what is spoken over it. */
export const backendTLS = definePolicy({
  name: 'backendTLS',
  schema,
  summary: 'Connects to the backend with TLS.',
  levels: ['route', 'backend'],
  phase: 'connection',
  protects: false,
  wire: [{ spec: 'backend', field: 'backend_tls', message: tlsMessage }],
  inactiveParts(value: Value) {
    const parts: { path: string[]; protects: boolean }[] = [];
    // Without its SPIFFE identity the connection would be verified against the wrong authorities.
    if (value.spiffe) parts.push({ path: ['spiffe'], protects: true });
    if (value.keyExchangeGroups) parts.push({ path: ['keyExchangeGroups'], protects: false });
    if (value.alpn && !value.alpn.includes('http/1.1')) parts.push({ path: ['alpn'], protects: false });
    return parts;
  },
  faults(value) {
    const faults: PolicyFault[] = [];
    const { cert, key, root, spiffe } = value;
    if (cert && !key) faults.push({ path: ['cert'], message: 'a client certificate needs its key' });
    if (key && !cert) faults.push({ path: ['key'], message: 'a key needs its client certificate' });
    if (spiffe && (cert || key || root || value.insecure || value.insecureHost))
      faults.push({ path: ['spiffe'], message: 'excludes cert, key, root, insecure and insecureHost' });
    if (root) faults.push(...unreadable('root', () => createSecureContext({ ca: root })));
    if (cert && key) faults.push(...unreadable('cert', () => createSecureContext({ cert, key })));
    return faults;
  },
  compile: (value): CompiledPolicy => ({
    tls: {
      hostname: value.hostname ?? '',
      root: value.root ?? '',
      cert: value.cert ?? '',
      key: value.key ?? '',
      insecure: value.insecure,
      insecureHost: value.insecureHost,
      alpn: value.alpn ?? [],
      subjectAltNames: value.subjectAltNames ?? [],
    },
  }),
});

/** The TLS library says what is wrong with a PEM text, and never repeats the text. */
function unreadable(field: string, read: () => unknown): PolicyFault[] {
  try {
    read();
    return [];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ path: [field], message: `can't be used: ${reason}` }];
  }
}
