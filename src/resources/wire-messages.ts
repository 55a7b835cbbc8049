import { joinHostPort } from './host-port.ts';
import type { SimpleBackend } from './schema/backend-ref.ts';
import { parseHostPort } from './schema/common.ts';
import {
  duration,
  into,
  list,
  mapped,
  merged,
  message,
  oneWord,
  only,
  otherwise,
  present,
  text,
  uint32,
  unless,
  type Wire,
  WireError,
} from './wire.ts';

/** Messages of control planes that several resources and policies are made of. */

const reference = message<{
  service?: { namespace?: string; hostname?: string };
  backend?: string;
  inline?: { hostname?: string; port?: number };
  port?: number;
}>({
  service: message({ namespace: text, hostname: text }),
  backend: present(text),
  inline: message({ hostname: text, port: uint32 }),
  port: uint32,
});

/** Finds nothing: control planes name no backend, or send no reference, where theirs can't be resolved. */
const NO_BACKEND: SimpleBackend = { backend: '' };

/** BackendReference ↔ `{service: {name: 'namespace/hostname', port}}`, `{backend: key}` or `{host: 'host:port'}`. */
export const backendReference: Wire<SimpleBackend> = otherwise(
  mapped(reference, {
    read({ service, backend, inline, port = 0 }) {
      if (service !== undefined)
        return { service: { name: `${service.namespace ?? ''}/${service.hostname ?? ''}`, port } };
      if (backend !== undefined) return { backend };
      const { hostname = '', port: inlinePort = 0 } = inline ?? {};
      if (hostname === '' || inlinePort === 0) return NO_BACKEND;
      return { host: joinHostPort(hostname, inlinePort) };
    },
    write({ service, backend, host }) {
      if (service !== undefined) {
        const slash = service.name.indexOf('/');
        if (slash === -1) throw new WireError(`"${service.name}" is not namespace/hostname`);
        return {
          service: { namespace: service.name.slice(0, slash), hostname: service.name.slice(slash + 1) },
          port: service.port,
        };
      }
      if (backend !== undefined) return { backend };
      return { inline: inlineHost(host ?? '') };
    },
  }),
  NO_BACKEND,
);

function inlineHost(host: string): { hostname: string; port: number } {
  try {
    const target = parseHostPort(host);
    if ('host' in target && target.port > 0) return { hostname: target.host, port: target.port };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new WireError(`"${host}" can't be said: only host:port can`);
}

/** HeaderMatch ↔ `{name, value: {exact} | {regex}}`. QueryMatch is the same. */
export const headerMatch = merged(
  message({ name: text }),
  into('value', message({ exact: present(text), regex: present(text) })),
);

/** KeepaliveConfig, which has no word for keep-alives that are off. */
export const keepalives: Wire<object> = mapped(
  message<Record<string, unknown>>({ time: duration, interval: duration, retries: present(uint32) }),
  {
    read: (value) => value,
    write({ enabled, ...value }: Record<string, unknown>) {
      if (enabled === false) throw new WireError("can't be said", ['enabled']);
      return value;
    },
  },
);

/** Alpn: which protocols are offered; none where it is there and empty. */
export const alpn: Wire<string[]> = only('protocols', otherwise(list(text), []));

/** agentgateway's configuration takes OpenSSL's names beside those of the registry (RFC 8446 §B.4, IANA). */
export const cipherSuites: Wire<string[]> = list(
  oneWord({
    TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
    TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
    TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
    TLS13_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
    TLS13_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
    TLS13_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384': 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    'ECDHE-ECDSA-AES128-GCM-SHA256': 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    'ECDHE-ECDSA-CHACHA20-POLY1305': 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384': 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    'ECDHE-RSA-AES128-GCM-SHA256': 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    'ECDHE-RSA-CHACHA20-POLY1305': 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  }) as Wire<string>,
);

export const keyExchangeGroups: Wire<string[]> = list(
  oneWord({ X25519: 'X25519', 'P-256': 'P256', 'P-384': 'P384', X25519_MLKEM768: 'X25519_MLKEM768' }) as Wire<string>,
);

export const tlsVersion: Wire<string> = unless(
  'TLS_VERSION_UNSPECIFIED',
  oneWord({ TLS_V1_2: 'TLS_V1_2', TLS_V1_3: 'TLS_V1_3' }) as Wire<string>,
);
