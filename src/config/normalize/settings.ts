import { availableParallelism } from 'node:os';
import { parseDuration, parseHostPort, parseSize } from '../../resources/schema/common.ts';
import type { LocalSettings } from '../../resources/schema/index.ts';
import { LOG_LEVELS, type Settings, type SocketAddress } from '../../resources/settings.ts';
import type { Path } from '../fault.ts';
import type { Section } from '../section.ts';
import type { Environment } from '../substitute.ts';
import type { Context } from './context.ts';
import { normalizeSelf } from './self.ts';
import { normalizeStores } from './stores.ts';
import { normalizeXds } from './xds.ts';

const MiB = 1024 * 1024;

/** Environment variables that stand above the file, as in agentgateway: each one's setting. */
const OVERRIDES = {
  enableIpv6: 'IPV6_ENABLED',
  lookupFamily: 'DNS_LOOKUP_FAMILY',
  adminAddr: 'ADMIN_ADDR',
  statsAddr: 'STATS_ADDR',
  readinessAddr: 'READINESS_ADDR',
  workerThreads: 'WORKER_THREADS',
  namespace: 'NAMESPACE',
  gateway: 'GATEWAY',
  localXdsPath: 'LOCAL_XDS_PATH',
  xdsAddress: 'XDS_ADDRESS',
  xdsAuthToken: 'XDS_AUTH_TOKEN',
  clusterId: 'CLUSTER_ID',
  network: 'NETWORK',
  deadline: 'CONNECTION_TERMINATION_DEADLINE',
  minDeadline: 'CONNECTION_MIN_TERMINATION_DEADLINE',
} as const;

const LOOKUP_FAMILIES = ['All', 'Auto', 'V4Preferred', 'V4Only', 'V6Only'] as const;

/** Reads settings: the environment's word first, then the file's, then the default. Faults name where the word came from. */
export class Reader {
  readonly #context: Context;
  readonly #env: Environment;

  constructor(context: Context, env: Environment) {
    this.#context = context;
    this.#env = env;
  }

  /** `parse` throws a RangeError whose message says what is wrong. */
  read<Value>(
    override: keyof typeof OVERRIDES | null,
    raw: string | number | boolean | null | undefined,
    path: Path,
    fallback: Value,
    parse: (raw: string) => Value,
  ): Value {
    const variable = override === null ? undefined : OVERRIDES[override];
    const given = variable === undefined ? undefined : this.#env[variable];
    try {
      if (given !== undefined && given !== '') return parse(given);
      return raw === undefined || raw === null ? fallback : parse(String(raw));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const from = given === undefined || given === '' ? '' : `environment variable ${variable}: `;
      this.#context.fault(path, `${from}${error.message}`);
      return fallback;
    }
  }
}

/** The `config:` section, of which `log` is the part on logging, and the environment, resolved. */
export function normalizeSettings(
  context: Context,
  section: Section<LocalSettings> | undefined,
  log: LoggingSection | undefined,
  env: Environment,
): Settings {
  const reader = new Reader(context, env);
  const path = (...parts: string[]): Path => ['config', ...parts];
  const text = (value: string): string => value;
  const dns = section?.section('dns');
  const backend = section?.section('backend');
  const drain = section?.section('drain');

  context.identity = {
    gateway: reader.read('gateway', section?.get('gateway'), path('gateway'), 'default', text),
    namespace: reader.read('namespace', section?.get('namespace'), path('namespace'), 'default', text),
  };
  const enableIpv6 = reader.read('enableIpv6', section?.get('enableIpv6'), path('enableIpv6'), true, parseBoolean);
  const minDeadline = reader.read(
    'minDeadline',
    section?.get('connectionMinTerminationDeadline'),
    path('connectionMinTerminationDeadline'),
    0,
    parseDuration,
  );
  const deadlinePath = path('connectionTerminationDeadline');
  const deadline = reader.read(
    'deadline',
    section?.get('connectionTerminationDeadline'),
    deadlinePath,
    defaultDeadline(env.TERMINATION_GRACE_PERIOD_SECONDS),
    parseDuration,
  );
  if (deadline < minDeadline) {
    context.fault(deadlinePath, 'must not be shorter than connectionMinTerminationDeadline');
  }
  const anyHost = enableIpv6 ? '::' : '0.0.0.0';
  return {
    workerThreads: reader.read(
      'workerThreads',
      section?.get('workerThreads'),
      path('workerThreads'),
      availableParallelism(),
      parseWorkerThreads,
    ),
    adminAddr: reader.read(
      'adminAddr',
      section?.get('adminAddr'),
      path('adminAddr'),
      { host: 'localhost', port: 15000 },
      parseAddress,
    ),
    statsAddr: reader.read(
      'statsAddr',
      section?.get('statsAddr'),
      path('statsAddr'),
      { host: anyHost, port: 15020 },
      parseAddress,
    ),
    readinessAddr: reader.read(
      'readinessAddr',
      section?.get('readinessAddr'),
      path('readinessAddr'),
      { host: anyHost, port: 15021 },
      parseAddress,
    ),
    enableIpv6,
    dnsLookupFamily: reader.read(
      'lookupFamily',
      dns?.get('lookupFamily'),
      path('dns', 'lookupFamily'),
      enableIpv6 ? 'Auto' : 'V4Only',
      (value) => oneOf(value, LOOKUP_FAMILIES),
    ),
    connectionTerminationDeadlineMs: deadline,
    connectionMinTerminationDeadlineMs: minDeadline,
    ...logging(context, log, env),
    connectTimeoutMs: reader.read(
      null,
      backend?.get('connectTimeout'),
      path('backend', 'connectTimeout'),
      10_000,
      parseDuration,
    ),
    poolIdleTimeoutMs: reader.read(
      null,
      backend?.get('poolIdleTimeout'),
      path('backend', 'poolIdleTimeout'),
      90_000,
      parseDuration,
    ),
    poolMaxSize: backend?.get('poolMaxSize') ?? 0,
    snapshotMaxBytes: reader.read(
      null,
      section?.get('snapshotMaxBytes'),
      path('snapshotMaxBytes'),
      1024 * MiB,
      readSize,
    ),
    allowPortSharing: section?.get('allowPortSharing') ?? false,
    bodyBufferBudget: reader.read(
      null,
      section?.get('bodyBufferBudget'),
      path('bodyBufferBudget'),
      256 * MiB,
      readSize,
    ),
    drainMaxStreams: drain?.get('maxStreams') ?? 64,
    drainTimeoutMs: reader.read(null, drain?.get('timeout'), path('drain', 'timeout'), 60_000, parseDuration),
    customFunctions: section?.get('customFunctions') ?? '',
    ...normalizeStores(context, section),
    serverTiming: section?.get('serverTiming') ?? false,
    localXdsPath: reader.read('localXdsPath', section?.get('localXdsPath'), path('localXdsPath'), null, text),
    xds: normalizeXds(context, reader, section, env),
    self: normalizeSelf(reader, section, env),
  };
}

/** The `config.logging` section. */
export type LoggingSection = Section<NonNullable<LocalSettings['logging']>>;

function logging(
  context: Context,
  logging: LoggingSection | undefined,
  env: Environment,
): { logLevel: Settings['logLevel']; logFormat: Settings['logFormat'] } {
  const level = logging?.get('level');
  const given = env.RUST_LOG ?? env.LOG_LEVEL ?? (Array.isArray(level) ? level.join(',') : level) ?? '';
  let logLevel: Settings['logLevel'] = 'info';
  for (const entry of given.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    // `target=level` entries set single modules apart; there are none here to set apart.
    if (entry.includes('=')) {
      if (level !== undefined && level !== null) context.inactive(['config', 'logging', 'level']);
      continue;
    }
    const name = entry.toLowerCase() === 'trace' ? 'debug' : entry.toLowerCase();
    const found = LOG_LEVELS.find((known) => known === name);
    if (found !== undefined) logLevel = found;
    else context.fault(['config', 'logging', 'level'], `"${entry}" is not one of ${LOG_LEVELS.join(', ')}`);
  }
  return { logLevel, logFormat: logging?.get('format') ?? 'text' };
}

/** The grace period that Kubernetes gives less 5 s, or less 1 s when it is short, and at least 1 s; 5 s without one. */
function defaultDeadline(graceSeconds: string | undefined): number {
  const grace = Number(graceSeconds ?? Number.NaN);
  if (!Number.isFinite(grace) || grace <= 0) return 5_000;
  return Math.max(1, grace > 10 ? grace - 5 : grace - 1) * 1000;
}

function parseBoolean(value: string): boolean {
  const text = value.toLowerCase();
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw new RangeError(`"${value}" is neither true nor false`);
}

/** A number of threads, `auto` for one a core, or a share of the cores such as `50%`. At least 1. */
export function parseWorkerThreads(value: string): number {
  const cores = availableParallelism();
  if (value === 'auto') return cores;
  const [, digits, percent] = /^(\d+)(%?)$/.exec(value) ?? [];
  const number = Number(digits ?? 0);
  if (number < 1 || (percent === '' && number > MAX_WORKERS) || (percent === '%' && number > 100)) {
    throw new RangeError(
      `"${value}" is not a number of threads (1 to ${MAX_WORKERS}), "auto" or a percentage of the cores`,
    );
  }
  return percent === '%' ? Math.max(1, Math.floor((cores * number) / 100)) : number;
}

const MAX_WORKERS = 1024;

function parseAddress(text: string): SocketAddress | null {
  if (text === 'off' || text === '') return null;
  try {
    return parseHostPort(text);
  } catch {
    throw new RangeError(`"${text}" is not ip:port, localhost:port, unix:/path or "off"`);
  }
}

/** Digits alone are bytes. */
function readSize(text: string): number {
  return parseSize(/^\d+$/.test(text) ? Number(text) : text);
}

function oneOf<Name extends string>(value: string, names: readonly Name[]): Name {
  const found = names.find((name) => name.toLowerCase() === value.toLowerCase());
  if (found === undefined) throw new RangeError(`"${value}" is not one of ${names.join(', ')}`);
  return found;
}
