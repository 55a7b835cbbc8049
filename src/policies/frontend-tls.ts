import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { duration, parseDuration } from '../resources/schema/common.ts';
import { tlsVersion } from '../resources/schema/gateway.ts';
import type { PolicyMap } from '../resources/types.ts';
import { duration as durationMessage, mapped, message, WireError } from '../resources/wire.ts';
import { alpn, cipherSuites, keyExchangeGroups, tlsVersion as tlsVersionWords } from '../resources/wire-messages.ts';
import { definePolicy } from './definition.ts';

const schema = z.strictObject({
  handshakeTimeout: duration().default('15s').describe('Longest time for a TLS handshake.'),
  alpn: z
    .array(z.array(z.int().min(0).max(255)))
    .nullish()
    .describe('ALPN protocols offered, each as a list of bytes.'),
  minVersion: tlsVersion().nullish().describe('Lowest version accepted.'),
  maxVersion: tlsVersion().nullish().describe('Highest version accepted.'),
  cipherSuites: z.array(z.string()).nullish().describe('Cipher suites, most preferred first.'),
  keyExchangeGroups: z.array(z.string()).nullish().describe('Key exchange groups, most preferred first.'),
});

const tlsMessage = message({
  handshakeTimeout: durationMessage,
  alpn: mapped(alpn, {
    read: (protocols) => protocols.map((protocol) => [...Buffer.from(protocol)]),
    write: (protocols: number[][]) =>
      protocols.map((protocol) => {
        const name = Buffer.from(protocol);
        if (!isUtf8(name)) throw new WireError('not a text in UTF-8');
        return name.toString();
      }),
  }),
  minVersion: tlsVersionWords,
  maxVersion: tlsVersionWords,
  cipherSuites,
  keyExchangeGroups,
});

/** TLS with clients, where a listener's own `tls` says nothing. */
export const frontendTls = definePolicy({
  name: 'frontend.tls',
  yamlName: 'tls',
  schema,
  summary: 'TLS with clients.',
  levels: ['frontend'],
  phase: 'connection',
  protects: false,
  wire: [{ spec: 'frontend', field: 'tls', message: tlsMessage }],
  inactiveParts: (value) => (value.keyExchangeGroups == null ? [] : [{ path: ['keyExchangeGroups'], protects: false }]),
  // Data: the configuration merges it into each listener's own `tls`; the handshake's time-out is read by handshakeTimeoutMs.
  compile: () => ({}),
});

/** Longest time for a TLS handshake, milliseconds; null = not said. */
export function handshakeTimeoutMs(policies: PolicyMap): number | null {
  const value = policies['frontend.tls'] as z.output<typeof schema> | undefined;
  return value === undefined ? null : parseDuration(value.handshakeTimeout);
}
