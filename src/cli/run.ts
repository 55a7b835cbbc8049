import { buildCatalogue } from '../catalogue.ts';
import { groupNotices } from '../config/fault.ts';
import { LocalSource } from '../config/local-source.ts';
import { refusalLines } from '../primary/configuration.ts';
import { Primary } from '../primary/primary.ts';
import type { Source } from '../primary/source.ts';
import { StartError } from '../primary/supervisor.ts';
import { VERSION } from './version.ts';
import { welcome } from './welcome.ts';

/** What a configuration given on the command line is called in messages. */
const INLINE_NAME = '-c';

/**
 * `sluice -f <file>` or `-c <yaml>`: serves until told to end. Resolves once the gateway serves; the exit code is set by
 * whatever ends the process (0 after a drain, 1 where it can't start).
 */
export async function run(from: { file: string } | { inline: string }): Promise<void> {
  const catalogue = buildCatalogue();
  const name = 'file' in from ? from.file : INLINE_NAME;
  const config = new LocalSource(name, catalogue, 'file' in from ? {} : { text: from.inline });
  const source: Source = { name, load: () => config.load(), watch: (onChange) => config.watch(onChange) };
  try {
    const loaded = await source.load();
    const primary = new Primary({
      source,
      catalogue,
      loaded,
      version: VERSION,
      workerEntry: new URL('../workers/worker.js', import.meta.url),
      storeEntry: new URL('../state/stores/thread-main.js', import.meta.url),
      stdout: process.stdout,
      stderr: process.stderr,
      exit: () => process.exit(0),
      abandon: die,
    });
    process.on('SIGTERM', () => primary.shutdown());
    process.on('SIGINT', () => primary.shutdown());
    process.on('SIGHUP', () => primary.reload());
    await primary.start();
    const { resources, settings, notices } = loaded;
    const text = welcome(
      {
        version: VERSION,
        source: name,
        workers: settings.workerThreads,
        resources,
        controlPlane: settings.xds?.address ?? null,
        addresses: primary.addresses,
        notices: groupNotices(name, notices),
      },
      settings.logFormat === 'text' && process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
    );
    // A reader of JSON lines on stdout gets nothing else there.
    if (settings.logFormat === 'text') primary.print(text);
    else process.stderr.write(text);
  } catch (error) {
    const lines = error instanceof StartError ? [error.message] : refusalLines(error);
    process.stderr.write(lines.map((line) => `${line}\n`).join(''), () => process.exit(1));
  }
}

/**
 * Ends the process by the signal that would have ended it without us. Exiting would end the worker threads first, and a
 * thread that runs the native driver can't be ended from outside: the process would abort.
 */
function die(): void {
  process.removeAllListeners('SIGTERM');
  process.kill(process.pid, 'SIGTERM');
  // The first process of a container is not ended by a signal it does not handle.
  process.exit(143);
}
