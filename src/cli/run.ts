import { buildCatalogue } from '../catalogue.ts';
import { formatNotice } from '../config/fault.ts';
import { ConfigSource } from '../config/source-file.ts';
import { refusalLines } from '../primary/configuration.ts';
import { Primary } from '../primary/primary.ts';
import type { Source } from '../primary/source.ts';
import { StartError } from '../primary/supervisor.ts';
import { VERSION } from './version.ts';
import { welcome } from './welcome.ts';

/** What a configuration given on the command line is called in messages. */
const INLINE_NAME = '-c';

/**
 * `sluice -f <file>` or `-c <yaml>`: serves until told to end. Resolves once the gateway serves; the exit code is set by whatever ends the
 * process (0 after a drain, 1 where it can't start).
 */
export async function run(from: { file: string } | { inline: string }): Promise<void> {
  const catalogue = buildCatalogue();
  const name = 'file' in from ? from.file : INLINE_NAME;
  const config = new ConfigSource(name, catalogue, 'file' in from ? {} : { text: from.inline });
  const source: Source = { name, load: () => config.load(), watch: (onChange) => config.watch(onChange) };
  let primary: Primary | null = null;
  try {
    const loaded = await source.load();
    primary = new Primary({
      source,
      catalogue,
      loaded,
      version: VERSION,
      workerEntry: new URL('../workers/worker.js', import.meta.url),
      stdout: process.stdout,
      stderr: process.stderr,
      exit: (code) => process.exit(code),
    });
    const running = primary;
    process.on('SIGTERM', () => running.shutdown());
    process.on('SIGINT', () => running.shutdown());
    process.on('SIGHUP', () => running.reload());
    await running.start();
    const { resources, settings, notices } = loaded;
    const text = welcome(
      {
        version: VERSION,
        source: name,
        workers: settings.workerThreads,
        resources,
        addresses: running.addresses,
        notices: notices.map((notice) => formatNotice(name, notice)),
      },
      settings.logFormat === 'text' && process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
    );
    // A reader of JSON lines on stdout gets nothing else there.
    if (settings.logFormat === 'text') running.print(text);
    else process.stderr.write(text);
  } catch (error) {
    await primary?.flush();
    const lines = error instanceof StartError ? [error.message] : refusalLines(error);
    process.stderr.write(lines.map((line) => `${line}\n`).join(''), () => process.exit(1));
  }
}
