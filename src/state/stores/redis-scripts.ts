import type { Callback, Result } from 'ioredis';

/**
 * What has to happen at once in Redis. Each script touches the keys of one tenant, which share a hash slot; none needs more than
 * Redis 6.
 */
export const SCRIPTS = {
  /** KEYS: the record. ARGV: expected version ('' for none), new version and value, TTL in ms ('' for none). 1 where it was written. */
  sluiceCompareAndSet: {
    numberOfKeys: 1,
    lua: `
if redis.call('GETRANGE', KEYS[1], 0, 15) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1`,
  },
  /** KEYS: the stream. ARGV: value, length to keep, TTL in ms ('' for none), channel to tell. The event's id. */
  sluiceAppend: {
    numberOfKeys: 1,
    lua: `
local id = redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], '*', 'd', ARGV[1])
if ARGV[3] == '' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
redis.call('PUBLISH', ARGV[4], id)
return id`,
  },
  /** KEYS: the stream. ARGV: first id, most events, bytes past which the page is cut. Ids and values, one after the other. */
  sluiceRead: {
    numberOfKeys: 1,
    lua: `
local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local page = {}
local bytes = 0
for at, event in ipairs(found) do
  bytes = bytes + #event[2][2]
  if at > 2 and bytes > tonumber(ARGV[3]) then break end
  page[#page + 1] = event[1]
  page[#page + 1] = event[2][2]
end
return page`,
  },
};

// Arguments are strings, numbers and Buffers: the client would write any other Uint8Array as a list of numbers.
declare module 'ioredis' {
  interface RedisCommander<Context> {
    sluiceCompareAndSet(
      key: string,
      expected: string,
      record: Buffer,
      ttlMs: string,
      callback?: Callback<number>,
    ): Result<number, Context>;
    sluiceAppend(
      key: string,
      value: Buffer,
      maxLength: number,
      ttlMs: string,
      channel: string,
      callback?: Callback<string>,
    ): Result<string, Context>;
    sluiceReadBuffer(
      key: string,
      from: string,
      limit: number,
      bytes: number,
      callback?: Callback<Buffer[]>,
    ): Result<Buffer[], Context>;
  }
}
