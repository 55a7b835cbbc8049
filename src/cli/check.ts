import { parseArgs } from 'node:util';
import { buildCatalogue } from '../catalogue.ts';
import { ConfigError, formatFault, formatNotice, type Loaded, LocalSource } from '../config/index.ts';

const USAGE = 'usage: sluice check -f <config.yaml>\n';

/**
 * `sluice check -f config.yaml`: loads the configuration (a file, or with `-c` its text) as the gateway would, and says what
 * it holds and what of it is not executed. One line a fault on stderr.
 * @returns the exit code: 0 = can be served, 1 = refused, 2 = wrong arguments
 */
export async function check(argv: readonly string[]): Promise<number> {
  let file: string | undefined;
  let text: string | undefined;
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: {
        file: { type: 'string', short: 'f' },
        config: { type: 'string', short: 'c' },
        help: { type: 'boolean', short: 'h' },
      },
      allowPositionals: true,
    });
    if (values.help === true) {
      process.stdout.write(USAGE);
      return 0;
    }
    text = values.config;
    if (positionals.length <= 1) file = values.file ?? positionals[0] ?? (text === undefined ? undefined : '-c');
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
  if (file === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  try {
    const loaded = await new LocalSource(file, buildCatalogue(), text === undefined ? {} : { text }).load();
    for (const notice of loaded.notices) process.stdout.write(`${formatNotice(file, notice)}\n`);
    process.stdout.write(`${file}: ok: ${summary(loaded)}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const fault of error.faults) process.stderr.write(`${formatFault(fault)}\n`);
    return 1;
  }
}

function summary({ resources, notices }: Loaded): string {
  const count = (kind: string) => resources.filter((resource) => resource.kind === kind).length;
  const models = resources.reduce((sum, one) => (one.kind === 'llmRouter' ? sum + one.models.length : sum), 0);
  const inlined = resources.reduce((sum, one) => (one.kind === 'route' ? sum + one.backends.length : sum), 0);
  const counts = [
    plural(count('bind'), 'bind'),
    plural(count('listener'), 'listener'),
    plural(count('route'), 'route'),
    plural(inlined + count('backend'), 'backend'),
    plural(models, 'model'),
  ];
  if (notices.length > 0) counts.push(`${notices.length} not yet active`);
  return counts.join(', ');
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
