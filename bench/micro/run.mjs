#!/usr/bin/env node
/** `npm run bench -- micro [--write]`: each micro-benchmark in a process of its own. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { machine, table, writeSection } from '../lib/report.mjs';

const self = fileURLToPath(import.meta.url);
const NAMES = ['router', 'load-yaml', 'publish', 'shared', 'cel'];

/** Rows are [what, measured, aim, met: true, false or null]. */
export async function micro({ write }) {
  const rows = [];
  for (const name of NAMES) {
    const { stdout } = await promisify(execFile)(process.execPath, [self, name]);
    rows.push(...JSON.parse(stdout));
  }
  const shown = rows.map(([what, value, aim, met]) => [what, value, aim, met === null ? '' : met ? 'yes' : 'no']);
  const text = `Measured on ${machine()}.\n\n${table(['operation', 'measured', 'aim', 'met'], shown)}`;
  console.log(text);
  if (write) writeSection('micro', `## Micro-benchmarks\n\n${text}`);
}

if (process.argv[1] === self) {
  const [name] = process.argv.slice(2);
  const { run } = await import(`./${name}.mjs`);
  process.stdout.write(JSON.stringify(await run()));
  process.exit(0);
}
