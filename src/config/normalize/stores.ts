import { parseDuration, parseSize } from '../../resources/schema/common.ts';
import type { LocalSettings } from '../../resources/schema/index.ts';
import type { Settings } from '../../resources/settings.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';

const DAY_MS = 24 * 3600 * 1000;
const MAX_TTL_MS = 3650 * DAY_MS;
/** As long as OpenAI keeps them. */
const RESPONSES_TTL_MS = 30 * DAY_MS;
const RESPONSES_MAX_BYTES = 8 * 1024 * 1024;
/** Past it a record would hold up every other in the store thread, and no mailbox takes it. */
const MAX_RECORD_BYTES = 15 * 1024 * 1024;
const STORE_TIMEOUT_MS = 2000;
const DEFAULT_PREFIX = 'sluice:';

/** Where state is kept that outlives a request, and for how long stored responses are. */
export function normalizeStores(
  context: Context,
  section: Section<LocalSettings> | undefined,
): Pick<Settings, 'store' | 'storedResponses'> {
  return { store: store(context, section), storedResponses: storedResponses(context, section) };
}

function store(context: Context, section: Section<LocalSettings> | undefined): Settings['store'] {
  const redis = section?.section('redis');
  const database = section?.section('database');
  const path = database === undefined ? null : databasePath(context, database);
  if (redis === undefined) return { kind: 'embedded', path, timeoutMs: STORE_TIMEOUT_MS };
  const url = redis.get('url');
  if (!isRedisUrl(url)) context.fault(redis.at('url'), 'is not of the form redis://host:port or rediss://host:port');
  if (path !== null) context.without(database?.path ?? [], 'not used: what is stored is in config.redis');
  const prefix = redis.get('prefix') ?? DEFAULT_PREFIX;
  const timeout = redis.get('timeout');
  const timeoutMs = timeout == null ? STORE_TIMEOUT_MS : parseDuration(timeout);
  if (timeoutMs === 0) context.fault(redis.at('timeout'), 'must be longer than 0');
  return { kind: 'redis', url, prefix, timeoutMs };
}

const SQLITE = /^sqlite:(?:\/\/)?/;

/** agentgateway's forms: `postgres://…`, else the path of a SQLite file, `sqlite:` in front or not. null: in memory. */
function databasePath(context: Context, database: Section<NonNullable<LocalSettings['database']>>): string | null {
  const url = database.get('url');
  // One thread holds the file, which no number of connections forbids.
  database.get('maxConnections');
  if (/^postgres(?:ql)?:\/\//.test(url)) {
    context.inactive(database.at('url'));
    return null;
  }
  const path = url.replace(SQLITE, '').replace(/\?.*$/, '');
  if (path === '') context.fault(database.at('url'), 'names no file');
  return path === ':memory:' ? null : path;
}

function isRedisUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return (protocol === 'redis:' || protocol === 'rediss:') && hostname !== '';
}

function storedResponses(context: Context, section: Section<LocalSettings> | undefined): Settings['storedResponses'] {
  const own = section?.section('storedResponses');
  const ttl = own?.get('ttl');
  const size = own?.get('maxSize');
  const ttlMs = ttl == null ? RESPONSES_TTL_MS : parseDuration(ttl);
  const maxBytes = size == null ? RESPONSES_MAX_BYTES : parseSize(size);
  if (own !== undefined && (ttlMs < 1 || ttlMs > MAX_TTL_MS))
    context.fault(own.at('ttl'), 'must be longer than 0 and at most ten years');
  if (own !== undefined && (maxBytes < 1 || maxBytes > MAX_RECORD_BYTES))
    context.fault(own.at('maxSize'), `must be 1 to ${MAX_RECORD_BYTES} bytes (15Mi)`);
  return { ttlMs, maxBytes };
}
