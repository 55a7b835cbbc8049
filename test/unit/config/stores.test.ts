import { describe, expect, it } from 'vitest';
import { load } from './support.ts';

async function settingsOf(config: string) {
  const { settings, notices } = await load(`config:\n  ${config}\n`, {});
  return { ...settings, notices: notices.map(({ path, message }) => `${path}: ${message}`) };
}

const embedded = (path: string | null) => ({ kind: 'embedded', path, timeoutMs: 2000 });

describe('where state is kept', () => {
  it.each([
    ['database: { url: state.db }', 'state.db'],
    ['database: { url: /var/lib/state.db, maxConnections: 5 }', '/var/lib/state.db'],
    ['database: { url: "sqlite:state.db" }', 'state.db'],
    ['database: { url: "sqlite:///var/lib/state.db?mode=rwc" }', '/var/lib/state.db'],
    ['database: { url: "sqlite::memory:" }', null],
    ['workerThreads: 1', null],
  ])('%s', async (config, path) => {
    expect(await settingsOf(config)).toMatchObject({ store: embedded(path), notices: [] });
  });

  it('is Redis', async () => {
    const config = 'redis: { url: "rediss://user:pw@redis.test:6380/2", prefix: "a:", timeout: 300ms }';
    const { store, notices } = await settingsOf(config);
    expect(store).toEqual({
      kind: 'redis',
      url: 'rediss://user:pw@redis.test:6380/2',
      prefix: 'a:',
      timeoutMs: 300,
    });
    expect(notices).toEqual([]);
    expect((await settingsOf('redis: { url: "redis://redis.test" }')).store).toMatchObject({
      prefix: 'sluice:',
      timeoutMs: 2000,
    });
  });

  it('says what is not used', async () => {
    const postgres = await settingsOf('database: { url: "postgres://u:p@db.test/x" }');
    expect(postgres).toMatchObject({
      store: embedded(null),
      notices: ['config.database.url: accepted, not yet active'],
    });
    const both = await settingsOf('database: { url: state.db }\n  redis: { url: "redis://redis.test" }');
    expect(both).toMatchObject({
      store: { kind: 'redis' },
      notices: [expect.stringContaining('config.database: not used')],
    });
  });

  it.each([
    ['redis: { url: "http://redis.test" }', 'redis.url'],
    ['redis: { url: "redis.test:6379" }', 'redis.url'],
    ['redis: { url: "redis://redis.test", prefix: "a b" }', 'redis.prefix'],
    ['redis: { url: "redis://redis.test", timeout: 0s }', 'redis.timeout'],
    ['database: { url: "sqlite://" }', 'database.url'],
    ['storedResponses: { ttl: 0s }', 'storedResponses.ttl'],
    ['storedResponses: { maxSize: 16Mi }', 'storedResponses.maxSize'],
  ])('refuses %s', async (config, path) => {
    const refused: any = await settingsOf(config).catch((error: unknown) => error);
    expect(refused.faults.map((fault: any) => fault.path)).toContain(`config.${path}`);
  });

  it('keeps responses for as long as is said', async () => {
    const { storedResponses } = await settingsOf('storedResponses: { ttl: 1h, maxSize: 64Ki }');
    expect(storedResponses).toEqual({ ttlMs: 3_600_000, maxBytes: 65_536 });
  });
});
