import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildCatalogue } from '../catalogue.ts';
import { ConfigError, formatFault, formatNotice } from '../config/fault.ts';
import { controlAdmin } from '../control/admin.ts';
import { Control } from '../control/control.ts';
import { ConfigurationDirectory, type DirectoryState, SETTINGS_NAME } from '../control/directory/directory.ts';
import { EMPTY_RECORD } from '../control/rollout/record.ts';
import { type ControlSettings, isLoopback, SettingsError } from '../control/settings.ts';
import { flagsOf, OPTIONS, readSettings } from '../control/settings-file.ts';
import { Ledger } from '../control/state/ledger.ts';
import { openState, StateError } from '../control/state/open.ts';
import { LogWriter } from '../primary/log-writer.ts';
import { LOG_LEVELS, type LogLevel } from '../resources/settings.ts';
import { ListenError, type LocalServer, serveLocal } from '../servers/local-server.ts';
import { errorText, formatRecord, LevelLogger } from '../telemetry/log.ts';
import { fromResources } from '../xds/translate/index.ts';
import { VERSION } from './version.ts';

const HELP = `sluice control -d <directory> [options]

Serves the configurations in a directory (*.yaml) to a fleet of gateways, over Delta ADS, and follows its changes.
A file is for every gateway, or for those that its control: section selects.

  -d, --directory <dir>        the configurations
  -c, --config <file>          settings; default: <dir>/${SETTINGS_NAME} where it is there. Options stand above it:
${Object.entries(OPTIONS)
  .map(([name, { value, about }]) => `      ${`--${name}${value === '' ? '' : ` <${value}>`}`.padEnd(27)}${about}\n`)
  .join(
    '',
  )}      --check                    say what is wrong with directory and settings (exit 1), and what they come to
      --log-level <level>        error, warn, info (default) or debug
  -h, --help                   print this
`;

const LOG_FLUSH_MS = 1000;

/**
 * `sluice control -d <directory>`: serves until told to end.
 * @returns the exit code: 0 = told to end, or checked and good; 1 = can't serve; 2 = wrong arguments
 */
export async function control(argv: readonly string[]): Promise<number> {
  let given: ReturnType<typeof readArguments>;
  try {
    given = readArguments(argv);
  } catch (error) {
    process.stderr.write(`${errorText(error).split('\n', 1)[0]}; see sluice control --help\n`);
    return 2;
  }
  if (given.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { directory: path } = given;
  if (path === undefined) {
    process.stderr.write('no directory given; usage: sluice control -d <directory>, see sluice control --help\n');
    return 2;
  }
  try {
    const file = given.config ?? join(path, SETTINGS_NAME);
    const settings = await readSettings(
      given.config !== undefined || existsSync(file) ? file : null,
      flagsOf(given.flags),
      resolve(path),
    );
    const directory = new ConfigurationDirectory(path, buildCatalogue(), fromResources);
    const first = await directory.load();
    return given.check ? check(first) : await serve(settings, directory, first, given.level);
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`);
    return 1;
  }
}

function readArguments(argv: readonly string[]) {
  const flags = Object.fromEntries(
    Object.entries(OPTIONS).map(([name, { value }]) => [name, { type: value === '' ? 'boolean' : 'string' } as const]),
  );
  const { values } = parseArgs({
    args: [...argv],
    options: {
      ...flags,
      directory: { type: 'string', short: 'd' },
      config: { type: 'string', short: 'c' },
      check: { type: 'boolean' },
      'log-level': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const text = (name: string) => {
    const value = (values as Readonly<Record<string, string | boolean | undefined>>)[name];
    return typeof value === 'string' ? value : undefined;
  };
  const named = text('log-level') ?? 'info';
  const level = LOG_LEVELS.find((known) => known === named);
  if (level === undefined) throw new Error(`--log-level is one of ${LOG_LEVELS.join(', ')}`);
  return {
    directory: text('directory'),
    config: text('config'),
    check: values.check === true,
    help: values.help === true,
    level,
    flags: values as Readonly<Record<string, string | boolean | undefined>>,
  } as const;
}

/** What the directory comes to, or what is wrong with it. */
function check({ configurations, faults }: DirectoryState): number {
  for (const fault of faults) process.stderr.write(`${formatFault(fault)}\n`);
  for (const one of configurations) {
    for (const notice of one.notices) process.stdout.write(`${formatNotice(one.path, notice)}\n`);
  }
  process.stdout.write(contents({ configurations, faults }));
  return faults.length > 0 ? 1 : 0;
}

async function serve(
  settings: ControlSettings,
  directory: ConfigurationDirectory,
  first: DirectoryState,
  level: LogLevel,
): Promise<number> {
  const writer = new LogWriter(process.stderr);
  const log = new LevelLogger(level, (record) => writer.write(formatRecord(record, settings.logFormat)));
  const state = await openState(settings, log);
  let running: Control | null = null;
  let admin: LocalServer | null = null;
  const stop = async () => {
    admin?.close();
    if (running === null) await state.close();
    else await running.close();
    await writer.flush(LOG_FLUSH_MS);
  };
  try {
    const faulty = first.faults.length > 0;
    for (const fault of first.faults) log.error(formatFault(fault));
    if (faulty && !(await isKnown(new Ledger(state.store, log, () => {})))) {
      throw new StateError('the directory has faults, and there is no revision from before to serve');
    }
    if (faulty) log.error('the directory is served as it was, until its faults are mended');
    running = await Control.open({ directory, settings, state, log });
    running.metrics.buildInfo.set({ tag: VERSION, node: process.version }, 1);
    const port = await running.start(faulty ? null : first);
    if (settings.admin !== null) admin = await serveLocal(settings.admin, controlAdmin(running, log));
    const text = welcome(settings, directory.path, first, state.name, port, admin?.url ?? null);
    if (settings.logFormat === 'text') process.stdout.write(text);
    await ended();
    log.info('shutting down: nodes are sent to other replicas');
    await stop();
    return 0;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Whether there is a record from before. */
async function isKnown(ledger: Ledger): Promise<boolean> {
  await ledger.refresh();
  ledger.close();
  return Object.keys((ledger.record ?? EMPTY_RECORD).gateways).length > 0;
}

function ended(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        // A second one ends the process at once.
        process.once(signal, () => process.exit(130));
        resolve();
      });
    }
  });
}

function welcome(
  settings: ControlSettings,
  directory: string,
  first: DirectoryState,
  state: string,
  port: number,
  admin: string | null,
): string {
  const { tls, tokens, rollout, listen } = settings;
  const known = [tls?.clientCa == null ? '' : 'client certificates', tokens === null ? '' : 'tokens'].filter(
    (text) => text !== '',
  );
  const who = known.length > 0 ? `nodes with ${known.join(' and ')}` : 'whoever connects';
  const staged = rollout.share > 0 && rollout.share < 1;
  const lines = [
    `Sluice ${VERSION} serves ${directory} to a fleet`,
    '',
    `  nodes      ${tls === null ? 'http' : 'https'}://${listen.host}:${port}  ${who}`,
    ...(admin === null ? [] : [`  admin      ${admin}  /nodes /rollout /metrics`]),
    `  state      ${state}`,
    `  roll-outs  ${staged ? `${rollout.share * 100}% of a gateway's nodes first, for ${rollout.minTimeMs / 1000} s at least` : 'to all nodes at once'}`,
  ];
  if (tokens !== null && tls === null && !isLoopback(listen.host)) {
    lines.push(
      '',
      'Tokens and configuration, secrets included, cross the network in the clear: set tls, or let a mesh encrypt them.',
    );
  }
  return `${lines.join('\n')}\n\n${contents(first)}\n`;
}

/** The configurations, for whom they are, and what of them is not served. */
function contents({ configurations }: DirectoryState): string {
  const lines = configurations.map(({ name, selector, content }) => {
    const gateways = selector.gateways.length === 0 ? 'every gateway' : selector.gateways.join(', ');
    const labels = Object.entries(selector.labels).map(([label, value]) => `${label}=${value}`);
    const whom = labels.length === 0 ? gateways : `${gateways} with ${labels.join(', ')}`;
    return `  ${name}: ${content.resources.length} resources for ${whom}`;
  });
  if (configurations.length === 0) lines.push('  there is no configuration (*.yaml) in the directory');
  const own = configurations.filter(({ ownSettings }) => ownSettings.length > 0);
  if (own.length > 0) {
    lines.push('', "Not served, as it is each process's own; set it in the nodes' files:");
    for (const { name, ownSettings } of own) lines.push(`  ${name}: config.${ownSettings.join(', config.')}`);
  }
  return `${lines.join('\n')}\n`;
}

function reasonOf(error: unknown): string {
  if (error instanceof ConfigError) return error.faults.map(formatFault).join('\n');
  if (error instanceof SettingsError || error instanceof StateError || error instanceof ListenError)
    return error.message;
  return errorText(error);
}
