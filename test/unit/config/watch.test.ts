import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigSource, type Loaded, type LoadFailure } from '../../../src/config/index.ts';
import { CATALOGUE, directoryWith } from './support.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** Collects what a watched source delivers. */
class Watched {
  readonly #results: (Loaded | LoadFailure)[] = [];
  #wake: (() => void) | null = null;

  static async of(path: string): Promise<Watched> {
    const source = new ConfigSource(path, CATALOGUE, { env: {} });
    await source.load();
    const watched = new Watched();
    stops.push(
      source.watch((result) => {
        watched.#results.push(result);
        watched.#wake?.();
      }),
    );
    return watched;
  }

  /** The first result, of those to come or not yet looked at, that `wanted` accepts. */
  async next(wanted: (result: Loaded | LoadFailure) => boolean): Promise<Loaded | LoadFailure> {
    for (;;) {
      const result = this.#results.shift();
      if (result === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (wanted(result)) return result;
    }
  }

  listening(port: number): Promise<Loaded | LoadFailure> {
    return this.next((result) => 'resources' in result && result.resources.some(({ key }) => key === `bind/${port}`));
  }

  refused(): Promise<Loaded | LoadFailure> {
    return this.next((result) => 'error' in result);
  }
}

function bind(port: number, more = ''): string {
  return `binds:\n- port: ${port}\n  listeners:\n  - routes: []\n${more}`;
}

describe('watching', () => {
  it('sees an edit in place', async () => {
    const directory = await directoryWith({ 'config.yaml': bind(1) });
    const watched = await Watched.of(join(directory, 'config.yaml'));
    await writeFile(join(directory, 'config.yaml'), bind(2));
    await watched.listening(2);
    await writeFile(join(directory, 'config.yaml'), bind(3));
    await watched.listening(3);
  });

  it('sees a file renamed over it, again and again', async () => {
    const directory = await directoryWith({ 'config.yaml': bind(1) });
    const watched = await Watched.of(join(directory, 'config.yaml'));
    for (const port of [2, 3, 4]) {
      await writeFile(join(directory, 'config.yaml.tmp'), bind(port));
      await rename(join(directory, 'config.yaml.tmp'), join(directory, 'config.yaml'));
      await watched.listening(port);
    }
  });

  it('sees a symbolic link swapped, as Kubernetes does with a mounted ConfigMap', async () => {
    const directory = await directoryWith({ '..one/config.yaml': bind(1), '..two/config.yaml': bind(2) });
    await symlink('..one', join(directory, '..data'));
    await symlink('..data/config.yaml', join(directory, 'config.yaml'));
    const watched = await Watched.of(join(directory, 'config.yaml'));
    await symlink('..two', join(directory, '..data_tmp'));
    await rename(join(directory, '..data_tmp'), join(directory, '..data'));
    await rm(join(directory, '..one'), { recursive: true });
    await watched.listening(2);
  });

  it('sees the directory itself replaced', async () => {
    const directory = await directoryWith({ 'live/config.yaml': bind(1), 'next/config.yaml': bind(2) });
    const watched = await Watched.of(join(directory, 'live/config.yaml'));
    await rename(join(directory, 'live'), join(directory, 'old'));
    await rename(join(directory, 'next'), join(directory, 'live'));
    await watched.listening(2);
    await writeFile(join(directory, 'live/config.yaml'), bind(3));
    await watched.listening(3);
  });

  it('says what is wrong with a bad edit, and goes on to the good one after it', async () => {
    const directory = await directoryWith({ 'config.yaml': bind(1) });
    const path = join(directory, 'config.yaml');
    const watched = await Watched.of(path);
    await writeFile(path, bind(2, 'bnids: []\n'));
    const refused = await watched.refused();
    expect('error' in refused && refused.error.message).toBe(
      `${path}:5:1: bnids: unknown field "bnids"; did you mean "binds"?`,
    );
    await writeFile(path, bind(3));
    await watched.listening(3);
  });

  it('survives that the file is removed and comes back', async () => {
    const directory = await directoryWith({ 'config.yaml': bind(1) });
    const watched = await Watched.of(join(directory, 'config.yaml'));
    await rm(join(directory, 'config.yaml'));
    const gone = await watched.refused();
    expect('error' in gone && gone.error.message).toContain('cannot be read');
    await writeFile(join(directory, 'config.yaml'), bind(2));
    await watched.listening(2);
  });

  it('sees files that the configuration refers to, also one that was missing', async () => {
    const config = (name: string) =>
      `${bind(1)}backends:\n- name: a\n  host: a:80\n  policies: {backendAuth: {key: {file: secrets/${name}}}}\n`;
    const directory = await directoryWith({ 'config.yaml': config('key'), 'secrets/key': 'one\n' });
    const watched = await Watched.of(join(directory, 'config.yaml'));
    const keyed = (key: string) =>
      watched.next(
        (result) =>
          'resources' in result &&
          result.resources.some((one) => one.kind === 'backend' && JSON.stringify(one.policies).includes(`"${key}"`)),
      );
    await writeFile(join(directory, 'secrets/key'), 'two\n');
    await keyed('two');
    await writeFile(join(directory, 'config.yaml'), config('later'));
    const refused = await watched.refused();
    expect('error' in refused && refused.error.message).toContain('cannot read the file "secrets/later"');
    await mkdir(join(directory, 'secrets'), { recursive: true });
    await writeFile(join(directory, 'secrets/later'), 'three');
    await keyed('three');
  });

  it('says nothing of files beside it', async () => {
    const directory = await directoryWith({ 'config.yaml': bind(1) });
    const watched = await Watched.of(join(directory, 'config.yaml'));
    let delivered = 0;
    void watched.next(() => {
      delivered++;
      return false;
    });
    await writeFile(join(directory, 'other.yaml'), bind(2));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(delivered).toBe(0);
  });
});
