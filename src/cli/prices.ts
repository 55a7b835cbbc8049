import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { refreshedPrices, renderPrices } from '../telemetry/prices/files.ts';
import { readPriceSource } from '../telemetry/prices/sources.ts';

const USAGE = 'usage: sluice prices refresh --from <URL or file> [--to <file>]';
/**
 * `sluice prices refresh`: takes prices from a URL or file and keeps them where gateways look for them, or in a file that a
 * `config.modelCatalog` names. What is there stays as it is until the new prices have been read whole and found good.
 *
 * @returns the exit code
 */
export async function prices(args: readonly string[]): Promise<number> {
  let values: { from?: string; to?: string };
  try {
    const parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { from: { type: 'string' }, to: { type: 'string' } },
    });
    if (parsed.positionals.join(' ') !== 'refresh' || !parsed.values.from)
      throw new Error('say what to do, and where from');
    values = parsed.values;
  } catch (error) {
    process.stderr.write(`${messageOf(error)}; ${USAGE}\n`);
    return 2;
  }
  const { from = '', to = refreshedPrices() } = values;
  try {
    const file = await readPriceSource(from);
    await replace(resolve(to), renderPrices(file));
    const models = Object.values(file.providers).reduce((sum, provider) => sum + provider.models.length, 0);
    const providers = Object.keys(file.providers).length;
    process.stdout.write(`wrote the prices of ${models} models of ${providers} providers to ${to}\n`);
    process.stdout.write(
      values.to === undefined
        ? 'gateways take them when they start\n'
        : `gateways take them, while they run too, from  config: {modelCatalog: [{file: ${to}}]}\n`,
    );
    return 0;
  } catch (error) {
    process.stderr.write(`the prices of ${from} were not taken: ${messageOf(error)}\n`);
    return 1;
  }
}

async function replace(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const whole = `${path}.${process.pid}.new`;
  await writeFile(whole, text);
  await rename(whole, path);
}

function messageOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : { message: String(error), cause: undefined };
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
