import { describe, expect, it } from 'vitest';
import { Account, type AccountKey, fingerprintOf } from '../../../src/adapters/llm/account.ts';
import { EndpointTable } from '../../../src/state/shared/endpoint-table.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';

const KEY: AccountKey = { index: 0, fingerprint: fingerprintOf('secret') };

/** The same account as two workers have it. */
function twoWorkers(key: AccountKey | null = KEY) {
  const buffer = EndpointTable.create({ rows: 256, workers: 2 });
  const log: string[] = [];
  const warn = (message: string) => void log.push(message);
  const logger = { error: warn, warn, info: warn, debug: warn };
  const [a, b] = [0, 1].map((worker) => {
    const endpoints = EndpointTable.open(buffer, worker);
    return new Account('p', 'scope', key, { endpoints, metrics: new Metrics(), log: logger });
  }) as [Account, Account];
  const row = (model?: string) =>
    EndpointTable.open(buffer, 0).endpoint(
      `account/scope/${key?.fingerprint ?? ''}${model === undefined ? '' : `/${model}`}`,
    );
  return { a, b, log, row };
}

const restsFor = (account: Account, model: string) =>
  Math.max(0, Math.round((account.restsUntil(model) - Date.now()) / 1000));

describe('an account', () => {
  it('rests in all workers for the model that was limited, as long as was asked', () => {
    const { a, b } = twoWorkers();
    expect(a.answered('m', 429, ['retry-after', '20'])).toBe('limited');
    expect([restsFor(a, 'm'), restsFor(b, 'm'), restsFor(b, 'other')]).toEqual([20, 20, 0]);
  });

  it('rests longer with each limit that does not say for how long, until it serves again', () => {
    const { a, b, row } = twoWorkers();
    const lasted: number[] = [];
    for (let i = 0; i < 8; i++) {
      (i % 2 === 0 ? a : b).answered('m', 429, []);
      lasted.push(restsFor(a, 'm'));
      row('m').evict(Date.now() - 1);
    }
    expect(lasted).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    b.answered('m', 200, []);
    a.answered('m', 429, []);
    expect(restsFor(b, 'm')).toBe(1);
  });

  it('never rests shorter for a later answer, nor longer than an hour', () => {
    const { a } = twoWorkers();
    a.answered('m', 429, ['retry-after', '50']);
    a.answered('m', 429, ['retry-after', '5']);
    expect(restsFor(a, 'm')).toBe(50);
    a.answered('m', 429, ['retry-after', '999999']);
    expect(restsFor(a, 'm')).toBe(3600);
  });

  it('rests altogether, longer each time, where its key is refused; it is said once', () => {
    const { a, b, log, row } = twoWorkers();
    a.answered('m', 401, []);
    b.answered('m', 401, []);
    expect([restsFor(a, 'm'), restsFor(b, 'other')]).toEqual([5, 5]);
    expect(log).toHaveLength(1);
    row().evict(Date.now() - 1);
    b.answered('m', 403, []);
    expect(restsFor(a, 'm')).toBe(10);
    expect(log).toHaveLength(2);
  });

  it('does not rest for a refusal where its provider has no other key', () => {
    const { a, log } = twoWorkers(null);
    expect(a.answered('m', 401, [])).toBe('refused');
    expect(restsFor(a, 'm')).toBe(0);
    expect(log).toEqual([]);
  });

  it('counts what is under way in all workers', () => {
    const { a, b } = twoWorkers();
    const attempts = [a.observe('m'), a.observe('m'), b.observe('n')];
    for (const attempt of attempts) attempt.begin();
    expect([a.inFlight, b.inFlight]).toEqual([3, 3]);
    for (const attempt of attempts) attempt.end();
    expect([a.inFlight, b.inFlight]).toEqual([0, 0]);
  });

  it('reads of a limit’s body only so much, and nothing of others', () => {
    const { a } = twoWorkers();
    const body = (padding: number) =>
      Buffer.from(JSON.stringify({ error: { details: [{ retryDelay: '30s' }], padding: 'x'.repeat(padding) } }));
    const attempt = a.observe('m');
    attempt.begin();
    expect(attempt.head(200, [], 1)).toBe(false);
    attempt.end();
    for (const [model, padding, rests] of [
      ['small', 10, 30],
      ['large', 100_000, 1],
    ] as const) {
      const limited = a.observe(model);
      limited.begin();
      expect(limited.head(429, [], 1)).toBe(true);
      limited.data(body(padding).subarray(0, 40));
      limited.data(body(padding).subarray(40));
      limited.end();
      expect(restsFor(a, model)).toBe(rests);
    }
  });

  it('remembers the limits of so many models, whatever clients ask for', () => {
    const { a, b } = twoWorkers();
    for (let i = 0; i < 200; i++) a.answered(`model ${i}`, 429, ['retry-after', '20']);
    expect(restsFor(a, 'model 199')).toBe(20);
    // Another worker finds what this one has let go of, as long as nobody needed the room.
    expect(restsFor(b, 'model 150')).toBe(20);
  });
});
