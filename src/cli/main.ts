#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { check } from './check.ts';
import { control } from './control.ts';
import { prices } from './prices.ts';
import { run } from './run.ts';
import { schema } from './schema.ts';
import { VERSION } from './version.ts';

const HELP = `Sluice ${VERSION}: a gateway for LLM, MCP, A2A and HTTP traffic

  sluice [run] -f <file>    serve the configuration; with XDS_ADDRESS also, or only, what a control plane sends
  sluice check -f <file>    say what is wrong with it (exit 1) and what is not active yet
  sluice control -d <dir>   serve the configurations in a directory to a fleet of gateways
  sluice schema             print the JSON schema of the configuration file
  sluice prices refresh --from <URL or file> [--to <file>]
                            take prices of models from a published list

  -f, --file <file>         configuration, YAML or JSON
  -c, --config <yaml>       configuration as an argument
      --validate-only       the same as check
  -V, --version             print the version
  -h, --help                print this
`;

/** Commands with arguments of their own; anything else is `run`. */
const COMMANDS: Readonly<Record<string, (args: readonly string[]) => number | Promise<number>>> = {
  check,
  control,
  prices,
  schema,
};

/** Runs the command line; resolves to the exit code, or to null while the gateway serves. */
async function main(args: readonly string[]): Promise<number | null> {
  const [first = '', ...rest] = args;
  const command = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  if (command !== undefined) return command(rest);
  let values: ReturnType<typeof readArguments>;
  try {
    values = readArguments(first === 'run' ? rest : args);
  } catch (error) {
    return misused((error instanceof Error ? error.message : String(error)).split(/\.\s|\n/, 1)[0] ?? '');
  }
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.version === true) {
    process.stdout.write(`sluice ${VERSION}\n`);
    return 0;
  }
  const { file, config: inline } = values;
  if (file !== undefined && inline !== undefined) return misused('give -f or -c, not both');
  // A control plane or another file named by the environment can say all there is.
  const elsewhere = process.env.XDS_ADDRESS || process.env.LOCAL_XDS_PATH;
  if (file === undefined && inline === undefined && !elsewhere) return misused('no configuration given');
  const text = inline ?? '{}';
  if (values['validate-only'] === true) return check(file === undefined ? ['-c', text] : ['-f', file]);
  await run(file === undefined ? { inline: text } : { file });
  return null;
}

function readArguments(args: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      file: { type: 'string', short: 'f' },
      config: { type: 'string', short: 'c' },
      'validate-only': { type: 'boolean' },
      version: { type: 'boolean', short: 'V' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (positionals.length > 0) throw new Error(`Unknown command '${positionals[0]}'`);
  return values;
}

/** One line that says what is wrong and how it should be; exit code 2. */
function misused(what: string): number {
  process.stderr.write(`${what}; usage: sluice -f <file>, see sluice --help\n`);
  return 2;
}

const code = await main(process.argv.slice(2));
// Not process.exit: what was printed may still be on its way into a pipe.
if (code !== null) process.exitCode = code;
