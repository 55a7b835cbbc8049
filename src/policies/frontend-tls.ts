import { z } from 'zod';
import { duration } from '../resources/schema/common.ts';
import { tlsVersion } from '../resources/schema/gateway.ts';
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

/** TLS with clients, where a listener's own `tls` says nothing. */
export const frontendTls = definePolicy({
  name: 'frontend.tls',
  yamlName: 'tls',
  schema,
  summary: 'TLS with clients.',
  levels: ['frontend'],
  phase: 'connection',
  protects: false,
});
