import { describe, expect, it } from 'vitest';
import { CachedSource, CredentialError, firstOf, type Token } from '../../../../src/upstream/credentials/source.ts';
import { START, watch } from './helpers.ts';

const HOUR = 3_600_000;

/** A source whose loads are ended by the test. */
function controlled() {
  const watched = watch();
  const loads: { resolve(token: Token): void; reject(error: unknown): void }[] = [];
  const source = new CachedSource<Token>(
    'gcp',
    () => new Promise((resolve, reject) => loads.push({ resolve, reject })),
    watched,
  );
  return { watched, loads, source };
}

const token = (value: string, life = HOUR, from = START): Token => ({ value, expiresAt: from + life });
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('CachedSource', () => {
  it('loads once for all who ask, then gives at once', async () => {
    const { loads, source, watched } = controlled();
    const asked = [source.get(), source.get(), source.get()];
    expect(loads).toHaveLength(1);
    loads[0]!.resolve(token('a'));
    expect((await Promise.all(asked)).map(({ value }) => value)).toEqual(['a', 'a', 'a']);
    expect(source.get()).toEqual(token('a'));
    expect(await watched.loads('gcp', 'ok')).toBe(1);
  });

  it('renews in the background five minutes before the end', async () => {
    const { loads, source, watched } = controlled();
    const first = source.get();
    loads[0]!.resolve(token('a'));
    await first;
    watched.time = START + HOUR - 300_001;
    expect(source.get()).toMatchObject({ value: 'a' });
    expect(loads).toHaveLength(1);
    watched.time = START + HOUR - 299_999;
    expect(source.get()).toMatchObject({ value: 'a' });
    expect(source.get()).toMatchObject({ value: 'a' });
    expect(loads).toHaveLength(2);
    loads[1]!.resolve(token('b', HOUR, watched.time));
    await settled();
    expect(source.get()).toMatchObject({ value: 'b' });
  });

  it('does not renew a short life with every request', async () => {
    const { loads, source, watched } = controlled();
    const first = source.get();
    loads[0]!.resolve(token('a', 120_000));
    await first;
    watched.time = START + 60_000;
    source.get();
    expect(loads).toHaveLength(1);
    watched.time = START + 100_000;
    source.get();
    expect(loads).toHaveLength(2);
  });

  it('serves the old one to its end while renewing fails, with pauses, then fails', async () => {
    const { loads, source, watched } = controlled();
    const first = source.get();
    loads[0]!.resolve(token('a'));
    await first;
    watched.time = START + HOUR - 100_000;
    source.get();
    loads[1]!.reject(new CredentialError('the service is down'));
    await settled();
    expect(source.get()).toMatchObject({ value: 'a' });
    expect(loads).toHaveLength(2);
    watched.time += 1_000;
    expect(source.get()).toMatchObject({ value: 'a' });
    expect(loads).toHaveLength(3);
    loads[2]!.reject(new CredentialError('the service is down'));
    await settled();
    expect(watched.warned[0]).toContain('the service is down');
    expect(await watched.loads('gcp', 'failed')).toBe(2);
    watched.time = START + HOUR;
    const late = source.get();
    loads[3]!.reject(new CredentialError('still down'));
    await expect(late).rejects.toThrow('still down');
    // In the pause everybody is told at once.
    expect(() => source.get()).toThrow('still down');
    expect(loads).toHaveLength(4);
    watched.time += 60_000;
    const recovered = source.get();
    loads[4]!.resolve(token('b', HOUR, watched.time));
    await expect(recovered).resolves.toMatchObject({ value: 'b' });
  });

  it('takes nothing that has expired already', async () => {
    const { loads, source } = controlled();
    const asked = source.get();
    loads[0]!.resolve(token('a', -1));
    await expect(asked).rejects.toThrow('had expired');
  });

  it('tells of an unknown error its kind alone', async () => {
    const { loads, source, watched } = controlled();
    const asked = source.get();
    loads[0]!.reject(new TypeError('Invalid header value: sk-secret'));
    await expect(asked).rejects.toThrow(/^TypeError$/);
    expect(watched.warned.join()).not.toContain('sk-secret');
  });
});

describe('firstOf', () => {
  const absent = (name: string) => ({ name, load: async () => null });

  it('takes the first that is set up', async () => {
    const links = [absent('a'), { name: 'b', load: async () => 'B' }, { name: 'c', load: async () => 'C' }];
    expect(await firstOf('things', links)).toBe('B');
  });

  it('names everything that was tried', async () => {
    await expect(firstOf('things', [absent('a'), absent('b')])).rejects.toThrow('no things; tried: a, b');
  });

  it('ends with one that is set up and fails', async () => {
    let asked = false;
    const failing = { name: 'b', load: () => Promise.reject(new CredentialError('refused')) };
    const behind = {
      name: 'c',
      load: async () => {
        asked = true;
        return 'C';
      },
    };
    await expect(firstOf('things', [absent('a'), failing, behind])).rejects.toThrow(
      'things from b: refused (not set up: a)',
    );
    expect(asked).toBe(false);
  });
});
