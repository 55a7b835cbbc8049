import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { duration, parseDuration, parseHostPort, secret } from '../resources/schema/common.ts';
import type { SocketAddress } from '../resources/settings.ts';

/** The settings of `sluice control`: control.yaml, with what the command line says above it. */

/** `a.b.c.d/n` or the like. */
export interface Network {
  readonly address: string;
  readonly bits: number;
}

export interface RolloutSettings {
  /** Part of a gateway's nodes that take a new revision first, 0 to 1; 0 or 1 = all at once. */
  readonly share: number;
  /** How long at least they have it before the others do, ms. */
  readonly minTimeMs: number;
  /** By how much, 0 to 1, their part of 5xx responses may be above that of before; null = responses don't count. */
  readonly maxErrorRate: number | null;
  /** Requests without which an error rate says nothing. */
  readonly minRequests: number;
  /** Nodes that may refuse it. */
  readonly maxNacks: number;
  /** How often their metrics are read, ms. */
  readonly scrapeIntervalMs: number;
  /** Networks whose addresses are scraped, apart from those that nodes connect from. */
  readonly scrapeNetworks: readonly Network[];
}

export interface ControlSettings {
  readonly listen: { readonly host: string; readonly port: number };
  readonly admin: SocketAddress | null;
  /** Absolute paths; null = plaintext. */
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCa: string | null } | null;
  /** What a certificate must be named, with `{namespace}` and `{gateway}` of the role in them; empty = anything. */
  readonly identities: readonly string[];
  /** File of tokens, absolute; null = none are asked for. */
  readonly tokens: string | null;
  readonly allowAnonymous: boolean;
  readonly redis: { readonly url: string; readonly prefix: string } | null;
  /** Directory of the state, absolute, where it is not in Redis. */
  readonly state: string;
  readonly rollout: RolloutSettings;
  readonly maxNodes: number;
  readonly logFormat: 'text' | 'json';
}

/** A share: `10%`, or 0 to 1. */
function share() {
  const message = 'is not a share; write it like 10% or 0.1';
  return z.union([z.string().regex(/^\d+(\.\d+)?%?$/, message), z.number()]).transform((given, context) => {
    const number = Number(String(given).replace('%', '')) / (String(given).endsWith('%') ? 100 : 1);
    if (number >= 0 && number <= 1) return number;
    context.addIssue({ code: 'custom', message: 'must be from 0% to 100%' });
    return z.NEVER;
  });
}

function hostPort() {
  return z.string().refine((text) => succeeds(() => parseHostPort(text)), 'is not of the form host:port');
}

function network() {
  return z.string().transform((text, context) => {
    const [address = '', bits] = text.split('/');
    const most = isIP(address) === 6 ? 128 : 32;
    const length = bits === undefined ? most : Number(bits);
    if (isIP(address) !== 0 && Number.isInteger(length) && length >= 0 && length <= most)
      return { address, bits: length };
    context.addIssue({ code: 'custom', message: 'is not a network; write it like 10.0.0.0/8' });
    return z.NEVER;
  });
}

const positive = () => duration().refine((text) => parseDuration(text) > 0, 'must be longer than 0');

export const settingsSchema = z.strictObject({
  listen: hostPort().default('localhost:9978').describe('Where nodes connect.'),
  admin: z
    .union([z.literal('off'), hostPort()])
    .default('localhost:15010')
    .describe('Where the admin API is.'),
  tls: z
    .strictObject({
      cert: z.string().describe('File of the certificate and those that signed it, PEM.'),
      key: z.string().describe('File of its private key, PEM.'),
      clientCa: z.string().optional().describe('File of the authorities that nodes must have a certificate of, PEM.'),
    })
    .optional()
    .describe('TLS towards nodes. The files are read again when they change.'),
  identities: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "Names of which a node's certificate must have one (URI and DNS names, and the common name); `{namespace}` and `{gateway}` stand for those of its role.",
    ),
  tokens: z.string().optional().describe('File of the bearer tokens that nodes must have one of.'),
  allowAnonymous: z.boolean().default(false).describe('Serve whoever connects, wherever from.'),
  redis: z
    .strictObject({
      url: secret(z.string()).describe('`redis://[user:password@]host:port[/database]`; `rediss://` for TLS.'),
      prefix: z
        .string()
        .regex(/^[\w:.-]*$/, 'may have letters, digits and :._- only')
        .default('sluice-control:')
        .describe('Stands before every key: fleets of different prefixes are apart.'),
    })
    .optional()
    .describe('Redis that the replicas of control share.'),
  state: z
    .string()
    .optional()
    .describe('Directory of the state where there is no Redis. Default: `.state` in the directory.'),
  rollout: z
    .strictObject({
      canary: share().default(0).describe('Share of the nodes of a gateway that take a change first; 0 = all at once.'),
      minTime: duration().default('5m').describe('How long at least they have it before the others do.'),
      maxErrorRate: z
        .union([z.literal('off'), share()])
        .default(0.01)
        .describe('How far their share of 5xx responses may be above that of the others; `off` = it does not count.'),
      minRequests: z.number().int().min(1).default(100).describe('Requests without which that says nothing.'),
      maxNacks: z.number().int().min(0).default(0).describe('How many of them may refuse something of it.'),
      scrapeInterval: positive().default('5s').describe('How often their metrics are read.'),
      scrapeNetworks: z
        .array(network())
        .default([])
        .describe('Networks in which metrics are read, besides the addresses that nodes connect from.'),
    })
    .prefault({})
    .describe('How a change reaches the nodes of a gateway.'),
  maxNodes: z.number().int().min(1).default(10_000).describe('Streams served at one time.'),
  logFormat: z.enum(['text', 'json']).default('text').describe('How the log is written.'),
});

export type WrittenSettings = z.input<typeof settingsSchema>;

/** What is wrong with settings as a whole. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** Paths in the settings are relative to `base`. Throws SettingsError where they can't be meant. */
export function resolveSettings(
  data: z.output<typeof settingsSchema>,
  base: string,
  directory: string,
): ControlSettings {
  const path = (name: string) => resolve(base, name);
  const listen = parseHostPort(data.listen);
  if ('path' in listen) throw new SettingsError('listen is host:port; nodes are served over TCP');
  const { tls, rollout } = data;
  const clientCa = tls?.clientCa === undefined ? null : path(tls.clientCa);
  if (data.identities.length > 0 && clientCa === null) {
    throw new SettingsError('identities are read from certificates of clients: set tls.clientCa');
  }
  const known = clientCa !== null || data.tokens !== undefined;
  if (!known && !isLoopback(listen.host) && !data.allowAnonymous) {
    throw new SettingsError(
      `whoever reaches ${data.listen} would be given the configuration, secrets included: set tls.clientCa or tokens, or allowAnonymous (--allow-anonymous) if that is meant`,
    );
  }
  return {
    listen,
    admin: data.admin === 'off' ? null : parseHostPort(data.admin),
    tls: tls === undefined ? null : { cert: path(tls.cert), key: path(tls.key), clientCa },
    identities: data.identities,
    tokens: data.tokens === undefined ? null : path(data.tokens),
    allowAnonymous: data.allowAnonymous,
    redis: data.redis === undefined ? null : { url: data.redis.url, prefix: data.redis.prefix },
    state: data.state === undefined ? resolve(directory, '.state') : path(data.state),
    rollout: {
      share: rollout.canary,
      minTimeMs: parseDuration(rollout.minTime),
      maxErrorRate: rollout.maxErrorRate === 'off' ? null : rollout.maxErrorRate,
      minRequests: rollout.minRequests,
      maxNacks: rollout.maxNacks,
      scrapeIntervalMs: parseDuration(rollout.scrapeInterval),
      scrapeNetworks: rollout.scrapeNetworks,
    },
    maxNodes: data.maxNodes,
    logFormat: data.logFormat,
  };
}

/** Where paths of a settings file begin. */
export function baseOf(file: string): string {
  return dirname(resolve(file));
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

function succeeds(step: () => unknown): boolean {
  try {
    step();
    return true;
  } catch {
    return false;
  }
}
