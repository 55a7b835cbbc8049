import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readIfThere, readText } from '../../../../src/upstream/credentials/surroundings.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-files-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('files', () => {
  it('are read whole, to a limit', async () => {
    const path = join(folder, 'a');
    await writeFile(path, 'ä'.repeat(100_000));
    expect(await readText(path)).toBe('ä'.repeat(100_000));
    await writeFile(path, 'a'.repeat(256 * 1024 + 1));
    await expect(readText(path)).rejects.toThrow('longer than 262144 bytes');
  });

  it('that are not there are no error at a usual place, and one where they were named', async () => {
    await writeFile(join(folder, 'a'), '');
    for (const path of [join(folder, 'none'), join(folder, 'a', 'b')]) expect(await readIfThere(path)).toBeNull();
    await expect(readText(join(folder, 'none'))).rejects.toThrow('does not exist');
    await expect(readText(join(folder, 'a', 'b'))).rejects.toThrow("can't be read (ENOTDIR)");
  });

  it('that are none are an error', async () => {
    await mkdir(join(folder, 'd'));
    await expect(readIfThere(join(folder, 'd'))).rejects.toThrow("can't be read (EISDIR)");
  });
});
